#include "cli/kernel_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/fd.hpp"
#include "base/file.hpp"
#include "eif/kernel_kind.hpp"
#include "eif/metadata.hpp"

namespace casemate::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxCmdlineFile = 65536;
constexpr std::uint64_t kMaxConfigFile = 4ULL << 20U;

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

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
        for (const char* name : {"bzImage", "Image"}) {
            if (exists(search.blobs + "/" + name)) {
                return search.blobs + "/" + name;
            }
        }
        return building("Expected bzImage in " + search.blobs + " (NITRO_CLI_BLOBS), found none");
    }
    const std::string path = search.kernel_directory + "/vmlinux";
    if (!exists(path)) {
        return building("Expected a kernel for the enclave at " + path +
                        ", found none. Build it once with kernel/build, or give one with --kernel, "
                        "CASEMATE_KERNEL_DIR or NITRO_CLI_BLOBS");
    }
    return path;
}

std::variant<eif::Architecture, CommandError> probe(const std::string& path) {
    const auto fd = open_file(path, O_RDONLY);
    if (!fd) {
        return reading(path, fd.error());
    }
    Bytes bytes(eif::kKernelProbeSize);
    const auto size = read_some(fd->get(), bytes);
    if (!size) {
        return reading(path, size.error());
    }
    if (const auto kind = eif::kernel_kind(ByteView(bytes).first(*size))) {
        return eif::architecture_of(*kind);
    }
    return building("Expected " + path +
                    " to be a kernel (bzImage or ELF vmlinux of x86-64, or an arm64 Image), found "
                    "something else");
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

std::optional<CommandError> find_init(const KernelSearch& search, KernelFiles& files) {
    files.init = search.blobs.empty() ? search.init : search.blobs + "/init";
    if (!exists(files.init)) {
        return building("Expected the enclave's init at " + files.init +
                        ", found none. It comes with Casemate's own build and installation, or "
                        "with the folder of NITRO_CLI_BLOBS");
    }
    if (!search.blobs.empty() && exists(search.blobs + "/nsm.ko")) {
        files.nsm_module = search.blobs + "/nsm.ko";
    }
    return std::nullopt;
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
