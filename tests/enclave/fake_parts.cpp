// What the supervisor's tests run in place of casemate-nsm and casemate-vmm (which of the two, its
// own name says): peers that speak the control protocols and do what the "image" tells them, a list
// of steps separated by semicolons.
//
// casemate-nsm: "refuse-image", "refuse-memory", "refuse-read", "refuse-signature", "nsm-dies";
// else it has loaded, and tells the log whose certificate it gets for its key. "nsm-renews": asks
// for another one every 20 ms for ever. casemate-vmm, in order:
//     vmm-dies-first    says a word to the log and ends before it says Started
//     not-made N        exits for the reason with that number before it says Started
//     heartbeat         connects to port 9000 and exchanges the byte; "bad-heartbeat" a wrong one
//     hello             opens the lifecycle stream; "say TEXT" writes a line to it; "hello2" does
//                       the same as an init that says that it lives, which serve does then
//     unless PATH       goes on behind the step "then" when there is such a file, else makes it
//     pause MS          waits
//     console TEXT      writes a line to the console
//     dial PORT         connects to the parent's port and writes "from the guest\n"
//     dial-other        connects to port 9001 of the hypervisor a second time, expects a refusal
//     flood             asks for connections for ever and reads no answer
//     panic             tells of a kernel panic; "reset", "fail": exits in that way
//     garbage           sends what is no message
//     serve             answers until Stop: OpenStream by an echo, shutdown by status 0 and a
//     reset;
//                       "serve-deaf" does not hear of shutdown, "serve-streams N" refuses all
//                       streams after N of them
//     hang              does nothing any more, Stop included
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "authority/chain_for_test.hpp"
#include "base/fd.hpp"
#include "base/socket.hpp"
#include "crypto/key.hpp"
#include "machine/control.hpp"
#include "nsm/control.hpp"

namespace {

using namespace casemate;

constexpr int kControl = 3;

template <class T>
T must(Result<T> result) {
    if (!result) {
        std::fprintf(stderr, "%s\n", result.error().message().c_str());
        std::_Exit(70);
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*result);
    }
}

[[noreturn]] void sleep_for_ever() {
    while (true) {
        ::pause();
    }
}

std::vector<std::string> steps_of(const std::string& script) {
    std::vector<std::string> steps;
    std::istringstream text(script);
    std::string step;
    while (std::getline(text, step, ';')) {
        steps.push_back(step);
    }
    return steps;
}

// --- casemate-nsm ---

Bytes new_key() {
    return must(crypto::PrivateKey::generate(crypto::Curve::p384)).public_key().spki();
}

nsm::ModuleMessage loaded(const std::string& script, bool debug) {
    nsm::Loaded loaded;
    loaded.image.entry = 0x100000;
    loaded.image.command_line = script;
    loaded.measurements[0].fill(0xa0);
    loaded.measurements[1].fill(0xa1);
    loaded.measurements[2].fill(debug ? 0xdb : 0xa2);
    for (const char letter : script) {
        loaded.measurements[2].back() ^= static_cast<std::uint8_t>(letter);
    }
    loaded.leaf_key = new_key();
    return loaded;
}

nsm::ModuleMessage answer_to(const std::string& script, bool debug) {
    if (script.starts_with("refuse-image")) {
        return nsm::Refused{nsm::RefusalKind::bad_image, "expected an image, found a script"};
    }
    if (script.starts_with("refuse-memory")) {
        return nsm::Refused{nsm::RefusalKind::memory_too_small, "expected more memory"};
    }
    if (script.starts_with("refuse-signature")) {
        return nsm::Refused{nsm::RefusalKind::bad_signature, "expected a good signature"};
    }
    if (script.starts_with("refuse-read")) {
        return nsm::Refused{nsm::RefusalKind::input_output, "expected to read, found an error"};
    }
    return loaded(script, debug);
}

// A certificate that is not good in every way ends the process, and with it the enclave.
void take_certificate(const Packet& packet, const std::set<Bytes>& asked) {
    const auto certified =
        std::get<nsm::Certified>(must(nsm::decode_supervisor_message(packet.bytes)));
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const std::string problem = authority::problem_of({certified.leaf, certified.bundle, {}}, now);
    const auto leaf = must(crypto::Certificate::from_der(certified.leaf));
    const auto fields = must(leaf.fields());
    const std::chrono::milliseconds end = fields.not_after.time_since_epoch();
    if (!problem.empty() || asked.count(must(leaf.public_key()).spki()) == 0 ||
        end.count() != certified.valid_until_ms) {
        std::fprintf(stderr, "bad certificate: %s\n", problem.c_str());
        std::_Exit(78);
    }
    std::string name;
    for (const auto& attribute : fields.subject) {
        name += " " + attribute.type + "=" + attribute.value;
    }
    std::fprintf(stderr, "casemate-nsm: certified:%s, serial %s\n", name.c_str(),
                 to_hex(fields.serial).c_str());
}

