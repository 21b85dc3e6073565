#include <fcntl.h>

#include <cerrno>
#include <filesystem>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "cli/interruption.hpp"
#include "cli/kernel_files.hpp"
#include "cli/measurements_json.hpp"
#include "cli/signing.hpp"
#include "cli/verbs.hpp"
#include "crypto/digest.hpp"
#include "eif/builder.hpp"
#include "image/image.hpp"
#include "image/linuxkit.hpp"
#include "image/ramdisk.hpp"

namespace casemate::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBufferSize = 1UL << 20U;
constexpr std::string_view kDefaultVersion = "1.0";

// is_no_space: the disk or a limit on the file's size is in the way, not the image.
bool is_no_space(const Error& error) {
    const auto code = error.code_as<Errno>();
    return code && (static_cast<int>(*code) == ENOSPC || static_cast<int>(*code) == EFBIG ||
                    static_cast<int>(*code) == EDQUOT);
}

CommandError writing(const std::string& path, const Error& error) {
    return {ErrorCode::file_operation,
            "File: '" + path + "', failing operation: 'Write'. " + error.message()};
}

// is_name: the image is named as Docker names it.
bool is_name(image::ReferenceKind kind) {
    return kind == image::ReferenceKind::named || kind == image::ReferenceKind::docker_daemon ||
           kind == image::ReferenceKind::registry;
}

// explained adds what to type, where there is something.
std::string explained(const Error& error) {
    return error.message() + (error.is(image::ImageErrc::no_command)
                                  ? " Give it at the end of the command line, after \"--\""
                                  : "");
}

// ImageBuild: one run of build-enclave, as steps that each need the ones before.
class ImageBuild {
public:
    ImageBuild(const BuildEnclaveArguments& arguments, Output& output)
        : arguments_(arguments), output_(output) {}

    [[nodiscard]] int run();

private:
    using Failure = std::optional<CommandError>;

    [[nodiscard]] Failure parse_reference();
    [[nodiscard]] ErrorCode code_of(const Error& error) const;
    [[nodiscard]] Failure find_signer();
    [[nodiscard]] Failure find_parts();
    [[nodiscard]] Failure open_container_image();
    void note_what_aws_ignores();
    [[nodiscard]] Failure read_custom_metadata();
    [[nodiscard]] Result<FileAside> create_output() const;
    [[nodiscard]] Failure write_file();
    [[nodiscard]] Result<> write_sections(eif::Builder& builder);
    [[nodiscard]] Result<> copy_kernel(eif::Builder& builder) const;
    [[nodiscard]] Result<Bytes> metadata() const;
    [[nodiscard]] std::string image_name() const;
    [[nodiscard]] std::string image_id() const;
    [[nodiscard]] Json docker_info() const;
    [[nodiscard]] image::Progress progress() {
        return [this](std::string_view step, std::uint64_t done, std::uint64_t total) {
            output_.progress(step, done, total);
        };
    }

    const BuildEnclaveArguments& arguments_;
    Output& output_;
    std::optional<eif::ImageSigner> signer_;
    KernelFiles parts_;
    image::ImageReference reference_;
    image::Image image_;
    std::string custom_metadata_ = "null";
    eif::Measurements measurements_;
    Interruption* interruption_ = nullptr;
    const unsigned mode_ = output_mode();
};

ImageBuild::Failure ImageBuild::parse_reference() {
    auto reference = image::ImageReference::parse(arguments_.docker_uri);
    if (!reference) {
        return CommandError{ErrorCode::docker_pull, reference.error().message()};
    }
    reference_ = std::move(*reference);
    if (arguments_.docker_dir && reference_.kind != image::ReferenceKind::named &&
        reference_.kind != image::ReferenceKind::docker_daemon) {
        return CommandError{ErrorCode::docker_build,
                            "Expected a NAME for the image that is built of --docker-dir, found '" +
                                arguments_.docker_uri + "', which is an image already"};
    }
    return std::nullopt;
}

// code_of: what is built comes first, and fails as itself.
ErrorCode ImageBuild::code_of(const Error& error) const {
    const bool in_build = error.is(image::ImageErrc::build) ||
                          (arguments_.docker_dir && error.is(image::ImageErrc::daemon));
    return in_build ? ErrorCode::docker_build : ErrorCode::docker_pull;
}

ImageBuild::Failure ImageBuild::find_signer() {
    if (!arguments_.signing_certificate || !arguments_.private_key) {
        return std::nullopt;
    }
    auto signer = open_signer(*arguments_.signing_certificate, *arguments_.private_key);
    if (!signer) {
        return CommandError{ErrorCode::eif_building, signer.error().message()};
    }
    warn_of_validity(*signer, output_);
    signer_ = std::move(*signer);
    return std::nullopt;
}

