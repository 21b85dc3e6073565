// GuestMemory: the guest's RAM as this process sees it, and the one gate to it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "machine/errors.hpp"
#include "machine/layout.hpp"

namespace casemate::machine {

// GuestMemory maps regions of a memory file. The guest writes to the mapping while we read it, so
// whoever takes a slice copies what it decides by, once, before it checks it. All const members may
// be called by any thread; slices stay valid as long as the object, which does not move them when
// it is itself moved.
class GuestMemory {
public:
    // map maps the regions that memory_regions(memory_bytes) lists. The file must be at least that
    // long (MachineErrc::bad_range otherwise); fd stays the caller's and may be closed afterwards.
    // Fails with Errno too. The mapping is left out of core dumps.
    [[nodiscard]] static Result<GuestMemory> map(int fd, std::uint64_t memory_bytes);
    // map_regions maps any regions: page-aligned, ascending, not overlapping, inside the file.
    [[nodiscard]] static Result<GuestMemory> map_regions(int fd,
                                                         const std::vector<MemoryRegion>& regions);

    GuestMemory(GuestMemory&& other) noexcept = default;
    GuestMemory& operator=(GuestMemory&& other) noexcept;
    GuestMemory(const GuestMemory&) = delete;
    GuestMemory& operator=(const GuestMemory&) = delete;
    ~GuestMemory() { unmap(); }

    // slice gives size bytes at a guest-physical address; MachineErrc::bad_range unless all of
    // them lie in one region. A slice of no bytes is refused outside of RAM too.
    [[nodiscard]] Result<MutableBytes> slice(std::uint64_t address, std::uint64_t size) const;

    // Region: where a region of the guest is in this process.
    struct Region {
        MemoryRegion guest;
        std::uint8_t* host = nullptr;
    };
    [[nodiscard]] const std::vector<Region>& regions() const { return regions_; }
    // size is the guest's RAM in bytes.
    [[nodiscard]] std::uint64_t size() const;

private:
    GuestMemory() = default;
    void unmap();

    std::vector<Region> regions_;
};

}  // namespace casemate::machine
