#include "http/listening.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/os_error.hpp"
#include "base/socket.hpp"
#include "http/error.hpp"

namespace casemate::http {

namespace {

struct TcpAddress {
    sockaddr_storage raw{};
    socklen_t size = 0;
};

std::string text_of(const TcpEndpoint& endpoint) {
    const bool v6 = endpoint.address.find(':') != std::string::npos;
    return (v6 ? "[" + endpoint.address + "]" : endpoint.address) + ":" +
           std::to_string(endpoint.port);
}

std::optional<TcpAddress> parse(const TcpEndpoint& endpoint) {
    TcpAddress address;
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    if (::inet_pton(AF_INET, endpoint.address.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(endpoint.port);
        std::memcpy(&address.raw, &v4, sizeof(v4));
        address.size = sizeof(v4);
        return address;
    }
    if (::inet_pton(AF_INET6, endpoint.address.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(endpoint.port);
        std::memcpy(&address.raw, &v6, sizeof(v6));
        address.size = sizeof(v6);
        return address;
    }
    return std::nullopt;
}

std::uint16_t port_of(int socket) {
    sockaddr_storage raw{};
    socklen_t size = sizeof(raw);
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&raw), &size);
    // The port is at the same place in both families.
    sockaddr_in v4{};
    std::memcpy(&v4, &raw, sizeof(v4));
    return ntohs(v4.sin_port);
}

Error cannot_listen(const std::string& where, const std::string& why) {
    return Error(HttpErrc::cannot_listen, where + ": " + why);
}

Error cannot_listen_now(const std::string& where) {
    return cannot_listen(where, std::strerror(errno));
}

// make_way removes the socket file of a process that is gone.
Result<> make_way(const std::string& path) {
    struct stat file {};
    if (::lstat(path.c_str(), &file) != 0) {
        return errno == ENOENT ? Result<>() : cannot_listen_now(path);
    }
    if (!S_ISSOCK(file.st_mode)) {
        return cannot_listen(path, "expected no file or a socket, found another file");
    }
    const auto answer = try_connect_unix(path, SOCK_STREAM | SOCK_NONBLOCK);
    if (answer.ok() || !answer.error().is(Errno{ECONNREFUSED})) {
        return cannot_listen(path, "expected a socket that nobody listens on, found one in use");
    }
    return ::unlink(path.c_str()) == 0 ? Result<>() : cannot_listen_now(path);
}

// lock_directory lets one process at a time look at a socket file and replace it.
Result<UniqueFd> lock_directory(const std::string& path) {
    const std::filesystem::path parent = std::filesystem::path(path).parent_path();
    CASEMATE_TRY(UniqueFd directory,
                 open_file(parent.empty() ? "." : parent.string(), O_RDONLY | O_DIRECTORY));
    if (::flock(directory.get(), LOCK_EX) != 0) {
        return os_error("lock the directory of " + path);
    }
    return directory;
}

}  // namespace

ListeningSocket::ListeningSocket(ListeningSocket&& other) noexcept
    : socket_(std::move(other.socket_)),
      port_(other.port_),
      path_(std::exchange(other.path_, std::string())),
      device_(other.device_),
      inode_(other.inode_) {
}

Result<ListeningSocket> ListeningSocket::open(const TcpEndpoint& endpoint) {
    const std::string where = text_of(endpoint);
    const auto address = parse(endpoint);
    if (!address) {
        return cannot_listen(where, "expected a numeric address");
    }
    ListeningSocket opened;
    opened.socket_ =
        UniqueFd(::socket(address->raw.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int socket = opened.socket_.get();
    const int on = 1;
    if (socket < 0 || ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (address->raw.ss_family == AF_INET6 &&
         ::setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
        ::bind(socket, reinterpret_cast<const sockaddr*>(&address->raw), address->size) != 0 ||
        ::listen(socket, SOMAXCONN) != 0) {
        return cannot_listen_now(where);
    }
    opened.port_ = port_of(socket);
    return opened;
}

Result<ListeningSocket> ListeningSocket::open(const UnixEndpoint& endpoint) {
    if (endpoint.mode != 0600 && endpoint.mode != 0660) {
        return cannot_listen(endpoint.path, "expected mode 0600 or 0660");
    }
    const auto refuse = [&](const Error& error) {
        return cannot_listen(endpoint.path, error.message());
    };
    const auto lock = lock_directory(endpoint.path);
    if (!lock) {
        return refuse(lock.error());
    }
    CASEMATE_CHECK(make_way(endpoint.path));
    auto socket = listen_unix(endpoint.path, SOCK_STREAM | SOCK_NONBLOCK, endpoint.mode);
    if (!socket) {
        return refuse(socket.error());
    }
    struct stat file {};
    if (::lstat(endpoint.path.c_str(), &file) != 0) {
        return cannot_listen_now(endpoint.path);
    }
    ListeningSocket opened;
    opened.socket_ = std::move(socket).value();
    opened.path_ = endpoint.path;
    opened.device_ = file.st_dev;
    opened.inode_ = file.st_ino;
    return opened;
}

void ListeningSocket::stop() {
    if (socket_.valid()) {
        ::shutdown(socket_.get(), SHUT_RDWR);
    }
    const std::string path = std::exchange(path_, std::string());
    struct stat file {};
    if (!path.empty() && ::lstat(path.c_str(), &file) == 0 && file.st_dev == device_ &&
        file.st_ino == inode_) {
        ::unlink(path.c_str());
    }
}

}  // namespace casemate::http
