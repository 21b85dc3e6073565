// The guest-physical address space (x86-64): RAM from 0, a hole for devices below 4 GiB, the rest
// of the RAM from 4 GiB on. Guest memory is one file; RAM below the hole is at the same offset in
// it, RAM above follows without a gap.
#pragma once

#include <cstdint>
#include <vector>

namespace casemate::machine {

// GuestRange: size bytes of guest-physical memory at address.
struct GuestRange {
    std::uint64_t address = 0;
    std::uint64_t size = 0;

    bool operator==(const GuestRange&) const = default;
};

inline constexpr std::uint64_t kPageSize = 4096;
inline constexpr std::uint64_t kDeviceHole = 0xd000'0000;
inline constexpr std::uint64_t kDeviceHoleEnd = 0x1'0000'0000;
// virtio-mmio devices: one page each from the start of the hole, interrupts from kFirstDeviceIrq
// on.
inline constexpr std::uint64_t kVirtioMmioSize = 0x1000;
inline constexpr std::uint32_t kFirstDeviceIrq = 5;
// Where the parts that the VMM itself makes are: nothing is loaded below kLoadStart.
inline constexpr std::uint64_t kLoadStart = 0x10'0000;

// The largest and the smallest guest, in bytes.
inline constexpr std::uint64_t kMaxMemory = 1ULL << 40U;
inline constexpr std::uint64_t kMinMemory = 64ULL << 20U;
inline constexpr std::uint32_t kMaxVcpus = 64;

// MemoryRegion: RAM at address backed by the memory file from file_offset on.
struct MemoryRegion {
    std::uint64_t address = 0;
    std::uint64_t size = 0;
    std::uint64_t file_offset = 0;

    bool operator==(const MemoryRegion&) const = default;
};

// memory_regions lays memory_bytes of RAM (page-aligned, at most kMaxMemory) around the hole.
[[nodiscard]] std::vector<MemoryRegion> memory_regions(std::uint64_t memory_bytes);

}  // namespace casemate::machine
