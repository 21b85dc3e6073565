#include "enclave/supervisor.hpp"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "base/os_error.hpp"
#include "enclave/supervision.hpp"

namespace casemate::enclave {

namespace {

Result<std::string> read_line(int channel) {
    std::string line;
    std::array<std::uint8_t, 4096> buffer{};
    while (!line.ends_with('\n')) {
        CASEMATE_TRY(const std::size_t size, read_some(channel, buffer));
        line.append(as_text(ByteView(buffer).first(size)));
        if (size == 0 || line.size() > kMaxConfigurationSize) {
            return Error(EnclaveErrc::json, "expected one line with the configuration");
        }
    }
    line.pop_back();
    return line;
}

void set_limits() {
    // One descriptor for each stream that is being made; and no core file, ever: processes of an
    // enclave inherit this.
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
}

Result<UniqueFd> take_signals() {
    std::signal(SIGHUP, SIG_IGN);
    std::signal(SIGPIPE, SIG_IGN);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (::sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) {
        return os_error("block signals");
    }
    UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd.valid()) {
        return os_error("make a signal descriptor");
    }
    return fd;
}

Result<> supervise(UniqueFd channel) {
    CASEMATE_TRY(const std::string line, read_line(channel.get()));
    CASEMATE_TRY(StartConfiguration configuration, parse_configuration(line));
    set_limits();
    CASEMATE_TRY(const UniqueFd signals, take_signals());
    if (::chdir("/") != 0) {
        return os_error("go to the root directory");
    }
    ::umask(0022);
    CASEMATE_TRY(EventLoop loop, EventLoop::create());
    Supervision supervision(loop, std::move(configuration), std::move(channel));
    CASEMATE_CHECK(loop.add(signals.get(), EPOLLIN, [&](std::uint32_t) {
        signalfd_siginfo info{};
        if (::read(signals.get(), &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info))) {
            supervision.request_end(info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
        }
    }));
    CASEMATE_CHECK(supervision.start());
    return loop.run();
}

}  // namespace

int run_supervisor(UniqueFd channel) {
    return supervise(std::move(channel)) ? 0 : 1;
}

}  // namespace casemate::enclave
