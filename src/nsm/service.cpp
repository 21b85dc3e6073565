#include "nsm/service.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/os_error.hpp"
#include "base/socket.hpp"
#include "base/working_set.hpp"
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

// Waiting never takes longer than this, so that a key is asked about in time although the wall
// clock was set, or the machine slept, while the process waited.
constexpr TimeMs kLongestWait = 60'000;

// How long after the last packet memory is given back: long enough that requests in a row don't
// take it again each time.
constexpr TimeMs kRestAfter = 1'000;

// Server answers on both sockets, one packet at a time.
class Server {
public:
    Server(int control, Prepared prepared, const Log& log)
        : control_(control),
          socket_(std::move(prepared.requests)),
          keys_(std::move(prepared.keys)),
          requests_(prepared.bank, std::move(prepared.module_id), keys_),
          log_(log) {}

    Result<> run() {
        for (bool open = true; open;) {
            CASEMATE_CHECK(renew());
            std::array<pollfd, 2> ready{pollfd{control_, POLLIN, 0},
                                        pollfd{socket_.get(), POLLIN, 0}};
            const int count = ::poll(ready.data(), ready.size(), patience());
            if (count < 0 && errno != EINTR) {
                return os_error("wait for a request");
            }
            if (count <= 0) {
                rest();
                continue;
            }
            rested_ = false;
            if (ready[0].revents != 0) {
                CASEMATE_TRY(open, take_control());
            } else if (ready[1].revents != 0) {
                CASEMATE_TRY(open, answer_one(socket_.get(), requests_));
            }
        }
        return {};
    }

private:
    // patience is how long to wait for a packet, in milliseconds.
    int patience() const {
        const TimeMs left = keys_.next_request() - wall_clock();
        return static_cast<int>(std::clamp(left, TimeMs{0}, rested_ ? kLongestWait : kRestAfter));
    }

    // rest gives back the memory that answering took, when nobody has asked for a while: most
    // enclaves attest themselves once.
    void rest() {
        if (!std::exchange(rested_, true)) {
            forget_start_up();
        }
    }

    // renew asks for a certificate when a key is due.
    Result<> renew() {
        const auto due = keys_.request(wall_clock());
        if (!due) {
            log_("no new leaf key: " + due.error().message());
            return {};
        }
        if (!*due) {
            return {};
        }
        auto sent = send_packet(control_, encode(ModuleMessage(**due)));
        // A supervisor that has gone is seen at the next packet.
        return !sent && !peer_is_gone(sent.error()) ? std::move(sent) : Result<>();
    }

    // take_control takes a packet of the supervisor's; false when it has gone.
    Result<bool> take_control() {
        auto packet = receive_packet(control_, kMaxControlPacket);
        if (!packet) {
            return peer_is_gone(packet.error()) ? Result<bool>(false)
                                                : Result<bool>(std::move(packet).error());
        }
        if (packet->end_of_stream) {
            return false;
        }
        CASEMATE_TRY(SupervisorMessage message, decode_supervisor_message(packet->bytes));
        auto* certified = std::get_if<Certified>(&message);
        if (certified == nullptr || !packet->fds.empty()) {
            return Error(NsmErrc::bad_message,
                         "expected Certified and no descriptors after Load, found something else");
        }
        const auto taken = keys_.certify(std::move(*certified), wall_clock());
        if (!taken) {
            log_("certificate not taken: " + taken.error().message());
        }
        // Reading a certificate takes code that nothing else does for hours.
        forget_start_up();
        return true;
    }

    int control_;
    UniqueFd socket_;
    LeafKeys keys_;
    Requests requests_;
    const Log& log_;
    // Whether nothing has been done since memory was given back.
    bool rested_ = true;
};

}  // namespace

Result<Prepared> prepare(int control) {
    CASEMATE_TRY(Packet packet, receive_packet(control, kMaxControlPacket));
    if (packet.end_of_stream) {
        return Error(NsmErrc::bad_message, "expected Load, found the end");
    }
    CASEMATE_TRY(const SupervisorMessage message, decode_supervisor_message(packet.bytes));
    const Load* wanted = std::get_if<Load>(&message);
    if (wanted == nullptr) {
        return Error(NsmErrc::bad_message, "expected Load, found Certified");
    }
    if (packet.fds.size() != LoadDescriptor::count) {
        return Error(NsmErrc::bad_message, "expected 3 descriptors with Load, found " +
                                               std::to_string(packet.fds.size()));
    }
    auto loaded = load(
        packet.fds[LoadDescriptor::image].get(), packet.fds[LoadDescriptor::memory].get(),
        wanted->memory_bytes,
        std::chrono::floor<std::chrono::seconds>(std::chrono::sys_time<std::chrono::milliseconds>(
            std::chrono::milliseconds(wall_clock()))));
    if (!loaded) {
        CASEMATE_CHECK(send_packet(control, encode(ModuleMessage(refusal(loaded.error())))));
        return std::move(loaded).error();
    }
    CASEMATE_TRY(LeafKeys keys, LeafKeys::make(wall_clock()));
    loaded->leaf_key = keys.waiting();
    PcrBank bank = PcrBank::at_boot(loaded->measurements, *wanted);
    return Prepared{std::move(loaded).value(), bank, wanted->module_id, std::move(keys),
                    std::move(packet.fds[LoadDescriptor::requests])};
}

Result<> serve(int control, Prepared prepared, const Log& log) {
    CASEMATE_CHECK(send_packet(control, encode(ModuleMessage(prepared.loaded))));
    return Server(control, std::move(prepared), log).run();
}

}  // namespace casemate::nsm
