#include "image/packed.hpp"

#include <algorithm>

#include "image/documents.hpp"
#include "image/tree.hpp"

namespace casemate::image {

namespace {

constexpr int kMaxIndexDepth = 4;

Error wrong_digest(const std::string& name, const crypto::Digest256& expected,
                   const crypto::Digest256& found) {
    return {ImageErrc::wrong_digest, "expected " + printable(name) + " to have the digest " +
                                         digest_text(expected) + ", found " + digest_text(found)};
}

Result<Bytes> read_document(const Content& file, const std::string& name) {
    if (file.size > kMaxDocument) {
        return Error(ImageErrc::too_large, "expected " + printable(name) +
                                               " to be a JSON document of at most 4 MiB, found " +
                                               std::to_string(file.size) + " bytes");
    }
    Bytes bytes(static_cast<std::size_t>(file.size));
    CASEMATE_CHECK(read_exactly_at(file.file->get(), file.offset, bytes));
    return bytes;
}

Result<Bytes> find_document(Container& container, const std::string& name) {
    CASEMATE_TRY(const Content file, container.find(name));
    return read_document(file, name);
}

std::string blob_name(const Descriptor& descriptor) {
    return "blobs/sha256/" + to_hex(descriptor.digest);
}

// ContainerBlobs: the blobs of an OCI layout.
class ContainerBlobs final : public BlobSource {
public:
    explicit ContainerBlobs(Container& container) : container_(&container) {}

    Result<Content> find(const Descriptor& descriptor) override {
        CASEMATE_TRY(Content file, container_->find(blob_name(descriptor)));
        if (file.size != descriptor.size) {
            return Error(ImageErrc::wrong_digest, "expected " + std::to_string(descriptor.size) +
                                                      " bytes in blob " +
                                                      digest_text(descriptor.digest) + ", found " +
                                                      std::to_string(file.size));
        }
        return file;
    }

