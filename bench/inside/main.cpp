// Benchmarks inside the software host: the first process of an emulated Linux that has a /dev/kvm.
// It boots the same kernel and ramdisks under casemate-vmm and under QEMU with KVM, talks to both
// over vsock, and prints both figures side by side. bench/inside_software_host runs it.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#include "base/file.hpp"
#include "inside/guest.hpp"

namespace casemate::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Rounds, in each of which every machine has its turn, so that all meet the same disturbances.
constexpr int kRounds = 3;
constexpr int kStreams = 7;
constexpr int kRoundTrips = 500;
constexpr std::uint64_t kStreamBytes = 16ULL << 20U;
// The services of tests/guest, mode "serve".
constexpr std::uint32_t kEcho = 5000;
constexpr std::uint32_t kSink = 5001;
constexpr std::uint32_t kSource = 5002;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values.empty() ? 0 : values[values.size() / 2];
}

using Boot = std::function<Result<std::unique_ptr<Guest>>(std::uint32_t vcpus)>;

// Candidate: one way to run the guest, and what has been seen of it.
struct Candidate {
    const char* name;
    Boot boot;
    std::vector<double> times;
    std::uint64_t overhead_kib = 0;
    std::unique_ptr<Guest> guest;
    std::vector<double> in;
    std::vector<double> out;
    std::vector<double> trips;
};

Candidate candidate(const char* name, Boot boot) {
    Candidate made;
    made.name = name;
    made.boot = std::move(boot);
    return made;
}

bool complain(const char* what, const Error& error) {
    std::printf("bench: %s: %s\n", what, error.message().c_str());
    return false;
}