ImageBuild::Failure ImageBuild::find_parts() {
    const auto paths = enclave::find_paths();
    if (!paths) {
        return CommandError{ErrorCode::file_operation, paths.error().message()};
    }
    KernelSearch search = KernelSearch::from_environment(*paths);
    search.kernel = arguments_.kernel;
    search.cmdline = arguments_.cmdline;
    search.init_option = arguments_.init;
    if (arguments_.architecture) {
        search.architecture = *arguments_.architecture == "aarch64" ? eif::Architecture::aarch64
                                                                    : eif::Architecture::x86_64;
    }
    auto found = find_kernel_files(search);
    if (auto* error = std::get_if<CommandError>(&found)) {
        return std::move(*error);
    }
    parts_ = std::move(*std::get_if<KernelFiles>(&found));
    return std::nullopt;
}

ImageBuild::Failure ImageBuild::read_custom_metadata() {
    if (!arguments_.metadata_file) {
        return std::nullopt;
    }
    const std::string& path = *arguments_.metadata_file;
    const auto bytes = read_file(path, eif::kMaxCustomMetadataSize);
    if (!bytes) {
        return CommandError{
            ErrorCode::file_operation,
            "File: '" + path + "', failing operation: 'Read'. " + bytes.error().message()};
    }
    const auto json = Json::parse(as_text(*bytes));
    if (!json) {
        return CommandError{ErrorCode::serialization, path + ": " + json.error().message()};
    }
    custom_metadata_ = json->compact();
    return std::nullopt;
}

ImageBuild::Failure ImageBuild::open_container_image() {
    const auto output = absolute_path(arguments_.output_file);
    if (!output) {
        return writing(arguments_.output_file, output.error());
    }
    image::ImageOptions options;
    options.architecture = parts_.architecture == eif::Architecture::aarch64 ? "arm64" : "amd64";
    options.spool_directory = fs::path(*output).parent_path().string();
    if (!arguments_.command.empty()) {
        options.command = arguments_.command;
    }
    options.insecure_registries = arguments_.insecure_registries;
    options.build_directory = arguments_.docker_dir;
    options.progress = progress();
    options.say = [this](std::string_view line) { output_.say(line); };
    auto image = image::open_image(reference_, options);
    if (!image) {
        return is_no_space(image.error())
                   ? writing(arguments_.output_file, image.error())
                   : CommandError{code_of(image.error()), explained(image.error())};
    }
    image_ = std::move(*image);
    if (parts_.aws_init) {
        if (const auto set = image::set_container_files(image_); !set) {
            return CommandError{ErrorCode::docker_pull, set.error().message()};
        }
        note_what_aws_ignores();
    }
    for (const std::string& note : image_.notes) {
        output_.say("Note: " + note);
    }
    return std::nullopt;
}

// AWS's init starts the command as root in / (formats.md 3.2), and takes each line for an argument.
void ImageBuild::note_what_aws_ignores() {
    const image::ImageConfig& config = image_.config;
    const auto note = [&](const std::string& what) {
        image_.notes.push_back("the init of NITRO_CLI_BLOBS " + what +
                               ", unless it is Casemate's own given with --init");
    };
    if (!config.working_directory.empty() && config.working_directory != "/") {
        note("starts the command in /, not in the image's WORKDIR " + config.working_directory);
    }
    if (!config.user.empty() && config.user != "root" && config.user != "0") {
        note("starts the command as root, not as the image's USER " + config.user);
    }
    for (const std::string& argument : config.arguments()) {
        if (argument.find('\n') != std::string::npos) {
            note("takes an argument with a line break for several");
            break;
        }
    }
}

std::string ImageBuild::image_name() const {
    if (arguments_.image_name) {
        return *arguments_.image_name;
    }
    if (is_name(reference_.kind)) {
        return reference_.path.substr(0, reference_.path.find(':'));
    }
    const fs::path path(reference_.path);
    return (path.has_filename() ? path : path.parent_path()).filename().string();
}

// image_id is what Docker calls an image: the digest of its configuration, or what the daemon says.
std::string ImageBuild::image_id() const {
    if (const auto inspection = Json::parse(image_.inspection)) {
        const Json* id = inspection->find("Id");
        const std::string* text = id == nullptr ? nullptr : id->text();
        if (text != nullptr && text->starts_with("sha256:")) {
            return text->substr(7);
        }
    }
    return image_.config.json.empty() ? "" : to_hex(crypto::sha256(as_bytes(image_.config.json)));
}

// docker_info is what the daemon's inspect says, or has those members of it that the image itself
// can tell.
Json ImageBuild::docker_info() const {
    if (auto inspection = Json::parse(image_.inspection)) {
        return std::move(*inspection);
    }
    const auto config = Json::parse(image_.config.json);
    if (!config) {
        return {};
    }
    Json info = Json::object();
    info.add("Id", "sha256:" + image_id());
    // What buildah and podman build has the name that it was given.
    const std::string& tag = arguments_.docker_dir ? reference_.path : reference_.tag;
    if (!tag.empty()) {
        info.add("RepoTags", std::move(Json::array().append(Json(tag))));
    }
    for (const auto& [ours, theirs] : {std::pair("created", "Created"),
                                       {"architecture", "Architecture"},
                                       {"os", "Os"},
                                       {"config", "Config"}}) {
        if (const Json* value = config->find(ours)) {
            info.add(theirs, *value);
        }
    }
    Json layers = Json::array();
    for (const std::string& digest : image_.config.layer_digests) {
        layers.append(Json(digest));
    }
    info.add("RootFS", Json::object().add("Type", "layers").add("Layers", std::move(layers)));
    return info;
}

