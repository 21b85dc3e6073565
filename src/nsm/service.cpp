#include "nsm/service.hpp"

#include <poll.h>

#include <array>
#include <cerrno>

#include "base/os_error.hpp"
#include "base/socket.hpp"
#include "nsm/errors.hpp"
#include "nsm/loader.hpp"
#include "nsm/requests.hpp"

namespace casemate::nsm {

namespace {

// The descriptors of Load, in their order.
enum LoadDescriptor : std::size_t { image, memory, requests, count };

// peer_is_gone tells the errors of a socket whose other side has been closed.
bool peer_is_gone(const Error& error) {
    return error.is(Errno{EPIPE}) || error.is(Errno{ECONNRESET});
}

// answer_one answers one request; false when the guest's side is closed.
Result<bool> answer_one(int socket, Requests& requests) {
    auto packet = receive_packet(socket, kMaxRequestSize);
    Bytes response;
    if (packet && packet->end_of_stream) {
        return false;
    }
    if (packet) {
        response = requests.answer(packet->bytes);
    } else if (packet.error().is(Errno{EMSGSIZE})) {
        response = error_response(ErrorCode::input_too_large);
    } else if (peer_is_gone(packet.error())) {
        return false;
    } else {
        return std::move(packet).error();
    }
    auto sent = send_packet(socket, response);
    if (!sent && peer_is_gone(sent.error())) {
        return false;
    }
    CASEMATE_CHECK(std::move(sent));
    return true;
}

// check_control tells whether the supervisor is still there, when its socket is ready.
Result<bool> check_control(int control) {
    auto packet = receive_packet(control, kMaxControlPacket);
    if (!packet) {
        return peer_is_gone(packet.error()) ? Result<bool>(false)
                                            : Result<bool>(std::move(packet).error());
    }
    if (!packet->end_of_stream) {
        return Error(NsmErrc::bad_message, "expected nothing after Load, found a packet of " +
                                               std::to_string(packet->bytes.size()) + " bytes");
    }
    return false;
}

}  // namespace

Result<Prepared> prepare(int control) {
    CASEMATE_TRY(Packet packet, receive_packet(control, kMaxControlPacket));
    if (packet.end_of_stream) {
        return Error(NsmErrc::bad_message, "expected Load, found the end");
    }
    CASEMATE_TRY(const Load wanted, decode_load(packet.bytes));
    if (packet.fds.size() != LoadDescriptor::count) {
        return Error(NsmErrc::bad_message, "expected 3 descriptors with Load, found " +
                                               std::to_string(packet.fds.size()));
    }
    auto loaded = load(packet.fds[LoadDescriptor::image].get(),
                       packet.fds[LoadDescriptor::memory].get(), wanted.memory_bytes);
    if (!loaded) {
        CASEMATE_CHECK(send_packet(control, encode(ModuleMessage(refusal(loaded.error())))));
        return std::move(loaded).error();
    }
    PcrBank bank = PcrBank::at_boot(loaded->measurements, wanted);
    return Prepared{std::move(loaded).value(), bank, wanted.module_id,
                    std::move(packet.fds[LoadDescriptor::requests])};
}

Result<> serve(int control, Prepared prepared) {
    CASEMATE_CHECK(send_packet(control, encode(ModuleMessage(std::move(prepared.loaded)))));
    const UniqueFd socket = std::move(prepared.requests);
    Requests requests(prepared.bank, std::move(prepared.module_id));
    for (bool open = true; open;) {
        std::array<pollfd, 2> ready{pollfd{control, POLLIN, 0}, pollfd{socket.get(), POLLIN, 0}};
        if (::poll(ready.data(), ready.size(), -1) < 0) {
            if (errno == EINTR) {
                continue;
            }
            return os_error("wait for a request");
        }
        if (ready[0].revents != 0) {
            CASEMATE_TRY(open, check_control(control));
        } else if (ready[1].revents != 0) {
            CASEMATE_TRY(open, answer_one(socket.get(), requests));
        }
    }
    return {};
}

}  // namespace casemate::nsm
