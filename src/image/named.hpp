// Images by their names: of a Docker daemon or of a registry.
#pragma once

#include "base/result.hpp"
#include "image/image.hpp"
#include "image/packed.hpp"
#include "image/reference.hpp"
#include "image/spool.hpp"

namespace casemate::image {

// find_named gets an image of ReferenceKind docker_daemon, registry or named into the spool, and
// says from where. A named one is the daemon's where one answers; where DOCKER_HOST is set, one
// must. image.inspection is filled in. Errors: as open_image; where neither a daemon nor a registry
// has it, the sentence says what was tried.
[[nodiscard]] Result<PackedImage> find_named(const ImageReference& reference,
                                             const ImageOptions& options, Spool& spool,
                                             Image& image);

}  // namespace casemate::image
