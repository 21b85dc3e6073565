// Where a Docker daemon, or Podman's service, listens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "crypto/tls.hpp"
#include "image/error.hpp"

namespace casemate::image {

struct DaemonEndpoint {
    // path of a unix socket, or else a host and a port.
    std::string path;
    std::string host;
    std::uint16_t port = 0;
    // tls: present where TLS is to be spoken to the host.
    std::optional<crypto::TlsClientContext> tls;

    // parse reads "unix:///PATH" or "tcp://HOST[:PORT]" (2376 with TLS, else 2375), as DOCKER_HOST
    // has them. An IPv6 address stands in brackets. Errors: ImageErrc daemon.
    [[nodiscard]] static Result<DaemonEndpoint> parse(
        std::string_view text, std::optional<crypto::TlsClientContext> tls = std::nullopt);

    [[nodiscard]] std::string text() const;
};

// DaemonEndpoints: where to look for a daemon, the best place first.
struct DaemonEndpoints {
    std::vector<DaemonEndpoint> all;
    // chosen: DOCKER_HOST names the only one.
    bool chosen = false;
};

// daemon_endpoints reads DOCKER_HOST, with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH (ca.pem, cert.pem
// and key.pem; ~/.docker by default) for TCP. Where it is unset: Docker's socket, then those of
// Podman's service, of this user and of root. Errors: ImageErrc daemon; those of TlsClientContext;
// Errno.
[[nodiscard]] Result<DaemonEndpoints> daemon_endpoints();

}  // namespace casemate::image
