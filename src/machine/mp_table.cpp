#include "machine/mp_table.hpp"

#include <numeric>

namespace casemate::machine {

namespace {

constexpr std::uint8_t kSpecification = 4;  // revision 1.4
constexpr std::uint8_t kApicVersion = 0x14;
constexpr std::uint32_t kLocalApic = 0xfee0'0000;
constexpr std::uint32_t kIoApic = 0xfec0'0000;
constexpr std::uint32_t kIoApicPins = 24;
constexpr std::uint32_t kIsaInterrupts = 16;

// Entry types (4.3).
enum class Entry : std::uint8_t {
    processor = 0,
    bus = 1,
    io_apic = 2,
    io_interrupt = 3,
    local_interrupt = 4,
};

// Interrupt types (table 4-11).
constexpr std::uint8_t kVectored = 0;
constexpr std::uint8_t kNonMaskable = 1;
constexpr std::uint8_t kExternal = 3;
constexpr std::uint8_t kAllLocalApics = 0xff;

std::uint8_t checksum(ByteView bytes) {
    const unsigned sum = std::accumulate(bytes.begin(), bytes.end(), 0U);
    return static_cast<std::uint8_t>(0U - sum);
}

void put_entry(ByteWriter& writer, Entry entry) {
    writer.put_u8(static_cast<std::uint8_t>(entry));
}

void put_processors(ByteWriter& writer, std::uint32_t vcpu_count) {
    constexpr std::uint8_t kEnabled = 1;
    constexpr std::uint8_t kBootProcessor = 2;
    for (std::uint32_t id = 0; id < vcpu_count; ++id) {
        put_entry(writer, Entry::processor);
        writer.put_u8(static_cast<std::uint8_t>(id));
        writer.put_u8(kApicVersion);
        writer.put_u8(id == 0 ? kEnabled | kBootProcessor : kEnabled);
        // Signature and features: family 6 with an APIC and a floating-point unit. Kernels ask
        // CPUID.
        writer.put_le<std::uint32_t>(0x600);
        writer.put_le<std::uint32_t>(0x201);
        writer.put_zeros(8);
    }
}

void put_interrupt(ByteWriter& writer, Entry entry, std::uint8_t type, std::uint8_t source,
                   std::uint8_t apic, std::uint8_t pin) {
    put_entry(writer, entry);
    writer.put_u8(type);
    writer.put_le<std::uint16_t>(0);  // polarity and trigger as the ISA bus has them
    writer.put_u8(0);                 // from bus 0
    writer.put_u8(source);
    writer.put_u8(apic);
    writer.put_u8(pin);
}

// put_entries gives how many there are.
std::uint16_t put_entries(ByteWriter& writer, std::uint32_t vcpu_count) {
    const auto io_apic = static_cast<std::uint8_t>(vcpu_count);
    put_processors(writer, vcpu_count);
    put_entry(writer, Entry::bus);
    writer.put_u8(0);
    writer.put_bytes(as_bytes("ISA   "));
    put_entry(writer, Entry::io_apic);
    writer.put_u8(io_apic);
    writer.put_u8(kApicVersion);
    writer.put_u8(1);
    writer.put_le(kIoApic);
    // KVM delivers each interrupt to the IOAPIC pin of its own number, the timer's included.
    static_assert(kIsaInterrupts <= kIoApicPins);
    for (std::uint32_t irq = 0; irq < kIsaInterrupts; ++irq) {
        put_interrupt(writer, Entry::io_interrupt, kVectored, static_cast<std::uint8_t>(irq),
                      io_apic, static_cast<std::uint8_t>(irq));
    }
    put_interrupt(writer, Entry::local_interrupt, kExternal, 0, 0, 0);
    put_interrupt(writer, Entry::local_interrupt, kNonMaskable, 0, kAllLocalApics, 1);
    return static_cast<std::uint16_t>(vcpu_count + 2 + kIsaInterrupts + 2);
}

Bytes configuration_table(std::uint32_t vcpu_count) {
    constexpr std::size_t kHeaderSize = 44;
    Bytes entries;
    ByteWriter entry_writer(entries);
    const std::uint16_t count = put_entries(entry_writer, vcpu_count);
    Bytes table;
    ByteWriter writer(table);
    writer.put_bytes(as_bytes("PCMP"));
    writer.put_le(static_cast<std::uint16_t>(kHeaderSize + entries.size()));
    writer.put_u8(kSpecification);
    writer.put_u8(0);  // checksum, below
    writer.put_bytes(as_bytes("CASEMATE"));
    writer.put_bytes(as_bytes("ENCLAVE     "));
    writer.put_zeros(4 + 2);
    writer.put_le(count);
    writer.put_le(kLocalApic);
    writer.put_zeros(4);
    writer.put_bytes(entries);
    table[7] = checksum(table);
    return table;
}

}  // namespace

Bytes mp_table(std::uint64_t address, std::uint32_t vcpu_count) {
    constexpr std::size_t kPointerSize = 16;
    Bytes raw;
    ByteWriter writer(raw);
    writer.put_bytes(as_bytes("_MP_"));
    writer.put_le(static_cast<std::uint32_t>(address + kPointerSize));
    writer.put_u8(kPointerSize / 16);
    writer.put_u8(kSpecification);
    writer.put_zeros(6);
    raw[10] = checksum(raw);
    writer.put_bytes(configuration_table(vcpu_count));
    return raw;
}

}  // namespace casemate::machine
