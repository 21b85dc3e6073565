#include "cli/kernel_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "base/environment.hpp"
#include "base/fd.hpp"
#include "base/file.hpp"
#include "eif/kernel_kind.hpp"
#include "eif/metadata.hpp"

namespace casemate::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxCmdlineFile = 65536;
constexpr std::uint64_t kMaxConfigFile = 4ULL << 20U;

// What a program's ELF identification says; compressed kernels: Image.gz, and the EFI program that
// unpacks itself (linux/pe.h: "MZ", then "zimg").
constexpr std::size_t kElfMachineOffset = 18;
constexpr unsigned kElfMachineX86 = 62;
constexpr unsigned kElfMachineArm64 = 183;
constexpr std::string_view kElfMagic(
    "\x7f"
    "ELF",
    4);
constexpr std::string_view kGzipMagic = "\x1f\x8b";
constexpr std::size_t kPackedImageOffset = 4;
constexpr std::string_view kPackedImage = "zimg";

bool exists(const std::string& path) {
    std::error_code error;
    return fs::is_regular_file(path, error);
}

std::string trimmed(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n\v\f";
    const auto first = text.find_first_not_of(kSpace);
    if (first == std::string_view::npos) {
        return {};
    }
    return std::string(text.substr(first, text.find_last_not_of(kSpace) - first + 1));
}

CommandError building(std::string sentence) {
    return {ErrorCode::eif_building, std::move(sentence)};
}

CommandError reading(const std::string& path, const Error& error) {
    return {ErrorCode::file_operation,
            "File: '" + path + "', failing operation: 'Read'. " + error.message()};
}

std::variant<std::string, CommandError> find_kernel(const KernelSearch& search) {
    if (search.kernel) {
        if (!exists(*search.kernel)) {
            return building("Expected a kernel at " + *search.kernel +
                            " (--kernel), found no file");
        }
        return *search.kernel;
    }
    std::error_code error;
    if (!search.blobs.empty() && !fs::is_directory(search.blobs, error)) {
        return CommandError{ErrorCode::blobs_path, "Expected a folder with kernel and init at " +
                                                       search.blobs +
                                                       " (NITRO_CLI_BLOBS), found none"};
    }
    if (!search.blobs.empty()) {
        std::string_view expected = "bzImage";
        for (const auto& [name, architecture] : {std::pair("bzImage", eif::Architecture::x86_64),
                                                 std::pair("Image", eif::Architecture::aarch64)}) {
            if (search.architecture.value_or(architecture) != architecture) {
                continue;
            }
            expected = name;
            if (exists(search.blobs + "/" + name)) {
                return search.blobs + "/" + name;
            }
        }
        return building("Expected " + std::string(search.architecture ? expected : "bzImage") +
                        " in " + search.blobs + " (NITRO_CLI_BLOBS), found none");
    }
    const std::string path = search.kernel_directory + "/vmlinux";
    if (!exists(path)) {
        return building("Expected a kernel for the enclave at " + path +
                        ", found none. Build it once with kernel/build, or give one with --kernel, "
                        "CASEMATE_KERNEL_DIR or NITRO_CLI_BLOBS");
    }
    return path;
}

// read_start reads what a program's or kernel's first bytes say of it; zeros behind a short file.
std::variant<Bytes, CommandError> read_start(const std::string& path) {
    const auto fd = open_file(path, O_RDONLY);
    if (!fd) {
        return reading(path, fd.error());
    }
    Bytes bytes(eif::kKernelProbeSize);
    const auto size = read_some(fd->get(), bytes);
    if (!size) {
        return reading(path, size.error());
    }
    return bytes;
}

bool has(const Bytes& bytes, std::size_t offset, std::string_view magic) {
    return as_text(bytes).substr(offset, magic.size()) == magic;
}

// elf_machine: e_machine of a little-endian ELF file, or nothing for another file.
std::optional<unsigned> elf_machine(const Bytes& bytes) {
    if (!has(bytes, 0, kElfMagic)) {
        return std::nullopt;
    }
    return bytes[kElfMachineOffset] | (static_cast<unsigned>(bytes[kElfMachineOffset + 1]) << 8U);
}

std::variant<eif::Architecture, CommandError> probe(const std::string& path) {
    const auto start = read_start(path);
    if (const auto* error = std::get_if<CommandError>(&start)) {
        return *error;
    }
    const Bytes& bytes = *std::get_if<Bytes>(&start);
    if (const auto kind = eif::kernel_kind(bytes)) {
        return eif::architecture_of(*kind);
    }
    const bool packed = has(bytes, 0, kGzipMagic) || has(bytes, kPackedImageOffset, kPackedImage);
    return building(
        "Expected " + path +
        " to be a kernel (bzImage or ELF vmlinux of x86-64, or an arm64 Image), found " +
        (packed               ? "a compressed one, which arm64 can't start: decompress it"
         : elf_machine(bytes) ? "an ELF file of another machine"
                              : "something else"));
}

