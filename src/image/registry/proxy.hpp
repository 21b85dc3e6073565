// Proxies, as the environment names them, for connections with TLS: CONNECT (RFC 9110 9.3.6).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "http/url.hpp"

namespace casemate::image {

struct Proxy {
    std::string host;
    std::uint16_t port = 80;
    // authorization: the value of the header Proxy-Authorization; empty for none.
    SecretBytes authorization;
};

// proxy_for gives the proxy of $HTTPS_PROXY, or $https_proxy, for a secure URL; nothing for any
// other, for this machine, and for whom $NO_PROXY (or $no_proxy) names: "*", or hosts with all
// below them, hosts with a port, addresses and networks (10.0.0.0/8), with commas between. Errors:
// ImageErrc registry for a proxy that is not [http://][USER:PASSWORD@]HOST[:PORT].
[[nodiscard]] Result<std::optional<Proxy>> proxy_for(const http::Url& url);

// connect_through connects to the proxy, and by it to the URL's host. Errors: ImageErrc registry
// where the proxy refuses; http::connect_host's and HttpErrc timed_out, connection_lost.
[[nodiscard]] Result<UniqueFd> connect_through(const Proxy& proxy, const http::Url& url,
                                               std::chrono::milliseconds timeout);

}  // namespace casemate::image
