// How an image is named on the command line.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "image/error.hpp"

namespace casemate::image {

enum class ReferenceKind : std::uint8_t {
    // oci:PATH[:TAG], an OCI image layout: a directory, or a tar file of one (for which
    // "oci-archive:" is accepted as well).
    oci,
    // docker-archive:FILE, what "docker save" writes.
    docker_archive,
    // dir:PATH, the root directory itself.
    directory,
    // docker://NAME, an image of a registry.
    registry,
    // docker-daemon:NAME, an image that a Docker daemon, or Podman's service, has or pulls.
    docker_daemon,
    // NAME alone: docker_daemon where a daemon answers, else registry.
    named,
};

// ImageReference: where an image is.
struct ImageReference {
    ReferenceKind kind = ReferenceKind::directory;
    // path: of a file or directory; or NAME, in the form that Docker knows, with ":latest" where it
    // has neither a tag nor a digest.
    std::string path;
    // tag chooses among the images of an OCI layout; empty when none was given.
    std::string tag;

    bool operator==(const ImageReference&) const = default;

    // parse reads one of the forms above. In oci:, the tag is what follows the last colon, unless a
    // slash follows it. What begins like one of the other forms is not a NAME. Errors: ImageErrc
    // bad_reference, with a sentence that lists the forms.
    [[nodiscard]] static Result<ImageReference> parse(std::string_view text);
};

}  // namespace casemate::image
