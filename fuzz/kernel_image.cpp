// Property: a kernel that is taken stays inside its file and its guest, its segments are in order
// and above what the VMM writes, and a ramdisk placed beside it overlaps nothing.
#include <algorithm>
#include <cstdlib>

#include "machine/kernel_image.hpp"

namespace {

using casemate::ByteView;
namespace machine = casemate::machine;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void check_segments(const machine::KernelImage& image, std::uint64_t file_size) {
    std::uint64_t previous_end = machine::kLoadStart;
    bool entered = false;
    for (const auto& segment : image.segments) {
        require(segment.address >= previous_end);
        require(segment.file_size <= segment.memory_size);
        require(segment.file_offset <= file_size &&
                segment.file_size <= file_size - segment.file_offset);
        previous_end = segment.address + segment.memory_size;
        require(previous_end >= segment.address);
        entered = entered || (image.entry >= segment.address &&
                              image.entry < segment.address + segment.file_size);
    }
    require(entered);
}

void check_placement(const machine::KernelImage& image, std::uint64_t size, std::uint64_t memory) {
    const auto placed = machine::place_initrd(image, size, memory);
    if (!placed) {
        return;
    }
    require(placed->size == size && placed->address % machine::kPageSize == 0);
    require(placed->address >= machine::kLoadStart);
    const auto regions = machine::memory_regions(memory);
    require(std::any_of(regions.begin(), regions.end(), [&](const auto& region) {
        return placed->address >= region.address &&
               placed->address + size <= region.address + region.size;
    }));
    for (const auto& segment : image.segments) {
        require(placed->address + size <= segment.address ||
                placed->address >= segment.address + segment.memory_size);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // The file may be longer than its head.
    for (const std::uint64_t tail : {0ULL, 100ULL << 20U}) {
        const ByteView head = ByteView(data, std::min(size, machine::kKernelHeadSize));
        if (head.size() < machine::kKernelHeadSize && tail != 0) {
            continue;
        }
        const auto image = machine::parse_kernel(head, size + tail);
        if (image) {
            check_segments(*image, size + tail);
            check_placement(*image, 1, 64ULL << 20U);
            check_placement(*image, 50ULL << 20U, 256ULL << 20U);
            check_placement(*image, 3ULL << 30U, 8ULL << 30U);
        }
    }
    return 0;
}
