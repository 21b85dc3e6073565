// The software host's root, put together at each launch: its first process, casemate-vmm, and the
// kernel modules it needs.
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

namespace casemate::softhost {

// make_initramfs writes a cpio archive into a memory file. init and vmm are static ELF programs,
// of which only the parts that are loaded go in; modules is the directory of a kernel build
// (kernel/README.md). SofthostErrc::missing when a module or the list of them is not as expected.
[[nodiscard]] Result<UniqueFd> make_initramfs(const std::string& init, const std::string& vmm,
                                              const std::string& modules);

// keep_loaded cuts an ELF64 program behind its last segment and takes its section headers out:
// symbols and debugging information are many times the program, and emulated memory is slow to
// fill. What is no such program stays as it is.
void keep_loaded(Bytes& program);

}  // namespace casemate::softhost
