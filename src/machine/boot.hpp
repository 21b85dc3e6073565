// What firmware and boot loader would have left in the guest's memory and registers: the Linux
// 64-bit boot protocol (Linux Documentation/arch/x86/boot.rst). All of it lies below kLoadStart.
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "machine/boot_image.hpp"
#include "machine/errors.hpp"
#include "machine/guest_memory.hpp"

namespace casemate::machine {

// Where the parts are, as guest-physical addresses.
inline constexpr std::uint64_t kGdt = 0x500;
inline constexpr std::uint64_t kBootParameters = 0x7000;
inline constexpr std::uint64_t kBootStackTop = 0x8ff0;
inline constexpr std::uint64_t kPageTables = 0x9000;
inline constexpr std::uint64_t kCommandLine = 0x2'0000;
inline constexpr std::uint64_t kCommandLineSize = 0x2000;
// The last 384 KiB below kFirmwareEnd are a PC's video memory and ROMs. The ACPI tables and the MP
// table are where kernels look for them in the ROM.
inline constexpr std::uint64_t kLowMemoryEnd = 0xa'0000;
inline constexpr std::uint64_t kAcpiTables = 0xe'0000;
inline constexpr std::uint64_t kMpTable = 0xf'0000;
inline constexpr std::uint64_t kFirmwareEnd = 0x10'0000;

// check_boot_image refuses, with MachineErrc::bad_range, an image whose entry or ranges are not in
// the guest's memory, reach below kLoadStart, overlap, or contain what they should not: the entry
// and the ramdisk must be inside what was loaded.
[[nodiscard]] Result<> check_boot_image(const BootImage& image, const GuestMemory& memory);

// device_parameters is what the VMM appends to the command line to announce device_count
// virtio-mmio devices (Linux drivers/virtio/virtio_mmio.c, "virtio_mmio.device=").
[[nodiscard]] std::string device_parameters(std::uint32_t device_count);

// processor_parameters is what the VMM appends for the processors. One alone would have Linux take
// the lock prefixes out of its code, one by one with a change of page tables each: slow where that
// is emulated, and nothing that a program would notice (Linux arch/x86/kernel/alternative.c,
// "noreplace-smp").
[[nodiscard]] std::string processor_parameters(std::uint32_t vcpu_count);

// write_boot_data writes GDT, page tables, boot parameters, command line, ACPI tables and MP
// table into guest memory. The image must have passed check_boot_image.
[[nodiscard]] Result<> write_boot_data(const GuestMemory& memory, const BootImage& image,
                                       std::uint32_t vcpu_count, std::uint32_t device_count);

// boot_registers and boot_segments are the first vCPU's: 64-bit mode, interrupts off, flat
// segments, the first 4 GiB mapped one to one. boot_segments changes what KVM's reset state has.
[[nodiscard]] kvm_regs boot_registers(std::uint64_t entry);
[[nodiscard]] kvm_sregs boot_segments(kvm_sregs reset);

}  // namespace casemate::machine
