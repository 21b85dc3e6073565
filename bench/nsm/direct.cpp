// casemate-nsm on this machine, without a guest in front of it: reads "COUNT REQUEST" lines (the
// request in hexadecimal), asks that often over the module's socket, and writes each round trip's
// nanoseconds on one line. bench/nsm_round_trip runs it.
#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "base/fd.hpp"
#include "base/process.hpp"
#include "base/socket.hpp"
#include "nsm/control.hpp"
#include "nsm/forged_chain.hpp"

namespace casemate {

namespace {

constexpr std::uint64_t kMemory = 256ULL << 20U;
constexpr nsm::TimeMs kHour = 3'600'000;

template <class T>
T expect(Result<T> result, const char* what) {
    if (!result) {
        std::fprintf(stderr, "nsm_direct: %s: %s\n", what, result.error().message().c_str());
        std::exit(1);
    }
    return std::move(result).value();
}

void expect(Result<> result, const char* what) {
    if (!result) {
        std::fprintf(stderr, "nsm_direct: %s: %s\n", what, result.error().message().c_str());
        std::exit(1);
    }
}

Bytes receive(int socket, std::size_t limit) {
    Packet packet = expect(receive_packet(socket, limit), "receive");
    if (packet.end_of_stream) {
        std::fprintf(stderr, "nsm_direct: expected a packet of casemate-nsm, found its end\n");
        std::exit(1);
    }
    return std::move(packet.bytes);
}

// Module: the program, with an image loaded and its key certified.
class Module {
public:
    Module(const std::string& program, const std::string& image) {
        auto control = expect(make_socket_pair(SOCK_SEQPACKET), "control socket");
        auto requests = expect(make_socket_pair(SOCK_SEQPACKET), "request socket");
        const UniqueFd memory = expect(make_memory_file("guest", kMemory), "guest memory");
        const UniqueFd eif = expect(open_file(image, O_RDONLY), "image");
        SpawnOptions options;
        options.program = program;
        options.passed_fds = {control.second.get()};
        process_ = expect(Process::spawn(options), "casemate-nsm");
        control_ = std::move(control.first);
        requests_ = std::move(requests.first);
        const std::array<int, 3> fds{eif.get(), memory.get(), requests.second.get()};
        const nsm::Load load{kMemory, false, "i-1-enc0000000000000002", "", "i-1"};
        expect(send_packet(control_.get(), nsm::encode(load), fds), "load");
        const auto answer = expect(
            nsm::decode_module_message(receive(control_.get(), nsm::kMaxControlPacket)), "loaded");
        const auto* loaded = std::get_if<nsm::Loaded>(&answer);
        if (loaded == nullptr) {
            std::fprintf(stderr, "nsm_direct: the module refused %s\n", image.c_str());
            std::exit(1);
        }
        const nsm::TimeMs now = nsm::wall_clock();
        const nsm::forged::Chain chain(now);
        expect(
            send_packet(control_.get(), nsm::encode(chain.certify(loaded->leaf_key, now + kHour))),
            "certificates");
    }

    Bytes ask(ByteView request) {
        expect(send_packet(requests_.get(), request), "request");
        return receive(requests_.get(), nsm::kMaxResponseSize);
    }

private:
    Process process_;
    UniqueFd control_;
    UniqueFd requests_;
};

}  // namespace

}  // namespace casemate

int main(int argc, char** argv) {
    using namespace casemate;
    if (argc != 3) {
        std::fprintf(stderr, "nsm_direct: expected CASEMATE-NSM EIF\n");
        return 2;
    }
    Module module(argv[1], argv[2]);
    unsigned count = 0;
    std::string digits;
    while (std::cin >> count >> digits) {
        const Bytes request = from_hex(digits).value_or(Bytes());
        for (unsigned i = 0; i < count; ++i) {
            const auto start = std::chrono::steady_clock::now();
            const Bytes response = module.ask(request);
            const auto taken = std::chrono::steady_clock::now() - start;
            if (as_text(response).substr(0, 7) ==
                "\xa1\x65"
                "Error") {
                std::fprintf(stderr, "nsm_direct: the module answered an error\n");
                return 1;
            }
            std::cout << taken.count() << (i + 1 < count ? ' ' : '\n');
        }
        std::cout << std::flush;
    }
    return 0;
}
