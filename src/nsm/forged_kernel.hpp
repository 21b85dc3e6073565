// For tests: kernels just true enough to be loaded, with bytes that show where they went.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace casemate::nsm::forged {

inline void put(std::string& file, std::size_t offset, std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
        file.at(offset + i) = static_cast<char>(static_cast<std::uint8_t>(value >> (8 * i)));
    }
}

// pattern is size bytes that differ by seed and place.
inline std::string pattern(std::size_t size, std::uint32_t seed) {
    std::string text(size, '\0');
    std::uint32_t state = seed;
    for (char& one : text) {
        state = state * 1664525U + 1013904223U;
        one = static_cast<char>(static_cast<std::uint8_t>(state >> 24U));
    }
    return text;
}

inline constexpr std::uint64_t kBzImageAddress = 0x100'0000;
inline constexpr std::uint64_t kBzImageInitSize = 0x40'0000;

// bzimage is a bzImage of the 64-bit boot protocol (2.15) with two sectors of set-up code and this
// payload, loaded at 16 MiB (Linux Documentation/arch/x86/boot.rst).
inline std::string bzimage(const std::string& payload, std::uint32_t command_line_size = 2047) {
    std::string file(std::size_t{3} * 512, '\0');
    put(file, 0x1f1, 2, 1);
    put(file, 0x1fe, 0xaa55, 2);
    put(file, 0x200, 0x6aeb, 2);
    put(file, 0x202, 0x53726448, 4);
    put(file, 0x206, 0x020f, 2);
    put(file, 0x211, 1, 1);
    put(file, 0x22c, 0x7fff'ffff, 4);
    put(file, 0x236, 1, 2);
    put(file, 0x238, command_line_size, 4);
    put(file, 0x258, kBzImageAddress, 8);
    put(file, 0x260, kBzImageInitSize, 4);
    return file + payload;
}

struct ElfSegment {
    std::uint64_t file_offset = 0;
    std::uint64_t file_size = 0;
    std::uint64_t address = 0;
    std::uint64_t memory_size = 0;
};

// vmlinux is an ELF64 executable entered at the first segment's address, of this many bytes, all
// pattern but the headers.
template <std::size_t N>
std::string vmlinux(const std::array<ElfSegment, N>& segments, std::size_t size) {
    std::string file = pattern(size, 7);
    file.replace(0, 64, std::string(64, '\0'));
    put(file, 0, 0x00010102464c457f, 8);
    put(file, 8, 0, 8);
    put(file, 16, 2, 2);
    put(file, 18, 62, 2);
    put(file, 20, 1, 4);
    put(file, 24, segments[0].address, 8);
    put(file, 32, 64, 8);
    put(file, 52, 64, 2);
    put(file, 54, 56, 2);
    put(file, 56, N, 2);
    for (std::size_t i = 0; i < N; ++i) {
        const std::size_t at = 64 + i * 56;
        put(file, at, 1, 4);
        put(file, at + 4, 7, 4);
        put(file, at + 8, segments[i].file_offset, 8);
        put(file, at + 16, segments[i].address, 8);
        put(file, at + 24, segments[i].address, 8);
        put(file, at + 32, segments[i].file_size, 8);
        put(file, at + 40, segments[i].memory_size, 8);
        put(file, at + 48, 4096, 8);
    }
    return file;
}

}  // namespace casemate::nsm::forged
