// Packed images: which files of a container are an image's configuration and layers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "crypto/digest.hpp"
#include "image/config.hpp"
#include "image/container.hpp"
#include "image/content.hpp"

namespace casemate::image {

// PackedLayer: a layer's file, and what its bytes (packed) or, decompressed, its archive (unpacked)
// must hash to. docker-archive does not say the first. Neither has been checked yet.
struct PackedLayer {
    std::string name;
    Content blob;
    std::optional<crypto::Digest256> packed;
    crypto::Digest256 unpacked{};
};

struct PackedImage {
    ImageConfig config;
    std::vector<PackedLayer> layers;
};

// find_oci_image follows an OCI layout (image-spec image-layout.md) from oci-layout and index.json
// to the image of this tag (empty: the only one) for linux and this architecture. The documents'
// digests and sizes are checked, the layers' sizes as well. Errors: ImageErrc not_found (no such
// tag or platform, naming what there is), wrong_digest, unsupported, malformed; those of
// Container::find.
[[nodiscard]] Result<PackedImage> find_oci_image(Container& container, const std::string& tag,
                                                 const std::string& architecture);

// find_docker_image reads docker-archive's manifest.json, which must list one image. Errors: as
// find_oci_image.
[[nodiscard]] Result<PackedImage> find_docker_image(Container& container,
                                                    const std::string& architecture);

// verify reads a file and compares its SHA-256. Errors: ImageErrc wrong_digest; Errno.
[[nodiscard]] Result<> verify(const Content& file, const crypto::Digest256& digest,
                              const std::string& name);

}  // namespace casemate::image
