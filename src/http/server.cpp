#include "http/server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <list>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/fd.hpp"
#include "base/os_error.hpp"
#include "http/listening.hpp"
#include "http/server_connection.hpp"
#include "http/server_state.hpp"
#include "http/wire.hpp"

namespace casemate::http {

namespace {

using Clock = ServerConnection::Clock;
using std::chrono::milliseconds;

// How many connections one thread accepts before it looks at others again.
constexpr int kAcceptedAtOnce = 16;
constexpr std::size_t kMaxHeaderBytes = std::size_t{1} << 20U;

// Source: what an event of epoll is about; none for the one that ends the threads.
struct Source {
    enum class Kind : std::uint8_t { listener, connection };
    explicit Source(Kind is) : kind(is) {}
    Kind kind;
};

struct ActiveListener : Source {
    ActiveListener(Listener configured, ListeningSocket opened)
        : Source(Kind::listener),
          name(std::move(configured.name)),
          tls(std::move(configured.tls)),
          socket(std::move(opened)) {}

    std::string name;
    std::mutex mutex;
    // tls is guarded by mutex; whether there is one never changes.
    std::optional<crypto::TlsServerContext> tls;
    ListeningSocket socket;
    // paused: accept failed for want of something; tried again after a while.
    std::atomic<bool> paused = false;
};

struct ActiveConnection : Source {
    ActiveConnection(ServerState& state, Transport transport, Peer peer)
        : Source(Kind::connection),
          address(peer.address),
          served(state, std::move(transport), std::move(peer)) {}

    std::optional<std::string> address;
    ServerConnection served;
    std::list<ActiveConnection>::iterator self;
    // turn is held while the connection is handed to whichever thread its next event comes to, and
    // taken by that thread first: the kernel orders them so by its events, which the language knows
    // nothing of.
    std::mutex turn;
};

std::optional<std::string> address_text(const sockaddr_storage& raw) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (raw.ss_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &raw, sizeof(v4));
        return ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    }
    if (raw.ss_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &raw, sizeof(v6));
        if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
            return ::inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text.data(), text.size());
        }
        return ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    }
    return std::nullopt;
}

