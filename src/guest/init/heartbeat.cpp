#include "guest/init/heartbeat.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "base/bytes.hpp"
#include "guest/init/error.hpp"

namespace casemate::guest {

namespace {

constexpr std::uint8_t kBeat = 0xb7;
constexpr timeval kPatience{60, 0};

ssize_t receive_byte(int fd, std::uint8_t& byte) {
    ssize_t size = -1;
    do {
        size = recv(fd, &byte, 1, 0);
    } while (size < 0 && errno == EINTR);
    return size;
}

}  // namespace

Result<> send_heartbeat(Connect connect) {
    const auto stream = connect(kHeartbeat, true);
    if (!stream) {
        return unexpected(GuestErrc::heartbeat,
                          "the parent to accept the heartbeat on CID 3 port 9000",
                          stream.error().message());
    }
    const int fd = stream->get();
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
    if (send(fd, &kBeat, 1, MSG_NOSIGNAL) != 1) {
        return unexpected_errno(GuestErrc::heartbeat, "the parent to take the heartbeat", errno);
    }
    std::uint8_t answer = 0;
    const ssize_t size = receive_byte(fd, answer);
    if (size < 0) {
        return unexpected_errno(GuestErrc::heartbeat, "the parent to answer the heartbeat", errno);
    }
    if (size == 0 || answer != kBeat) {
        const std::array<std::uint8_t, 1> found{answer};
        return unexpected(GuestErrc::heartbeat, "the heartbeat's answer 0xb7",
                          size == 0 ? "the end of the stream" : "0x" + to_hex(found));
    }
    return {};
}

}  // namespace casemate::guest
