// The software host as a VmmLink.
#include <sys/socket.h>

#include "base/os_error.hpp"
#include "base/socket.hpp"
#include "enclave/errors.hpp"
#include "enclave/lifecycle.hpp"
#include "enclave/vmm_link.hpp"
#include "softhost/software_host.hpp"

namespace casemate::enclave {

namespace {

constexpr std::size_t kMaxLogLine = 1024;

class Keeper final : public VmmKeeper {
public:
    explicit Keeper(std::unique_ptr<softhost::SoftwareHost> host) : host_(std::move(host)) {}

private:
    std::unique_ptr<softhost::SoftwareHost> host_;
};

}  // namespace

Result<VmmLink> start_software(EventLoop& loop, const VmmRequest& request) {
    auto parts = softhost::find_parts(request.paths->programs, request.paths->kernel);
    if (!parts) {
        return Error(EnclaveErrc::machine_refused, parts.error().detail());
    }
    softhost::LaunchOptions options;
    options.parts = std::move(*parts);
    options.memory_bytes = request.memory_bytes;
    options.image = request.memory;
    softhost::SoftwareHost::Handlers handlers;
    handlers.ready = [say = request.say](std::chrono::milliseconds time) {
        say("the software host came up in " + std::to_string(time.count()) + " ms");
    };
    handlers.log = [say = request.say](std::string_view line) {
        say("software host: " + printable(line, kMaxLogLine));
    };
    // The end itself is seen on the control socket.
    handlers.ended = [say = request.say](const Result<>& result) {
        say(result ? "the software host has ended"
                   : "the software host has ended: " + result.error().message());
    };
    CASEMATE_TRY(FdPair sockets, make_socket_pair(SOCK_SEQPACKET));
    auto host = softhost::SoftwareHost::start(loop, std::move(options), std::move(sockets.second),
                                              std::move(handlers));
    if (!host) {
        return Error(EnclaveErrc::process_spawn,
                     "the software host was not started: " + host.error().message());
    }
    VmmLink link;
    link.control = std::move(sockets.first);
    link.keeper = std::make_unique<Keeper>(std::move(*host));
    return link;
}

}  // namespace casemate::enclave
