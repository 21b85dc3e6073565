#include "softhost/tsc.hpp"

#include <cpuid.h>
#include <x86intrin.h>

#include <charconv>
#include <chrono>
#include <ctime>
#include <limits>
#include <string>
#include <thread>

#include "base/file.hpp"
#include "softhost/error.hpp"

namespace casemate::softhost {

namespace {

constexpr const char* kKernelsNumber = "/sys/devices/system/cpu/cpu0/tsc_freq_khz";
// A rate outside of these bounds is a lie of somebody's.
constexpr std::uint64_t kLowest = 100'000;
constexpr std::uint64_t kHighest = 20'000'000;
constexpr auto kMeasureFor = std::chrono::milliseconds(20);

bool plausible(std::uint64_t khz) {
    return khz >= kLowest && khz <= kHighest;
}

std::uint64_t kernels_number() {
    const auto text = read_file(kKernelsNumber, 64);
    std::uint64_t khz = 0;
    if (text) {
        const std::string_view digits = as_text(*text);
        std::from_chars(digits.data(), digits.data() + digits.size(), khz);
    }
    return khz;
}

// Leaf 0x40000010, EAX, where the hypervisor has it (VMware's convention, KVM's and others' too).
std::uint64_t hypervisors_number() {
    constexpr unsigned kHypervisorBit = 1U << 31U;
    constexpr unsigned kFirstLeaf = 0x4000'0000;
    constexpr unsigned kTimingLeaf = 0x4000'0010;
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & kHypervisorBit) == 0) {
        return 0;
    }
    __cpuid(kFirstLeaf, eax, ebx, ecx, edx);
    if (eax < kTimingLeaf) {
        return 0;
    }
    __cpuid(kTimingLeaf, eax, ebx, ecx, edx);
    return eax;
}

// Leaf 0x15: the crystal's rate in ECX times EBX/EAX (Intel SDM vol. 2A, CPUID).
std::uint64_t processors_number() {
    unsigned denominator = 0;
    unsigned numerator = 0;
    unsigned crystal_hertz = 0;
    unsigned unused = 0;
    if (__get_cpuid(0x15, &denominator, &numerator, &crystal_hertz, &unused) == 0 ||
        denominator == 0) {
        return 0;
    }
    return std::uint64_t{crystal_hertz} / 1000 * numerator / denominator;
}

struct Reading {
    std::uint64_t ticks = 0;
    std::uint64_t nanoseconds = 0;
};

// Reads both clocks at once; of several attempts, the one least disturbed in between.
Reading read_clocks() {
    Reading best;
    std::uint64_t narrowest = std::numeric_limits<std::uint64_t>::max();
    for (int attempt = 0; attempt < 8; ++attempt) {
        timespec now{};
        const std::uint64_t before = __rdtsc();
        ::clock_gettime(CLOCK_MONOTONIC_RAW, &now);
        const std::uint64_t after = __rdtsc();
        if (after - before < narrowest) {
            narrowest = after - before;
            best.ticks = before + narrowest / 2;
            best.nanoseconds = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
                               static_cast<std::uint64_t>(now.tv_nsec);
        }
    }
    return best;
}

}  // namespace

std::uint64_t measure_tsc_khz() {
    const Reading first = read_clocks();
    std::this_thread::sleep_for(kMeasureFor);
    const Reading last = read_clocks();
    const std::uint64_t nanoseconds = last.nanoseconds - first.nanoseconds;
    return nanoseconds == 0 ? 0 : (last.ticks - first.ticks) * 1'000'000 / nanoseconds;
}

Result<std::uint64_t> tsc_khz() {
    std::uint64_t khz = 0;
    for (const auto source :
         {kernels_number, hypervisors_number, processors_number, measure_tsc_khz}) {
        khz = source();
        if (plausible(khz)) {
            return khz;
        }
    }
    return Error(
        SofthostErrc::missing,
        "expected a time stamp counter of 0.1 to 20 GHz, measured " + std::to_string(khz) + " kHz");
}

}  // namespace casemate::softhost
