// Hosts: how a host is connected to, and whether it may be spoken to without TLS.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "crypto/tls.hpp"
#include "http/client.hpp"
#include "http/url.hpp"

namespace casemate::image {

class Hosts {
public:
    // insecure: "HOST" or "HOST:PORT", as in image names, of the registries that may be spoken to
    // without TLS; this machine itself always may.
    explicit Hosts(std::vector<std::string> insecure) : insecure_(std::move(insecure)) {}

    [[nodiscard]] bool may_be_plain(const http::Url& url) const;

    // connect opens a connection, with TLS for a secure URL: trusted are the system's authorities
    // and those in the *.crt files of certs.d/HOST[:PORT] in /etc/docker, /etc/containers,
    // ~/.docker and ~/.config/containers. A proxy is used where proxy_for knows one. Safe to use
    // from several threads. Errors: ImageErrc registry for a plain URL that must not be, and of the
    // proxy; those of reading an authority's file; http's for the rest, tls_failure with what to
    // do.
    [[nodiscard]] Result<http::Connection> connect(const http::Url& url);

private:
    [[nodiscard]] Result<crypto::TlsClientContext> trust(const std::string& host);

    std::vector<std::string> insecure_;
    std::mutex mutex_;
    std::map<std::string, crypto::TlsClientContext> contexts_;
};

}  // namespace casemate::image