// identify takes the kernel's configuration from beside it: bzImage.config in AWS's blobs folder,
// config in kernel/build's. A kernel without one still boots.
void identify(KernelFiles& files) {
    const std::string beside = (fs::path(files.kernel).parent_path() / "config").string();
    for (const std::string& path : {files.kernel + ".config", beside}) {
        const auto bytes = read_file(path, kMaxConfigFile);
        if (!bytes) {
            continue;
        }
        if (auto identity = eif::parse_kernel_config(as_text(*bytes))) {
            files.operating_system = identity->operating_system;
            files.kernel_version = identity->version;
            return;
        }
    }
}

std::optional<CommandError> find_cmdline(const KernelSearch& search, KernelFiles& files) {
    if (search.cmdline) {
        files.cmdline = *search.cmdline;
        return std::nullopt;
    }
    if (search.blobs.empty()) {
        files.cmdline = default_cmdline(files.architecture);
        return std::nullopt;
    }
    const std::string path = search.blobs + "/cmdline";
    const auto bytes = read_file(path, kMaxCmdlineFile);
    if (!bytes) {
        return reading(path, bytes.error());
    }
    files.cmdline = trimmed(as_text(*bytes));
    return std::nullopt;
}

// check_init refuses a program that the kernel can't run. What is no ELF file may be a script.
std::optional<CommandError> check_init(const KernelFiles& files) {
    const auto start = read_start(files.init);
    if (const auto* error = std::get_if<CommandError>(&start)) {
        return *error;
    }
    const auto machine = elf_machine(*std::get_if<Bytes>(&start));
    const unsigned expected =
        files.architecture == eif::Architecture::x86_64 ? kElfMachineX86 : kElfMachineArm64;
    if (!machine || *machine == expected) {
        return std::nullopt;
    }
    return building("Expected an init for " + std::string(eif::name(files.architecture)) +
                    ", as the kernel " + files.kernel + " is, found one for " +
                    (*machine == kElfMachineX86     ? "x86_64"
                     : *machine == kElfMachineArm64 ? "aarch64"
                                                    : "another machine") +
                    " at " + files.init +
                    ". Give one with --init, or a folder of NITRO_CLI_BLOBS with both");
}

std::optional<CommandError> find_init(const KernelSearch& search, KernelFiles& files) {
    files.aws_init = !search.init_option && !search.blobs.empty();
    files.init = search.init_option ? *search.init_option
                 : files.aws_init   ? search.blobs + "/init"
                                    : search.init;
    if (!exists(files.init)) {
        return building("Expected the enclave's init at " + files.init +
                        ", found none. It comes with Casemate's own build and installation, or "
                        "with the folder of NITRO_CLI_BLOBS");
    }
    if (!search.blobs.empty() && exists(search.blobs + "/nsm.ko")) {
        files.nsm_module = search.blobs + "/nsm.ko";
    }
    return check_init(files);
}

}  // namespace

KernelSearch KernelSearch::from_environment(const enclave::Paths& paths) {
    KernelSearch search;
    search.blobs = environment("NITRO_CLI_BLOBS");
    search.kernel_directory = paths.kernel;
    search.init = (fs::path(paths.programs).parent_path() / "lib" / "casemate" / "init").string();
    return search;
}

std::string_view default_cmdline(eif::Architecture architecture) {
    return architecture == eif::Architecture::x86_64
               ? "reboot=k panic=30 pci=off nomodules console=ttyS0 i8042.noaux i8042.nomux "
                 "i8042.nopnp i8042.dumbkbd random.trust_cpu=on"
               : "reboot=k panic=30 pci=off nomodules console=ttyS0 random.trust_cpu=on "
                 "root=/dev/ram0";
}

std::variant<KernelFiles, CommandError> find_kernel_files(const KernelSearch& search) {
    KernelFiles files;
    auto kernel = find_kernel(search);
    if (auto* error = std::get_if<CommandError>(&kernel)) {
        return std::move(*error);
    }
    files.kernel = std::move(*std::get_if<std::string>(&kernel));
    auto architecture = probe(files.kernel);
    if (auto* error = std::get_if<CommandError>(&architecture)) {
        return std::move(*error);
    }
    files.architecture = *std::get_if<eif::Architecture>(&architecture);
    if (search.architecture && *search.architecture != files.architecture) {
        return building("Expected a kernel for " + std::string(eif::name(*search.architecture)) +
                        " (--arch), found one for " + std::string(eif::name(files.architecture)) +
                        " at " + files.kernel + ". Give one with --kernel or NITRO_CLI_BLOBS");
    }
    if (auto error = find_cmdline(search, files)) {
        return *std::move(error);
    }
    if (auto error = find_init(search, files)) {
        return *std::move(error);
    }
    identify(files);
    return files;
}

}  // namespace casemate::cli
