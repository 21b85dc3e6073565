// Registry: a repository of a registry, by the distribution API (OCI distribution-spec; Docker
// Registry HTTP API V2).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/digest.hpp"
#include "image/content.hpp"
#include "image/documents.hpp"
#include "image/registry/access.hpp"
#include "image/registry/caller.hpp"
#include "image/registry/hosts.hpp"
#include "image/registry/registry_reference.hpp"

namespace casemate::image {

// Document: a manifest or an index, as the registry gave it.
struct Document {
    Bytes text;
    std::string media_type;
    crypto::Digest256 digest{};
};

class Registry {
public:
    // open finds out how the registry is to be spoken to: with TLS, and without only where that is
    // allowed and TLS does not work. hosts must outlive the object. Errors: Hosts::connect's.
    [[nodiscard]] static Result<std::unique_ptr<Registry>> open(
        Hosts& hosts, const RegistryReference& reference, std::optional<Credentials> credentials);

    // manifest fetches what the reference names. Errors: ImageErrc no_such_image, unauthorized,
    // wrong_digest where it is not what the reference or Docker-Content-Digest says, too_large,
    // unsupported for schema 1, malformed where its media types differ, registry; http's.
    [[nodiscard]] Result<Document> manifest(Caller& caller);
    // manifest_of fetches what a descriptor of an index points to. Errors: as manifest.
    [[nodiscard]] Result<Document> manifest_of(Caller& caller, const Descriptor& descriptor);

    // Advance is told of bytes that came in, or, less than 0, that they have to come again; an
    // error of it ends the work.
    using Advance = std::function<Result<>(std::int64_t)>;
    // blob writes a blob to a place of its descriptor's size and checks its digest. Where the
    // connection breaks, the rest is asked for, three times at most. Safe to use from several
    // threads, each with its own Caller. Errors: as manifest; Errno where it can't be written.
    [[nodiscard]] Result<> blob(Caller& caller, const Descriptor& descriptor, const Content& place,
                                const Advance& advance);

private:
    class Download;

    Registry(Hosts& hosts, http::Url base, RegistryReference reference,
             std::optional<Credentials> credentials)
        : base_(base),
          reference_(std::move(reference)),
          access_(hosts, std::move(base), reference_, std::move(credentials)) {}

    // get asks for a target below the repository; 401 is answered.
    [[nodiscard]] Result<http::Response> get(Caller& caller, const std::string& target,
                                             const http::Headers& headers,
                                             const http::BodySink& sink);
    [[nodiscard]] Result<Document> fetch_manifest(Caller& caller, const std::string& selector,
                                                  std::uint64_t limit, bool first);
    // unexpected is the error for a status that is no success.
    [[nodiscard]] Error unexpected(const http::Response& response, const std::string& what) const;

    http::Url base_;
    RegistryReference reference_;
    Access access_;
};

}  // namespace casemate::image
