// Service: store, vault, core, audit log and HTTP server put together.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "http/server.hpp"
#include "kms/audit/audit_log.hpp"
#include "kms/core/trust.hpp"
#include "kms/core/upkeep.hpp"
#include "kms/service/front.hpp"
#include "kms/service/listen.hpp"
#include "kms/service/tls_files.hpp"
#include "kms/store/repository.hpp"
#include "kms/vault/vault.hpp"

namespace casemate::kms::service {

// TlsFiles: where the server's certificate comes from. certificate and key are both given or both
// empty: then it is one of directory's own authority, for names.
struct TlsFiles {
    std::string directory;
    std::vector<std::string> names;
    std::string certificate;
    std::string key;
};

struct ServiceOptions {
    // data holds root keys and, unless they are said to be elsewhere, everything else.
    std::string data;
    // store: a directory or a postgresql:// URL; empty: data.
    std::string store;
    RootKeyProtection protection;
    std::string region = "us-east-1";
    std::vector<ListenAddress> listeners;
    // metrics_listeners answer /metrics and /health only.
    std::vector<ListenAddress> metrics_listeners;
    TlsFiles tls;
    TrustRules trust;
    // audit.directory: empty: data/audit.
    AuditOptions audit;
    // access_log: a file; empty: standard error; "none": nothing.
    std::string access_log;
    http::Limits limits;
    unsigned threads = 0;
    std::size_t store_connections = 16;
    std::size_t cached_keys = 10'000;
    FrontOptions front;
};

// Opened: a data directory with its store, as the service and the commands beside it use them.
struct Opened {
    std::unique_ptr<Repository> repository;
    Vault vault;
};

// open_data opens both, making them at first, and refuses root keys that don't open the store's
// secrets. store: empty: the directory's own. Errors: ServiceErrc wrong_root_keys; StoreErrc,
// VaultErrc.
[[nodiscard]] Result<Opened> open_data(const std::string& data, const std::string& store,
                                       const RootKeyProtection& protection,
                                       std::size_t connections = 2);

class Service {
public:
    // start opens everything and listens; requests are answered from then on. Errors: ServiceErrc,
    // those of open_data, AuditErrc, HttpErrc.
    [[nodiscard]] static Result<std::unique_ptr<Service>> start(ServiceOptions options);
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    // The destructor stops without grace.
    ~Service();

    // addresses says where it listens, as URLs: "https://127.0.0.1:8443", "https+unix:/run/…".
    [[nodiscard]] std::vector<std::string> addresses() const;

    // tick does what time brings: root keys that another process has made are read, certificates
    // renewed. Called every kTick by one thread. (What is due with keys has a thread of its own.)
    static constexpr std::chrono::seconds kTick{3};
    void tick();
    // reload opens the access log again and reads TLS files that were given. Errors: of either; the
    // old stay in use.
    [[nodiscard]] Result<> reload();
    // stop lets requests that have begun finish for that long.
    void stop(std::chrono::milliseconds grace);

private:
    explicit Service(ServiceOptions options);
    [[nodiscard]] Result<> open();
    [[nodiscard]] Result<> listen();
    [[nodiscard]] Result<crypto::TlsServerContext> tls_context();
    [[nodiscard]] Result<> renew_certificate();
    [[nodiscard]] FrontOptions front_options() const;
    [[nodiscard]] UpkeepOptions upkeep_options();
    // say logs a message about the service, the same one not twice in a row.
    void say(const std::string& message);

    ServiceOptions options_;
    std::unique_ptr<AccessLog> access_log_;
    std::optional<Opened> opened_;
    std::unique_ptr<AuditLog> audit_;
    std::unique_ptr<Keyring> keyring_;
    std::unique_ptr<Trust> trust_;
    std::unique_ptr<Core> core_;
    std::unique_ptr<Front> front_;
    // certificate that new connections get, where it is our own.
    std::optional<OwnServer> certificate_;
    std::unique_ptr<Upkeep> upkeep_;
    std::unique_ptr<http::Server> server_;
    Time certificate_looked_at_;
    std::mutex said_mutex_;
    std::string said_;
};

}  // namespace casemate::kms::service
