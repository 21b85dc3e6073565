// ACPI tables (ACPI Specification 6.5): how stock kernels, which know neither MP tables nor virtio
// devices on the command line, find processors, interrupt controller, serial port and devices.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace casemate::machine {

// acpi_tables makes the root pointer and, behind it, XSDT, FADT, MADT and DSDT, for guest-physical
// address, which is 16-byte aligned and below 4 GiB. There are vcpu_count processors with APIC ids
// from 0 on and device_count virtio-mmio devices from kDeviceHole on ("LNRO0005", Linux
// drivers/virtio/virtio_mmio.c).
[[nodiscard]] Bytes acpi_tables(std::uint64_t address, std::uint32_t vcpu_count,
                                std::uint32_t device_count);

}  // namespace casemate::machine
