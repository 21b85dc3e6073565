#include "image/documents.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "image/tree.hpp"

namespace casemate::image {

namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 32;
constexpr std::string_view kSha256 = "sha256:";

Error expected(const std::string& what, std::string_view found) {
    return {ImageErrc::malformed,
            "expected " + what + " in an image's JSON, found " + printable(found)};
}

std::string kind_name(const json::value& value) {
    const json::string_view name = json::to_string(value.kind());
    return {name.data(), name.size()};
}

Result<json::value> parse_json(ByteView text) {
    if (text.size() > kMaxDocument) {
        return Error(ImageErrc::too_large, "expected a JSON document of at most 4 MiB, found " +
                                               std::to_string(text.size()) + " bytes");
    }
    json::error_code error;
    json::parse_options options;
    options.max_depth = kMaxDepth;
    const std::string_view view = as_text(text);
    json::value value =
        json::parse(json::string_view(view.data(), view.size()), error, {}, options);
    if (error) {
        return Error(ImageErrc::malformed, "expected JSON, found " + error.message());
    }
    return value;
}

// member gives a member that is there and not null, or nothing.
const json::value* member(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains({name.data(), name.size()});
    return value == nullptr || value->is_null() ? nullptr : value;
}

Result<const json::object*> as_object(const json::value* value, const std::string& what) {
    if (value == nullptr || !value->is_object()) {
        return expected("an object as " + what, value == nullptr ? "nothing" : kind_name(*value));
    }
    return &value->get_object();
}

// text reads a string without NUL; a member that is missing is the empty string.
Result<std::string> text_value(const json::value* value, const std::string& what) {
    if (value == nullptr) {
        return std::string();
    }
    if (!value->is_string()) {
        return expected("a string as " + what, kind_name(*value));
    }
    std::string text(value->get_string().data(), value->get_string().size());
    if (text.find('\0') != std::string::npos) {
        return expected("a string without NUL as " + what, text);
    }
    return text;
}

Result<std::string> text_of(const json::object& object, const std::string& name) {
    return text_value(member(object, name), name);
}

Result<std::vector<std::string>> texts_of(const json::object& object, const std::string& name) {
    std::vector<std::string> texts;
    const json::value* value = member(object, name);
    if (value == nullptr) {
        return texts;
    }
    if (!value->is_array()) {
        return expected("an array as " + name, kind_name(*value));
    }
    for (const json::value& item : value->get_array()) {
        CASEMATE_TRY(std::string text, text_value(&item, name));
        texts.push_back(std::move(text));
    }
    return texts;
}

Result<std::uint64_t> size_of(const json::object& object) {
    const json::value* value = member(object, "size");
    if (value != nullptr && value->is_int64() && value->get_int64() >= 0) {
        return static_cast<std::uint64_t>(value->get_int64());
    }
    return expected("a number of bytes as size",
                    value == nullptr ? "nothing" : json::serialize(*value));
}

Result<> read_platform(const json::object& object, Descriptor& descriptor) {
    const json::value* platform = member(object, "platform");
    if (platform == nullptr) {
        return {};
    }
    CASEMATE_TRY(const json::object* members, as_object(platform, "platform"));
    CASEMATE_TRY(descriptor.operating_system, text_of(*members, "os"));
    CASEMATE_TRY(descriptor.architecture, text_of(*members, "architecture"));
    CASEMATE_TRY(descriptor.variant, text_of(*members, "variant"));
    return {};
}

Result<Descriptor> parse_descriptor(const json::value* value, const std::string& what) {
    CASEMATE_TRY(const json::object* object, as_object(value, what));
    Descriptor descriptor;
    CASEMATE_TRY(descriptor.media_type, text_of(*object, "mediaType"));
    CASEMATE_TRY(const std::string digest, text_of(*object, "digest"));
    CASEMATE_TRY(descriptor.digest, parse_digest(digest));
    CASEMATE_TRY(descriptor.size, size_of(*object));
    CASEMATE_CHECK(read_platform(*object, descriptor));
    if (const json::value* notes = member(*object, "annotations"); notes != nullptr) {
        CASEMATE_TRY(const json::object* members, as_object(notes, "annotations"));
        CASEMATE_TRY(descriptor.tag, text_of(*members, "org.opencontainers.image.ref.name"));
    }
    return descriptor;
}

Result<std::vector<Descriptor>> parse_descriptors(const json::object& object,
                                                  const std::string& name) {
    const json::value* value = member(object, name);
    if (value == nullptr || !value->is_array()) {
        return expected("an array as " + name, value == nullptr ? "nothing" : kind_name(*value));
    }
    std::vector<Descriptor> descriptors;
    for (const json::value& item : value->get_array()) {
        CASEMATE_TRY(Descriptor descriptor, parse_descriptor(&item, name));
        descriptors.push_back(std::move(descriptor));
    }
    return descriptors;
}

// read_run_config reads what a container is started with.
Result<> read_run_config(const json::object& members, ImageConfig& config) {
    CASEMATE_TRY(config.environment, texts_of(members, "Env"));
    CASEMATE_TRY(config.entrypoint, texts_of(members, "Entrypoint"));
    CASEMATE_TRY(config.command, texts_of(members, "Cmd"));
    CASEMATE_TRY(config.working_directory, text_of(members, "WorkingDir"));
    CASEMATE_TRY(config.user, text_of(members, "User"));
    return {};
}

// Both kinds of document have the same first member.
Result<> check_schema(const json::object& object) {
    const json::value* version = member(object, "schemaVersion");
    if (version == nullptr || !version->is_int64() || version->get_int64() != 2) {
        return expected("2 as schemaVersion",
                        version == nullptr ? "nothing" : json::serialize(*version));
    }
    return {};
}

}  // namespace

