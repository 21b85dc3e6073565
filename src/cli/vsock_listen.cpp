#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "base/socket.hpp"
#include "cli/enclaves.hpp"
#include "cli/verbs.hpp"
#include "enclave/errors.hpp"

namespace casemate::cli {

namespace {

// EndingSignals keeps the signals that end a program back while it lives: whoever makes a file that
// must go holds one from before the file is there.
class EndingSignals {
public:
    EndingSignals() {
        sigemptyset(&signals_);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
            sigaddset(&signals_, signal);
        }
        ::sigprocmask(SIG_BLOCK, &signals_, &before_);
        arrived_.reset(::signalfd(-1, &signals_, SFD_CLOEXEC));
    }
    EndingSignals(const EndingSignals&) = delete;
    EndingSignals& operator=(const EndingSignals&) = delete;
    // A signal that has come ends the program here.
    ~EndingSignals() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

    // Readable when one has come.
    [[nodiscard]] int fd() const { return arrived_.get(); }

private:
    sigset_t signals_{};
    sigset_t before_{};
    UniqueFd arrived_;
};

// PortSocket is RUNTIME/parent/PORT while it lives.
class PortSocket {
public:
    PortSocket(const std::string& directory, std::uint32_t port)
        : directory_(directory), path_(directory + "/" + std::to_string(port)) {}
    PortSocket(const PortSocket&) = delete;
    PortSocket& operator=(const PortSocket&) = delete;
    ~PortSocket() { remove(); }

    [[nodiscard]] const std::string& path() const { return path_; }

    Result<> listen() {
        // Between bind and listen a socket looks like one that a killed program left behind.
        CASEMATE_TRY(const UniqueFd directory, open_file(directory_, O_RDONLY | O_DIRECTORY));
        while (::flock(directory.get(), LOCK_EX) != 0) {
            if (errno != EINTR) {
                return os_error("lock " + directory_);
            }
        }
        // The other type asks without making a connection: EPROTOTYPE where somebody listens.
        const auto other = connect_unix(path_, SOCK_DGRAM);
        if (!other && other.error().is(static_cast<Errno>(ECONNREFUSED))) {
            ::unlink(path_.c_str());
        }
        CASEMATE_TRY(socket_, listen_unix(path_, SOCK_STREAM, 0600));
        return {};
    }

    // accept_one waits for a connection, or for a signal that ends the program: then nothing. The
    // port is free again afterwards.
    Result<UniqueFd> accept_one(const EndingSignals& signals) {
        std::array<pollfd, 2> ready{{{socket_.get(), POLLIN, 0}, {signals.fd(), POLLIN, 0}}};
        while (::poll(ready.data(), ready.size(), -1) < 0 && errno == EINTR) {
        }
        UniqueFd stream;
        if (ready[1].revents == 0) {
            stream.reset(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        }
        const Error error = os_error("accept a connection");
        remove();
        if (!stream.valid()) {
            return error;
        }
        return stream;
    }

private:
    void remove() {
        if (socket_.valid()) {
            ::unlink(path_.c_str());
            socket_.reset();
        }
    }

    std::string directory_;
    std::string path_;
    UniqueFd socket_;
};

// One connection only: the next is refused from there on.
Result<UniqueFd> take_connection(const std::string& directory, std::uint32_t number,
                                 Output& output) {
    const EndingSignals signals;
    PortSocket port(directory, number);
    if (const auto listening = port.listen(); !listening) {
        return Error(enclave::EnclaveErrc::socket, "expected port " + std::to_string(number) +
                                                       " to be free, found " +
                                                       listening.error().message());
    }
    output.say("Listening at port " + std::to_string(number) + " of the parent (" + port.path() +
               ")");
    return port.accept_one(signals);
}

}  // namespace

int vsock_listen(const VsockListenArguments& arguments, Output& output) {
    output.set_action("Listen for Enclaves");
    const auto paths = enclave::find_paths();
    if (!paths) {
        return output.fail(ErrorCode::file_operation, paths.error());
    }
    const auto made = enclave::make_directories(*paths);
    if (!made) {
        return output.fail(ErrorCode::file_operation, made.error());
    }
    const auto stream = take_connection(paths->parent_ports(), arguments.port, output);
    if (!stream) {
        return output.fail(ErrorCode::socket, stream.error());
    }
    const auto pumped = pump(stream->get());
    return pumped ? 0 : output.fail(ErrorCode::socket, pumped.error());
}

}  // namespace casemate::cli
