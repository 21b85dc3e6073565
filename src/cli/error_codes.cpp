#include "cli/error_codes.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>

namespace casemate::cli {

namespace {

// Indexed by the code's number.
constexpr std::array<ErrorText, 61> kTexts = {{
    {"Unspecified error",
     "Something failed for which there is no code of its own; the sentence behind the code "
     "says what. nitro-cli exits with status 0 here, which scripts take for success; this "
     "program exits with 1. Run the command again with BACKTRACE=1 to see where it failed, and"
     " report it together with the error log."},
    {"Missing mandatory argument",
     "An argument that the command cannot do without was not given. On the command line most "
     "of them are found at once, with exit status 2; this code is for what is found later: "
     "sign-eif without --eif-path, and a --config file that lacks eif_path, memory_mib, or "
     "both cpu_ids and cpu_count. Add what the sentence names; `nitro-cli help COMMAND` lists "
     "all options."},
    {"Conflicting arguments",
     "Two arguments exclude each other, and both were given. On the command line that ends "
     "with exit status 2; this code is for a --config file that has both cpu_ids and "
     "cpu_count. Leave one of them out."},
    {"Invalid argument provided",
     "The value of an argument cannot be used: it is no number, is too large, has an unknown "
     "unit, or is a CID that is reserved. Memory is a number with an optional M, G or T (none:"
     " MiB). An enclave's CID is 4 to 4294967294, or 0 for any. Example: `--memory 1K` is "
     "wrong, `--memory 512` and `--memory 2G` are right."},
    {"Socket pair creation failure",
     "The command talks to the process that it starts for an enclave over a pair of sockets, "
     "and could not make it. That happens when a process has too many open files. Look at the "
     "limit (`ulimit -n`) and raise it."},
    {"Process spawn failure",
     "The process that looks after the enclave could not be started. Look at the limit of "
     "processes (`ulimit -u`), at free memory, and whether the installation is complete: "
     "casemate-enclave stands beside casemate."},
    {"Daemonize process failure",
     "The process that looks after the enclave could not go into the background. nitro-cli "
     "detaches its processes with fork and setsid; here the supervisor does, and what goes "
     "wrong then is reported as a failed spawn. Look at the limits of processes and memory."},
    {"Read from disk failure",
     "The directory of the running enclaves cannot be read. Look at its owner and mode: it is "
     "CASEMATE_RUNTIME_DIR, else /run/casemate for root and casemate below XDG_RUNTIME_DIR for"
     " other users. It must belong to you or to root, and nobody else may write to it."},
    {"Unusable connection failure",
     "There is a connection to an enclave's process, but it cannot be used: the process ended,"
     " or is not one of this program's version. `describe-enclaves` tells whether the enclave "
     "still runs, and `casemate ps --all` how it ended."},
    {"Socket close failure",
     "A connection to an enclave's process could not be closed in order. The command itself "
     "has been carried out; `describe-enclaves` shows the enclave's state."},
    {"Socket connect set timeout failure",
     "A limit of time could not be put on a connection to an enclave's process. The system "
     "refused it; look at its log for a lack of memory."},
    {"Socket error",
     "A socket could not be made, bound or connected. With terminate-enclave or console it "
     "means that no enclave has the id that was given: `describe-enclaves` lists those that "
     "run. With vsock, that nobody listens at the port."},
    {"Epoll error",
     "The system refused to watch several connections at once (epoll). The limits of open "
     "files (`ulimit -n`) or of watches (/proc/sys/fs/epoll/max_user_watches) are reached."},
    {"Inotify error",
     "The system refused to watch a file for changes (inotify). nitro-cli waits so for its "
     "sockets to vanish; this program waits for processes instead and never reports it."},
    {"Invalid command",
     "A process was asked for something that it does not know. Programs of two versions are "
     "mixed: install them together, and end the enclaves that the older one started."},
    {"Lock acquire failure",
     "A lock could not be taken. In nitro-cli it is one between threads, which fails only "
     "after another error; here it is one on a file of the runtime or state directory. See "
     "whether that file system supports locks, and whether another command hangs."},
    {"Thread join failure",
     "A thread of the program ended with an error of its own. Look at the errors above it and "
     "at free memory."},
    {"Serialization or deserialization failure",
     "JSON was expected and something else was found: a file given with --config or "
     "--metadata, or a value in it of the wrong type, such as \"512\" in quotes for "
     "memory_mib. `python3 -m json.tool FILE` shows where a file stops being JSON."},
    {"File permissions failure",
     "A file's permissions could not be changed. nitro-cli opens its log to everybody; this "
     "program gives its files their mode when it makes them and changes none."},
    {"File operation failure",
     "A file could not be opened, read or written; the sentence names the file and what was "
     "tried. See that it exists, that you may use it, and that its file system is not full. "
     "nitro-cli reports this, too, when it has no directory for its logs; this program needs "
     "none."},
    {"Invalid CPU configuration",
     "The same CPU stands twice in --cpu-ids, or in cpu_ids of the --config file. Name each "
     "once."},
    {"No such CPU available in the pool",
     "A CPU of --cpu-ids cannot be given to enclaves: it is not in the pool, or the machine "
     "does not have it. Give other numbers (`casemate doctor` shows the machine's), let "
     "--cpu-count choose, or enlarge the pool: cpu_pool in /etc/nitro_enclaves/allocator.yaml."},
    {"Insufficient CPUs available in the pool",
     "More CPUs were asked for than there are for enclaves. Lower --cpu-count, end another "
     "enclave, or enlarge the pool: cpu_count in /etc/nitro_enclaves/allocator.yaml."},
    {"Malformed CPU ID",
     "The pool's list of CPUs holds something that is no number. Correct cpu_pool in "
     "/etc/nitro_enclaves/allocator.yaml; it looks like 2,3,6-9."},
    {"CPU error",
     "The pool's list of CPUs holds a range that ends before it begins, such as 9-6. Correct "
     "cpu_pool in /etc/nitro_enclaves/allocator.yaml."},
    {"No such hugepage flag error",
     "No huge page of the machine has the size that nitro-cli wanted to map. This program "
     "takes memory in pages of any size and does not report it."},
    {"Insufficient memory requested",
     "The enclave was to have too little memory, or none. It needs at least four times the "
     "size of its image, since the image, the unpacked file system and what the programs use "
     "must fit. The sentence names the smallest --memory that will do; a smaller image needs "
     "less."},
    {"Insufficient memory available",
     "The machine cannot give the enclave the memory that was asked for. Lower --memory, end "
     "other enclaves, or, where a pool is configured, raise memory_mib in "
     "/etc/nitro_enclaves/allocator.yaml. `casemate doctor` shows how much is free."},
    {"Invalid enclave descriptor",
     "The virtual machine could not be made: the sentence says what the system answered. On AWS "
     "the driver of /dev/nitro_enclaves is at fault; here it is KVM, or its device is another's "
     "(CASEMATE_KVM_DEVICE). `casemate doctor` says what this machine can do; --accel software "
     "does without KVM."},
    {"Ioctl failure",
     "A request that no hypervisor can fulfil: no CPU (--cpu-count 0), or a CID that another "
     "enclave has (--enclave-cid); leave it out, or ask for 0, to get a free one. nitro-cli also "
     "reports so what has codes of its own here, E28 and E30 to E33."},
    {"Image load info failure",
     "The image could not be put into the enclave's memory. nitro-cli itself reports it as E29. "
     "The sentence says what the system answered, and `casemate logs` what came before."},
    {"Memory region set failure",
     "The hypervisor did not take the memory that was prepared for the enclave. A limit of "
     "locked memory or of memory maps is reached, or the host has too little. Look at `ulimit "
     "-l`, at free memory and at the kernel's log."},
    {"vCPU add failure",
     "The hypervisor did not take one of the CPUs for the enclave. Fewer CPUs may do; AWS "
     "demands whole cores, both threads of each, where cores have two. Look at the kernel's "
     "log."},
    {"Enclave start failure",
     "Memory and CPUs were ready, and the hypervisor refused to start the enclave. `casemate "
     "logs ID` has the last step; try again with --debug-mode, and with --accel software to "
     "see whether the hardware's virtualization is at fault."},
    {"Memory overflow",
     "An address or size does not fit into the machine's numbers: an image or --memory is "
     "impossibly large, or a damaged image says so of itself. Check both; describe-eif reads "
     "the image alone."},
    {"EIF file parsing failure",
     "The file is not an enclave image, or is damaged: a wrong magic number, a section beyond "
     "the file's end, a checksum or a signature that cannot be read. describe-eif reports it, "
     "too, when the file is not there. Copy it again, or build it again with build-enclave."},
    {"Enclave boot failure",
     "The enclave was started but did not say that it is up: the kernel stopped, init found no"
     " program to run, or the time was too short. Run it with --debug-mode and read `nitro-cli"
     " console`, or `casemate logs ID` when it has ended already. A slow machine may need a "
     "longer --boot-timeout."},
    {"Event wait failure",
     "Waiting for the enclave's next event failed. `casemate ps --all` shows whether it still "
     "runs."},
    {"Process command not executed",
     "An enclave's process understood a request but did not carry it out. The usual reason is "
     "ownership: only the user who started an enclave, and root, may end it. The sentence says"
     " which it was."},
    {"Process connection failure",
     "The process of an enclave cannot be reached, or it ended while a command waited for it. "
     "With run-enclave the reason stands above, in an error of its own. `casemate ps --all` "
     "tells how enclaves ended, `casemate logs ID` what was said."},
    {"Socket path not found",
     "The socket of an enclave's process is gone, or its path cannot be made. Another command "
     "may have ended the enclave in the meantime; `describe-enclaves` shows what runs. A "
     "runtime directory with a very long name cannot hold sockets."},
    {"Process reply sending failure",
     "An enclave's process could not send its answer, since the command that had asked was "
     "gone. Nothing has to be done; ask again."},
    {"Memory map failure",
     "Memory could not be mapped: for the enclave, or for its image. Look at free memory, at "
     "`ulimit -v` and at vm.max_map_count."},
    {"Memory unmap failure",
     "Memory that had been mapped could not be given back. The process that held it has ended "
     "by now, and with it the memory is free."},
    {"Console connection failure",
     "The enclave's console cannot be opened. Only enclaves that were started with "
     "--debug-mode or --attach-console have one; others give nothing away. The log of an ended"
     " enclave is shown by `casemate logs ID`."},
    {"Console read failure",
     "The console was open and could not be read any further. `describe-enclaves` tells "
     "whether the enclave still runs; what it wrote before can be read again, from the first "
     "byte."},
    {"Console write failure",
     "The console's text could not be written to standard output: a full disk, or the reader "
     "at the other end has gone. Direct the output elsewhere and connect again; the console is"
     " shown from its first byte."},
    {"Integer parsing failure",
     "A word that should be a number is none, in a place that has no better code. Check the "
     "numbers of the command line and of the --config file."},
    {"EIF building failure",
     "The enclave image could not be put together. A part is missing or is not what it should "
     "be: the kernel, its command line, init, the container image's files, the metadata, or "
     "the place for the output is full. The sentence names the part; `casemate doctor` says "
     "whether kernel and init are found."},
    {"Docker image build failure",
     "The container image could not be built from the folder of --docker-dir. What the builder"
     " said stands above. Correct the Dockerfile, or build the image with another tool and "
     "give build-enclave the result, for instance as oci:PATH."},
    {"Docker image pull failure",
     "The container image could not be taken from where --docker-uri says. See that the name "
     "and tag are right, that it exists for the wanted architecture, that credentials are in "
     "~/.docker/config.json where it is private, and that the daemon or the registry can be "
     "reached. An image in a file (oci:, docker-archive:, dir:) must be whole."},
    {"Artifacts path environment variable not set",
     "There is no place for files that are made on the way to an image. nitro-cli keeps them "
     "below NITRO_CLI_ARTIFACTS, else HOME, and needs one of them. This program makes them "
     "beside the output, or in TMPDIR, and needs neither."},
    {"Blobs path environment variable not set",
     "There is no folder with kernel and init. nitro-cli has a default and never reports it. "
     "Set NITRO_CLI_BLOBS to the folder, give --kernel, or install this program's own kernel."},
    {"Clock skew",
     "The clock of the machine went backwards while a time was measured. Set it right, and let"
     " a time service keep it so: certificates and attestation documents depend on it."},
    {"Signal masking failure",
     "Signals could not be held back while an enclave's process is being set up. The system "
     "refused something that always works; look at its log."},
    {"Signal unmasking failure",
     "Signals that were held back could not be let through again. The system refused something"
     " that always works; look at its log."},
    {"Logger failure",
     "The log could not be set up. nitro-cli stops then, whatever the command; this program "
     "goes on without a log. Set NITRO_CLI_LOGS_PATH to a directory in which you may write to "
     "have one."},
    {"Hasher failure",
     "A measurement could not be computed. With `pcr --signing-certificate` the file holds no "
     "certificate in PEM (it begins with -----BEGIN CERTIFICATE-----); a certificate in DER is"
     " turned into PEM by `openssl x509 -inform der`. With `pcr --input` the file could not be"
     " read to its end."},
    {"Naming failure",
     "The name given with --enclave-name does not lead to one enclave: none has it, or more "
     "than one. Names are made unique when enclaves start, by _1, _2 and so on, so that yours "
     "may have got another: `describe-enclaves` lists names and ids. --enclave-id always names"
     " one."},
    {"EIF signature checker failure",
     "The image's signature does not hold, and so the enclave is not started: the signature is"
     " not by the certificate in the image, is over another image (PCR0 differs), or the "
     "certificate has expired or is not valid yet. describe-eif shows both; sign-eif signs "
     "again. Look at the machine's clock, too."},
    {"Signing failure",
     "The image could not be signed. Certificate and private key have to belong together and "
     "be of curve P-256, P-384 or P-521. The key is a PEM file without a passphrase, a key in "
     "a token (pkcs11:), or the ARN of a key in KMS whose use needs kms:Sign and "
     "kms:GetPublicKey. sign-eif leaves the old image as it was."},
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