Result<Bytes> ImageBuild::metadata() const {
    eif::Metadata metadata;
    const std::string id = image_id();
    metadata.image_name = image_name();
    metadata.image_version =
        arguments_.image_version.value_or(id.empty() ? std::string(kDefaultVersion) : id);
    CASEMATE_TRY(metadata.build_time, eif::build_time_text());
    metadata.build_tool = "casemate";
    metadata.build_tool_version = CASEMATE_VERSION;
    metadata.operating_system = parts_.operating_system;
    metadata.kernel_version = parts_.kernel_version;
    metadata.docker_info = docker_info().compact();
    metadata.custom = custom_metadata_;
    return eif::encode(metadata);
}

Result<> ImageBuild::copy_kernel(eif::Builder& builder) const {
    CASEMATE_TRY(const UniqueFd kernel, open_file(parts_.kernel, O_RDONLY));
    CASEMATE_CHECK(builder.begin(eif::SectionType::kernel));
    Bytes buffer(kBufferSize);
    while (true) {
        CASEMATE_TRY(const std::size_t size, read_some(kernel.get(), buffer));
        if (size == 0) {
            return {};
        }
        CASEMATE_CHECK(builder.write(ByteView(buffer).first(size)));
    }
}

// write_sections: in AWS's order (formats.md 1.2).
Result<> ImageBuild::write_sections(eif::Builder& builder) {
    const image::RamdiskSink sink = [&](ByteView bytes) -> Result<> {
        if (interruption_->signal() != 0) {
            return os_error("build the enclave image", EINTR);
        }
        return builder.write(bytes);
    };
    CASEMATE_CHECK(copy_kernel(builder));
    CASEMATE_CHECK(builder.add(eif::SectionType::cmdline, as_bytes(parts_.cmdline)));
    CASEMATE_TRY(const Bytes about, metadata());
    CASEMATE_CHECK(builder.add(eif::SectionType::metadata, about));
    const image::BootRamdisk boot{parts_.init, parts_.nsm_module};
    CASEMATE_CHECK(builder.begin(eif::SectionType::ramdisk));
    CASEMATE_CHECK(parts_.aws_init ? image::write_linuxkit_boot_ramdisk(boot, sink)
                                   : image::write_boot_ramdisk(boot, sink));
    CASEMATE_CHECK(builder.begin(eif::SectionType::ramdisk));
    return parts_.aws_init ? image::write_linuxkit_image_ramdisk(image_, sink, progress())
                           : image::write_image_ramdisk(image_, sink, progress());
}

Result<FileAside> ImageBuild::create_output() const {
    CASEMATE_TRY(const std::string place, output_place(arguments_.output_file));
    return FileAside::create(place, mode_);
}

ImageBuild::Failure ImageBuild::write_file() {
    const std::string& path = arguments_.output_file;
    auto aside = create_output();
    if (!aside) {
        return writing(path, aside.error());
    }
    const auto failed = [&](const Error& error) {
        return error.code_as<Errno>() ? writing(path, error)
                                      : CommandError{ErrorCode::eif_building, error.message()};
    };
    eif::Header header;
    header.architecture = parts_.architecture;
    auto builder = eif::Builder::create(aside->fd(), header);
    if (!builder) {
        return failed(builder.error());
    }
    if (const auto written = write_sections(*builder); !written) {
        return failed(written.error());
    }
    eif::Builder::SignatureMaker sign;
    if (signer_) {
        sign = [this](const crypto::Digest384& pcr0) { return signer_->sign(pcr0); };
    }
    const auto built = builder->finish(sign);
    if (!built) {
        return failed(built.error());
    }
    if (const auto committed = aside->commit(); !committed) {
        return writing(path, committed.error());
    }
    measurements_ = built->measurements;
    return std::nullopt;
}

int ImageBuild::run() {
    output_.say("Start building the Enclave Image...");
    if (auto failure = parse_reference()) {
        return output_.fail(*failure);
    }
    if (auto failure = find_signer()) {
        return output_.fail(*failure);
    }
    if (auto failure = find_parts()) {
        return output_.fail(*failure);
    }
    if (auto failure = read_custom_metadata()) {
        return output_.fail(*failure);
    }
    // A place that can't be written to should be known before the long work, but a file there would
    // outlive an interruption of it.
    if (const auto probe = create_output(); !probe) {
        return output_.fail(writing(arguments_.output_file, probe.error()));
    }
    if (auto failure = open_container_image()) {
        return output_.fail(*failure);
    }
    Interruption interruption;
    interruption_ = &interruption;
    if (auto failure = write_file()) {
        interruption.obey();
        return output_.fail(*failure);
    }
    output_.say("Enclave Image successfully created.");
    return output_.result(Json().add("Measurements", measurements_json(measurements_)));
}

}  // namespace

int build_enclave(const BuildEnclaveArguments& arguments, Output& output) {
    output.set_action("Build Enclave");
    return ImageBuild(arguments, output).run();
}

}  // namespace casemate::cli
