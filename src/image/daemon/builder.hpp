// Building an image of a Dockerfile without a daemon: with buildah or podman.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "image/content.hpp"
#include "image/error.hpp"
#include "image/spool.hpp"

namespace casemate::image {

// LocalBuilder: one of the two programs.
struct LocalBuilder {
    std::string program;

    // find looks for buildah, then for podman, in PATH.
    [[nodiscard]] static std::optional<LocalBuilder> find();

    // build builds a folder's Dockerfile under a name, which stays in the program's own storage,
    // and gives the image's archive, in a file of directory that has no name. The program inherits
    // the environment; its output goes to standard error. SIGINT, SIGTERM and SIGHUP end the
    // program first and then have their effect on this process. Errors: ImageErrc build; Errno.
    [[nodiscard]] Result<Content> build(const std::string& folder, const std::string& name,
                                        const std::string& platform,
                                        const std::string& directory) const;
};

}  // namespace casemate::image
