#include "kms_client/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
// Must come after sys/socket.h.
#include <linux/vm_sockets.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/os_error.hpp"

namespace casemate::kms_client {

namespace {

Error malformed(std::string_view found) {
    return {ClientErrc::bad_argument,
            "expected an address \"vsock:CID:PORT\", \"unix:PATH\" or \"tcp:IP:PORT\", found \"" +
                std::string(found) + "\""};
}

std::optional<std::uint32_t> number(std::string_view text, std::uint32_t most) {
    std::uint32_t value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || problem != std::errc() || end != text.data() + text.size() ||
        value > most) {
        return std::nullopt;
    }
    return value;
}

union AnySocketAddress {
    sockaddr any;
    sockaddr_vm vsock;
    sockaddr_un local;
    sockaddr_in ipv4;
    sockaddr_in6 ipv6;
};

struct SocketAddress {
    AnySocketAddress address{};
    socklen_t size = 0;
};

bool set_ip(const std::string& host, std::uint16_t port, SocketAddress& out) {
    AnySocketAddress& address = out.address;
    if (inet_pton(AF_INET, host.c_str(), &address.ipv4.sin_addr) == 1) {
        address.ipv4.sin_family = AF_INET;
        address.ipv4.sin_port = htons(port);
        out.size = sizeof(address.ipv4);
        return true;
    }
    address = {};
    if (inet_pton(AF_INET6, host.c_str(), &address.ipv6.sin6_addr) == 1) {
        address.ipv6.sin6_family = AF_INET6;
        address.ipv6.sin6_port = htons(port);
        out.size = sizeof(address.ipv6);
        return true;
    }
    return false;
}

Result<SocketAddress> socket_address(const Address& address) {
    SocketAddress out;
    std::memset(&out.address, 0, sizeof(out.address));
    switch (address.kind) {
        case Address::Kind::vsock:
            out.address.vsock.svm_family = AF_VSOCK;
            out.address.vsock.svm_cid = address.cid;
            out.address.vsock.svm_port = address.port;
            out.size = sizeof(out.address.vsock);
            return out;
        case Address::Kind::unix_socket:
            out.address.local.sun_family = AF_UNIX;
            if (address.host.size() >= sizeof(out.address.local.sun_path)) {
                return Error(ClientErrc::bad_argument,
                             "expected a socket's path of at most 107 bytes, found " +
                                 std::to_string(address.host.size()));
            }
            std::copy(address.host.begin(), address.host.end(),
                      std::begin(out.address.local.sun_path));
            out.size = sizeof(out.address.local);
            return out;
        case Address::Kind::tcp:
            break;
    }
    if (!set_ip(address.host, static_cast<std::uint16_t>(address.port), out)) {
        return malformed(text_of(address));
    }
    return out;
}

Error connect_error(const Address& address, int problem) {
    const bool late = problem == ETIMEDOUT || problem == EAGAIN;
    return {late ? ClientErrc::timed_out : ClientErrc::not_connected,
            "expected to connect to " + text_of(address) +
                ", found: " + std::string(describe(Errno{problem}))};
}

// milliseconds_to is at least 0 and fits poll.
int milliseconds_to(Deadline deadline) {
    const auto rest =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now())
            .count();
    return static_cast<int>(std::clamp<std::int64_t>(rest, 0, 1'000'000));
}

// wait_connected gives 0, or the errno value of a connection that is being made.
int wait_connected(int fd, Deadline deadline) {
    pollfd waiting{fd, POLLOUT, 0};
    int ready = 0;
    do {
        const int rest = milliseconds_to(deadline);
        ready = poll(&waiting, 1, rest);
        if (ready == 0 && rest == 0) {
            return ETIMEDOUT;
        }
    } while (ready == 0 || (ready < 0 && errno == EINTR));
    if (ready < 0) {
        return errno;
    }
    int problem = 0;
    socklen_t size = sizeof(problem);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size) == 0 ? problem : errno;
}

// limit_unix has a unix socket's connect wait no longer for a listener whose queue is full.
void limit_unix(int fd, Deadline deadline) {
    const int rest = std::max(milliseconds_to(deadline), 1);
    const timeval limit{rest / 1000, static_cast<suseconds_t>(rest % 1000) * 1000};
    static_cast<void>(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)));
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
    Address address;
    if (text.starts_with("unix:") && text.size() > 5 && text.find('\0') == text.npos) {
        address.kind = Address::Kind::unix_socket;
        address.host = text.substr(5);
        address.port = 0;
        return address;
    }
    const std::size_t last = text.rfind(':');
    if (text.starts_with("vsock:") && last > 5) {
        const auto cid = number(text.substr(6, last - 6), UINT32_MAX);
        const auto port = number(text.substr(last + 1), UINT32_MAX);
        if (cid && port) {
            address.cid = *cid;
            address.port = *port;
            return address;
        }
    }
    if (text.starts_with("tcp:") && last > 4) {
        std::string_view host = text.substr(4, last - 4);
        const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
        if (bracketed) {
            host = host.substr(1, host.size() - 2);
        }
        const auto port = number(text.substr(last + 1), UINT16_MAX);
        address.kind = Address::Kind::tcp;
        address.host = host;
        SocketAddress ignored;
        if (port && bracketed == (host.find(':') != host.npos) &&
            set_ip(address.host, 0, ignored)) {
            address.port = *port;
            return address;
        }
    }
    return malformed(text);
}

std::string text_of(const Address& address) {
    switch (address.kind) {
        case Address::Kind::vsock:
            return "vsock:" + std::to_string(address.cid) + ":" + std::to_string(address.port);
        case Address::Kind::unix_socket:
            return "unix:" + address.host;
        case Address::Kind::tcp:
            break;
    }
    const bool ipv6 = address.host.find(':') != std::string::npos;
    return (ipv6 ? "tcp:[" + address.host + "]:" : "tcp:" + address.host + ":") +
           std::to_string(address.port);
}

Result<UniqueFd> connect_to(const Address& address, Deadline deadline) {
    CASEMATE_TRY(const SocketAddress where, socket_address(address));
    const bool local = address.kind == Address::Kind::unix_socket;
    UniqueFd fd(socket(where.address.any.sa_family,
                       SOCK_STREAM | SOCK_CLOEXEC | (local ? 0 : SOCK_NONBLOCK), 0));
    if (!fd.valid()) {
        return connect_error(address, errno);
    }
    if (local) {
        limit_unix(fd.get(), deadline);
    }
    int problem = connect(fd.get(), &where.address.any, where.size) == 0 ? 0 : errno;
    if (problem == EINPROGRESS || (problem == EINTR && !local)) {
        problem = wait_connected(fd.get(), deadline);
    }
    if (problem != 0) {
        return connect_error(address, problem);
    }
    CASEMATE_CHECK(set_nonblocking(fd.get(), false));
    return fd;
}

}  // namespace casemate::kms_client