// Connects once the guest's program listens.
Result<UniqueFd> connect_when_up(Guest& guest, std::uint32_t port) {
    for (int attempt = 0;; ++attempt) {
        auto stream = guest.connect(port);
        if (stream || attempt == 200) {
            return stream;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
}

bool boot_once(Candidate& candidate, std::uint32_t vcpus) {
    const auto start = Clock::now();
    auto guest = candidate.boot(vcpus);
    if (!guest) {
        return complain(candidate.name, guest.error());
    }
    candidate.times.push_back(seconds_since(start));
    candidate.overhead_kib = (*guest)->overhead_kib();
    return true;
}

void measure_boots(std::vector<Candidate> candidates, std::uint32_t vcpus) {
    for (int round = 0; round < kRounds; ++round) {
        for (auto& candidate : candidates) {
            if (!boot_once(candidate, vcpus)) {
                return;
            }
        }
    }
    for (const auto& candidate : candidates) {
        const auto& times = candidate.times;
        std::printf(
            "bench: boot with %u vCPU, %s: median %.3f s of %d (min %.3f, max %.3f); beyond the "
            "guest: %lu KiB\n",
            vcpus, candidate.name, median(times), kRounds,
            *std::min_element(times.begin(), times.end()),
            *std::max_element(times.begin(), times.end()), candidate.overhead_kib);
    }
}

Result<double> send_megabytes(Guest& guest) {
    CASEMATE_TRY(const UniqueFd stream, connect_when_up(guest, kSink));
    const Bytes block(1U << 20U, 0x5a);
    const auto start = Clock::now();
    for (std::uint64_t sent = 0; sent < kStreamBytes; sent += block.size()) {
        CASEMATE_CHECK(write_all(stream.get(), block));
    }
    ::shutdown(stream.get(), SHUT_WR);
    Bytes answer(256);
    CASEMATE_TRY(const std::size_t got, read_some(stream.get(), answer));
    static_cast<void>(got);
    return static_cast<double>(kStreamBytes >> 20U) / seconds_since(start);
}

Result<double> receive_megabytes(Guest& guest) {
    CASEMATE_TRY(const UniqueFd stream, connect_when_up(guest, kSource));
    const auto start = Clock::now();
    CASEMATE_CHECK(write_all(stream.get(), as_bytes(std::to_string(kStreamBytes) + "\n")));
    Bytes block(1U << 18U);
    for (std::uint64_t received = 0; received < kStreamBytes;) {
        CASEMATE_TRY(const std::size_t got, read_some(stream.get(), block));
        if (got == 0) {
            return 0.0;
        }
        received += got;
    }
    return static_cast<double>(kStreamBytes >> 20U) / seconds_since(start);
}

// The median round trip of one byte, in microseconds.
Result<double> round_trip(Guest& guest) {
    CASEMATE_TRY(const UniqueFd stream, connect_when_up(guest, kEcho));
    std::vector<double> times;
    std::uint8_t byte = 1;
    for (int trip = 0; trip < kRoundTrips; ++trip) {
        const auto start = Clock::now();
        CASEMATE_CHECK(write_all(stream.get(), ByteView(&byte, 1)));
        CASEMATE_CHECK(read_exactly(stream.get(), MutableBytes(&byte, 1)));
        times.push_back(seconds_since(start) * 1e6);
    }
    return median(times);
}

bool stream_once(Candidate& candidate) {
    auto sent = send_megabytes(*candidate.guest);
    auto received = receive_megabytes(*candidate.guest);
    auto trip = round_trip(*candidate.guest);
    if (!sent || !received || !trip) {
        return complain(candidate.name, !sent       ? sent.error()
                                        : !received ? received.error()
                                                    : trip.error());
    }
    candidate.in.push_back(*sent);
    candidate.out.push_back(*received);
    candidate.trips.push_back(*trip);
    return true;
}

// Both guests run side by side, the one that is not measured idle.
void measure_streams(std::vector<Candidate> candidates) {
    for (auto& candidate : candidates) {
        auto guest = candidate.boot(1);
        if (!guest) {
            complain(candidate.name, guest.error());
            return;
        }
        candidate.guest = std::move(*guest);
    }
    for (int round = 0; round < kStreams; ++round) {
        for (auto& candidate : candidates) {
            if (!stream_once(candidate)) {
                return;
            }
        }
    }
    for (const auto& candidate : candidates) {
        std::printf(
            "bench: vsock, %s: into the guest %.1f MB/s, out of it %.1f MB/s, round trip %.0f us "
            "(medians of %d)\n",
            candidate.name, median(candidate.in), median(candidate.out), median(candidate.trips),
            kStreams);
    }
}

void load_modules() {
    const auto order = read_file("/modules/order", 4096);
    if (!order) {
        return;
    }
    std::string name;
    for (const char letter : as_text(*order)) {
        if (letter != '\n') {
            name.push_back(letter);
            continue;
        }
        const auto module = open_file("/modules/" + name, O_RDONLY);
        // kvm-intel refuses on an AMD processor, and the other way round.
        if (module) {
            ::syscall(SYS_finit_module, module->get(), "", 0);
        }
        name.clear();
    }
}

// The kernel hands parts=boot,vsock of its command line on in the environment.
bool wanted(std::string_view part) {
    const char* parts = std::getenv("parts");
    return parts == nullptr || std::string_view(parts).find(part) != std::string_view::npos;
}

void run() {
    ::mount("dev", "/dev", "devtmpfs", 0, nullptr);
    ::mount("proc", "/proc", "proc", 0, nullptr);
    ::mount("sysfs", "/sys", "sysfs", 0, nullptr);
    ::mount("tmp", "/tmp", "tmpfs", 0, nullptr);
    // Guest memory in large pages, as in Casemate's software host.
    if (auto setting = open_file("/sys/kernel/mm/transparent_hugepage/shmem_enabled", O_WRONLY)) {
        static_cast<void>(write_all(setting->get(), as_bytes("always")));
    }
    load_modules();
    auto image = measure_image();
    if (!image) {
        complain("measure the image", image.error());
        return;
    }
    const Boot ours = [&](std::uint32_t vcpus) { return boot_casemate(**image, vcpus); };
    const Boot microvm = [](std::uint32_t vcpus) { return boot_qemu("microvm", vcpus); };
    const Boot q35 = [](std::uint32_t vcpus) { return boot_qemu("q35", vcpus); };
    if (wanted("boot")) {
        for (const std::uint32_t vcpus : {1U, 2U}) {
            std::vector<Candidate> all;
            all.push_back(candidate("casemate-vmm", ours));
            all.push_back(candidate("qemu -accel kvm -M microvm", microvm));
            all.push_back(candidate("qemu -accel kvm -M q35", q35));
            measure_boots(std::move(all), vcpus);
        }
    }
    if (wanted("vsock")) {
        std::vector<Candidate> both;
        both.push_back(candidate("casemate-vmm", ours));
        both.push_back(candidate("vhost-vsock, qemu -accel kvm -M microvm",
                                 [](std::uint32_t /*vcpus*/) { return boot_vhost_vsock(); }));
        measure_streams(std::move(both));
    }
}

}  // namespace
}  // namespace casemate::bench

int main() {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    casemate::bench::run();
    std::printf("bench: end\n");
    ::sync();
    ::reboot(RB_AUTOBOOT);
    return 0;
}