    Result<std::vector<Content>> find_layers(const std::vector<Descriptor>& layers) override {
        std::vector<Content> files;
        for (const Descriptor& layer : layers) {
            CASEMATE_TRY(Content file, find(layer));
            files.push_back(std::move(file));
        }
        return files;
    }

private:
    Container* container_;
};

Result<Bytes> read_blob(BlobSource& blobs, const Descriptor& descriptor) {
    CASEMATE_TRY(const Content file, blobs.find(descriptor));
    CASEMATE_TRY(Bytes bytes, read_document(file, blob_name(descriptor)));
    const crypto::Digest256 found = crypto::sha256(bytes);
    if (found != descriptor.digest) {
        return wrong_digest("blob " + digest_text(descriptor.digest), descriptor.digest, found);
    }
    return bytes;
}

std::string platform_text(const std::string& os, const std::string& architecture) {
    return (os.empty() ? "linux" : os) + "/" + (architecture.empty() ? "any" : architecture);
}

// No platform means that the manifest does not say: its configuration will.
bool platform_matches(const std::string& os, const std::string& found,
                      const std::string& architecture) {
    return (os.empty() || os == "linux") && (found.empty() || found == architecture);
}

Result<> check_platform(const ImageConfig& config, const std::string& architecture) {
    if (!platform_matches(config.operating_system, config.architecture, architecture)) {
        return Error(ImageErrc::unsupported,
                     "expected an image for linux/" + architecture + ", found one for " +
                         printable(platform_text(config.operating_system, config.architecture)));
    }
    return {};
}

std::string list_of(const std::vector<std::string>& items) {
    std::string text;
    for (const std::string& item : items) {
        text += (text.empty() ? "" : ", ") + printable(item);
    }
    return text.empty() ? "none" : text;
}

// Every processor of an architecture has what these variants need (image-spec image-index.md).
bool is_base_variant(const Descriptor& descriptor) {
    return descriptor.variant.empty() ||
           descriptor.variant == (descriptor.architecture == "arm64" ? "v8" : "v1");
}

// The first descriptor for this platform, as image-spec image-index.md says, but one for every
// processor of the architecture before one for newer processors only.
Result<Descriptor> choose_platform(const std::vector<Descriptor>& descriptors,
                                   const std::string& architecture) {
    std::vector<std::string> seen;
    const Descriptor* chosen = nullptr;
    for (const Descriptor& descriptor : descriptors) {
        const MediaType type = media_type_of(descriptor.media_type);
        if (type != MediaType::index && type != MediaType::manifest) {
            continue;
        }
        if (!platform_matches(descriptor.operating_system, descriptor.architecture, architecture)) {
            seen.push_back(platform_text(descriptor.operating_system, descriptor.architecture));
        } else if (chosen == nullptr ||
                   (!is_base_variant(*chosen) && is_base_variant(descriptor))) {
            chosen = &descriptor;
        }
    }
    if (chosen == nullptr) {
        return Error(ImageErrc::not_found,
                     "expected an image for linux/" + architecture + ", found " + list_of(seen));
    }
    return *chosen;
}

// The entries of index.json with the tag; without a tag, all must belong to one image.
Result<std::vector<Descriptor>> choose_tag(const std::vector<Descriptor>& descriptors,
                                           const std::string& tag) {
    std::vector<Descriptor> chosen;
    std::vector<std::string> tags;
    for (const Descriptor& descriptor : descriptors) {
        if (std::find(tags.begin(), tags.end(), descriptor.tag) == tags.end()) {
            tags.push_back(descriptor.tag);
        }
        if (tag.empty() || descriptor.tag == tag) {
            chosen.push_back(descriptor);
        }
    }
    if (chosen.empty()) {
        return Error(ImageErrc::not_found,
                     "expected an image" +
                         (tag.empty() ? std::string() : " with the tag '" + printable(tag) + "'") +
                         " in the index, found " + list_of(tags));
    }
    if (tag.empty() && tags.size() > 1) {
        return Error(ImageErrc::not_found,
                     "expected a tag, as the index has several images; found " + list_of(tags));
    }
    return chosen;
}

Result<Descriptor> find_manifest(BlobSource& blobs, std::vector<Descriptor> descriptors,
                                 const std::string& architecture) {
    for (int depth = 0; depth < kMaxIndexDepth; ++depth) {
        CASEMATE_TRY(Descriptor descriptor, choose_platform(descriptors, architecture));
        if (media_type_of(descriptor.media_type) == MediaType::manifest) {
            return descriptor;
        }
        CASEMATE_TRY(const Bytes nested, read_blob(blobs, descriptor));
        CASEMATE_TRY(descriptors, parse_index(nested));
    }
    return Error(ImageErrc::malformed, "expected a manifest below at most 4 indexes, found more");
}

Error wrong_media_type(const std::string& what, const std::string& found) {
    return {ImageErrc::unsupported,
            "expected the media type of " + what + ", found '" + printable(found) + "'"};
}

// check_layer_count compares rootfs.diff_ids, the digests of the unpacked layers (image-spec
// config.md), with how many layers there are.
Result<> check_layer_count(const ImageConfig& config, std::size_t layers) {
    if (config.layer_digests.size() != layers) {
        return Error(ImageErrc::malformed, "expected a digest for each of " +
                                               std::to_string(layers) +
                                               " layers in the configuration, found " +
                                               std::to_string(config.layer_digests.size()));
    }
    return {};
}

Result<std::vector<PackedLayer>> oci_layers(BlobSource& blobs,
                                            const std::vector<Descriptor>& descriptors,
                                            const ImageConfig& config) {
    CASEMATE_CHECK(check_layer_count(config, descriptors.size()));
    std::vector<PackedLayer> layers;
    for (std::size_t i = 0; i < descriptors.size(); ++i) {
        if (media_type_of(descriptors[i].media_type) != MediaType::layer) {
            return wrong_media_type("a layer", descriptors[i].media_type);
        }
        PackedLayer layer;
        layer.name = "layer " + digest_text(descriptors[i].digest);
        layer.packed = descriptors[i].digest;
        CASEMATE_TRY(layer.unpacked, parse_digest(config.layer_digests[i]));
        layers.push_back(std::move(layer));
    }
    CASEMATE_TRY(std::vector<Content> files, blobs.find_layers(descriptors));
    for (std::size_t i = 0; i < layers.size(); ++i) {
        layers[i].blob = std::move(files[i]);
    }
    return layers;
}

Result<std::vector<PackedLayer>> docker_layers(Container& container,
                                               const std::vector<std::string>& names,
                                               const ImageConfig& config) {
    CASEMATE_CHECK(check_layer_count(config, names.size()));
    std::vector<PackedLayer> layers;
    for (std::size_t i = 0; i < names.size(); ++i) {
        PackedLayer layer;
        layer.name = printable(names[i]);
        CASEMATE_TRY(layer.blob, container.find(names[i]));
        CASEMATE_TRY(layer.unpacked, parse_digest(config.layer_digests[i]));
        layers.push_back(std::move(layer));
    }
    return layers;
}

// docker save and others name a configuration by its digest.
std::optional<crypto::Digest256> digest_in_name(const std::string& name) {
    std::string base = name.substr(name.rfind('/') + 1);
    if (base.ends_with(".json")) {
        base.resize(base.size() - 5);
    }
    auto digest = parse_digest("sha256:" + base);
    return digest ? std::optional(*digest) : std::nullopt;
}

}  // namespace

Result<> verify(const Content& file, const crypto::Digest256& digest, const std::string& name) {
    constexpr std::uint64_t kPiece = 1U << 20U;
    Bytes buffer(static_cast<std::size_t>(std::min(kPiece, file.size)));
    crypto::Sha256 hasher;
    for (std::uint64_t done = 0; done < file.size;) {
        const auto size =
            static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), file.size - done));
        const MutableBytes piece = MutableBytes(buffer).first(size);
        CASEMATE_CHECK(read_exactly_at(file.file->get(), file.offset + done, piece));
        hasher.update(piece);
        done += size;
    }
    const crypto::Digest256 found = hasher.finish();
    return found == digest ? Result<>() : wrong_digest(name, digest, found);
}