[[noreturn]] void renew_for_ever() {
    std::set<Bytes> asked;
    while (true) {
        const Bytes key = new_key();
        asked.insert(key);
        must(send_packet(kControl, encode(nsm::ModuleMessage(nsm::NewLeafKey{key}))));
        pollfd ready{kControl, POLLIN, 0};
        constexpr int kTurn = 20;
        if (::poll(&ready, 1, kTurn) > 0) {
            const Packet packet = must(receive_packet(kControl, nsm::kMaxControlPacket));
            if (packet.end_of_stream) {
                std::_Exit(0);
            }
            take_certificate(packet, asked);
            ::poll(nullptr, 0, kTurn);
        }
    }
}

int be_nsm() {
    const Packet packet = must(receive_packet(kControl, nsm::kMaxControlPacket));
    const auto load = std::get<nsm::Load>(must(nsm::decode_supervisor_message(packet.bytes)));
    if (packet.fds.size() != 3) {
        return 71;
    }
    std::string script(must(file_size(packet.fds[0].get())), '\0');
    must(read_exactly_at(
        packet.fds[0].get(), 0,
        MutableBytes(reinterpret_cast<std::uint8_t*>(script.data()), script.size())));
    if (script.starts_with("nsm-dies")) {
        std::abort();
    }
    const nsm::ModuleMessage answer = answer_to(script, load.debug);
    std::fprintf(stderr, "module %s, instance %s, role \"%s\"\n", load.module_id.c_str(),
                 load.instance_id.c_str(), load.role_arn.c_str());
    must(send_packet(kControl, encode(answer)));
    if (const auto* loaded = std::get_if<nsm::Loaded>(&answer)) {
        const Packet certified = must(receive_packet(kControl, nsm::kMaxControlPacket));
        if (!certified.end_of_stream) {
            take_certificate(certified, {loaded->leaf_key});
        }
    }
    if (script.starts_with("nsm-renews")) {
        renew_for_ever();
    }
    // As the real one: until the request socket's other ends are closed.
    std::array<std::uint8_t, 16> request{};
    while (must(read_some(packet.fds[2].get(), request)) > 0) {
    }
    return 0;
}

// --- casemate-vmm ---

class Vmm {
public:
    int run() {
        Packet packet = must(receive_packet(kControl, machine::kMaxControlPacket));
        start_ = std::get<machine::Start>(must(machine::decode_supervisor_message(packet.bytes)));
        fds_ = std::move(packet.fds);
        if (fds_.size() != 4 || must(file_size(fds_[0].get())) != start_.memory_bytes) {
            return 72;
        }
        const auto steps = steps_of(start_.image.command_line);
        if (!steps.empty() && steps.front() == "vmm-dies-first") {
            std::fputs("no room for a machine\n", stderr);
            return 73;
        }
        if (!steps.empty() && steps.front().starts_with("not-made ")) {
            const auto reason =
                static_cast<machine::ExitReason>(std::stoi(steps.front().substr(9)));
            exit_with(reason, "a step failed: Cannot allocate memory: KVM");
        }
        send(machine::Started{});
        for (std::size_t i = 0; i < steps.size(); ++i) {
            const std::string& step = steps[i];
            const std::size_t space = step.find(' ');
            const std::string word = step.substr(0, space);
            const std::string argument = space == std::string::npos ? "" : step.substr(space + 1);
            if (word == "unless" && !first_time(argument)) {
                while (steps.at(i) != "then") {
                    ++i;
                }
            }
            take(word, argument);
        }
        sleep_for_ever();
    }

private:
    static void send(const machine::VmmMessage& message) {
        must(send_packet(kControl, encode(message)));
    }

    [[noreturn]] static void exit_with(machine::ExitReason reason, const std::string& detail) {
        send(machine::Exited{reason, detail});
        std::_Exit(0);
    }

    // Requests and answers in step; streams of parent programs wait until it serves.
    UniqueFd connect(std::uint32_t cid, std::uint32_t port) {
        send(machine::ConnectRequest{++request_, cid, port, 1024});
        Packet packet = must(receive_packet(kControl, machine::kMaxControlPacket));
        auto message = must(machine::decode_supervisor_message(packet.bytes));
        while (std::holds_alternative<machine::OpenStream>(message)) {
            waiting_.push_back(std::move(packet));
            packet = must(receive_packet(kControl, machine::kMaxControlPacket));
            message = must(machine::decode_supervisor_message(packet.bytes));
        }
        const auto reply = std::get<machine::ConnectReply>(message);
        if (reply.request_id != request_ || reply.accepted != (packet.fds.size() == 1)) {
            std::_Exit(74);
        }
        if (!reply.accepted) {
            return {};
        }
        must(set_nonblocking(packet.fds[0].get(), false));
        return std::move(packet.fds[0]);
    }

    void beat(std::uint8_t byte) {
        const UniqueFd stream = connect(3, 9000);
        must(write_all(stream.get(), ByteView(&byte, 1)));
        std::uint8_t answer = 0;
        must(read_exactly(stream.get(), MutableBytes(&answer, 1)));
        if (answer != byte) {
            std::_Exit(75);
        }
    }

