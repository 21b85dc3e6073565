// Container images: read, checked and merged into one tree, without unpacking anything into the
// file system. Works for any user: no ownership is changed and no device node is made.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "image/config.hpp"
#include "image/limits.hpp"
#include "image/reference.hpp"
#include "image/tree.hpp"

namespace casemate::image {

// Progress is told of the current step ("layer 2 of 5") and of bytes done of total.
using Progress =
    std::function<void(std::string_view step, std::uint64_t done, std::uint64_t total)>;

struct ImageOptions {
    // architecture as in OCI ("amd64", "arm64"): which of a multi-platform image's manifests.
    std::string architecture = "amd64";
    // spool_directory holds an unnamed temporary file with the contents of compressed layers. It
    // should be where the output goes, for space. Empty: $TMPDIR or /tmp.
    std::string spool_directory;
    // command replaces ENTRYPOINT and CMD. A plain root directory has neither and needs it; an
    // empty list leaves the choice to the enclave's init.
    std::optional<std::vector<std::string>> command;
    ImageLimits limits;
    // insecure_registries: "HOST" or "HOST:PORT" of those that may be spoken to without TLS.
    std::vector<std::string> insecure_registries;
    // progress may be empty.
    Progress progress;
    // build_directory: a folder with a Dockerfile of which the named image is built first, by the
    // daemon or, where none answers, by buildah or podman.
    std::optional<std::string> build_directory;
    // say is told, in a line each, where a named image is taken from, and what a daemon says about
    // its work; it may be empty.
    std::function<void(std::string_view)> say;
};

// Image: the whole of it. Contents stay in the source and in the spool, which it keeps open.
struct Image {
    FileTree tree{0};
    ImageConfig config;
    // content_bytes: the size of all files of the tree, hard links counted once.
    std::uint64_t content_bytes = 0;
    // notes: sentences for the user about what a ramdisk can't express and is left out.
    std::vector<std::string> notes;
    // root: the root directory of a dir: image, for files that have no Content of their own.
    std::shared_ptr<const UniqueFd> root;
    // inspection: the JSON object with which a Docker daemon describes the image; empty where it is
    // from elsewhere.
    std::string inspection;
};

// open_image reads an image. Every OCI blob's size and SHA-256 digest is checked, and the layers'
// digests of docker-archive. Errors: ImageErrc, each; Errno when a file can't be read or the spool
// can't be written (a full disk); http's where a daemon or a registry is asked.
[[nodiscard]] Result<Image> open_image(const ImageReference& reference,
                                       const ImageOptions& options);

}  // namespace casemate::image
