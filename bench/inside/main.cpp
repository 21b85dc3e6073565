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
#include <functional>
#include <thread>
#include <vector>

#include "base/file.hpp"
#include "inside/guest.hpp"

namespace casemate::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kBoots = 7;
constexpr int kStreams = 5;
constexpr int kRoundTrips = 2000;
constexpr std::uint64_t kStreamBytes = 64ULL << 20U;
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

using Boot = std::function<Result<std::unique_ptr<Guest>>()>;

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

bool measure_boot(const char* name, const Boot& boot) {
    std::vector<double> times;
    std::uint64_t overhead = 0;
    for (int run = 0; run < kBoots; ++run) {
        const auto start = Clock::now();
        auto guest = boot();
        if (!guest) {
            return complain(name, guest.error());
        }
        times.push_back(seconds_since(start));
        overhead = (*guest)->overhead_kib();
    }
    std::printf(
        "bench: boot %s: median %.3f s of %d (min %.3f, max %.3f); beyond the guest: %lu KiB\n",
        name, median(times), kBoots, *std::min_element(times.begin(), times.end()),
        *std::max_element(times.begin(), times.end()), overhead);
    return true;
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

bool measure_streams(const char* name, const Boot& boot) {
    auto guest = boot();
    if (!guest) {
        return complain(name, guest.error());
    }
    std::vector<double> in;
    std::vector<double> out;
    std::vector<double> trips;
    for (int run = 0; run < kStreams; ++run) {
        auto sent = send_megabytes(**guest);
        auto received = receive_megabytes(**guest);
        auto trip = round_trip(**guest);
        if (!sent || !received || !trip) {
            return complain(name, !sent       ? sent.error()
                                  : !received ? received.error()
                                              : trip.error());
        }
        in.push_back(*sent);
        out.push_back(*received);
        trips.push_back(*trip);
    }
    std::printf(
        "bench: vsock %s: into the guest %.1f MB/s, out of it %.1f MB/s, round trip %.0f us "
        "(medians of %d)\n",
        name, median(in), median(out), median(trips), kStreams);
    return true;
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

void run() {
    ::mount("dev", "/dev", "devtmpfs", 0, nullptr);
    ::mount("proc", "/proc", "proc", 0, nullptr);
    ::mount("sysfs", "/sys", "sysfs", 0, nullptr);
    ::mount("tmp", "/tmp", "tmpfs", 0, nullptr);
    load_modules();
    auto image = measure_image();
    if (!image) {
        complain("measure the image", image.error());
        return;
    }
    const Boot ours = [&] { return boot_casemate(**image); };
    const Boot microvm = [] { return boot_qemu("microvm"); };
    const Boot q35 = [] { return boot_qemu("q35"); };
    measure_boot("casemate-vmm", ours);
    measure_boot("qemu -accel kvm -M microvm", microvm);
    measure_boot("qemu -accel kvm -M q35", q35);
    measure_streams("casemate-vmm", ours);
    measure_streams("vhost-vsock, qemu -accel kvm -M microvm", microvm);
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
