#include "machine/vcpu_report.hpp"

#include <array>
#include <utility>

#include "machine/text.hpp"

namespace casemate::machine {

namespace {

constexpr std::uint64_t kPagingEnabled = 0x8000'0000;
constexpr std::uint64_t kLongModeActive = 0x400;
constexpr std::uint64_t kPresent = 0x1;
constexpr std::uint64_t kLargePage = 0x80;
constexpr std::uint64_t kFrame = 0x000f'ffff'ffff'f000;
constexpr std::size_t kCodeBytes = 16;

std::optional<std::uint64_t> read_entry(const GuestMemory& memory, std::uint64_t address) {
    const auto slice = memory.slice(address, sizeof(std::uint64_t));
    std::uint64_t entry = 0;
    if (!slice || !ByteReader(*slice).read_le(entry)) {
        return std::nullopt;
    }
    return entry;
}

std::string describe_segment(const char* name, const kvm_segment& segment) {
    return std::string(name) + "=" + hex_padded(segment.selector, 4) + " base " +
           hex(segment.base) + " limit " + hex(segment.limit) + " type " + hex(segment.type) +
           " dpl " + std::to_string(segment.dpl) + (segment.l != 0 ? " 64-bit" : "") + "\n";
}

std::string describe_code(const kvm_regs& registers, const kvm_sregs& segments,
                          const GuestMemory& memory) {
    const auto physical = translate(segments, memory, segments.cs.base + registers.rip);
    if (!physical) {
        return "code at RIP: not mapped\n";
    }
    std::string text = "code at RIP (" + hex(*physical) + "):";
    for (std::size_t i = 0; i < kCodeBytes; ++i) {
        const auto byte = memory.slice(*physical + i, 1);
        text += byte ? " " + hex_padded((*byte)[0], 2) : " --";
    }
    return text + "\n";
}

}  // namespace

std::optional<std::uint64_t> translate(const kvm_sregs& segments, const GuestMemory& memory,
                                       std::uint64_t address) {
    if ((segments.cr0 & kPagingEnabled) == 0) {
        return address;
    }
    if ((segments.efer & kLongModeActive) == 0) {
        return std::nullopt;
    }
    std::uint64_t table = segments.cr3 & kFrame;
    for (unsigned shift = 39; shift >= 12; shift -= 9) {
        const std::uint64_t index = (address >> shift) & 0x1ffU;
        const auto entry = read_entry(memory, table + index * sizeof(std::uint64_t));
        if (!entry || (*entry & kPresent) == 0) {
            return std::nullopt;
        }
        const std::uint64_t offset_mask = (1ULL << shift) - 1;
        const bool large = (*entry & kLargePage) != 0 && shift != 39;
        if (large || shift == 12) {
            return (*entry & kFrame & ~offset_mask) | (address & offset_mask);
        }
        table = *entry & kFrame;
    }
    return std::nullopt;
}

std::string describe_registers(const kvm_regs& registers, const kvm_sregs& segments,
                               const GuestMemory& memory) {
    const std::array<std::pair<const char*, std::uint64_t>, 18> values{
        {{"rip", registers.rip},
         {"rflags", registers.rflags},
         {"rsp", registers.rsp},
         {"rbp", registers.rbp},
         {"rax", registers.rax},
         {"rbx", registers.rbx},
         {"rcx", registers.rcx},
         {"rdx", registers.rdx},
         {"rsi", registers.rsi},
         {"rdi", registers.rdi},
         {"r8", registers.r8},
         {"r9", registers.r9},
         {"r10", registers.r10},
         {"r11", registers.r11},
         {"r12", registers.r12},
         {"r13", registers.r13},
         {"r14", registers.r14},
         {"r15", registers.r15}}};
    std::string text;
    for (std::size_t i = 0; i < values.size(); ++i) {
        text += std::string(values[i].first) + "=" + hex_padded(values[i].second, 16) +
                (i % 4 == 3 ? "\n" : " ");
    }
    text += "\ncr0=" + hex(segments.cr0) + " cr2=" + hex(segments.cr2) +
            " cr3=" + hex(segments.cr3) + " cr4=" + hex(segments.cr4) +
            " efer=" + hex(segments.efer) + "\n";
    text += describe_segment("cs", segments.cs) + describe_segment("ss", segments.ss) +
            describe_segment("ds", segments.ds) + describe_segment("gs", segments.gs) +
            describe_segment("tr", segments.tr);
    text += "gdt " + hex(segments.gdt.base) + "+" + hex(segments.gdt.limit) + " idt " +
            hex(segments.idt.base) + "+" + hex(segments.idt.limit) + "\n";
    return text + describe_code(registers, segments, memory);
}

}  // namespace casemate::machine
