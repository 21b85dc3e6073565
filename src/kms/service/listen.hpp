// Addresses to listen at, as people write them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "http/server.hpp"
#include "kms/service/error.hpp"

namespace casemate::kms::service {

// ListenAddress: one way in.
struct ListenAddress {
    // text as it was given, which names the listener.
    std::string text;
    std::variant<http::TcpEndpoint, http::UnixEndpoint> endpoint;
    bool tls = true;
    // local: only this machine reaches it (loopback, a unix socket).
    bool local = false;
};

// parse_listen_address reads
//   HOST:PORT        TLS at a numeric address ("127.0.0.1:8443", "[::1]:8443") or localhost;
//   http:HOST:PORT   plain HTTP, on loopback only;
//   unix:PATH        TLS on a unix socket; http:unix:PATH without TLS;
//   vsock:PORT       TLS on parent_ports/PORT, the unix socket that every enclave of this machine
//                    reaches at CID 3, PORT (docs/vsock.md).
// Errors: ServiceErrc bad_option.
[[nodiscard]] Result<ListenAddress> parse_listen_address(std::string_view text,
                                                         const std::string& parent_ports);

}  // namespace casemate::kms::service
