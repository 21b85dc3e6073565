#include "base/working_set.hpp"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace casemate {

namespace {

constexpr std::uintptr_t kPage = 4096;

// Only segments that are never written: a private page that was written has no other copy.
int forget_object(dl_phdr_info* object, std::size_t, void*) {
    for (std::size_t i = 0; i < object->dlpi_phnum; ++i) {
        const ElfW(Phdr)& header = object->dlpi_phdr[i];
        if (header.p_type != PT_LOAD || (header.p_flags & PF_W) != 0) {
            continue;
        }
        const std::uintptr_t begin = object->dlpi_addr + header.p_vaddr;
        const std::uintptr_t first = begin & ~(kPage - 1);
        const std::uintptr_t last = (begin + header.p_memsz) & ~(kPage - 1);
        if (last > first) {
            // An address that only the program headers know.
            ::madvise(reinterpret_cast<void*>(first),  // NOLINT(performance-no-int-to-ptr)
                      last - first, MADV_DONTNEED);
        }
    }
    return 0;
}

}  // namespace

void forget_start_up() {
    ::malloc_trim(0);
    ::dl_iterate_phdr(forget_object, nullptr);
}

}  // namespace casemate
