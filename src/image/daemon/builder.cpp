#include "image/daemon/builder.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <vector>

#include "base/environment.hpp"
#include "base/fd.hpp"
#include "base/os_error.hpp"
#include "base/process.hpp"

namespace casemate::image {

namespace {

// kGrace: how long an interrupted builder may take to clean up.
constexpr int kGraceMilliseconds = 10000;

// Signals are blocked, and read, while an object exists.
class Signals {
public:
    Signals() {
        sigset_t wanted;
        ::sigemptyset(&wanted);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
            ::sigaddset(&wanted, signal);
        }
        ::pthread_sigmask(SIG_BLOCK, &wanted, &before_);
        fd_.reset(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
    }
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;
    ~Signals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

    [[nodiscard]] int fd() const { return fd_.get(); }
    // take gives a signal that came, or 0.
    [[nodiscard]] int take() const {
        signalfd_siginfo info{};
        return ::read(fd_.get(), &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info))
                   ? static_cast<int>(info.ssi_signo)
                   : 0;
    }

private:
    sigset_t before_{};
    UniqueFd fd_;
};

// wait_ended waits for the process's end; false where something else came first.
bool wait_ended(const Process& process, int other, int timeout) {
    std::vector<pollfd> all = {{process.pidfd(), POLLIN, 0}};
    if (other >= 0) {
        all.push_back({other, POLLIN, 0});
    }
    while (::poll(all.data(), all.size(), timeout) < 0 && errno == EINTR) {
    }
    return (all.front().revents & POLLIN) != 0;
}

Result<> run(const std::string& program, std::vector<std::string> arguments) {
    SpawnOptions options;
    options.program = program;
    options.arguments = std::move(arguments);
    for (char** one = environ; *one != nullptr; ++one) {
        options.environment.emplace_back(*one);
    }
    options.standard_output = STDERR_FILENO;
    int interrupted = 0;
    Result<ExitStatus> exit = ExitStatus();
    {
        const Signals signals;
        CASEMATE_TRY(Process process, Process::spawn(options));
        while (interrupted == 0 && !wait_ended(process, signals.fd(), -1)) {
            interrupted = signals.take();
        }
        if (interrupted != 0) {
            process.send_signal(SIGTERM);
            if (!wait_ended(process, -1, kGraceMilliseconds)) {
                process.kill_and_reap();
            }
        }
        exit = process.running() ? process.wait() : exit;
    }
    if (interrupted != 0) {
        (void)::raise(interrupted);
    }
    if (!exit) {
        return std::move(exit).error();
    }
    if (interrupted != 0 || exit->exit_code != 0) {
        return Error(ImageErrc::build, "expected " + program + " " + options.arguments.front() +
                                           " to succeed, found " + exit->text() +
                                           "; its output is above");
    }
    return {};
}

// in_proc names a descriptor of this process for another.
std::string in_proc(const UniqueFd& fd) {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd.get());
}

Result<std::string> read_id(const UniqueFd& file) {
    CASEMATE_TRY(const std::uint64_t size, file_size(file.get()));
    Bytes bytes(static_cast<std::size_t>(std::min<std::uint64_t>(size, 128)));
    CASEMATE_CHECK(read_exactly_at(file.get(), 0, bytes));
    std::string id(as_text(bytes));
    if (id.starts_with("sha256:")) {
        id.erase(0, 7);
    }
    if (id.size() != 64 || id.find_first_not_of("0123456789abcdef") != std::string::npos) {
        return Error(ImageErrc::build, "expected the identifier of the image, found other text");
    }
    return id;
}

}  // namespace

std::optional<LocalBuilder> LocalBuilder::find() {
    const std::string path = environment("PATH");
    for (const char* const name : {"buildah", "podman"}) {
        for (std::size_t begin = 0; begin <= path.size();) {
            const std::size_t end = std::min(path.find(':', begin), path.size());
            const std::string file = path.substr(begin, end - begin) + "/" + name;
            if (file.front() == '/' && ::access(file.c_str(), X_OK) == 0) {
                return LocalBuilder{file};
            }
            begin = end + 1;
        }
    }
    return std::nullopt;
}

Result<Content> LocalBuilder::build(const std::string& folder, const std::string& name,
                                    const std::string& platform,
                                    const std::string& directory) const {
    if (folder.empty() || ::access((folder + "/Dockerfile").c_str(), R_OK) != 0) {
        return Error(ImageErrc::build,
                     "expected a readable file named Dockerfile in " + folder + ", found none");
    }
    CASEMATE_TRY(const UniqueFd id_file, make_memory_file("image id", 0));
    CASEMATE_TRY(UniqueFd archive, open_unnamed(directory));
    std::vector<std::string> arguments = {
        "build", "--tag", name, "--file", folder + "/Dockerfile", "--iidfile", in_proc(id_file)};
    if (!platform.empty()) {
        arguments.insert(arguments.end(), {"--platform", platform});
    }
    arguments.push_back(folder);
    CASEMATE_CHECK(run(program, std::move(arguments)));
    CASEMATE_TRY(const std::string id, read_id(id_file));
    CASEMATE_CHECK(run(program, {"push", "--quiet", id, "docker-archive:" + in_proc(archive)}));
    CASEMATE_TRY(const std::uint64_t size, file_size(archive.get()));
    return Content{std::make_shared<const UniqueFd>(std::move(archive)), 0, size};
}

}  // namespace casemate::image
