#include "machine/kernel_image.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "machine/text.hpp"

namespace casemate::machine {

namespace {

// Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header": offsets in the file.
constexpr std::size_t kSetupHeader = 0x1f1;
constexpr std::size_t kHeaderMagic = 0x202;
constexpr std::uint16_t kBootFlag = 0xaa55;
constexpr std::uint32_t kMagic = 0x5372'6448;  // "HdrS"
// 2.12 is the first version with xloadflags, and so the first with a 64-bit entry.
constexpr std::uint16_t kFirst64BitVersion = 0x020c;
constexpr std::uint16_t kKernel64 = 1U << 0U;         // XLF_KERNEL_64
constexpr std::uint16_t kLoadedAbove4Gib = 1U << 1U;  // XLF_CAN_BE_LOADED_ABOVE_4G
constexpr std::uint8_t kLoadedHigh = 1U << 0U;        // loadflags LOADED_HIGH
constexpr std::uint64_t k64BitEntry = 0x200;
constexpr std::uint64_t kSector = 512;
// Command lines are copied whole into the VMM's low memory.
constexpr std::uint64_t kMaxCommandLineLimit = 4096;

// ELF-64 Object File Format, and the values that x86-64 Linux has there.
constexpr std::array<std::uint8_t, 7> kElfIdentity{0x7f, 'E', 'L', 'F', 2, 1, 1};
constexpr std::size_t kElfIdentitySize = 16;
constexpr std::uint16_t kElfExecutable = 2;
constexpr std::uint16_t kElfX86_64 = 62;
constexpr std::uint16_t kElfProgramHeaderSize = 56;
constexpr std::uint16_t kMaxProgramHeaders = 64;
constexpr std::uint32_t kElfLoad = 1;

Error bad_kernel(std::string detail) {
    return {MachineErrc::bad_kernel, std::move(detail)};
}

// SetupHeader: the fields of the bzImage's header that decide where it goes.
struct SetupHeader {
    std::uint8_t setup_sectors = 0;
    std::uint16_t boot_flag = 0;
    std::uint8_t header_end = 0;
    std::uint32_t magic = 0;
    std::uint16_t version = 0;
    std::uint8_t load_flags = 0;
    std::uint32_t initrd_maximum = 0;
    std::uint16_t extended_load_flags = 0;
    std::uint32_t command_line_size = 0;
    std::uint64_t preferred_address = 0;
    std::uint32_t init_size = 0;
};

bool read_setup_header(ByteView head, SetupHeader& out) {
    ByteReader reader(head);
    std::uint8_t jump = 0;
    return reader.skip(kSetupHeader) && reader.read_u8(out.setup_sectors) &&
           reader.skip(0x1fe - 0x1f2) && reader.read_le(out.boot_flag) && reader.read_u8(jump) &&
           reader.read_u8(out.header_end) && reader.read_le(out.magic) &&
           reader.read_le(out.version) && reader.skip(0x211 - 0x208) &&
           reader.read_u8(out.load_flags) && reader.skip(0x22c - 0x212) &&
           reader.read_le(out.initrd_maximum) && reader.skip(0x236 - 0x230) &&
           reader.read_le(out.extended_load_flags) && reader.read_le(out.command_line_size) &&
           reader.skip(0x258 - 0x23c) && reader.read_le(out.preferred_address) &&
           reader.read_le(out.init_size);
}

Result<> check_setup_header(const SetupHeader& header) {
    if (header.version < kFirst64BitVersion || (header.extended_load_flags & kKernel64) == 0) {
        return bad_kernel(
            "expected a kernel with a 64-bit entry (boot protocol 2.12 or later), "
            "found protocol " +
            hex(header.version) + " with flags " + hex(header.extended_load_flags));
    }
    if ((header.load_flags & kLoadedHigh) == 0) {
        return bad_kernel("expected a kernel that is loaded at 1 MiB or above");
    }
    if (header.preferred_address < kLoadStart || header.preferred_address % kPageSize != 0) {
        return bad_kernel("expected a page-aligned preferred address from " + hex(kLoadStart) +
                          " on, found " + hex(header.preferred_address));
    }
    return {};
}

Result<KernelImage> parse_bzimage(ByteView head, std::uint64_t file_size) {
    SetupHeader header;
    if (!read_setup_header(head, header)) {
        return bad_kernel("the bzImage ends inside its setup header");
    }
    CASEMATE_CHECK(check_setup_header(header));
    // boot.rst: "If the setup_sects field is 0, the real value is 4."
    const std::uint64_t sectors = header.setup_sectors == 0 ? 4 : header.setup_sectors;
    const std::uint64_t payload = (sectors + 1) * kSector;
    if (payload >= file_size) {
        return bad_kernel("expected a kernel after " + std::to_string(payload) +
                          " bytes of set-up code, found a file of " + std::to_string(file_size));
    }
    const std::uint64_t size = file_size - payload;
    if (size <= k64BitEntry) {
        return bad_kernel("expected a kernel with an entry at " + hex(k64BitEntry) + ", found " +
                          std::to_string(size) + " bytes of it");
    }
    KernelImage image;
    const std::uint64_t header_end = kHeaderMagic + header.header_end;
    if (header_end > head.size()) {
        return bad_kernel("the bzImage ends inside its setup header");
    }
    const ByteView raw = head.subspan(kSetupHeader, header_end - kSetupHeader);
    image.setup_header.assign(raw.begin(), raw.end());
    image.segments.push_back(
        {payload, size, header.preferred_address, std::max<std::uint64_t>(size, header.init_size)});
    image.entry = header.preferred_address + k64BitEntry;
    image.command_line_limit =
        std::min<std::uint64_t>(header.command_line_size, kMaxCommandLineLimit - 1);
    image.initrd_limit = (header.extended_load_flags & kLoadedAbove4Gib) != 0
                             ? kMaxMemory
                             : std::uint64_t{header.initrd_maximum} + 1;
    if (!checked_add(header.preferred_address, image.segments[0].memory_size)) {
        return bad_kernel("the preferred address " + hex(header.preferred_address) +
                          " leaves no room for the kernel");
    }
    return image;
}

struct ElfHeader {
    std::uint16_t type = 0;
    std::uint16_t machine = 0;
    std::uint32_t version = 0;
    std::uint64_t entry = 0;
    std::uint64_t program_headers = 0;
    std::uint16_t program_header_size = 0;
    std::uint16_t program_header_count = 0;
};

bool read_elf_header(ByteView head, ElfHeader& out) {
    ByteReader reader(head);
    // Skipped: the section headers' offset and the flags, this header's own size.
    return reader.skip(kElfIdentitySize) && reader.read_le(out.type) &&
           reader.read_le(out.machine) && reader.read_le(out.version) &&
           reader.read_le(out.entry) && reader.read_le(out.program_headers) &&
           reader.skip(8 + 4 + 2) && reader.read_le(out.program_header_size) &&
           reader.read_le(out.program_header_count);
}

struct ProgramHeader {
    std::uint32_t type = 0;
    KernelImage::Segment segment;
};

bool read_program_header(ByteReader& reader, ProgramHeader& out) {
    return reader.read_le(out.type) && reader.skip(4) && reader.read_le(out.segment.file_offset) &&
           reader.skip(8) && reader.read_le(out.segment.address) &&
           reader.read_le(out.segment.file_size) && reader.read_le(out.segment.memory_size) &&
           reader.skip(8);
}

Result<> check_segment(const KernelImage::Segment& segment, std::uint64_t file_size) {
    const auto file_end = checked_add(segment.file_offset, segment.file_size);
    const auto end = checked_add(segment.address, segment.memory_size);
    if (!file_end || *file_end > file_size) {
        return bad_kernel("expected a segment inside the file's " + std::to_string(file_size) +
                          " bytes, found " + std::to_string(segment.file_size) + " from " +
                          std::to_string(segment.file_offset) + " on");
    }
    if (segment.file_size > segment.memory_size || !end || segment.address < kLoadStart) {
        return bad_kernel("expected a segment from " + hex(kLoadStart) +
                          " on, not larger in the file than in memory; found " +
                          std::to_string(segment.file_size) + " of " +
                          std::to_string(segment.memory_size) + " bytes at " +
                          hex(segment.address));
    }
    return {};
}

Result<> check_order(const KernelImage& image) {
    bool entered = false;
    std::uint64_t previous_end = 0;
    for (const auto& segment : image.segments) {
        if (segment.address < previous_end) {
            return bad_kernel("the segment at " + hex(segment.address) + " overlaps another");
        }
        previous_end = segment.address + segment.memory_size;
        entered = entered || (image.entry >= segment.address &&
                              image.entry - segment.address < segment.file_size);
    }
    if (!entered) {
        return bad_kernel("expected an entry inside a segment, found " + hex(image.entry));
    }
    return {};
}

Result<KernelImage> parse_elf(ByteView head, std::uint64_t file_size) {
    ElfHeader header;
    if (!read_elf_header(head, header)) {
        return bad_kernel("the ELF kernel ends inside its header");
    }
    if (header.type != kElfExecutable || header.machine != kElfX86_64 || header.version != 1 ||
        header.program_header_size != kElfProgramHeaderSize ||
        header.program_header_count > kMaxProgramHeaders) {
        return bad_kernel("expected an x86-64 ELF executable of at most " +
                          std::to_string(kMaxProgramHeaders) + " program headers");
    }
    const std::size_t table_size = std::size_t{header.program_header_count} * kElfProgramHeaderSize;
    if (header.program_headers > head.size() || table_size > head.size() - header.program_headers) {
        return bad_kernel("expected the program headers in the first " +
                          std::to_string(head.size()) + " bytes, found them at " +
                          std::to_string(header.program_headers));
    }
    KernelImage image;
    image.entry = header.entry;
    ByteReader table(head.subspan(header.program_headers, table_size));
    ProgramHeader entry;
    while (!table.empty() && read_program_header(table, entry)) {
        if (entry.type != kElfLoad || entry.segment.memory_size == 0) {
            continue;
        }
        CASEMATE_CHECK(check_segment(entry.segment, file_size));
        image.segments.push_back(entry.segment);
    }
    std::sort(image.segments.begin(), image.segments.end(),
              [](const auto& a, const auto& b) { return a.address < b.address; });
    CASEMATE_CHECK(check_order(image));
    return image;
}

// highest_fit gives the highest page-aligned address of size bytes in [begin, end) that no
// segment uses.
std::optional<std::uint64_t> highest_fit(const KernelImage& kernel, std::uint64_t size,
                                         std::uint64_t begin, std::uint64_t end) {
    for (auto segment = kernel.segments.rbegin();; ++segment) {
        const bool last = segment == kernel.segments.rend();
        const std::uint64_t used =
            last ? begin : std::max(begin, segment->address + segment->memory_size);
        if (end > used && end - used >= size) {
            const std::uint64_t address = (end - size) & ~(kPageSize - 1);
            if (address >= used) {
                return address;
            }
        }
        if (last) {
            return std::nullopt;
        }
        end = std::min(end, segment->address);
    }
}

}  // namespace

Result<KernelImage> parse_kernel(ByteView head, std::uint64_t file_size) {
    if (head.size() > file_size || (head.size() < kKernelHeadSize && head.size() < file_size)) {
        return bad_kernel("expected the first " + std::to_string(kKernelHeadSize) +
                          " bytes of the kernel, found " + std::to_string(head.size()));
    }
    if (head.size() >= kElfIdentity.size() &&
        std::equal(kElfIdentity.begin(), kElfIdentity.end(), head.begin())) {
        return parse_elf(head, file_size);
    }
    SetupHeader header;
    if (read_setup_header(head, header) && header.boot_flag == kBootFlag &&
        header.magic == kMagic) {
        return parse_bzimage(head, file_size);
    }
    return bad_kernel("expected an x86-64 bzImage or ELF64 vmlinux, found neither's signature");
}

Result<GuestRange> place_initrd(const KernelImage& kernel, std::uint64_t initrd_size,
                                std::uint64_t memory_bytes) {
    const auto regions = memory_regions(memory_bytes);
    for (const auto& segment : kernel.segments) {
        const std::uint64_t end = segment.address + segment.memory_size;
        const bool fits = std::any_of(regions.begin(), regions.end(), [&](const auto& region) {
            return segment.address >= region.address && end <= region.address + region.size;
        });
        if (!fits) {
            return Error(MachineErrc::too_large, "the kernel needs memory up to " + hex(end) +
                                                     " and the guest has " +
                                                     std::to_string(memory_bytes) + " bytes");
        }
    }
    for (const auto& region : regions) {
        const std::uint64_t begin = std::max(region.address, kLoadStart);
        const std::uint64_t end = std::min(region.address + region.size, kernel.initrd_limit);
        if (const auto address = highest_fit(kernel, initrd_size, begin, end)) {
            return GuestRange{*address, initrd_size};
        }
    }
    return Error(MachineErrc::too_large, "no room for " + std::to_string(initrd_size) +
                                             " bytes of ramdisk beside the kernel in " +
                                             std::to_string(memory_bytes) + " bytes of memory");
}

}  // namespace casemate::machine
