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
#include "image/documents.hpp"

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

// BlobSource gives the blobs that descriptors point to. Only sizes have been checked then.
class BlobSource {
public:
    BlobSource() = default;
    BlobSource(const BlobSource&) = delete;
    BlobSource& operator=(const BlobSource&) = delete;
    virtual ~BlobSource() = default;

    // find gives one blob, of the descriptor's size. Errors: ImageErrc wrong_digest for another
    // size; the source's own.
    [[nodiscard]] virtual Result<Content> find(const Descriptor& descriptor) = 0;
    // find_layers gives an image's layers, in their order.
    [[nodiscard]] virtual Result<std::vector<Content>> find_layers(
        const std::vector<Descriptor>& layers) = 0;
};

// find_image goes from descriptors of manifests and indexes to the image for linux and this
// architecture. Errors: as find_oci_image.
[[nodiscard]] Result<PackedImage> find_image(BlobSource& blobs, std::vector<Descriptor> descriptors,
                                             const std::string& architecture);

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
