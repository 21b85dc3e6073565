// A stand-in for casemate-vmm in tests of the software host: it speaks the control protocol and
// runs no guest. With Start it checks the guest memory (each loaded page holds its own address),
// asks the NSM socket once, says what it found on the console, and reports Started. A stream to
// port 7 is echoed; one to port 9 makes it end without a word. Stop ends it as it ends a VMM.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/socket.hpp"
#include "machine/control.hpp"

namespace {

using namespace casemate;

constexpr int kControl = 3;
constexpr std::uint32_t kEchoPort = 7;
constexpr std::uint32_t kCrashPort = 9;

struct State {
    UniqueFd nsm;
    UniqueFd console;
    std::vector<UniqueFd> echoes;
};

// Says whether every page of the loaded ranges begins with its own guest-physical address.
bool memory_is_right(int memory, const machine::Start& start) {
    for (const machine::GuestRange& range : start.image.loaded) {
        for (std::uint64_t at = range.address; at < range.address + range.size; at += 4096) {
            std::uint64_t found = 0;
            const MutableBytes out(reinterpret_cast<std::uint8_t*>(&found), sizeof(found));
            if (!read_exactly_at(memory, at, out) || found != at) {
                return false;
            }
        }
    }
    return true;
}

std::string ask_nsm(int nsm) {
    if (!send_packet(nsm, as_bytes("who are you"))) {
        return "no NSM";
    }
    const auto answer = receive_packet(nsm, 65536);
    return answer ? std::string(as_text(answer->bytes)) : "no answer";
}

void on_start(const machine::Start& start, std::vector<UniqueFd> fds, State& state) {
    const bool kvm = ::access("/dev/kvm", R_OK | W_OK) == 0 && fds.at(3).valid();
    state.nsm = std::move(fds.at(1));
    state.console = std::move(fds.at(2));
    const std::string words =
        std::string("memory ") + (memory_is_right(fds[0].get(), start) ? "right" : "wrong") +
        ", kvm " + (kvm ? "there" : "missing") + ", nsm says " + ask_nsm(state.nsm.get()) + "\n";
    static_cast<void>(write_all(state.console.get(), as_bytes(words)));
    static_cast<void>(
        send_packet(kControl, machine::encode(machine::VmmMessage(machine::Started{}))));
}

// Handles one packet; false when this process has to end.
bool on_packet(Packet packet, State& state) {
    auto message = machine::decode_supervisor_message(packet.bytes);
    if (packet.end_of_stream || !message) {
        return false;
    }
    if (const auto* start = std::get_if<machine::Start>(&*message)) {
        on_start(*start, std::move(packet.fds), state);
    } else if (const auto* open = std::get_if<machine::OpenStream>(&*message)) {
        if (open->guest_port == kCrashPort) {
            ::_exit(3);
        }
        if (open->guest_port == kEchoPort) {
            state.echoes.push_back(std::move(packet.fds.at(0)));
        }
    } else if (std::holds_alternative<machine::Stop>(*message)) {
        static_cast<void>(write_all(state.console.get(), as_bytes("last words\n")));
        const machine::Exited exited{machine::ExitReason::stopped, "as asked"};
        static_cast<void>(send_packet(kControl, machine::encode(machine::VmmMessage(exited))));
        return false;
    }
    return true;
}

// Echoes what has come; the end of the stream is echoed too.
void echo(UniqueFd& stream) {
    std::array<std::uint8_t, 65536> buffer{};
    const auto got = read_some(stream.get(), buffer);
    if (!got || *got == 0 || !write_all(stream.get(), ByteView(buffer).first(*got))) {
        stream.reset();
    }
}

}  // namespace

int main() {
    State state;
    while (true) {
        std::vector<pollfd> polled{{kControl, POLLIN, 0}};
        for (const UniqueFd& stream : state.echoes) {
            polled.push_back({stream.get(), POLLIN, 0});
        }
        ::poll(polled.data(), polled.size(), -1);
        for (std::size_t i = 1; i < polled.size(); ++i) {
            if (polled[i].revents != 0) {
                echo(state.echoes[i - 1]);
            }
        }
        std::erase_if(state.echoes, [](const UniqueFd& stream) { return !stream.valid(); });
        if (polled[0].revents != 0) {
            auto packet = receive_packet(kControl, machine::kMaxControlPacket);
            if (!packet || !on_packet(std::move(*packet), state)) {
                return 0;
            }
        }
    }
}
