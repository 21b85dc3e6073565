// How images of registries are named, as Docker and Podman understand it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "crypto/digest.hpp"
#include "image/error.hpp"

namespace casemate::image {

// RegistryReference: an image of a registry, in full (the distribution project's reference
// grammar).
struct RegistryReference {
    // registry: "docker.io", "registry.example.com:5000", "[::1]:5000".
    std::string registry;
    // repository: "library/alpine"; at most 255 characters with the registry.
    std::string repository;
    // tag: empty only where there is a digest, which goes before a tag.
    std::string tag;
    std::optional<crypto::Digest256> digest;

    bool operator==(const RegistryReference&) const = default;

    // parse completes a name: "alpine" is docker.io/library/alpine:latest. What stands before the
    // first slash is a registry if it has a dot, a colon or a capital letter, or is "localhost".
    // Errors: ImageErrc bad_reference; unsupported for digests other than SHA-256.
    [[nodiscard]] static Result<RegistryReference> parse(std::string_view text);

    // name is REGISTRY/REPOSITORY; text adds :TAG and @DIGEST, and is parsed as the same.
    [[nodiscard]] std::string name() const { return registry + "/" + repository; }
    [[nodiscard]] std::string text() const;
    // selector is what the registry is asked for: the digest, or else the tag.
    [[nodiscard]] std::string selector() const;
};

}  // namespace casemate::image