// say_busy tells a plain connection that there are too many, as far as that goes at once.
void say_busy(int socket) {
    std::string out;
    const Response busy{.status = 503,
                        .headers = {{"Content-Type", "text/plain"}},
                        .body = "too many connections\n"};
    static_cast<void>(append_response(out, busy, {.keep_alive = false}));
    static_cast<void>(::send(socket, out.data(), out.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
}

Error bad_argument(std::string sentence) {
    return Error(HttpErrc::bad_argument, std::move(sentence));
}

Result<> check(const Options& options, const Handler& handler) {
    const Limits& limits = options.limits;
    if (!handler) {
        return bad_argument("expected a handler, found none");
    }
    std::set<std::string_view> names;
    for (const Listener& listener : options.listeners) {
        if (listener.name.empty() || !names.insert(listener.name).second) {
            return bad_argument("expected a name of its own for each listener, found \"" +
                                listener.name + "\"");
        }
    }
    if (names.empty()) {
        return bad_argument("expected a listener, found none");
    }
    if (limits.header_bytes < 64 || limits.header_bytes > kMaxHeaderBytes || limits.headers == 0) {
        return bad_argument("expected 64 bytes to 1 MiB of headers, and at least one header");
    }
    const auto times = {limits.handshake, limits.idle, limits.request, limits.write, limits.drain};
    if (std::min(times) < milliseconds(1) || std::max(times) > std::chrono::hours(24)) {
        return bad_argument("expected times from 1 ms to a day");
    }
    return {};
}

milliseconds sweep_period(const Limits& limits) {
    const milliseconds shortest =
        std::min({limits.handshake, limits.idle, limits.request, limits.write, limits.drain});
    return std::clamp(shortest / 4, milliseconds(5), milliseconds(250));
}

// NoSignals blocks all signals of this thread: threads started meanwhile leave them to others.
class NoSignals {
public:
    NoSignals() {
        sigset_t all{};
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~NoSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    NoSignals(const NoSignals&) = delete;
    NoSignals& operator=(const NoSignals&) = delete;

private:
    sigset_t before_{};
};

}  // namespace

Statistics Counters::snapshot() const {
    return {.open = open,
            .idle = idle,
            .accepted = accepted,
            .refused_connections = refused_connections,
            .refused_connections_of_address = refused_connections_of_address,
            .accept_failures = accept_failures,
            .handshake_failures = handshake_failures,
            .requests = requests,
            .handler_failures = handler_failures,
            .bad_requests = bad_requests,
            .too_large = too_large,
            .handshake_timeouts = handshake_timeouts,
            .idle_timeouts = idle_timeouts,
            .request_timeouts = request_timeouts,
            .write_timeouts = write_timeouts,
            .aborted = aborted,
            .bytes_in = bytes_in,
            .bytes_out = bytes_out};
}

class Server::Implementation {
public:
    Implementation(const Options& options, Handler handler)
        : period_(sweep_period(options.limits)) {
        state_.limits = options.limits;
        state_.handler = std::move(handler);
        state_.refusals = options.refusals;
    }
    Implementation(const Implementation&) = delete;
    Implementation& operator=(const Implementation&) = delete;
    ~Implementation() { stop(milliseconds(0)); }

    Result<> start(std::vector<Listener> listeners, unsigned threads);
    void stop(milliseconds grace);

    [[nodiscard]] const ActiveListener* find(std::string_view name) const {
        const auto found = std::find_if(listeners_.begin(), listeners_.end(),
                                        [&](const auto& one) { return one->name == name; });
        return found == listeners_.end() ? nullptr : found->get();
    }
    [[nodiscard]] ActiveListener* find(std::string_view name) {
        return const_cast<ActiveListener*>(std::as_const(*this).find(name));
    }
    [[nodiscard]] Statistics statistics() const { return state_.counters.snapshot(); }

private:
    Result<> start_threads(unsigned threads);
    [[nodiscard]] bool arm(int operation, int socket, std::uint32_t events, Source* source) const;

    void work();
    void accept_from(ActiveListener& listener);
    bool accept_one(ActiveListener& listener);
    void add(ActiveListener& listener, UniqueFd socket, Peer peer);
    [[nodiscard]] bool has_room(const Peer& peer) const;
    void serve(ActiveConnection& connection);
    [[nodiscard]] bool hand_over(ActiveConnection& connection, int operation,
                                 std::uint32_t events) const;
    void remove(ActiveConnection& connection);

    void sweep();
    void end_connections(milliseconds grace);
    void end_threads();

    ServerState state_;
    milliseconds period_;
    UniqueFd epoll_;
    UniqueFd wake_;
    std::vector<std::unique_ptr<ActiveListener>> listeners_;
    std::vector<std::thread> threads_;
    std::thread sweeper_;

    std::mutex stop_mutex_;
    bool stopped_ = false;

    // mutex_ guards what follows. Connections are removed under it by the thread that serves them,
    // so that under it each one's socket is its own.
    std::mutex mutex_;
    std::condition_variable changed_;
    std::list<ActiveConnection> connections_;
    std::unordered_map<std::string, std::size_t> of_address_;
    bool ending_ = false;
};

bool Server::Implementation::arm(int operation, int socket, std::uint32_t events,
                                 Source* source) const {
    epoll_event event{};
    event.events = events;
    event.data.ptr = source;
    return ::epoll_ctl(epoll_.get(), operation, socket, &event) == 0;
}

Result<> Server::Implementation::start(std::vector<Listener> listeners, unsigned threads) {
    epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
    wake_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!epoll_.valid() || !wake_.valid() || !arm(EPOLL_CTL_ADD, wake_.get(), EPOLLIN, nullptr)) {
        return os_error("set up a server");
    }
    for (Listener& listener : listeners) {
        CASEMATE_TRY(ListeningSocket socket,
                     std::visit([](const auto& where) { return ListeningSocket::open(where); },
                                listener.endpoint));
        listeners_.push_back(
            std::make_unique<ActiveListener>(std::move(listener), std::move(socket)));
    }
    CASEMATE_CHECK(start_threads(threads));
    for (const auto& listener : listeners_) {
        if (!arm(EPOLL_CTL_ADD, listener->socket.get(), EPOLLIN | EPOLLONESHOT, listener.get())) {
            return os_error("wait for connections");
        }
    }
    return {};
}

Result<> Server::Implementation::start_threads(unsigned threads) {
    const unsigned number =
        threads != 0 ? threads : std::max(4U, 2 * std::thread::hardware_concurrency());
    const NoSignals none;
    try {
        sweeper_ = std::thread([this] { sweep(); });
        for (unsigned i = 0; i < number; ++i) {
            threads_.emplace_back([this] { work(); });
        }
    } catch (const std::system_error& error) {
        return os_error("start a thread", error.code().value());
    }
    return {};
}

void Server::Implementation::work() {
    while (true) {
        epoll_event event{};
        // One event at a time: a handler that blocks must not hold up others.
        const int got = ::epoll_wait(epoll_.get(), &event, 1, -1);
        if (got <= 0) {
            continue;
        }
        auto* const source = static_cast<Source*>(event.data.ptr);
        if (source == nullptr) {
            return;
        }
        if (source->kind == Source::Kind::listener) {
            accept_from(static_cast<ActiveListener&>(*source));
        } else {
            serve(static_cast<ActiveConnection&>(*source));
        }
    }
}

void Server::Implementation::accept_from(ActiveListener& listener) {
    for (int i = 0; i < kAcceptedAtOnce; ++i) {
        if (!accept_one(listener)) {
            break;
        }
    }
    if (!state_.stopping && !listener.paused) {
        static_cast<void>(
            arm(EPOLL_CTL_MOD, listener.socket.get(), EPOLLIN | EPOLLONESHOT, &listener));
    }
}

// accept_one: false when there is nothing more to accept now.
bool Server::Implementation::accept_one(ActiveListener& listener) {
    sockaddr_storage raw{};
    socklen_t size = sizeof(raw);
    UniqueFd socket(::accept4(listener.socket.get(), reinterpret_cast<sockaddr*>(&raw), &size,
                              SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid()) {
        const int error = errno;
        if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
            count(state_.counters.accept_failures);
            const std::lock_guard lock(mutex_);
            listener.paused = true;
            changed_.notify_all();
        }
        // Others are of one connection that is gone already, or of a listener that is stopped.
        return error == ECONNABORTED || error == EINTR || error == EPROTO;
    }
    Peer peer{.secure = false, .address = address_text(raw), .listener = listener.name};
    if (peer.address) {
        const int on = 1;
        ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        ::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    }
    add(listener, std::move(socket), std::move(peer));
    return true;
}

bool Server::Implementation::has_room(const Peer& peer) const {
    if (connections_.size() >= state_.limits.connections) {
        return false;
    }
    const auto same = peer.address ? of_address_.find(*peer.address) : of_address_.end();
    return same == of_address_.end() || same->second < state_.limits.connections_per_address;
}

void Server::Implementation::add(ActiveListener& listener, UniqueFd socket, Peer peer) {
    std::optional<crypto::TlsServerContext> tls;
    {
        const std::lock_guard lock(listener.mutex);
        tls = listener.tls;
    }
    peer.secure = tls.has_value();
    std::unique_lock lock(mutex_);
    if (state_.stopping) {
        return;
    }
    if (!has_room(peer)) {
        count(connections_.size() >= state_.limits.connections
                  ? state_.counters.refused_connections
                  : state_.counters.refused_connections_of_address);
        lock.unlock();
        if (!tls) {
            say_busy(socket.get());
        }
        return;
    }
    count(state_.counters.accepted);
    if (peer.address) {
        ++of_address_[*peer.address];
    }
    ActiveConnection& added =
        connections_.emplace_front(state_,
                                   tls ? Transport::server(std::move(socket), tls->native_handle())
                                       : Transport(std::move(socket)),
                                   std::move(peer));
    added.self = connections_.begin();
    if (connections_.size() == 1) {
        changed_.notify_all();
    }
    lock.unlock();
    if (!hand_over(added, EPOLL_CTL_ADD, EPOLLIN | EPOLLRDHUP)) {
        remove(added);
    }
}

// hand_over: once it has succeeded the connection may be another thread's, or gone.
bool Server::Implementation::hand_over(ActiveConnection& connection, int operation,
                                       std::uint32_t events) const {
    const std::lock_guard handing(connection.turn);
    return arm(operation, connection.served.socket(), events | EPOLLONESHOT, &connection);
}

void Server::Implementation::serve(ActiveConnection& connection) {
    using Next = ServerConnection::Next;
    { const std::lock_guard mine(connection.turn); }
    const Next next = connection.served.run();
    const std::uint32_t events = next == Next::write ? EPOLLOUT : EPOLLIN | EPOLLRDHUP;
    if (next == Next::close || !hand_over(connection, EPOLL_CTL_MOD, events)) {
        remove(connection);
    }
}

void Server::Implementation::remove(ActiveConnection& connection) {
    // Destroyed after the lock is given back.
    std::list<ActiveConnection> removed;
    const std::lock_guard lock(mutex_);
    if (connection.address) {
        const auto same = of_address_.find(*connection.address);
        if (--same->second == 0) {
            of_address_.erase(same);
        }
    }
    removed.splice(removed.begin(), connections_, connection.self);
    if (connections_.empty()) {
        changed_.notify_all();
    }
}

void Server::Implementation::sweep() {
    std::unique_lock lock(mutex_);
    while (!ending_) {
        const bool paused = std::any_of(listeners_.begin(), listeners_.end(),
                                        [](const auto& one) { return one->paused.load(); });
        if (connections_.empty() && !paused) {
            changed_.wait(lock);
            continue;
        }
        changed_.wait_for(lock, period_, [this] { return ending_; });
        const Clock::time_point now = Clock::now();
        for (ActiveConnection& connection : connections_) {
            connection.served.expire(now);
        }
        for (const auto& listener : listeners_) {
            if (listener->paused.exchange(false) && !state_.stopping) {
                static_cast<void>(arm(EPOLL_CTL_MOD, listener->socket.get(), EPOLLIN | EPOLLONESHOT,
                                      listener.get()));
            }
        }
    }
}

void Server::Implementation::end_connections(milliseconds grace) {
    std::unique_lock lock(mutex_);
    for (ActiveConnection& connection : connections_) {
        connection.served.close_if_idle();
    }
    const auto none = [this] { return connections_.empty(); };
    if (changed_.wait_for(lock, grace, none)) {
        return;
    }
    for (ActiveConnection& connection : connections_) {
        connection.served.abort();
    }
    changed_.wait(lock, none);
}

void Server::Implementation::end_threads() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_all();
    static_cast<void>(::eventfd_write(wake_.get(), 1));
    for (std::thread& thread : threads_) {
        thread.join();
    }
    threads_.clear();
    if (sweeper_.joinable()) {
        sweeper_.join();
    }
}

