#include "machine/boot.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "machine/acpi.hpp"
#include "machine/mp_table.hpp"
#include "machine/text.hpp"

namespace casemate::machine {

namespace {

// Offsets in the boot parameters, "the zero page" (Linux Documentation/arch/x86/zero-page.rst).
constexpr std::size_t kAcpiRootPointer = 0x070;
constexpr std::size_t kExtRamdiskImage = 0x0c0;
constexpr std::size_t kExtRamdiskSize = 0x0c4;
constexpr std::size_t kE820Entries = 0x1e8;
constexpr std::size_t kSetupHeader = 0x1f1;
constexpr std::size_t kBootFlag = 0x1fe;
constexpr std::size_t kHeaderMagic = 0x202;
constexpr std::size_t kTypeOfLoader = 0x210;
constexpr std::size_t kLoadFlags = 0x211;
constexpr std::size_t kRamdiskImage = 0x218;
constexpr std::size_t kRamdiskSize = 0x21c;
constexpr std::size_t kCommandLinePointer = 0x228;
constexpr std::size_t kKernelAlignment = 0x230;
constexpr std::size_t kCommandLineLength = 0x238;
constexpr std::size_t kE820Table = 0x2d0;
constexpr std::size_t kBootParametersSize = 0x1000;

constexpr std::uint8_t kUndefinedLoader = 0xff;
constexpr std::uint8_t kLoadedHigh = 0x01;
constexpr std::uint32_t kUsableMemory = 1;
constexpr std::uint32_t kReservedMemory = 2;

// Segment selectors that the protocol asks for: __BOOT_CS and __BOOT_DS.
constexpr std::uint16_t kCodeSelector = 0x10;
constexpr std::uint16_t kDataSelector = 0x18;
constexpr std::uint16_t kTaskSelector = 0x20;
// Descriptors (Intel SDM volume 3, 3.4.5): 64-bit code, data, and a busy task of 104 bytes.
constexpr std::array<std::uint64_t, 6> kDescriptors{
    0, 0, 0x00af'9b00'0000'ffff, 0x00cf'9300'0000'ffff, 0x0000'8b00'0000'0067, 0};

constexpr std::uint64_t kPageEntries = 512;
constexpr std::uint64_t kPresentWritable = 0x3;
constexpr std::uint64_t kLargePage = 0x80;
constexpr std::uint64_t kLargePageSize = 0x20'0000;
constexpr std::uint64_t kMappedGigabytes = 4;

template <std::unsigned_integral T>
void put_at(MutableBytes page, std::size_t offset, T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        page[offset + i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * i));
    }
}

Result<> put_bytes(const GuestMemory& memory, std::uint64_t address, ByteView bytes) {
    CASEMATE_TRY(const auto slice, memory.slice(address, bytes.size()));
    std::copy(bytes.begin(), bytes.end(), slice.begin());
    return {};
}

std::string text(const GuestRange& range) {
    return std::to_string(range.size) + " bytes at " + hex(range.address);
}

bool contains(const GuestRange& outer, const GuestRange& inner) {
    return inner.address >= outer.address && inner.size <= outer.size &&
           inner.address - outer.address <= outer.size - inner.size;
}

bool loaded(const BootImage& image, const GuestRange& range) {
    return std::any_of(image.loaded.begin(), image.loaded.end(),
                       [&](const auto& outer) { return contains(outer, range); });
}

Bytes page_tables() {
    Bytes raw;
    ByteWriter writer(raw);
    const auto put_table = [&writer](std::uint64_t first, std::uint64_t step, std::uint64_t count,
                                     std::uint64_t flags) {
        for (std::uint64_t i = 0; i < kPageEntries; ++i) {
            writer.put_le(i < count ? (first + i * step) | flags : std::uint64_t{0});
        }
    };
    put_table(kPageTables + kPageSize, 0, 1, kPresentWritable);
    put_table(kPageTables + 2 * kPageSize, kPageSize, kMappedGigabytes, kPresentWritable);
    for (std::uint64_t gigabyte = 0; gigabyte < kMappedGigabytes; ++gigabyte) {
        put_table(gigabyte << 30U, kLargePageSize, kPageEntries, kPresentWritable | kLargePage);
    }
    return raw;
}

struct MemoryMapEntry {
    std::uint64_t address;
    std::uint64_t size;
    std::uint32_t type;
};

std::vector<MemoryMapEntry> memory_map(const GuestMemory& memory) {
    std::vector<MemoryMapEntry> map{{0, kLowMemoryEnd, kUsableMemory},
                                    {kLowMemoryEnd, kFirmwareEnd - kLowMemoryEnd, kReservedMemory}};
    for (const auto& region : memory.regions()) {
        const std::uint64_t begin = std::max(region.guest.address, kFirmwareEnd);
        const std::uint64_t end = region.guest.address + region.guest.size;
        if (end > begin) {
            map.push_back({begin, end - begin, kUsableMemory});
        }
    }
    return map;
}

Bytes boot_parameters(const GuestMemory& memory, const BootImage& image,
                      std::size_t command_line_size) {
    Bytes page(kBootParametersSize);
    if (image.setup_header.empty()) {
        put_at<std::uint16_t>(page, kBootFlag, 0xaa55);
        put_at<std::uint32_t>(page, kHeaderMagic, 0x5372'6448);
        put_at<std::uint8_t>(page, kLoadFlags, kLoadedHigh);
        put_at<std::uint32_t>(page, kKernelAlignment, 0x100'0000);
        put_at(page, kCommandLineLength, static_cast<std::uint32_t>(command_line_size));
    } else {
        std::copy(image.setup_header.begin(), image.setup_header.end(),
                  page.begin() + kSetupHeader);
    }
    put_at(page, kAcpiRootPointer, kAcpiTables);
    put_at(page, kTypeOfLoader, kUndefinedLoader);
    put_at(page, kCommandLinePointer, static_cast<std::uint32_t>(kCommandLine));
    put_at(page, kRamdiskImage, static_cast<std::uint32_t>(image.initrd.address));
    put_at(page, kRamdiskSize, static_cast<std::uint32_t>(image.initrd.size));
    put_at(page, kExtRamdiskImage, static_cast<std::uint32_t>(image.initrd.address >> 32U));
    put_at(page, kExtRamdiskSize, static_cast<std::uint32_t>(image.initrd.size >> 32U));
    const auto map = memory_map(memory);
    put_at(page, kE820Entries, static_cast<std::uint8_t>(map.size()));
    Bytes raw;
    ByteWriter writer(raw);
    for (const auto& entry : map) {
        writer.put_le(entry.address);
        writer.put_le(entry.size);
        writer.put_le(entry.type);
    }
    std::copy(raw.begin(), raw.end(), page.begin() + kE820Table);
    return page;
}

kvm_segment segment(std::uint16_t selector, std::uint8_t type, bool code) {
    kvm_segment made{};
    made.limit = 0xffff'ffff;
    made.selector = selector;
    made.type = type;
    made.present = 1;
    made.s = 1;
    made.g = 1;
    made.l = code ? 1 : 0;
    made.db = code ? 0 : 1;
    return made;
}

}  // namespace

Result<> check_boot_image(const BootImage& image, const GuestMemory& memory) {
    std::uint64_t previous_end = kLoadStart;
    for (const auto& range : image.loaded) {
        if (!memory.slice(range.address, range.size) || range.size == 0 ||
            (range.address | range.size) % kPageSize != 0 || range.address < previous_end) {
            return Error(MachineErrc::bad_range,
                         "expected page-aligned ascending ranges of guest memory from " +
                             hex(previous_end) + " on, found " + text(range));
        }
        previous_end = range.address + range.size;
    }
    if (!loaded(image, {image.entry, 1})) {
        return Error(MachineErrc::bad_range,
                     "expected an entry inside what was loaded, found " + hex(image.entry));
    }
    if (image.initrd.size != 0 && !loaded(image, image.initrd)) {
        return Error(MachineErrc::bad_range,
                     "expected a ramdisk inside what was loaded, found " + text(image.initrd));
    }
    return {};
}

std::string device_parameters(std::uint32_t device_count) {
    std::string text;
    for (std::uint32_t i = 0; i < device_count; ++i) {
        text += " virtio_mmio.device=4K@" + hex(kDeviceHole + i * kVirtioMmioSize) + ":" +
                std::to_string(kFirstDeviceIrq + i);
    }
    return text;
}

std::string processor_parameters(std::uint32_t vcpu_count) {
    return vcpu_count == 1 ? " noreplace-smp" : "";
}

Result<> write_boot_data(const GuestMemory& memory, const BootImage& image,
                         std::uint32_t vcpu_count, std::uint32_t device_count) {
    std::string command_line =
        image.command_line + processor_parameters(vcpu_count) + device_parameters(device_count);
    if (command_line.size() >= kCommandLineSize || command_line.find('\0') != std::string::npos) {
        return Error(MachineErrc::too_large, "expected a command line of less than " +
                                                 std::to_string(kCommandLineSize) +
                                                 " bytes without NUL");
    }
    Bytes descriptors;
    ByteWriter writer(descriptors);
    for (const std::uint64_t descriptor : kDescriptors) {
        writer.put_le(descriptor);
    }
    CASEMATE_CHECK(put_bytes(memory, kGdt, descriptors));
    CASEMATE_CHECK(put_bytes(memory, kPageTables, page_tables()));
    CASEMATE_CHECK(
        put_bytes(memory, kBootParameters, boot_parameters(memory, image, command_line.size())));
    command_line.push_back('\0');
    CASEMATE_CHECK(put_bytes(memory, kCommandLine, as_bytes(command_line)));
    CASEMATE_CHECK(
        put_bytes(memory, kAcpiTables, acpi_tables(kAcpiTables, vcpu_count, device_count)));
    return put_bytes(memory, kMpTable, mp_table(kMpTable, vcpu_count));
}

kvm_regs boot_registers(std::uint64_t entry) {
    kvm_regs registers{};
    registers.rip = entry;
    registers.rsi = kBootParameters;
    registers.rsp = kBootStackTop;
    registers.rbp = kBootStackTop;
    // Bit 1 is always set (Intel SDM volume 1, 3.4.3).
    registers.rflags = 0x2;
    return registers;
}

kvm_sregs boot_segments(kvm_sregs reset) {
    constexpr std::uint64_t kProtectedMode = 0x1;
    constexpr std::uint64_t kPaging = 0x8000'0000;
    constexpr std::uint64_t kPhysicalAddressExtension = 0x20;
    constexpr std::uint64_t kLongModeEnabledActive = 0x500;
    constexpr std::uint8_t kCodeType = 0xb;
    constexpr std::uint8_t kDataType = 0x3;
    constexpr std::uint8_t kBusyTask = 0xb;
    reset.cs = segment(kCodeSelector, kCodeType, true);
    reset.ds = segment(kDataSelector, kDataType, false);
    reset.es = reset.ds;
    reset.fs = reset.ds;
    reset.gs = reset.ds;
    reset.ss = reset.ds;
    reset.tr = segment(kTaskSelector, kBusyTask, false);
    reset.tr.limit = 0x67;
    reset.tr.s = 0;
    reset.tr.g = 0;
    reset.tr.db = 0;
    reset.gdt.base = kGdt;
    reset.gdt.limit = kDescriptors.size() * sizeof(std::uint64_t) - 1;
    reset.idt.base = 0;
    reset.idt.limit = 0;
    // Caches on: CR0's reset value has them off.
    constexpr std::uint64_t kExtensionType = 0x10;
    constexpr std::uint64_t kNumericError = 0x20;
    reset.cr0 = kProtectedMode | kPaging | kExtensionType | kNumericError;
    reset.cr3 = kPageTables;
    reset.cr4 = kPhysicalAddressExtension;
    reset.efer = kLongModeEnabledActive;
    return reset;
}

}  // namespace casemate::machine
