#include "kms/service/service.hpp"

#include <algorithm>
#include <set>
#include <thread>
#include <utility>

#include "kms/service/audit_line.hpp"

namespace casemate::kms::service {

namespace {

Time wall_clock() {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

crypto::Seconds seconds_now() {
    return std::chrono::floor<std::chrono::seconds>(wall_clock());
}

Error wrong_keys(const Error& error, const std::string& data) {
    return {ServiceErrc::wrong_root_keys,
            "expected the root keys in " + data +
                "/root-keys to open the store's secrets, found that they don't (" +
                error.message() +
                "); start with the data directory that this store was made with, or a copy of its "
                "root-keys"};
}

// check_root_keys tries one of each kind of secret: with the wrong keys, none opens.
Result<> check_root_keys(Repository& repository, const Vault& vault, const std::string& data) {
    CASEMATE_TRY(const Page<User> users, repository.user_page("", 1));
    for (const User& user : users.items) {
        const auto opened =
            vault.unwrap(user.wrapped_secret, access_key_binding(user.access_key_id));
        if (!opened) {
            return wrong_keys(opened.error(), data);
        }
    }
    CASEMATE_TRY(const Page<Material> materials, repository.material_page("", 1));
    for (const Material& material : materials.items) {
        const auto opened =
            vault.unwrap(material.wrapped, material_binding(material.key_id, material.id));
        if (!opened) {
            return wrong_keys(opened.error(), data);
        }
    }
    return {};
}

// threads_of: while a thread waits for the disk, for its line of the audit log, others serve; those
// that wait share one write.
unsigned threads_of(const ServiceOptions& options) {
    constexpr unsigned kWaiting = 32;
    const bool waits = options.audit.sync == AuditSync::each_line;
    return options.threads == 0 && waits
               ? std::max(kWaiting, 2 * std::thread::hardware_concurrency())
               : options.threads;
}

std::string url_of(const ListenAddress& address, const http::Server& server) {
    const std::string scheme = address.tls ? "https" : "http";
    if (const auto* tcp = std::get_if<http::TcpEndpoint>(&address.endpoint)) {
        const bool six = tcp->address.find(':') != std::string::npos;
        return scheme + "://" + (six ? "[" + tcp->address + "]" : tcp->address) + ":" +
               std::to_string(server.bound_port(address.text).value_or(tcp->port));
    }
    return scheme + "+unix:" + std::get_if<http::UnixEndpoint>(&address.endpoint)->path;
}

}  // namespace

Result<Opened> open_data(const std::string& data, const std::string& store,
                         const RootKeyProtection& protection, std::size_t connections) {
    CASEMATE_TRY(Vault vault, Vault::open(data, protection));
    CASEMATE_TRY(auto repository, Repository::open(store.empty() ? data : store, connections));
    CASEMATE_CHECK(check_root_keys(*repository, vault, data));
    return Opened{.repository = std::move(repository), .vault = std::move(vault)};
}

Service::Service(ServiceOptions options) : options_(std::move(options)) {
}

Service::~Service() {
    stop(std::chrono::milliseconds(0));
}

Result<std::unique_ptr<Service>> Service::start(ServiceOptions options) {
    if (options.listeners.empty()) {
        return Error(ServiceErrc::bad_option, "expected at least one address to listen at");
    }
    std::unique_ptr<Service> service(new Service(std::move(options)));
    CASEMATE_CHECK(service->open());
    CASEMATE_CHECK(service->listen());
    return service;
}

Result<> Service::open() {
    CASEMATE_TRY(access_log_, AccessLog::open(options_.access_log));
    CASEMATE_TRY(opened_, open_data(options_.data, options_.store, options_.protection,
                                    options_.store_connections));
    if (options_.audit.directory.empty()) {
        options_.audit.directory = options_.data + "/audit";
    }
    CASEMATE_TRY(audit_, AuditLog::open(options_.audit));
    keyring_ = std::make_unique<Keyring>(*opened_->repository, opened_->vault, options_.region,
                                         options_.cached_keys);
    trust_ = std::make_unique<Trust>(options_.trust);
    core_ = std::make_unique<Core>(Core{*opened_->repository, opened_->vault, *keyring_, *trust_});
    front_ = std::make_unique<Front>(*core_, *audit_, *access_log_, front_options());
    return {};
}

FrontOptions Service::front_options() const {
    FrontOptions out = options_.front;
    for (const ListenAddress& address : options_.listeners) {
        if (address.local) {
            out.metrics_listeners.insert(address.text);
        }
    }
    for (const ListenAddress& address : options_.metrics_listeners) {
        out.metrics_listeners.insert(address.text);
        out.only_metrics.insert(address.text);
    }
    return out;
}

Result<crypto::TlsServerContext> Service::tls_context() {
    const TlsFiles& tls = options_.tls;
    if (!tls.certificate.empty()) {
        return given_server(tls.certificate, tls.key);
    }
    CASEMATE_TRY(certificate_, own_server(tls.directory, tls.names, seconds_now()));
    front_->set_certificate_end(certificate_->not_after.time_since_epoch().count());
    return certificate_->context;
}

Result<> Service::listen() {
    std::vector<ListenAddress> all = options_.listeners;
    all.insert(all.end(), options_.metrics_listeners.begin(), options_.metrics_listeners.end());
    std::optional<crypto::TlsServerContext> tls;
    if (std::any_of(all.begin(), all.end(), [](const auto& address) { return address.tls; })) {
        CASEMATE_TRY(tls, tls_context());
    }
    http::Options server;
    server.limits = options_.limits;
    server.threads = threads_of(options_);
    server.refusals = [this](const http::Refusal& refusal) { return front_->refuse(refusal); };
    std::set<std::string> names;
    for (const ListenAddress& address : all) {
        if (!names.insert(address.text).second) {
            return Error(ServiceErrc::bad_option,
                         "expected each address once, found \"" + address.text + "\" twice");
        }
        http::Listener listener{
            .name = address.text, .endpoint = address.endpoint, .tls = std::nullopt};
        if (address.tls) {
            listener.tls = tls;
        }
        server.listeners.push_back(std::move(listener));
    }
    CASEMATE_TRY(server_, http::Server::start(std::move(server), [this](const auto& request) {
                     return front_->handle(request);
                 }));
    front_->set_server(server_.get());
    upkeep_ = std::make_unique<Upkeep>(*core_, upkeep_options());
    return upkeep_->start();
}

std::vector<std::string> Service::addresses() const {
    std::vector<std::string> out;
    for (const auto* list : {&options_.listeners, &options_.metrics_listeners}) {
        for (const ListenAddress& address : *list) {
            out.push_back(url_of(address, *server_));
        }
    }
    return out;
}

Result<> Service::renew_certificate() {
    const std::optional<crypto::Seconds> before =
        certificate_ ? std::optional(certificate_->not_before) : std::nullopt;
    CASEMATE_TRY(const crypto::TlsServerContext context, tls_context());
    if (before && certificate_ && certificate_->not_before == *before) {
        return {};
    }
    for (const auto* list : {&options_.listeners, &options_.metrics_listeners}) {
        for (const ListenAddress& address : *list) {
            if (address.tls) {
                CASEMATE_CHECK(server_->replace_tls(address.text, context));
            }
        }
    }
    return {};
}

void Service::say(const std::string& message) {
    const std::lock_guard lock(said_mutex_);
    if (message != said_) {
        said_ = message;
        access_log_->say(wall_clock(), message);
    }
}

UpkeepOptions Service::upkeep_options() {
    UpkeepOptions out;
    out.done = [this](const UpkeepEvent& event) {
        if (const auto done = audit_->append(audit_entry(event, options_.region)); !done) {
            say("the audit log: " + done.error().message());
        }
    };
    out.error = [this](const Error& error) { say("upkeep: " + error.message()); };
    return out;
}

void Service::tick() {
    if (const auto done = opened_->vault.refresh(); !done) {
        say("root keys: " + done.error().message());
    }
    const Time now = wall_clock();
    // It is renewed a month before its end.
    const auto since = now - certificate_looked_at_;
    if (!certificate_ || (since >= Time::duration::zero() && since < std::chrono::hours(1))) {
        return;
    }
    certificate_looked_at_ = now;
    if (const auto done = renew_certificate(); !done) {
        say("the server's certificate: " + done.error().message());
    }
}

Result<> Service::reload() {
    CASEMATE_CHECK(access_log_->reopen());
    const bool tls = std::any_of(options_.listeners.begin(), options_.listeners.end(),
                                 [](const auto& address) { return address.tls; });
    return tls ? renew_certificate() : Result<>();
}

void Service::stop(std::chrono::milliseconds grace) {
    if (upkeep_) {
        upkeep_->stop();
    }
    if (server_) {
        server_->stop(grace);
        front_->set_server(nullptr);
    }
    if (audit_) {
        static_cast<void>(audit_->sync());
    }
}

}  // namespace casemate::kms::service
