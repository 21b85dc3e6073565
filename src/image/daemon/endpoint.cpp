#include "image/daemon/endpoint.hpp"

#include "base/environment.hpp"
#include "base/file.hpp"
#include "http/url.hpp"
#include "image/tree.hpp"

namespace casemate::image {

namespace {

constexpr std::uint16_t kPlainPort = 2375;
constexpr std::uint16_t kTlsPort = 2376;
constexpr std::uint64_t kMaxPem = 1U << 20U;

Error refuse(std::string_view found) {
    return {ImageErrc::daemon, "expected unix:///PATH or tcp://HOST:PORT as DOCKER_HOST, found '" +
                                   printable(found) + "'"};
}

Result<crypto::TlsClientContext> tls_context() {
    std::string folder = environment("DOCKER_CERT_PATH");
    if (folder.empty()) {
        folder = environment("HOME") + "/.docker";
    }
    CASEMATE_TRY(const Bytes authorities, read_file(folder + "/ca.pem", kMaxPem));
    CASEMATE_TRY(const Bytes chain, read_file(folder + "/cert.pem", kMaxPem));
    CASEMATE_TRY(Bytes key, read_file(folder + "/key.pem", kMaxPem));
    const SecretBytes secret(std::move(key));
    auto context = crypto::TlsClientContext::with_identity(authorities, chain, secret.view());
    if (!context) {
        return std::move(context).error().while_doing("read ca.pem, cert.pem and key.pem of " +
                                                      folder);
    }
    return context;
}

}  // namespace

Result<DaemonEndpoint> DaemonEndpoint::parse(std::string_view text,
                                             std::optional<crypto::TlsClientContext> tls) {
    DaemonEndpoint endpoint;
    if (text.starts_with("unix://")) {
        endpoint.path = text.substr(7);
        return endpoint.path.starts_with('/') && text.find('\0') == text.npos
                   ? Result<DaemonEndpoint>(std::move(endpoint))
                   : refuse(text);
    }
    if (!text.starts_with("tcp://")) {
        return refuse(text);
    }
    std::string_view rest = text.substr(6);
    if (rest.ends_with('/')) {
        rest.remove_suffix(1);
    }
    auto authority = http::Authority::parse(rest, tls ? kTlsPort : kPlainPort);
    if (!authority) {
        return refuse(text);
    }
    endpoint.host = std::move(authority->host);
    endpoint.port = authority->port;
    endpoint.tls = std::move(tls);
    return endpoint;
}

std::string DaemonEndpoint::text() const {
    if (!path.empty()) {
        return "unix://" + path;
    }
    return "tcp://" + http::bracketed(host) + ":" + std::to_string(port);
}

Result<DaemonEndpoints> daemon_endpoints() {
    DaemonEndpoints found;
    if (const std::string host = environment("DOCKER_HOST"); !host.empty()) {
        std::optional<crypto::TlsClientContext> tls;
        if (host.starts_with("tcp://") && !environment("DOCKER_TLS_VERIFY").empty()) {
            CASEMATE_TRY(tls, tls_context());
        }
        CASEMATE_TRY(DaemonEndpoint endpoint, DaemonEndpoint::parse(host, std::move(tls)));
        found.all.push_back(std::move(endpoint));
        found.chosen = true;
        return found;
    }
    std::vector<std::string> paths = {"/var/run/docker.sock"};
    if (const std::string runtime = environment("XDG_RUNTIME_DIR"); runtime.starts_with('/')) {
        paths.push_back(runtime + "/podman/podman.sock");
    }
    paths.emplace_back("/run/podman/podman.sock");
    for (std::string& path : paths) {
        DaemonEndpoint endpoint;
        endpoint.path = std::move(path);
        found.all.push_back(std::move(endpoint));
    }
    return found;
}

}  // namespace casemate::image