    static bool first_time(const std::string& path) {
        const UniqueFd file(::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
        return file.valid();
    }

    void take(const std::string& step, const std::string& argument) {
        if (step == "heartbeat") {
            beat(0xb7);
        } else if (step == "bad-heartbeat") {
            beat(0x11);
        } else if (step == "hello") {
            lifecycle_ = connect(0, 9001);
            say("casemate-init 1");
        } else if (step == "hello2") {
            lifecycle_ = connect(0, 9001);
            beats_ = true;
            say("casemate-init 2");
        } else if (step == "pause") {
            ::poll(nullptr, 0, std::stoi(argument));
        } else if (step == "serve-streams") {
            streams_ = std::stoi(argument);
            serve();
        } else if (step == "serve-deaf") {
            deaf_ = true;
            serve();
        } else if (step == "say") {
            say(argument);
        } else if (step == "console") {
            must(write_all(fds_[2].get(), as_bytes(argument + "\n")));
        } else if (step == "dial") {
            const UniqueFd stream = connect(3, static_cast<std::uint32_t>(std::stoul(argument)));
            if (stream.valid()) {
                must(write_all(stream.get(), as_bytes("from the guest\n")));
            }
        } else if (step == "dial-other") {
            if (connect(0, 9001).valid()) {
                std::_Exit(76);
            }
        } else {
            take_last(step);
        }
    }

    void take_last(const std::string& step) {
        if (step == "flood") {
            must(set_nonblocking(kControl, false));
            for (std::uint32_t id = 0;; ++id) {
                send(machine::ConnectRequest{id, 3, 1, id});
            }
        }
        if (step == "panic") {
            send(machine::GuestPanicked{"Kernel panic - not syncing: test"});
        } else if (step == "reset") {
            exit_with(machine::ExitReason::guest_reset, "");
        } else if (step == "fail") {
            exit_with(machine::ExitReason::failed, "expected to run, found a wall");
        } else if (step == "garbage") {
            must(send_packet(kControl, as_bytes("\xff\xff\xff")));
        } else if (step == "serve") {
            serve();
        } else if (step == "hang") {
            sleep_for_ever();
        }
    }

    void say(const std::string& line) {
        if (!lifecycle_.valid()) {
            std::_Exit(77);
        }
        must(write_all(lifecycle_.get(), as_bytes(line + "\n")));
    }

    static void echo(UniqueFd stream) {
        must(set_nonblocking(stream.get(), false));
        must(write_all(stream.get(), as_bytes("OK 1024\n")));
        std::array<std::uint8_t, 4096> buffer{};
        while (true) {
            const auto size = read_some(stream.get(), buffer);
            if (!size || *size == 0 || !write_all(stream.get(), ByteView(buffer).first(*size))) {
                return;
            }
        }
    }

    void serve() {
        for (Packet& packet : std::exchange(waiting_, {})) {
            serve_packet(std::move(packet));
        }
        while (true) {
            std::array<pollfd, 2> ready{
                {{kControl, POLLIN, 0}, {deaf_ ? -1 : lifecycle_.get(), POLLIN, 0}}};
            constexpr int kTurn = 20;
            if (::poll(ready.data(), ready.size(), beats_ ? kTurn : -1) == 0) {
                say("alive");
            }
            if (ready[1].revents != 0) {
                shut_down();
            }
            if (ready[0].revents != 0) {
                serve_control();
            }
        }
    }

    void shut_down() {
        std::array<std::uint8_t, 64> buffer{};
        const std::size_t size = must(read_some(lifecycle_.get(), buffer));
        if (as_text(ByteView(buffer).first(size)).starts_with("shutdown ")) {
            say("exited status 0");
            exit_with(machine::ExitReason::guest_reset, "");
        }
        lifecycle_.reset();
    }

    void serve_control() {
        serve_packet(must(receive_packet(kControl, machine::kMaxControlPacket)));
    }

    void serve_packet(Packet packet) {
        if (packet.end_of_stream) {
            std::_Exit(0);
        }
        const auto message = must(machine::decode_supervisor_message(packet.bytes));
        if (std::holds_alternative<machine::Stop>(message)) {
            exit_with(machine::ExitReason::stopped, "");
        }
        if (std::holds_alternative<machine::OpenStream>(message) && packet.fds.size() == 1) {
            // Port 1 is where nobody listens.
            if (std::get<machine::OpenStream>(message).guest_port != 1 && streams_-- > 0) {
                std::thread(echo, std::move(packet.fds[0])).detach();
            }
        }
    }

    machine::Start start_;
    std::vector<UniqueFd> fds_;
    UniqueFd lifecycle_;
    std::uint64_t request_ = 0;
    std::vector<Packet> waiting_;
    bool beats_ = false;
    bool deaf_ = false;
    int streams_ = 1'000'000;
};

}  // namespace

int main(int /*count*/, char** arguments) {
    const std::string name = arguments[0];
    if (name.ends_with("casemate-nsm")) {
        return be_nsm();
    }
    return Vmm().run();
}
