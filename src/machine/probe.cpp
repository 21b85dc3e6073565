#include "machine/probe.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>

#include "base/os_error.hpp"
#include "machine/boot.hpp"
#include "machine/cpuid.hpp"
#include "machine/kvm.hpp"

namespace casemate::machine {

namespace {

// Each turn of the loop is two instructions.
constexpr std::uint64_t kShortTurns = 1000;
constexpr std::uint64_t kLongTurns = 50'000;
constexpr int kShortRuns = 3;
constexpr std::uint64_t kMemory = 0x11'0000;
constexpr std::uint64_t kCode = 0x10'0000;
// A processor needs a nanosecond or less; an interpreter microseconds.
constexpr double kSlowestHardware = 200;

// loop: dec %rcx; jnz loop; hlt
constexpr std::array<std::uint8_t, 6> kLoop{0x48, 0xff, 0xc9, 0x75, 0xfb, 0xf4};

// Bench: a virtual machine with one processor and the loop.
struct Bench {
    GuestMemory memory;
    Vm vm;
    UniqueFd vcpu;
    kvm_run* run = nullptr;
    std::size_t run_size = 0;

    Bench(GuestMemory made_memory, Vm made_vm, UniqueFd made_vcpu)
        : memory(std::move(made_memory)), vm(std::move(made_vm)), vcpu(std::move(made_vcpu)) {}
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;
    ~Bench() {
        if (run != nullptr) {
            ::munmap(run, run_size);
        }
    }
};

Result<> set_up(const Kvm& kvm, Bench& bench) {
    const int vcpu = bench.vcpu.get();
    CASEMATE_TRY(bench.run_size, kvm.run_area_size());
    void* area = ::mmap(nullptr, bench.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (area == MAP_FAILED) {
        return os_error("map a vCPU's run area");
    }
    bench.run = static_cast<kvm_run*>(area);
    CASEMATE_TRY(const auto supported, kvm.supported_cpuid());
    CASEMATE_CHECK(set_cpuid(vcpu, guest_cpuid(supported, 0, 1)));
    kvm_sregs segments{};
    if (::ioctl(vcpu, KVM_GET_SREGS, &segments) != 0) {
        return os_error("read a vCPU's segments");
    }
    segments = boot_segments(segments);
    if (::ioctl(vcpu, KVM_SET_SREGS, &segments) != 0) {
        return os_error("set a vCPU's segments");
    }
    return {};
}

Result<std::unique_ptr<Bench>> make_bench(UniqueFd device) {
    CASEMATE_TRY(const auto kvm, Kvm::take(std::move(device)));
    CASEMATE_TRY(auto file, make_memory_file("kvm-probe", kMemory));
    CASEMATE_TRY(auto memory, GuestMemory::map(file.get(), kMemory));
    BootImage image;
    CASEMATE_CHECK(write_boot_data(memory, image, 1, 0));
    CASEMATE_TRY(const auto code, memory.slice(kCode, kLoop.size()));
    std::copy(kLoop.begin(), kLoop.end(), code.begin());
    CASEMATE_TRY(auto vm, kvm.create_vm());
    CASEMATE_CHECK(vm.set_memory(memory));
    CASEMATE_TRY(auto vcpu, vm.create_vcpu(0));
    auto bench = std::make_unique<Bench>(std::move(memory), std::move(vm), std::move(vcpu));
    CASEMATE_CHECK(set_up(kvm, *bench));
    return bench;
}

// time_loop gives nanoseconds for an instruction.
Result<double> time_loop(const Bench& bench, std::uint64_t turns) {
    kvm_regs registers = boot_registers(kCode);
    registers.rcx = turns;
    if (::ioctl(bench.vcpu.get(), KVM_SET_REGS, &registers) != 0) {
        return os_error("set a vCPU's registers");
    }
    const auto start = std::chrono::steady_clock::now();
    int result = 0;
    do {
        result = ::ioctl(bench.vcpu.get(), KVM_RUN, 0);
    } while (result != 0 && errno == EINTR);
    const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - start;
    if (result != 0) {
        return os_error("run a vCPU");
    }
    if (bench.run->exit_reason != KVM_EXIT_HLT) {
        return Error(MachineErrc::unsupported, "expected the probe to halt, found exit " +
                                                   std::to_string(bench.run->exit_reason));
    }
    return taken.count() / static_cast<double>(2 * turns);
}

Result<double> measure(UniqueFd device) {
    CASEMATE_TRY(const auto bench, make_bench(std::move(device)));
    double best = 0;
    for (int i = 0; i < kShortRuns; ++i) {
        CASEMATE_TRY(const double taken, time_loop(*bench, kShortTurns));
        best = i == 0 ? taken : std::min(best, taken);
    }
    // Entering and leaving count in a short run, so a slow one is only a suspicion; three that take
    // more than ten times as long as hardware may are enough.
    if (best > 10 * kSlowestHardware) {
        return best;
    }
    return time_loop(*bench, kLongTurns);
}

}  // namespace

KvmProbe probe_kvm(const std::string& path) {
    auto device = open_file(path, O_RDWR);
    if (!device) {
        const int number = device.error().code_as<Errno>()
                               ? static_cast<int>(*device.error().code_as<Errno>())
                               : 0;
        const bool denied = number == EACCES || number == EPERM;
        const bool missing = number == ENOENT || number == ENXIO || number == ENODEV;
        return {denied    ? KvmKind::no_permission
                : missing ? KvmKind::absent
                          : KvmKind::unusable,
                0, device.error().message()};
    }
    const auto taken = measure(std::move(*device));
    if (!taken) {
        return {KvmKind::unusable, 0, taken.error().message()};
    }
    const bool hardware = *taken < kSlowestHardware;
    std::array<char, 32> number{};
    std::snprintf(number.data(), number.size(), "%.2f", *taken);
    return {hardware ? KvmKind::hardware : KvmKind::emulated, *taken,
            path + " takes " + number.data() + " ns for an instruction in ring 0"};
}

}  // namespace casemate::machine
