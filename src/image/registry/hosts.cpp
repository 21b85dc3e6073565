#include "image/registry/hosts.hpp"

#include <dirent.h>

#include <algorithm>
#include <memory>

#include "base/environment.hpp"
#include "base/file.hpp"
#include "base/os_error.hpp"
#include "http/connect.hpp"
#include "image/documents.hpp"
#include "image/registry/proxy.hpp"

namespace casemate::image {

namespace {

constexpr std::chrono::seconds kConnectTime{20};
constexpr std::uint64_t kMaxAuthorities = 1U << 20U;

http::ClientLimits limits() {
    http::ClientLimits limits;
    limits.handshake = std::chrono::seconds(20);
    limits.body_bytes = kMaxDocument;
    return limits;
}

// authority_files lists the *.crt files of a directory, in order; none where it can't be read.
std::vector<std::string> authority_files(const std::string& directory) {
    std::vector<std::string> files;
    const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(directory.c_str()), ::closedir);
    while (open != nullptr) {
        const dirent* const entry = ::readdir(open.get());
        if (entry == nullptr) {
            break;
        }
        const std::string name = static_cast<const char*>(entry->d_name);
        if (name.ends_with(".crt")) {
            files.push_back(std::string(directory).append("/").append(name));
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

std::vector<std::string> certificate_directories() {
    std::vector<std::string> directories{"/etc/docker/certs.d/", "/etc/containers/certs.d/"};
    if (const std::string home = environment("HOME"); !home.empty()) {
        directories.push_back(home + "/.docker/certs.d/");
        directories.push_back(home + "/.config/containers/certs.d/");
    }
    return directories;
}

}  // namespace

bool Hosts::may_be_plain(const http::Url& url) const {
    const auto named = [&](const std::string& text) {
        const auto one = http::Url::parse("http://" + text);
        return one && one->host == url.host &&
               (text.find(':') == std::string::npos || one->host_field() == url.host_field());
    };
    return http::is_loopback(url.host) || std::any_of(insecure_.begin(), insecure_.end(), named);
}

Result<crypto::TlsClientContext> Hosts::trust(const std::string& host) {
    const std::lock_guard lock(mutex_);
    if (const auto known = contexts_.find(host); known != contexts_.end()) {
        return known->second;
    }
    Bytes authorities;
    for (const std::string& directory : certificate_directories()) {
        for (const std::string& path : authority_files(directory + host)) {
            CASEMATE_TRY(const Bytes text, read_file(path, kMaxAuthorities));
            authorities.insert(authorities.end(), text.begin(), text.end());
            authorities.push_back('\n');
        }
    }
    auto context = crypto::TlsClientContext::with_system_authorities(authorities);
    if (!context) {
        return std::move(context).error().while_doing("read the authorities in certs.d/" + host);
    }
    contexts_.emplace(host, *context);
    return context;
}

Result<http::Connection> Hosts::connect(const http::Url& url) {
    if (!url.secure && !may_be_plain(url)) {
        return Error(ImageErrc::registry,
                     "expected https, found " + url.origin() +
                         "; only this machine, and registries that are named as insecure, are "
                         "spoken to without TLS");
    }
    std::optional<http::TlsClient> tls;
    if (url.secure) {
        CASEMATE_TRY(crypto::TlsClientContext context, trust(url.host_field()));
        tls = http::TlsClient{std::move(context), url.host};
    }
    CASEMATE_TRY(const std::optional<Proxy> proxy, proxy_for(url));
    CASEMATE_TRY(UniqueFd socket, proxy ? connect_through(*proxy, url, kConnectTime)
                                        : http::connect_host(url.host, url.port, kConnectTime));
    auto connection = http::Connection::over(std::move(socket), std::move(tls), limits());
    if (!connection && connection.error().is(http::HttpErrc::tls_failure)) {
        return Error(http::HttpErrc::tls_failure,
                     "expected a TLS certificate of " + url.host +
                         " from an authority that this machine trusts (more can be put into "
                         "/etc/docker/certs.d/" +
                         url.host_field() +
                         "/ca.crt, or into a file that SSL_CERT_FILE names; a registry without TLS "
                         "must be allowed by --allow-insecure-registry), found: " +
                         connection.error().detail());
    }
    return connection;
}

}  // namespace casemate::image
