// Pulling: an image of a registry, with nothing else installed.
#pragma once

#include "base/result.hpp"
#include "image/image.hpp"
#include "image/packed.hpp"
#include "image/registry/registry_reference.hpp"
#include "image/spool.hpp"

namespace casemate::image {

// kMaxLayers: more no image has.
inline constexpr std::size_t kMaxLayers = 1000;

// pull_image fetches the image for linux and options.architecture into the spool, three layers at a
// time, with the credentials that credentials_for finds. Sizes and digests of everything have been
// checked. Packed layers together are at most options.limits.total_bytes. Errors: those of
// credentials_for, Registry::open, manifest and blob, and find_image.
[[nodiscard]] Result<PackedImage> pull_image(const RegistryReference& reference, Spool& spool,
                                             const ImageOptions& options);

}  // namespace casemate::image
