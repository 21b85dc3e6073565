#include "cli/error_codes.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>

namespace casemate::cli {

namespace {

// Indexed by the code's number.
constexpr std::array<ErrorText, 61> kTexts = {{
    {"Unspecified error", "Something failed for which there is no code of its own."},
    {"Missing mandatory argument",
     "An argument that the command can't do without was not given. The command's --help names all "
     "of them."},
    {"Conflicting arguments",
     "Two arguments were given that exclude each other, such as cpu_ids and cpu_count in a "
     "configuration file. Leave one out."},
    {"Invalid argument provided",
     "An argument's value can't be used: not a number, an unknown unit, or a CID that is reserved. "
     "Memory takes a number with an optional M, G or T; enclaves can have the CIDs 4 to "
     "4294967294, and 0 means any."},
    {"Socket pair creation failure",
     "The sockets between the command and the enclave's process could not be made. Look at the "
     "limit of open files (ulimit -n)."},
    {"Process spawn failure",
     "The enclave's process could not be started. Look at the limit of processes (ulimit -u) and "
     "whether the installation is complete."},
    {"Daemonize process failure", "The enclave's process could not be detached from the terminal."},
    {"Read from disk failure",
     "The folder of the running enclaves can't be read. Look at CASEMATE_RUNTIME_DIR and its "
     "permissions."},
    {"Unusable connection failure",
     "The connection to an enclave's process is there but can't be used."},
    {"Socket close failure", "The connection to an enclave's process could not be closed."},
    {"Socket connect set timeout failure",
     "No time limit could be put on a connection to an enclave."},
    {"Socket error",
     "A socket could not be used. When an enclave was named by its id, there is no such enclave: "
     "describe-enclaves lists those that run."},
    {"Epoll error", "Waiting for several events at once failed."},
    {"Inotify error", "Waiting for a file to change failed."},
    {"Invalid command", "An enclave's process was asked for something it does not know."},
    {"Lock acquire failure", "A lock that another process holds could not be taken."},
    {"Thread join failure", "A thread of the program ended in a way it should not."},
    {"Serialization or deserialization failure",
     "Text that should be JSON is not. Check the configuration or metadata file, for instance "
     "with python3 -m json.tool."},
    {"File permissions failure", "A file's permissions could not be changed."},
    {"File operation failure",
     "A file could not be opened, read or written. Check that it exists, that you may use it, and "
     "that the disk is not full."},
    {"Invalid CPU configuration", "The same CPU was given twice in --cpu-ids."},
    {"No such CPU available in the pool",
     "A CPU of --cpu-ids is not among those set aside for enclaves. Change cpu_pool in "
     "allocator.yaml or give other CPUs."},
    {"Insufficient CPUs available in the pool",
     "More CPUs were asked for than there are. Ask for fewer, or raise cpu_count in "
     "allocator.yaml."},
    {"Malformed CPU ID",
     "The list of CPUs set aside for enclaves holds something that is no "
     "number."},
    {"CPU error",
     "The list of CPUs set aside for enclaves holds a range that ends before it "
     "begins."},
    {"No such hugepage flag error", "No huge page size fits the memory that was asked for."},
    {"Insufficient memory requested",
     "An enclave needs at least four times the size of its image as memory. Raise --memory."},
    {"Insufficient memory available",
     "The machine has less free memory than was asked for. Lower --memory, end other enclaves, or "
     "raise memory_mib in allocator.yaml."},
    {"Invalid enclave descriptor", "The virtual machine's descriptor is not one."},
    {"Ioctl failure",
     "The hypervisor refused a request. `casemate doctor` tells what this machine can do."},
    {"Image load info failure",
     "The hypervisor did not say where the image belongs in the enclave's memory."},
    {"Memory region set failure", "The hypervisor did not take the enclave's memory."},
    {"vCPU add failure", "The hypervisor did not take a CPU for the enclave."},
    {"Enclave start failure", "The hypervisor did not start the enclave."},
    {"Memory overflow", "An address or size is larger than the machine's numbers."},
    {"EIF file parsing failure",
     "The file is not an enclave image, or is damaged. Build it again with build-enclave; "
     "describe-eif shows what an image holds."},
    {"Enclave boot failure",
     "The enclave started but did not report that it is up. Run it with --debug-mode and read its "
     "`console`, or look into `casemate logs`."},
    {"Event wait failure", "Waiting for an event failed."},
    {"Process command not executed",
     "An enclave's process understood a command but could not carry it out."},
    {"Process connection failure",
     "An enclave's process can't be reached, or ended while a command waited for it. `casemate ps "
     "--all` tells how enclaves ended."},
    {"Socket path not found", "The socket of an enclave's process is gone."},
    {"Process reply sending failure", "An enclave's process could not send its answer."},
    {"Memory map failure", "Memory for the enclave could not be mapped."},
    {"Memory unmap failure", "Memory of the enclave could not be unmapped."},
    {"Console connection failure",
     "The console can't be opened. Only enclaves started with --debug-mode have one."},
    {"Console read failure", "The enclave's console could not be read."},
    {"Console write failure", "The enclave's console could not be written out."},
    {"Integer parsing failure", "Text that should be a number is not."},
    {"EIF building failure",
     "The enclave image could not be made of its parts: kernel, command line, init and the "
     "container image's files."},
    {"Docker image build failure",
     "The container image could not be built. Build it with another tool, for instance `buildah "
     "bud`, and give build-enclave the result as oci:, docker-archive: or dir:."},
    {"Docker image pull failure",
     "The container image could not be taken. Check that it exists, for this architecture, and is "
     "undamaged."},
    {"Artifacts path environment variable not set",
     "There is no place for files made on the way. Set NITRO_CLI_ARTIFACTS or HOME."},
    {"Blobs path environment variable not set",
     "There is no folder with kernel and init. Set NITRO_CLI_BLOBS."},
    {"Clock skew", "The machine's clock ran backwards."},
    {"Signal masking failure", "Signals could not be held back."},
    {"Signal unmasking failure", "Signals could not be let through again."},
    {"Logger failure", "The log could not be written."},
    {"Hasher failure",
     "A measurement could not be computed. For a signing certificate the file must hold one in "
     "PEM."},
    {"Naming failure",
     "No enclave, or more than one, has the name that was given. describe-enclaves lists names and "
     "ids."},
    {"EIF signature checker failure",
     "The image's signature is not valid, or its certificate has expired or is not valid yet."},
    {"Signing failure",
     "The image could not be signed. Certificate and private key must belong together, as an EC "
     "key of curve P-256, P-384 or P-521."},
}};

}  // namespace

const ErrorText& text_of(ErrorCode code) {
    return kTexts[std::min<std::size_t>(static_cast<std::size_t>(code), kTexts.size() - 1)];
}

std::string label(ErrorCode code) {
    const auto number = static_cast<unsigned>(code);
    return std::string(number < 10 ? "E0" : "E") + std::to_string(number);
}

std::optional<ErrorCode> code_of(std::string_view label) {
    const auto digit = [&](std::size_t i) {
        return label[i] >= '0' && label[i] <= '9' ? static_cast<unsigned>(label[i] - '0') : 1000U;
    };
    if (label.size() != 3 || (label[0] != 'E' && label[0] != 'e')) {
        return std::nullopt;
    }
    const unsigned number = digit(1) * 10 + digit(2);
    if (number >= kTexts.size()) {
        return std::nullopt;
    }
    return static_cast<ErrorCode>(number);
}

int exit_status(ErrorCode code) {
    return code == ErrorCode::unspecified ? 1 : static_cast<int>(code);
}

}  // namespace casemate::cli
