// What an enclave image is made of besides the container image: kernel, command line and init.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "cli/error_codes.hpp"
#include "eif/format.hpp"
#include "enclave/paths.hpp"

namespace casemate::cli {

// KernelFiles: paths that were checked to be there, and text.
struct KernelFiles {
    std::string kernel;
    eif::Architecture architecture = eif::Architecture::x86_64;
    std::string cmdline;
    std::string init;
    // nsm_module is empty when there is none.
    std::string nsm_module;
    // aws_init: init comes from the blobs folder, so the ramdisks are laid out as nitro-cli's
    // (image/linuxkit.hpp).
    bool aws_init = false;
    // What the kernel's configuration says it is; "Linux" and "unknown" when there is none.
    std::string operating_system = "Linux";
    std::string kernel_version = "unknown";
};

// KernelSearch: where to look. Each is empty when it is not set.
struct KernelSearch {
    // Options of build-enclave.
    std::optional<std::string> kernel;
    std::optional<std::string> cmdline;
    std::optional<std::string> init_option;
    std::optional<eif::Architecture> architecture;
    // blobs: NITRO_CLI_BLOBS, a folder with bzImage (or Image), cmdline, init and maybe nsm.ko.
    std::string blobs;
    // kernel_directory: a folder with vmlinux, enclave::Paths::kernel.
    std::string kernel_directory;
    // init: Casemate's own.
    std::string init;

    [[nodiscard]] static KernelSearch from_environment(const enclave::Paths& paths);
};

// The command line of AWS's own images (formats.md 3.5).
[[nodiscard]] std::string_view default_cmdline(eif::Architecture architecture);

// find_kernel_files takes the kernel of the option, else of the blobs folder, else of the kernel
// directory; command line, init and module of the blobs folder if there is one.
// Errors: E48 when a file is missing, naming it and how to get it, is not a kernel, or kernel and
// init are not for one architecture, the one that was asked for; E19 when it can't be read.
[[nodiscard]] std::variant<KernelFiles, CommandError> find_kernel_files(const KernelSearch& search);

}  // namespace casemate::cli