Result<PackedImage> find_image(BlobSource& blobs, std::vector<Descriptor> descriptors,
                               const std::string& architecture) {
    CASEMATE_TRY(const Descriptor chosen,
                 find_manifest(blobs, std::move(descriptors), architecture));
    CASEMATE_TRY(const Bytes text, read_blob(blobs, chosen));
    CASEMATE_TRY(const Manifest manifest, parse_manifest(text));
    if (media_type_of(manifest.config.media_type) != MediaType::config) {
        return wrong_media_type("an image's configuration", manifest.config.media_type);
    }
    PackedImage image;
    CASEMATE_TRY(const Bytes config, read_blob(blobs, manifest.config));
    CASEMATE_TRY(image.config, parse_config(config));
    CASEMATE_CHECK(check_platform(image.config, architecture));
    CASEMATE_TRY(image.layers, oci_layers(blobs, manifest.layers, image.config));
    return image;
}

Result<PackedImage> find_oci_image(Container& container, const std::string& tag,
                                   const std::string& architecture) {
    CASEMATE_CHECK(container.find("oci-layout"));
    CASEMATE_TRY(const Bytes text, find_document(container, "index.json"));
    CASEMATE_TRY(std::vector<Descriptor> descriptors, parse_index(text));
    CASEMATE_TRY(descriptors, choose_tag(descriptors, tag));
    ContainerBlobs blobs(container);
    return find_image(blobs, std::move(descriptors), architecture);
}

Result<PackedImage> find_docker_image(Container& container, const std::string& architecture) {
    CASEMATE_TRY(const Bytes text, find_document(container, "manifest.json"));
    CASEMATE_TRY(const std::vector<DockerImage> images, parse_docker_manifest(text));
    if (images.size() != 1) {
        return Error(ImageErrc::not_found,
                     "expected an archive of one image, found " + std::to_string(images.size()));
    }
    const DockerImage& chosen = images.front();
    PackedImage image;
    CASEMATE_TRY(const Bytes config, find_document(container, chosen.config));
    if (const auto expected = digest_in_name(chosen.config); expected) {
        const crypto::Digest256 found = crypto::sha256(config);
        if (found != *expected) {
            return wrong_digest(chosen.config, *expected, found);
        }
    }
    CASEMATE_TRY(image.config, parse_config(config));
    CASEMATE_CHECK(check_platform(image.config, architecture));
    CASEMATE_TRY(image.layers, docker_layers(container, chosen.layers, image.config));
    return image;
}

}  // namespace casemate::image
