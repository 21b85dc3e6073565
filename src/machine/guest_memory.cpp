#include "machine/guest_memory.hpp"

#include <sys/mman.h>

#include <string>

#include "base/fd.hpp"
#include "base/os_error.hpp"

namespace casemate::machine {

namespace {

std::string text(const MemoryRegion& region) {
    return std::to_string(region.size) + " bytes at " + std::to_string(region.address) +
           " from file offset " + std::to_string(region.file_offset);
}

Result<> check_region(const MemoryRegion& region, std::uint64_t previous_end,
                      std::uint64_t file_size) {
    const auto end = checked_add(region.address, region.size);
    const auto file_end = checked_add(region.file_offset, region.size);
    const std::uint64_t bits = region.address | region.size | region.file_offset;
    if (region.size == 0 || bits % kPageSize != 0 || !end || region.address < previous_end) {
        return Error(MachineErrc::bad_range,
                     "expected page-aligned ascending regions, found " + text(region));
    }
    if (!file_end || *file_end > file_size) {
        return Error(MachineErrc::bad_range, "expected a memory file that holds " + text(region) +
                                                 ", found one of " + std::to_string(file_size) +
                                                 " bytes");
    }
    return {};
}

}  // namespace

Result<GuestMemory> GuestMemory::map(int fd, std::uint64_t memory_bytes) {
    if (memory_bytes == 0 || memory_bytes > kMaxMemory) {
        return Error(MachineErrc::bad_range, "expected at most " + std::to_string(kMaxMemory) +
                                                 " bytes of memory, found " +
                                                 std::to_string(memory_bytes));
    }
    return map_regions(fd, memory_regions(memory_bytes));
}

Result<GuestMemory> GuestMemory::map_regions(int fd, const std::vector<MemoryRegion>& regions) {
    CASEMATE_TRY(const auto length, file_size(fd));
    std::uint64_t previous_end = 0;
    GuestMemory memory;
    for (const auto& region : regions) {
        CASEMATE_CHECK(check_region(region, previous_end, length));
        previous_end = region.address + region.size;
        void* host = ::mmap(nullptr, region.size, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_NORESERVE, fd, static_cast<off_t>(region.file_offset));
        if (host == MAP_FAILED) {
            return os_error("map guest memory");
        }
        memory.regions_.push_back({region, static_cast<std::uint8_t*>(host)});
        // A guest's memory in a core dump would outlive it.
        if (::madvise(host, region.size, MADV_DONTDUMP) != 0) {
            return os_error("keep guest memory out of core dumps");
        }
        // Large pages are only faster: where the kernel has none for memory files, nothing is lost.
        ::madvise(host, region.size, MADV_HUGEPAGE);
    }
    return memory;
}

GuestMemory& GuestMemory::operator=(GuestMemory&& other) noexcept {
    if (this != &other) {
        unmap();
        regions_ = std::move(other.regions_);
        other.regions_.clear();
    }
    return *this;
}

void GuestMemory::unmap() {
    for (const auto& region : regions_) {
        ::munmap(region.host, region.guest.size);
    }
    regions_.clear();
}

Result<MutableBytes> GuestMemory::slice(std::uint64_t address, std::uint64_t size) const {
    for (const auto& region : regions_) {
        if (address < region.guest.address) {
            break;
        }
        const std::uint64_t offset = address - region.guest.address;
        if (offset < region.guest.size && size <= region.guest.size - offset) {
            return MutableBytes(region.host + offset, size);
        }
    }
    return Error(MachineErrc::bad_range, "expected guest memory, found " + std::to_string(size) +
                                             " bytes at " + std::to_string(address));
}

std::uint64_t GuestMemory::size() const {
    std::uint64_t total = 0;
    for (const auto& region : regions_) {
        total += region.guest.size;
    }
    return total;
}

}  // namespace casemate::machine
