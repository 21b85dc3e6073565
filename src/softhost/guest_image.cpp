#include "softhost/guest_image.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/os_error.hpp"
#include "softhost/error.hpp"

namespace casemate::softhost {

namespace {

// One read; large enough for the disk's queue, small enough not to map much at a time.
constexpr std::uint64_t kPiece = 16ULL << 20U;

Error outside_of_memory(const machine::GuestRange& range) {
    return {SofthostErrc::missing, "expected a page-aligned range of guest memory, got " +
                                       std::to_string(range.size) + " bytes at " +
                                       std::to_string(range.address)};
}

// Reads from the disk straight into the mapped file: the disk's own pages would be a second copy.
Result<> read_piece(int disk, int memory, std::uint64_t offset, std::size_t size) {
    const auto position = static_cast<off_t>(offset);
    void* mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, position);
    if (mapped == MAP_FAILED) {
        return os_error("map guest memory");
    }
    auto result =
        read_exactly_at(disk, offset, MutableBytes(static_cast<std::uint8_t*>(mapped), size));
    ::munmap(mapped, size);
    return result;
}

// Reads a range that lies in one region, in pieces.
Result<> read_range(int disk, int memory, std::uint64_t offset, std::uint64_t size) {
    while (size > 0) {
        const std::uint64_t piece = std::min(size, kPiece);
        CASEMATE_CHECK(read_piece(disk, memory, offset, static_cast<std::size_t>(piece)));
        offset += piece;
        size -= piece;
    }
    return {};
}

// Gives the file offset of a range that has to lie in one region of the memory.
Result<std::uint64_t> offset_of(const std::vector<machine::MemoryRegion>& regions,
                                const machine::GuestRange& range) {
    const bool aligned =
        range.address % machine::kPageSize == 0 && range.size % machine::kPageSize == 0;
    for (const machine::MemoryRegion& region : regions) {
        if (aligned && range.address >= region.address &&
            range.address - region.address <= region.size &&
            range.size <= region.size - (range.address - region.address)) {
            return region.file_offset + (range.address - region.address);
        }
    }
    return outside_of_memory(range);
}

}  // namespace

Result<UniqueFd> read_guest_image(const std::string& disk, std::uint64_t memory_bytes,
                                  std::span<const machine::GuestRange> loaded) {
    if (memory_bytes < machine::kMinMemory || memory_bytes > machine::kMaxMemory ||
        memory_bytes % machine::kPageSize != 0) {
        return Error(SofthostErrc::missing, "expected whole pages of guest memory, got " +
                                                std::to_string(memory_bytes) + " bytes");
    }
    CASEMATE_TRY(UniqueFd memory, make_memory_file("guest-memory", memory_bytes));
    CASEMATE_TRY(const UniqueFd source, open_file(disk, O_RDONLY | O_DIRECT));
    const auto regions = machine::memory_regions(memory_bytes);
    for (const machine::GuestRange& range : loaded) {
        CASEMATE_TRY(const std::uint64_t offset, offset_of(regions, range));
        CASEMATE_CHECK(read_range(source.get(), memory.get(), offset, range.size));
    }
    return memory;
}

}  // namespace casemate::softhost
