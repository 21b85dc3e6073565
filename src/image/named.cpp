#include "image/named.hpp"

#include <sys/utsname.h>

#include <optional>
#include <string>
#include <utility>

#include "image/container.hpp"
#include "image/daemon/builder.hpp"
#include "image/daemon/client.hpp"
#include "image/daemon/context.hpp"
#include "image/registry/pull.hpp"
#include "image/registry/registry_reference.hpp"
#include "image/tree.hpp"

namespace casemate::image {

namespace {

constexpr std::string_view kWhatToDo =
    "Start Docker or Podman's service (podman system service), or name where it is in DOCKER_HOST";

// platform_of names another platform than this machine's, for daemons that can do others at all.
std::string platform_of(const std::string& architecture) {
    utsname machine{};
    ::uname(&machine);
    const std::string_view own = machine.machine;
    const bool is_own = (own == "x86_64" && architecture == "amd64") ||
                        (own == "aarch64" && architecture == "arm64");
    return is_own ? "" : "linux/" + architecture;
}

Error build_failed(const Error& why) {
    return why.is(ImageErrc::build) ? why : Error(ImageErrc::build, why.message());
}

// NamedImage: one search for an image.
class NamedImage {
public:
    NamedImage(const ImageReference& reference, const ImageOptions& options, Spool& spool,
               Image& image)
        : name_(reference.path),
          kind_(reference.kind),
          options_(options),
          spool_(spool),
          image_(image) {}

    Result<PackedImage> find() {
        if (kind_ != ReferenceKind::registry) {
            CASEMATE_TRY(const auto daemon, find_daemon());
            if (daemon) {
                return of_daemon(*daemon);
            }
            if (kind_ == ReferenceKind::docker_daemon) {
                return Error(ImageErrc::daemon,
                             "expected a Docker daemon that answers, found none (" + tried_ +
                                 "). " + std::string(kWhatToDo));
            }
        }
        return options_.build_directory ? build_here() : of_registry();
    }

private:
    void say(const std::string& line) const {
        if (options_.say) {
            options_.say(line);
        }
    }

    // find_daemon gives the first that answers; one that was chosen must.
    Result<std::optional<DaemonClient>> find_daemon() {
        CASEMATE_TRY(const DaemonEndpoints endpoints, daemon_endpoints());
        for (const DaemonEndpoint& endpoint : endpoints.all) {
            auto client = DaemonClient::open(endpoint);
            if (client) {
                return std::optional(std::move(*client));
            }
            if (endpoints.chosen) {
                return Error(ImageErrc::daemon,
                             "expected a Docker daemon where DOCKER_HOST says, found none (" +
                                 client.error().detail() +
                                 "). Start it, or unset DOCKER_HOST, or give docker://NAME to ask "
                                 "the registry itself");
            }
            tried_ += (tried_.empty() ? "" : "; ") + client.error().detail();
        }
        return std::optional<DaemonClient>();
    }

    Result<PackedImage> of_daemon(const DaemonClient& daemon) {
        const std::string platform = platform_of(options_.architecture);
        std::optional<Inspection> found;
        if (options_.build_directory) {
            say("Building " + name_ + " with the Docker API at " + daemon.where() + "...");
            if (auto built = build(daemon, platform); !built) {
                return build_failed(built.error());
            }
        } else {
            CASEMATE_TRY(found, daemon.inspect(name_));
            if (found) {
                say("Using the locally available Docker image...");
            } else {
                say("Pulling " + name_ + " with the Docker API at " + daemon.where() + "...");
                CASEMATE_CHECK(daemon.pull(name_, platform, options_.progress, options_.say));
            }
        }
        if (!found) {
            CASEMATE_TRY(found, daemon.inspect(name_));
        }
        if (!found) {
            return Error(ImageErrc::daemon, "expected " + name_ + " to be there after it was " +
                                                (options_.build_directory ? "built" : "pulled") +
                                                " with " + daemon.where() +
                                                ", found no such image");
        }
        CASEMATE_CHECK(check_platform(*found));
        CASEMATE_TRY(
            const Content archive,
            daemon.export_image(*found, spool_, options_.limits.total_bytes, options_.progress));
        image_.inspection = std::move(found->json);
        return of_archive(archive, "the archive of " + name_ + " from " + daemon.where());
    }

    Result<> build(const DaemonClient& daemon, const std::string& platform) const {
        CASEMATE_TRY(http::BodySource context, build_context(*options_.build_directory));
        return daemon.build(std::move(context), name_, platform, options_.say);
    }

    Result<> check_platform(const Inspection& found) const {
        if (found.operating_system != "linux" || found.architecture != options_.architecture) {
            return Error(ImageErrc::unsupported,
                         "expected " + name_ + " for linux/" + options_.architecture +
                             ", which is the kernel's, found it for " +
                             printable(found.operating_system + "/" + found.architecture) +
                             ". Pull or build it with --platform linux/" + options_.architecture +
                             ", or remove it, so that it is pulled again");
        }
        return {};
    }

    // build_here builds without a daemon.
    Result<PackedImage> build_here() {
        const auto builder = LocalBuilder::find();
        if (!builder) {
            return Error(ImageErrc::build,
                         "expected a Docker daemon, buildah or podman, to build " + name_ +
                             ", found none (" + tried_ + "; neither program in PATH). " +
                             std::string(kWhatToDo) + ", or install buildah");
        }
        say("Building " + name_ + " with " + builder->program + "...");
        auto archive = builder->build(*options_.build_directory, name_,
                                      platform_of(options_.architecture), options_.spool_directory);
        if (!archive) {
            return build_failed(archive.error());
        }
        return of_archive(*archive, "the archive of " + name_ + " from " + builder->program);
    }

    Result<PackedImage> of_archive(const Content& archive, const std::string& what) {
        CASEMATE_TRY(const auto container,
                     Container::open_archive(archive, what, spool_, options_.limits));
        return find_docker_image(*container, options_.architecture);
    }

    Result<PackedImage> of_registry() {
        CASEMATE_TRY(const RegistryReference reference, RegistryReference::parse(name_));
        say("Pulling " + reference.text() + " from its registry" +
            (tried_.empty() ? "..." : ", as no Docker daemon answers..."));
        auto pulled = pull_image(reference, spool_, options_);
        if (pulled || tried_.empty()) {
            return pulled;
        }
        return std::move(pulled).error().while_doing("No Docker daemon answers (" + tried_ +
                                                     "; DOCKER_HOST can name another place" +
                                                     "), and the registry's " + reference.text());
    }

    const std::string& name_;
    ReferenceKind kind_;
    const ImageOptions& options_;
    Spool& spool_;
    Image& image_;
    // tried: what daemons said that did not answer.
    std::string tried_;
};

}  // namespace

Result<PackedImage> find_named(const ImageReference& reference, const ImageOptions& options,
                               Spool& spool, Image& image) {
    return NamedImage(reference, options, spool, image).find();
}

}  // namespace casemate::image