void Server::Implementation::stop(milliseconds grace) {
    const std::lock_guard once(stop_mutex_);
    if (std::exchange(stopped_, true)) {
        return;
    }
    {
        // So that no connection is added after it.
        const std::lock_guard lock(mutex_);
        state_.stopping = true;
    }
    for (const auto& listener : listeners_) {
        listener->socket.stop();
    }
    end_connections(grace);
    end_threads();
}

Server::Server(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {
}

Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(Options options, Handler handler) {
    CASEMATE_CHECK(check(options, handler));
    auto implementation = std::make_unique<Implementation>(options, std::move(handler));
    CASEMATE_CHECK(implementation->start(std::move(options.listeners), options.threads));
    return std::unique_ptr<Server>(new Server(std::move(implementation)));
}

std::optional<std::uint16_t> Server::bound_port(std::string_view listener) const {
    const ActiveListener* const found = implementation_->find(listener);
    return found == nullptr ? std::nullopt : found->socket.port();
}

Result<> Server::replace_tls(std::string_view listener, crypto::TlsServerContext context) {
    ActiveListener* const found = implementation_->find(listener);
    if (found == nullptr || !found->tls) {
        return bad_argument("expected the name of a listener with TLS, found \"" +
                            std::string(listener) + "\"");
    }
    const std::lock_guard lock(found->mutex);
    found->tls = std::move(context);
    return {};
}

Statistics Server::statistics() const {
    return implementation_->statistics();
}

void Server::stop(milliseconds grace) {
    implementation_->stop(grace);
}

}  // namespace casemate::http
