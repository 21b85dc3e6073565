#include "base/socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/os_error.hpp"

namespace casemate {

namespace {

struct ControlBuffer {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxPacketFds)> bytes{};
};

std::vector<UniqueFd> take_fds(msghdr& message) {
    std::vector<UniqueFd> fds;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
            fds.emplace_back(fd);
        }
    }
    return fds;
}

// A unix socket's address, and the directory that a long path is reached through.
struct Address {
    sockaddr_un raw{};
    UniqueFd directory;
};

Result<Address> address_of(const std::string& path) {
    Address address;
    address.raw.sun_family = AF_UNIX;
    std::string name = path;
    if (name.size() >= sizeof(address.raw.sun_path)) {
        const std::filesystem::path whole(path);
        CASEMATE_TRY(address.directory, open_file(whole.parent_path(), O_PATH | O_DIRECTORY));
        name = "/proc/self/fd/" + std::to_string(address.directory.get()) + "/" +
               whole.filename().string();
    }
    if (name.size() >= sizeof(address.raw.sun_path)) {
        return os_error("socket path " + path, ENAMETOOLONG);
    }
    std::memcpy(address.raw.sun_path, name.data(), name.size());
    return address;
}

}  // namespace

Result<> send_packet(int socket, ByteView bytes, std::span<const int> fds) {
    if (fds.size() > kMaxPacketFds) {
        return os_error("send a packet with " + std::to_string(fds.size()) + " descriptors",
                        EMSGSIZE);
    }
    iovec part{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
    ControlBuffer control;
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = control.bytes.data();
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
        std::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
    }
    ssize_t sent = 0;
    do {
        sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        return os_error("send a packet");
    }
    return {};
}

Result<Packet> receive_packet(int socket, std::size_t max_size) {
    Packet packet;
    packet.bytes.resize(max_size);
    iovec part{packet.bytes.data(), packet.bytes.size()};
    ControlBuffer control;
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    ssize_t got = 0;
    // A peer that closed without reading all is told once, before what it said last.
    bool told_reset = false;
    do {
        got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 &&
             (errno == EINTR || (errno == ECONNRESET && !std::exchange(told_reset, true))));
    if (got < 0) {
        return os_error("receive a packet");
    }
    packet.fds = take_fds(message);
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        return os_error("receive a packet of at most " + std::to_string(max_size) + " bytes",
                        EMSGSIZE);
    }
    packet.bytes.resize(static_cast<std::size_t>(got));
    packet.end_of_stream = got == 0 && packet.fds.empty();
    return packet;
}

Result<UniqueFd> listen_unix(const std::string& path, int type, unsigned mode) {
    CASEMATE_TRY(const Address address, address_of(path));
    UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    if (!socket.valid()) {
        return os_error("make a socket");
    }
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address.raw),
               sizeof(address.raw)) != 0) {
        return os_error("bind " + path);
    }
    if (::chmod(path.c_str(), mode) != 0) {
        return os_error("set the mode of " + path);
    }
    if (::listen(socket.get(), SOMAXCONN) != 0) {
        return os_error("listen on " + path);
    }
    return socket;
}

Result<UniqueFd> connect_unix(const std::string& path, int type) {
    CASEMATE_TRY(UniqueFd socket, try_connect_unix(path, type & ~SOCK_NONBLOCK));
    if ((type & SOCK_NONBLOCK) != 0) {
        CASEMATE_CHECK(set_nonblocking(socket.get(), true));
    }
    return socket;
}

Result<UniqueFd> try_connect_unix(const std::string& path, int type) {
    CASEMATE_TRY(const Address address, address_of(path));
    UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    if (!socket.valid()) {
        return os_error("make a socket");
    }
    int status = 0;
    do {
        status = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address.raw),
                           sizeof(address.raw));
    } while (status != 0 && errno == EINTR);
    if (status != 0) {
        return os_error("connect to " + path);
    }
    return socket;
}

}  // namespace casemate
