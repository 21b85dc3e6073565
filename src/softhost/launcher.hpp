// The launcher starts a software host: QEMU's TCG emulating a processor that has virtualization
// extensions, our own kernel on it, and casemate-softhost-init as its first process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/process.hpp"
#include "base/result.hpp"

namespace casemate::softhost {

// Parts: the files a software host is made of.
struct Parts {
    // qemu-system-x86_64.
    std::string qemu;
    // A kernel build's directory (kernel/README.md): vmlinux and modules.
    std::string kernel;
    // casemate-softhost-init and casemate-vmm, static programs.
    std::string init;
    std::string vmm;
};

// find_parts looks for QEMU in PATH (CASEMATE_QEMU names another), for the kernel in
// kernel_directory and for the programs in program_directory.
// SofthostErrc::missing names the first part that is not there and says how to get it.
[[nodiscard]] Result<Parts> find_parts(const std::string& program_directory,
                                       const std::string& kernel_directory);

// LaunchOptions: what a software host is started for.
struct LaunchOptions {
    Parts parts;
    // The enclave's memory in bytes; the emulated machine gets more for itself.
    std::uint64_t memory_bytes = 0;
    // The guest memory file that the measured image is in, or will be when Start is sent; stays the
    // caller's. QEMU opens it read-only, again, through /proc.
    int image = -1;
};

// Launched: a software host that is starting. Dropping it ends it.
struct Launched {
    Process process;
    // port: our end of the virtio-serial port, for a Relay.
    UniqueFd port;
    // log: what QEMU and the software host's kernel say, a pipe to read from, non-blocking. It has
    // to be read, or dropped.
    UniqueFd log;
};

// launch starts QEMU. It dies with the thread that launched it.
[[nodiscard]] Result<Launched> launch(const LaunchOptions& options);

// machine_memory gives the emulated machine's memory in MiB for an enclave of that many bytes.
[[nodiscard]] std::uint64_t machine_memory(std::uint64_t memory_bytes);

// kernel_command_line gives what the software host's kernel is told.
[[nodiscard]] std::string kernel_command_line(std::uint64_t tsc_khz);

}  // namespace casemate::softhost
