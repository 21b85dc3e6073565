#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include "attestation/isolation.hpp"
#include "base/file.hpp"
#include "crypto/certificate.hpp"
#include "kms/cli/commands.hpp"
#include "kms/cli/open.hpp"
#include "kms/service/service.hpp"

namespace casemate::kms::cli {

namespace {

using service::ListenAddress;
using service::ServiceOptions;
using std::chrono::seconds;

constexpr std::string_view kDefaultListen = "127.0.0.1:8443";
constexpr std::uint64_t kMaxRootFile = std::uint64_t{1} << 20U;

Error bad_option(const std::string& sentence) {
    return {service::ServiceErrc::bad_option, sentence};
}

Result<std::vector<ListenAddress>> addresses_of(const std::vector<std::string>& texts,
                                                const Places& places) {
    std::vector<ListenAddress> out;
    for (const std::string& text : texts) {
        CASEMATE_TRY(ListenAddress address,
                     service::parse_listen_address(text, places.parent_ports));
        out.push_back(std::move(address));
        if (text.starts_with("vsock:")) {
            CASEMATE_CHECK(places.make_directories());
        }
    }
    return out;
}

bool is_name(const std::string& text) {
    constexpr std::string_view kLetters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:*_";
    return !text.empty() && text.find_first_not_of(kLetters) == std::string::npos;
}

bool is_region(const std::string& text) {
    constexpr std::size_t kMost = 32;
    return !text.empty() && text.size() <= kMost &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
}

Result<service::TlsFiles> tls_of(const ServeArguments& arguments) {
    service::TlsFiles out;
    out.directory = arguments.data.data + "/tls";
    out.certificate = arguments.tls_certificate;
    out.key = arguments.tls_key;
    out.names = service::default_names(arguments.region);
    for (const std::string& name : arguments.tls_names) {
        if (!is_name(name)) {
            return bad_option("tls-name: expected a DNS name or a numeric address, found \"" +
                              name + "\"");
        }
        if (std::find(out.names.begin(), out.names.end(), name) == out.names.end()) {
            out.names.push_back(name);
        }
    }
    return out;
}

void set_limits(const ServeArguments& arguments, ServiceOptions& out) {
    out.limits.header_bytes = arguments.max_header_bytes;
    out.limits.body_bytes = arguments.max_body_bytes;
    out.limits.connections = arguments.max_connections;
    out.limits.connections_per_address = arguments.max_connections_per_address;
    out.limits.request = seconds(arguments.request_timeout);
    out.limits.idle = seconds(arguments.idle_timeout);
    out.threads = arguments.threads;
    out.store_connections = arguments.store_connections;
    out.front.requests_per_second = arguments.requests_per_second;
    out.front.burst = arguments.burst != 0 ? arguments.burst : arguments.requests_per_second;
}

// Roots that are named must be there; this machine's own is made with its first enclave.
Result<TrustRules> trust_of(const ServeArguments& arguments, const Places& places) {
    TrustRules out;
    out.roots = arguments.attestation_roots;
    for (const std::string& file : out.roots) {
        const auto pem = read_file(file, kMaxRootFile);
        if (!pem) {
            return bad_option("attestation-root: expected the file " + file + ", found " +
                              pem.error().message());
        }
        const auto roots = crypto::Certificate::all_from_pem(*pem);
        if (!roots) {
            return bad_option("attestation-root: expected certificates in PEM in " + file +
                              ", found " + roots.error().message());
        }
    }
    if (out.roots.empty()) {
        out.roots.push_back(places.authority_root);
    }
    for (const std::string& text : arguments.allow_isolation) {
        if (const auto isolation = attestation::parse_isolation(text)) {
            out.isolation.insert(*isolation);
        }
    }
    out.allow_debug = arguments.allow_debug;
    out.max_age = seconds(arguments.max_document_age);
    return out;
}

Result<ServiceOptions> options_of(const ServeArguments& arguments, const Places& places) {
    ServiceOptions out;
    if (!is_region(arguments.region)) {
        return bad_option("region: expected small letters, digits and \"-\", found \"" +
                          arguments.region + "\"");
    }
    out.data = arguments.data.data;
    out.store = arguments.data.store;
    out.region = arguments.region;
    std::vector<std::string> listen = arguments.listen;
    if (listen.empty()) {
        listen.emplace_back(kDefaultListen);
    }
    CASEMATE_TRY(out.listeners, addresses_of(listen, places));
    CASEMATE_TRY(out.metrics_listeners, addresses_of(arguments.metrics_listen, places));
    CASEMATE_TRY(out.tls, tls_of(arguments));
    CASEMATE_TRY(out.trust, trust_of(arguments, places));
    out.audit.directory = arguments.audit_directory;
    out.audit.sync = arguments.audit_sync;
    out.access_log = arguments.access_log;
    set_limits(arguments, out);
    // Last: it may ask for a passphrase, and makes the data directory.
    CASEMATE_TRY(out.protection, protection_of(arguments.data));
    return out;
}

// Signals: those that end or reload the service, for the main thread to wait for; no other thread
// gets them.
class Signals {
public:
    Signals() {
        ::sigemptyset(&set_);
        for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
            ::sigaddset(&set_, signal);
        }
        ::pthread_sigmask(SIG_BLOCK, &set_, &before_);
        // A reader that has gone is an error of a write, not the service's end.
        static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
    }
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;
    ~Signals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

    // wait gives a signal, or 0 after a while.
    [[nodiscard]] int wait(seconds at_most) const {
        timespec time{};
        time.tv_sec = at_most.count();
        const int signal = ::sigtimedwait(&set_, nullptr, &time);
        return signal > 0 ? signal : 0;
    }

private:
    sigset_t set_{};
    sigset_t before_{};
};

[[nodiscard]] int say_ready(const service::Service& running, int ready_fd, Console& console) {
    std::string text;
    for (const std::string& address : running.addresses()) {
        text += "listening on " + address + "\n";
    }
    const int written = console.text(text);
    if (ready_fd >= 0) {
        const UniqueFd ready(ready_fd);
        static_cast<void>(write_all(ready.get(), as_bytes(text)));
    }
    return written;
}

}  // namespace

int serve(const ServeArguments& arguments, const Places& places, Console& console) {
    const Signals signals;
    auto options = options_of(arguments, places);
    if (!options) {
        return console.fail(options.error(), options.error().is(service::ServiceErrc::bad_option)
                                                 ? kUsage
                                                 : kFailed);
    }
    const auto running = service::Service::start(std::move(*options));
    if (!running) {
        return console.fail(running.error());
    }
    static_cast<void>(say_ready(**running, arguments.ready_fd, console));
    while (true) {
        (*running)->tick();
        const int signal = signals.wait(service::Service::kTick);
        if (signal == SIGHUP) {
            if (const auto done = (*running)->reload(); !done) {
                console.say("reload: " + done.error().message());
            }
        } else if (signal != 0) {
            break;
        }
    }
    (*running)->stop(seconds(arguments.grace));
    return kDone;
}

}  // namespace casemate::kms::cli
