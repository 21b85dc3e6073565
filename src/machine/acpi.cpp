#include "machine/acpi.hpp"

#include <algorithm>
#include <numeric>
#include <string>
#include <string_view>

#include "machine/i8042.hpp"
#include "machine/layout.hpp"
#include "machine/serial.hpp"

namespace casemate::machine {

namespace {

constexpr std::string_view kOem = "CASEMA";
constexpr std::string_view kOemTable = "ENCLAVE ";
constexpr std::string_view kCreator = "CSMT";
constexpr std::uint32_t kRevision = 1;
constexpr std::size_t kRootPointerSize = 36;
constexpr std::size_t kHeaderSize = 36;
constexpr std::size_t kChecksum = 9;
constexpr std::uint64_t kTableAlignment = 16;

constexpr std::uint32_t kLocalApic = 0xfee0'0000;
constexpr std::uint32_t kIoApic = 0xfec0'0000;

std::uint8_t checksum(ByteView bytes) {
    return static_cast<std::uint8_t>(0U - std::accumulate(bytes.begin(), bytes.end(), 0U));
}

// table puts the common header (5.2.6) before a body.
Bytes table(std::string_view signature, std::uint8_t revision, ByteView body) {
    Bytes raw;
    ByteWriter writer(raw);
    writer.put_bytes(as_bytes(signature));
    writer.put_le(static_cast<std::uint32_t>(kHeaderSize + body.size()));
    writer.put_u8(revision);
    writer.put_u8(0);
    writer.put_bytes(as_bytes(kOem));
    writer.put_bytes(as_bytes(kOemTable));
    writer.put_le(kRevision);
    writer.put_bytes(as_bytes(kCreator));
    writer.put_le(kRevision);
    writer.put_bytes(body);
    raw[kChecksum] = checksum(raw);
    return raw;
}

// --- AML (chapter 20) ---

constexpr std::uint8_t kName = 0x08;
constexpr std::uint8_t kBytePrefix = 0x0a;
constexpr std::uint8_t kDwordPrefix = 0x0c;
constexpr std::uint8_t kStringPrefix = 0x0d;
constexpr std::uint8_t kScope = 0x10;
constexpr std::uint8_t kBuffer = 0x11;
constexpr std::uint8_t kExtended = 0x5b;
constexpr std::uint8_t kDevice = 0x82;

// put_package puts a package length (20.2.4), which counts itself, and the content.
void put_package(ByteWriter& writer, ByteView content) {
    constexpr std::size_t kMaxOneByte = 63;
    if (content.size() + 1 <= kMaxOneByte) {
        writer.put_u8(static_cast<std::uint8_t>(content.size() + 1));
    } else {
        // Three bytes hold a megabyte, and a device needs about a hundred bytes.
        const std::size_t size = content.size() + 3;
        writer.put_u8(static_cast<std::uint8_t>(0x80U | (size & 0xfU)));
        writer.put_u8(static_cast<std::uint8_t>(size >> 4U));
        writer.put_u8(static_cast<std::uint8_t>(size >> 12U));
    }
    writer.put_bytes(content);
}

void put_name(ByteWriter& writer, std::string_view name) {
    writer.put_u8(kName);
    writer.put_bytes(as_bytes(name));
}

void put_string(ByteWriter& writer, std::string_view text) {
    writer.put_u8(kStringPrefix);
    writer.put_bytes(as_bytes(text));
    writer.put_u8(0);
}

void put_byte(ByteWriter& writer, std::uint32_t value) {
    writer.put_u8(kBytePrefix);
    writer.put_u8(static_cast<std::uint8_t>(value));
}

// put_resources puts a _CRS with the resources and their end (6.4.2.9).
void put_resources(ByteWriter& writer, ByteView resources) {
    Bytes content;
    ByteWriter content_writer(content);
    put_byte(content_writer, static_cast<std::uint32_t>(resources.size() + 2));
    content_writer.put_bytes(resources);
    content_writer.put_u8(0x79);
    content_writer.put_u8(0);
    put_name(writer, "_CRS");
    writer.put_u8(kBuffer);
    put_package(writer, content);
}

// put_interrupt puts an extended interrupt descriptor (6.4.3.6): edge, active high, not shared.
void put_interrupt(ByteWriter& writer, std::uint32_t interrupt) {
    constexpr std::uint8_t kConsumerEdge = 0x03;
    writer.put_u8(0x89);
    writer.put_le<std::uint16_t>(6);
    writer.put_u8(kConsumerEdge);
    writer.put_u8(1);
    writer.put_le(interrupt);
}

void put_device(ByteWriter& writer, std::string_view name, ByteView content) {
    Bytes named(name.begin(), name.end());
    named.insert(named.end(), content.begin(), content.end());
    writer.put_u8(kExtended);
    writer.put_u8(kDevice);
    put_package(writer, named);
}

void put_serial(ByteWriter& writer) {
    // EISA id PNP0501: a 16550A.
    constexpr std::uint32_t kPnp0501 = 0x0105'd041;
    Bytes resources;
    ByteWriter resource_writer(resources);
    // I/O ports (6.4.2.5): 16 bits decoded, one place only.
    resource_writer.put_u8(0x47);
    resource_writer.put_u8(1);
    resource_writer.put_le(static_cast<std::uint16_t>(Serial::kPort));
    resource_writer.put_le(static_cast<std::uint16_t>(Serial::kPort));
    resource_writer.put_u8(1);
    resource_writer.put_u8(static_cast<std::uint8_t>(Serial::kPorts));
    put_interrupt(resource_writer, Serial::kIrq);
    Bytes content;
    ByteWriter content_writer(content);
    put_name(content_writer, "_HID");
    content_writer.put_u8(kDwordPrefix);
    content_writer.put_le(kPnp0501);
    put_name(content_writer, "_UID");
    put_byte(content_writer, 0);
    put_resources(content_writer, resources);
    put_device(writer, "COM1", content);
}

void put_virtio(ByteWriter& writer, std::uint32_t index) {
    Bytes resources;
    ByteWriter resource_writer(resources);
    // Fixed 32-bit memory (6.4.3.4), writable.
    resource_writer.put_u8(0x86);
    resource_writer.put_le<std::uint16_t>(9);
    resource_writer.put_u8(1);
    resource_writer.put_le(static_cast<std::uint32_t>(kDeviceHole + index * kVirtioMmioSize));
    resource_writer.put_le(static_cast<std::uint32_t>(kVirtioMmioSize));
    put_interrupt(resource_writer, kFirstDeviceIrq + index);
    Bytes content;
    ByteWriter content_writer(content);
    put_name(content_writer, "_HID");
    put_string(content_writer, "LNRO0005");
    put_name(content_writer, "_UID");
    put_byte(content_writer, index);
    put_resources(content_writer, resources);
    std::string name = "VIO0";
    name.back() = static_cast<char>('0' + index);
    put_device(writer, name, content);
}

Bytes dsdt(std::uint32_t device_count) {
    Bytes devices;
    ByteWriter device_writer(devices);
    device_writer.put_bytes(as_bytes("_SB_"));
    put_serial(device_writer);
    for (std::uint32_t index = 0; index < device_count; ++index) {
        put_virtio(device_writer, index);
    }
    Bytes body;
    ByteWriter writer(body);
    writer.put_u8(kScope);
    put_package(writer, devices);
    return table("DSDT", 2, body);
}

// fadt (5.2.9) describes a machine of reduced hardware: no ACPI registers at all.
Bytes fadt(std::uint64_t dsdt_address) {
    constexpr std::uint32_t kProcessorCaches = 1U << 0U;  // WBINVD
    constexpr std::uint32_t kNoPowerButton = 1U << 4U;
    constexpr std::uint32_t kNoSleepButton = 1U << 5U;
    constexpr std::uint32_t kResetRegister = 1U << 10U;
    constexpr std::uint32_t kReducedHardware = 1U << 20U;
    constexpr std::uint16_t kNoVga = 1U << 2U;
    constexpr std::uint16_t kNoMsi = 1U << 3U;
    constexpr std::size_t kSize = 276;
    constexpr std::uint8_t kPortSpace = 1;
    Bytes body;
    ByteWriter writer(body);
    const auto zeros_up_to = [&](std::size_t offset) {
        writer.put_zeros(offset - kHeaderSize - body.size());
    };
    zeros_up_to(40);
    writer.put_le(static_cast<std::uint32_t>(dsdt_address));
    zeros_up_to(109);
    writer.put_le<std::uint16_t>(kNoVga | kNoMsi);
    zeros_up_to(112);
    writer.put_le<std::uint32_t>(kProcessorCaches | kNoPowerButton | kNoSleepButton |
                                 kResetRegister | kReducedHardware);
    // The reset register: port 0x64, 8 bits wide, 0xfe.
    writer.put_u8(kPortSpace);
    writer.put_u8(8);
    writer.put_u8(0);
    writer.put_u8(1);
    writer.put_le<std::uint64_t>(I8042::kPort + 4);
    writer.put_u8(0xfe);
    zeros_up_to(131);
    writer.put_u8(5);  // minor version
    zeros_up_to(140);
    writer.put_le(dsdt_address);
    zeros_up_to(kSize);
    return table("FACP", 6, body);
}

// madt (5.2.12): the processors, the interrupt controller.
Bytes madt(std::uint32_t vcpu_count) {
    constexpr std::uint8_t kEnabled = 1;
    constexpr std::uint8_t kAllProcessors = 0xff;
    Bytes body;
    ByteWriter writer(body);
    writer.put_le(kLocalApic);
    writer.put_le<std::uint32_t>(0);
    for (std::uint32_t id = 0; id < vcpu_count; ++id) {
        writer.put_u8(0);  // processor local APIC
        writer.put_u8(8);
        writer.put_u8(static_cast<std::uint8_t>(id));
        writer.put_u8(static_cast<std::uint8_t>(id));
        writer.put_le<std::uint32_t>(kEnabled);
    }
    writer.put_u8(1);  // I/O APIC
    writer.put_u8(12);
    writer.put_u8(static_cast<std::uint8_t>(vcpu_count));
    writer.put_u8(0);
    writer.put_le(kIoApic);
    writer.put_le<std::uint32_t>(0);
    writer.put_u8(4);  // non-maskable interrupt at pin 1 of each local APIC
    writer.put_u8(6);
    writer.put_u8(kAllProcessors);
    writer.put_le<std::uint16_t>(0);
    writer.put_u8(1);
    return table("APIC", 5, body);
}

Bytes root_pointer(std::uint64_t xsdt_address) {
    constexpr std::size_t kFirstPart = 20;
    Bytes raw;
    ByteWriter writer(raw);
    writer.put_bytes(as_bytes("RSD PTR "));
    writer.put_u8(0);
    writer.put_bytes(as_bytes(kOem));
    writer.put_u8(2);
    writer.put_le<std::uint32_t>(0);
    writer.put_le(static_cast<std::uint32_t>(kRootPointerSize));
    writer.put_le(xsdt_address);
    writer.put_u8(0);
    writer.put_zeros(3);
    raw[8] = checksum(ByteView(raw).first(kFirstPart));
    raw[32] = checksum(raw);
    return raw;
}

}  // namespace

Bytes acpi_tables(std::uint64_t address, std::uint32_t vcpu_count, std::uint32_t device_count) {
    Bytes raw(kRootPointerSize);
    const auto append = [&raw, address](ByteView bytes) {
        raw.resize((raw.size() + kTableAlignment - 1) & ~(kTableAlignment - 1));
        const std::uint64_t place = address + raw.size();
        raw.insert(raw.end(), bytes.begin(), bytes.end());
        return place;
    };
    const std::uint64_t dsdt_place = append(dsdt(device_count));
    Bytes entries;
    ByteWriter writer(entries);
    writer.put_le(append(fadt(dsdt_place)));
    writer.put_le(append(madt(vcpu_count)));
    const Bytes root = root_pointer(append(table("XSDT", 1, entries)));
    std::copy(root.begin(), root.end(), raw.begin());
    return raw;
}

}  // namespace casemate::machine
