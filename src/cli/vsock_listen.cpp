#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "base/os_error.hpp"
#include "base/socket.hpp"
#include "cli/enclaves.hpp"
#include "cli/verbs.hpp"

namespace casemate::cli {

namespace {

// PortSocket is RUNTIME/parent/PORT while it lives.
class PortSocket {
public:
    explicit PortSocket(std::string path) : path_(std::move(path)) {}
    PortSocket(const PortSocket&) = delete;
    PortSocket& operator=(const PortSocket&) = delete;
    ~PortSocket() { remove(); }

    Result<> listen() {
        // A socket that is nobody's any more was left behind by a killed program. The other type
        // asks without making a connection: EPROTOTYPE where somebody listens.
        const auto other = connect_unix(path_, SOCK_DGRAM);
        if (!other && other.error().is(static_cast<Errno>(ECONNREFUSED))) {
            ::unlink(path_.c_str());
        }
        CASEMATE_TRY(socket_, listen_unix(path_, SOCK_STREAM, 0600));
        return {};
    }

    // accept_one waits for a connection, or for a signal that ends the program: then nothing.
    Result<UniqueFd> accept_one() {
        sigset_t signals;
        sigset_t before;
        sigemptyset(&signals);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
            sigaddset(&signals, signal);
        }
        ::sigprocmask(SIG_BLOCK, &signals, &before);
        const UniqueFd ended(::signalfd(-1, &signals, SFD_CLOEXEC));
        std::array<pollfd, 2> ready{{{socket_.get(), POLLIN, 0}, {ended.get(), POLLIN, 0}}};
        while (::poll(ready.data(), ready.size(), -1) < 0 && errno == EINTR) {
        }
        UniqueFd stream;
        if (ready[1].revents == 0) {
            stream.reset(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        }
        const Error error = os_error("accept a connection");
        // One connection only: the next is refused from here on.
        remove();
        ::sigprocmask(SIG_SETMASK, &before, nullptr);
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

    std::string path_;
    UniqueFd socket_;
};

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
    const std::string path = paths->parent_ports() + "/" + std::to_string(arguments.port);
    PortSocket port(path);
    const auto listening = port.listen();
    if (!listening) {
        return output.fail(ErrorCode::socket, "expected port " + std::to_string(arguments.port) +
                                                  " to be free, found " +
                                                  listening.error().message());
    }
    output.say("Listening at port " + std::to_string(arguments.port) + " of the parent (" + path +
               ")");
    const auto stream = port.accept_one();
    if (!stream) {
        return output.fail(ErrorCode::socket, stream.error());
    }
    const auto pumped = pump(stream->get());
    return pumped ? 0 : output.fail(ErrorCode::socket, pumped.error());
}

}  // namespace casemate::cli
