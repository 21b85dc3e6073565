// What a bare-metal guest has: ports, memory-mapped registers, the serial port, an end. It runs in
// 64-bit mode with the first 4 GiB mapped one to one, interrupts off, and no SSE.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace guest {

inline void out8(uint16_t port, uint8_t value) {
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
inline uint8_t in8(uint16_t port) {
    uint8_t value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}
inline void out32(uint16_t port, uint32_t value) {
    asm volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
inline uint32_t in32(uint16_t port) {
    uint32_t value;
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}
inline uint32_t read32(uint64_t address) {
    uint32_t value;
    asm volatile("movl (%1), %0" : "=r"(value) : "r"(address) : "memory");
    return value;
}
inline void write32(uint64_t address, uint32_t value) {
    asm volatile("movl %0, (%1)" : : "r"(value), "r"(address) : "memory");
}

inline constexpr uint16_t kSerial = 0x3f8;
inline constexpr uint16_t kKeyboardData = 0x60;
inline constexpr uint16_t kKeyboardCommand = 0x64;

inline void print(const char* text) {
    for (; *text != '\0'; ++text) {
        out8(kSerial, static_cast<uint8_t>(*text));
    }
}
inline void print_hex(uint64_t value, unsigned digits) {
    for (unsigned i = digits; i > 0; --i) {
        out8(kSerial, static_cast<uint8_t>("0123456789abcdef"[(value >> (4 * (i - 1))) & 0xf]));
    }
}

// reset ends the machine as an enclave does.
[[noreturn]] inline void reset() {
    out8(kKeyboardCommand, 0xfe);
    for (;;) {
        asm volatile("hlt");
    }
}

}  // namespace guest

// The program: called with the stack as the boot protocol's firmware leaves it.
extern "C" [[noreturn]] void guest_main();

// The entry clears the frame pointer and calls.
asm(".section .text.start, \"ax\"\n"
    ".globl _start\n"
    "_start:\n"
    "    xorl %ebp, %ebp\n"
    "    call guest_main\n"
    ".text\n");
