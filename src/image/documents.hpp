// The JSON documents of images: OCI image-spec index, manifest and configuration, their Docker
// (version 2, schema 2) twins, and docker-archive's manifest.json.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/digest.hpp"
#include "image/config.hpp"
#include "image/error.hpp"

namespace casemate::image {

// kMaxDocument: the largest JSON document that is read, in bytes.
inline constexpr std::uint64_t kMaxDocument = 4U << 20U;

// Descriptor points to a blob.
struct Descriptor {
    std::string media_type;
    crypto::Digest256 digest{};
    std::uint64_t size = 0;
    // operating_system, architecture and variant are empty when the descriptor does not say.
    std::string operating_system;
    std::string architecture;
    std::string variant;
    // tag: annotation org.opencontainers.image.ref.name, or empty.
    std::string tag;

    bool operator==(const Descriptor&) const = default;
};

// What a media type means here.
enum class MediaType : std::uint8_t { index, manifest, config, layer, other };
[[nodiscard]] MediaType media_type_of(std::string_view text);

struct Manifest {
    Descriptor config;
    std::vector<Descriptor> layers;

    bool operator==(const Manifest&) const = default;
};

// DockerImage: one image of docker-archive's manifest.json; the texts name files of the archive.
struct DockerImage {
    std::string config;
    std::vector<std::string> tags;
    std::vector<std::string> layers;

    bool operator==(const DockerImage&) const = default;
};

// parse_digest reads "sha256:" and 64 lower-case digits; digest_text writes it. Errors: ImageErrc
// unsupported for another algorithm, malformed.
[[nodiscard]] Result<crypto::Digest256> parse_digest(std::string_view text);
[[nodiscard]] std::string digest_text(const crypto::Digest256& digest);

// Each fails with ImageErrc malformed, saying which member was expected, and unsupported for a
// digest algorithm that is not SHA-256. Nesting beyond 32 is refused.
[[nodiscard]] Result<std::vector<Descriptor>> parse_index(ByteView json);
[[nodiscard]] Result<Manifest> parse_manifest(ByteView json);
[[nodiscard]] Result<ImageConfig> parse_config(ByteView json);
[[nodiscard]] Result<std::vector<DockerImage>> parse_docker_manifest(ByteView json);

}  // namespace casemate::image
