#include "eif/kernel_kind.hpp"

namespace casemate::eif {

namespace {

// Where a kernel file says what it is: ELF identification; Linux Documentation/arch/x86/boot.rst,
// "header"; Documentation/arch/arm64/booting.rst, "magic".
constexpr std::size_t kElfMachineOffset = 18;
constexpr char kElfMachineX86 = 62;
constexpr std::size_t kBzImageMagicOffset = 0x202;
constexpr std::size_t kArm64MagicOffset = 0x38;
constexpr std::string_view kElfMagic(
    "\x7f"
    "ELF",
    4);
constexpr std::string_view kBzImageMagic = "HdrS";
constexpr std::string_view kArm64Magic = "ARM\x64";

}  // namespace

std::optional<KernelKind> kernel_kind(ByteView head) {
    const std::string_view text = as_text(head);
    const auto has = [&](std::size_t offset, std::string_view magic) {
        return text.size() >= offset + magic.size() && text.substr(offset, magic.size()) == magic;
    };
    if (has(kBzImageMagicOffset, kBzImageMagic)) {
        return KernelKind::bz_image;
    }
    if (has(0, kElfMagic) && has(kElfMachineOffset, std::string_view(&kElfMachineX86, 1))) {
        return KernelKind::vmlinux;
    }
    if (has(kArm64MagicOffset, kArm64Magic)) {
        return KernelKind::image;
    }
    return std::nullopt;
}

std::string_view name(KernelKind kind) {
    switch (kind) {
        case KernelKind::bz_image:
            return "bzImage";
        case KernelKind::vmlinux:
            return "vmlinux";
        case KernelKind::image:
            return "Image";
    }
    return "unknown";
}

std::string_view name(Architecture architecture) {
    return architecture == Architecture::x86_64 ? "x86_64" : "aarch64";
}

Architecture architecture_of(KernelKind kind) {
    return kind == KernelKind::image ? Architecture::aarch64 : Architecture::x86_64;
}

}  // namespace casemate::eif
