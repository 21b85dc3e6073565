// KernelKind: which kind of kernel a kernel section holds, by the first bytes of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"
#include "eif/format.hpp"

namespace casemate::eif {

enum class KernelKind : std::uint8_t {
    // A compressed kernel for x86-64, as AWS's builder wants it.
    bz_image,
    // An uncompressed one for x86-64 (ELF), which Casemate starts too.
    vmlinux,
    // An uncompressed one for aarch64.
    image,
};

// kKernelProbeSize: how many bytes kernel_kind wants to see.
inline constexpr std::size_t kKernelProbeSize = 0x210;

// kernel_kind knows kernels by their marks; nothing for anything else.
[[nodiscard]] std::optional<KernelKind> kernel_kind(ByteView head);

// name is "bzImage", "vmlinux" or "Image".
[[nodiscard]] std::string_view name(KernelKind kind);
// name is "x86_64" or "aarch64".
[[nodiscard]] std::string_view name(Architecture architecture);
[[nodiscard]] Architecture architecture_of(KernelKind kind);

}  // namespace casemate::eif
