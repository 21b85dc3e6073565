// What reaches into the guest's kernel and first process: the NSM driver, programs, files, orphans
// and a panic.
#include <fcntl.h>
#include <linux/types.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "peer.hpp"

namespace casemate::guest_peer {

namespace {

// linux/nsm.h, which older headers lack (formats.md 2.2).
struct NsmRaw {
    __u64 request;
    __u64 request_size;
    __u64 response;
    __u64 response_size;
};
constexpr unsigned long kNsmRaw = _IOWR(0x0A, 0, NsmRaw);
constexpr std::size_t kMaxResponse = 0x3000;

// The bytes of pairs of hexadecimal digits, nothing where the text is no such thing.
std::string unhex(const std::string& digits) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        unsigned byte = 0;
        if (std::sscanf(digits.c_str() + i, "%2x", &byte) != 1) {
            return {};
        }
        bytes += static_cast<char>(byte);
    }
    return bytes;
}

// CBOR by hand: text of up to 23 letters, and {"DescribePCR": {"index": N}} with N up to 23.
std::string text(const std::string& letters) {
    return std::string(1, static_cast<char>(0x60U + letters.size())) + letters;
}

std::string request_of(const std::vector<std::string>& words) {
    if (words[1] == "describe") {
        return text("DescribeNSM");
    }
    if (words[1] == "random") {
        return text("GetRandom");
    }
    if (words[1] == "pcr" && words.size() == 3) {
        const auto index = static_cast<unsigned char>(number(words[2]));
        std::string request = "\xa1" + text("DescribePCR") + "\xa1" + text("index");
        if (index > 23) {
            request += '\x18';
        }
        return request + static_cast<char>(index);
    }
    return words[1] == "raw" && words.size() == 3 ? unhex(words[2]) : "";
}

std::string hex(const unsigned char* bytes, std::size_t size) {
    std::string digits;
    for (std::size_t i = 0; i < size; ++i) {
        std::array<char, 3> pair{};
        std::snprintf(pair.data(), pair.size(), "%02x", bytes[i]);
        digits += pair.data();
    }
    return digits;
}

bool write_file(const char* path, const std::string& contents, off_t offset) {
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const bool written = pwrite(fd, contents.data(), contents.size(), offset) ==
                         static_cast<ssize_t>(contents.size());
    close(fd);
    return written;
}

// Overwrites the code of process 1 by breakpoints: the kernel panics when its first process ends.
bool break_first_process() {
    std::FILE* maps = std::fopen("/proc/1/maps", "re");
    if (maps == nullptr) {
        return false;
    }
    bool broken = false;
    std::array<char, 512> line{};
    while (std::fgets(line.data(), line.size(), maps) != nullptr) {
        unsigned long start = 0;
        unsigned long end = 0;
        std::array<char, 5> rights{};
        if (std::sscanf(line.data(), "%lx-%lx %4s", &start, &end, rights.data()) == 3 &&
            rights[2] == 'x' && std::strstr(line.data(), "[v") == nullptr) {
            broken |= write_file("/proc/1/mem", std::string(end - start, '\xcc'),
                                 static_cast<off_t>(start));
        }
    }
    std::fclose(maps);
    return broken;
}

}  // namespace

std::string nsm_request(const std::vector<std::string>& words) {
    const bool timed = words[1] == "time" && words.size() == 4;
    std::string request = timed ? unhex(words[3]) : request_of(words);
    if (request.empty() && words[1] != "nothing") {
        return "error expected nsm describe, pcr N, random, raw HEX, nothing or time COUNT HEX";
    }
    const int fd = open("/dev/nsm", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return errno_text(errno);
    }
    std::string answer = "ok";
    for (std::uint64_t left = timed ? number(words[2]) : 1; left > 0; --left) {
        std::array<unsigned char, kMaxResponse> response{};
        NsmRaw raw{reinterpret_cast<__u64>(request.data()), request.size(),
                   reinterpret_cast<__u64>(response.data()), response.size()};
        const auto start = std::chrono::steady_clock::now();
        const int result = ioctl(fd, kNsmRaw, &raw);
        const auto taken = std::chrono::steady_clock::now() - start;
        if (result != 0) {
            answer = errno_text(errno);
            break;
        }
        answer += ' ' + (timed ? std::to_string(std::chrono::nanoseconds(taken).count())
                               : hex(response.data(), raw.response_size));
    }
    close(fd);
    return answer;
}

std::string file_contents(const std::string& path, std::uint64_t bytes) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    std::vector<unsigned char> contents(bytes);
    const ssize_t got = fd < 0 ? -1 : read(fd, contents.data(), contents.size());
    const int error = errno;
    close(fd);
    return got < 0 ? errno_text(error)
                   : "ok " + hex(contents.data(), static_cast<std::size_t>(got));
}

std::string run_program(const std::vector<std::string>& words) {
    std::vector<char*> arguments;
    for (std::size_t i = 1; i < words.size(); ++i) {
        arguments.push_back(const_cast<char*>(words[i].c_str()));
    }
    arguments.push_back(nullptr);
    const std::array<int, 2> outputs{memfd_create("out", MFD_CLOEXEC),
                                     memfd_create("err", MFD_CLOEXEC)};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, outputs[0], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, outputs[1], STDERR_FILENO);
    pid_t child = -1;
    const int error =
        posix_spawn(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    int status = 0;
    if (error == 0) {
        waitpid(child, &status, 0);
    }
    std::string answer =
        "ok " + std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    for (const int output : outputs) {
        std::vector<unsigned char> text(static_cast<std::size_t>(lseek(output, 0, SEEK_END)));
        const ssize_t got = pread(output, text.data(), text.size(), 0);
        answer += ' ' + (got > 0 ? hex(text.data(), static_cast<std::size_t>(got)) : "-");
        close(output);
    }
    return error == 0 ? answer : errno_text(error);
}

std::string leave_orphans(std::uint64_t count) {
    std::vector<pid_t> orphans;
    for (std::uint64_t i = 0; i < count; ++i) {
        // The child tells the number of its own child, which ends once process 1 is its parent.
        std::array<int, 2> ends{};
        if (pipe(ends.data()) != 0) {
            return errno_text(errno);
        }
        const pid_t child = fork();
        if (child == 0) {
            const pid_t orphan = fork();
            if (orphan == 0) {
                while (getppid() != 1) {
                    usleep(1000);
                }
                _exit(0);
            }
            _exit(write(ends[1], &orphan, sizeof(orphan)) == sizeof(orphan) ? 0 : 1);
        }
        close(ends[1]);
        pid_t orphan = -1;
        const bool told = read(ends[0], &orphan, sizeof(orphan)) == sizeof(orphan) && orphan > 0;
        close(ends[0]);
        waitpid(child, nullptr, 0);
        if (!told) {
            return "error no orphan";
        }
        orphans.push_back(orphan);
    }
    // A process that nobody has waited for still takes signals.
    constexpr int kPatience = 2000;
    for (int turn = 0; turn < kPatience && !orphans.empty(); ++turn) {
        while (!orphans.empty() && kill(orphans.back(), 0) != 0) {
            orphans.pop_back();
        }
        usleep(5000);
    }
    return orphans.empty() ? "ok " + std::to_string(count) + " reaped"
                           : "error " + std::to_string(orphans.size()) + " not reaped";
}

std::string panic_kernel() {
    // Kernels built for enclaves have no sysrq.
    write_file("/proc/sysrq-trigger", "c", 0);
    if (!break_first_process()) {
        return errno_text(errno);
    }
    // Our end makes process 1 run its code again.
    std::_Exit(0);
}

}  // namespace casemate::guest_peer