std::vector<std::string> ImageConfig::arguments() const {
    std::vector<std::string> all = entrypoint;
    all.insert(all.end(), command.begin(), command.end());
    return all;
}

MediaType media_type_of(std::string_view text) {
    if (text == "application/vnd.oci.image.index.v1+json" ||
        text == "application/vnd.docker.distribution.manifest.list.v2+json") {
        return MediaType::index;
    }
    if (text == "application/vnd.oci.image.manifest.v1+json" ||
        text == "application/vnd.docker.distribution.manifest.v2+json") {
        return MediaType::manifest;
    }
    if (text == "application/vnd.oci.image.config.v1+json" ||
        text == "application/vnd.docker.container.image.v1+json") {
        return MediaType::config;
    }
    for (const std::string_view layer : {"application/vnd.oci.image.layer.v1.tar",
                                         "application/vnd.oci.image.layer.nondistributable.v1.tar",
                                         "application/vnd.docker.image.rootfs.diff.tar",
                                         "application/vnd.docker.image.rootfs.foreign.diff.tar"}) {
        // How it is compressed is told by the blob itself.
        if (text.starts_with(layer)) {
            const std::string_view suffix = text.substr(layer.size());
            const bool known = suffix.empty() || suffix == "+gzip" || suffix == ".gzip" ||
                               suffix == "+zstd" || suffix == ".zstd";
            return known ? MediaType::layer : MediaType::other;
        }
    }
    return MediaType::other;
}

Result<crypto::Digest256> parse_digest(std::string_view text) {
    if (!text.starts_with(kSha256)) {
        return Error(text.find(':') == std::string_view::npos ? ImageErrc::malformed
                                                              : ImageErrc::unsupported,
                     "expected a digest sha256:…, found '" + printable(text) + "'");
    }
    const std::string_view digits = text.substr(kSha256.size());
    const auto raw = from_hex(digits);
    const bool upper =
        std::any_of(digits.begin(), digits.end(), [](char c) { return c >= 'A' && c <= 'F'; });
    crypto::Digest256 digest{};
    if (!raw || upper || raw->size() != digest.size()) {
        return Error(ImageErrc::malformed,
                     "expected 64 lower-case hexadecimal digits in a "
                     "SHA-256 digest, found '" +
                         printable(digits) + "'");
    }
    std::copy(raw->begin(), raw->end(), digest.begin());
    return digest;
}

std::string digest_text(const crypto::Digest256& digest) {
    return std::string(kSha256) + to_hex(digest);
}

Result<std::vector<Descriptor>> parse_index(ByteView text) {
    CASEMATE_TRY(const json::value document, parse_json(text));
    CASEMATE_TRY(const json::object* object, as_object(&document, "the index"));
    CASEMATE_CHECK(check_schema(*object));
    return parse_descriptors(*object, "manifests");
}

Result<Manifest> parse_manifest(ByteView text) {
    CASEMATE_TRY(const json::value document, parse_json(text));
    CASEMATE_TRY(const json::object* object, as_object(&document, "the manifest"));
    CASEMATE_CHECK(check_schema(*object));
    Manifest manifest;
    CASEMATE_TRY(manifest.config, parse_descriptor(member(*object, "config"), "config"));
    CASEMATE_TRY(manifest.layers, parse_descriptors(*object, "layers"));
    return manifest;
}

Result<ImageConfig> parse_config(ByteView text) {
    CASEMATE_TRY(const json::value document, parse_json(text));
    CASEMATE_TRY(const json::object* object, as_object(&document, "the configuration"));
    ImageConfig config;
    config.json = as_text(text);
    CASEMATE_TRY(config.architecture, text_of(*object, "architecture"));
    CASEMATE_TRY(config.operating_system, text_of(*object, "os"));
    if (const json::value* rootfs = member(*object, "rootfs"); rootfs != nullptr) {
        CASEMATE_TRY(const json::object* members, as_object(rootfs, "rootfs"));
        CASEMATE_TRY(config.layer_digests, texts_of(*members, "diff_ids"));
    }
    if (const json::value* inner = member(*object, "config"); inner != nullptr) {
        CASEMATE_TRY(const json::object* members, as_object(inner, "config"));
        CASEMATE_CHECK(read_run_config(*members, config));
    }
    return config;
}

Result<std::vector<DockerImage>> parse_docker_manifest(ByteView text) {
    CASEMATE_TRY(const json::value document, parse_json(text));
    if (!document.is_array()) {
        return expected("an array as manifest.json", kind_name(document));
    }
    std::vector<DockerImage> images;
    for (const json::value& item : document.get_array()) {
        CASEMATE_TRY(const json::object* object, as_object(&item, "an image"));
        DockerImage image;
        CASEMATE_TRY(image.config, text_of(*object, "Config"));
        CASEMATE_TRY(image.tags, texts_of(*object, "RepoTags"));
        CASEMATE_TRY(image.layers, texts_of(*object, "Layers"));
        if (image.config.empty()) {
            return expected("the name of a file as Config", "nothing");
        }
        images.push_back(std::move(image));
    }
    return images;
}

}  // namespace casemate::image
