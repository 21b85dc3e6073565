#include "http/connect.hpp"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/os_error.hpp"
#include "http/wait.hpp"

namespace casemate::http {

namespace {

struct FreeAddresses {
    void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

std::string numeric(const addrinfo& address) {
    std::array<char, NI_MAXHOST> text{};
    const int failed = ::getnameinfo(address.ai_addr, address.ai_addrlen, text.data(), text.size(),
                                     nullptr, 0, NI_NUMERICHOST);
    return failed == 0 ? text.data() : "an address";
}

Result<UniqueFd> connect_address(const addrinfo& address, std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    UniqueFd socket(::socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                             address.ai_protocol));
    if (!socket.valid()) {
        return os_error("make a socket");
    }
    if (::connect(socket.get(), address.ai_addr, address.ai_addrlen) == 0) {
        return socket;
    }
    if (errno != EINPROGRESS) {
        return os_error("connect");
    }
    CASEMATE_CHECK(wait_for(socket.get(), POLLOUT, deadline));
    int failure = 0;
    socklen_t size = sizeof(failure);
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failure, &size) != 0) {
        return os_error("connect");
    }
    if (failure != 0) {
        return os_error("connect", failure);
    }
    return socket;
}

using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

// look_up gives one address at least.
Result<Addresses> look_up(const std::string& host, std::uint16_t port) {
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int failed = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found);
    Addresses list(found);
    if (failed != 0 || found == nullptr) {
        return Error(HttpErrc::cannot_connect,
                     "expected the address of '" + host + "', found none: " +
                         (failed == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(failed)));
    }
    return list;
}

}  // namespace

Result<UniqueFd> connect_host(const std::string& host, std::uint16_t port,
                              std::chrono::milliseconds timeout) {
    CASEMATE_TRY(const Addresses list, look_up(host, port));
    std::string tried;
    for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
        auto socket = connect_address(*one, timeout);
        if (socket) {
            return socket;
        }
        tried += (tried.empty() ? "" : "; ") + numeric(*one) + ": " + socket.error().message();
    }
    return Error(HttpErrc::cannot_connect,
                 "port " + std::to_string(port) + " of '" + host + "' (" + tried + ")");
}

Result<std::vector<std::string>> find_addresses(const std::string& host) {
    CASEMATE_TRY(const Addresses list, look_up(host, 0));
    std::vector<std::string> found;
    for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
        found.push_back(numeric(*one));
    }
    return found;
}

}  // namespace casemate::http
