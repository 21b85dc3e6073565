// The software host as a VmmLink: QEMU's process, and a relay that joins its serial port to a
// control socket of the supervisor's.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>

#include "base/os_error.hpp"
#include "base/socket.hpp"
#include "enclave/errors.hpp"
#include "enclave/lifecycle.hpp"
#include "enclave/vmm_link.hpp"
#include "softhost/launcher.hpp"
#include "softhost/relay.hpp"

namespace casemate::enclave {

namespace {

class SoftwareHost final : public VmmKeeper {
public:
    SoftwareHost(EventLoop& loop, const VmmRequest& request)
        : loop_(&loop), say_(request.say), failed_(request.failed), log_(loop) {}
    ~SoftwareHost() override { *alive_ = false; }

    Result<> open(softhost::Launched& launched, UniqueFd control,
                  std::function<void(ByteView)> log) {
        CASEMATE_CHECK(log_.watch(std::move(launched.log), std::move(log)));
        softhost::Relay::Handlers handlers;
        handlers.hello = [this](const softhost::Hello& hello) { on_hello(hello); };
        handlers.failure = [this](const std::string& sentence) {
            fail("the software host says: " + printable(sentence, 2048));
        };
        handlers.ended = [this](const Result<>& result) {
            if (!result) {
                say_("the software host's connection ended: " + result.error().message());
            }
            // The supervisor's end sees that nothing more comes.
            relay_->take_control().reset();
        };
        CASEMATE_TRY(relay_,
                     softhost::Relay::create(*loop_, softhost::Relay::Side::outside,
                                             std::move(launched.port), std::move(handlers)));
        return relay_->attach_control(std::move(control));
    }

private:
    void on_hello(const softhost::Hello& hello) {
        if (hello.version != softhost::kProtocolVersion) {
            fail("expected version " + std::to_string(softhost::kProtocolVersion) +
                 " of the software host's protocol, found " + std::to_string(hello.version));
        } else if (!hello.kvm_works) {
            fail("its own virtualization does not work: " + printable(hello.sentence, 2048));
        } else {
            say_("the software host is up, " + std::to_string(hello.uptime / 1000) +
                 " ms after its kernel's start");
        }
    }

    // The supervisor may drop this object when it hears of it, so not from inside the relay.
    void fail(const std::string& reason) {
        loop_->after(std::chrono::milliseconds(0), [alive = alive_, failed = failed_, reason] {
            if (*alive) {
                failed(reason);
            }
        });
    }

    EventLoop* loop_;
    std::function<void(const std::string&)> say_;
    std::function<void(const std::string&)> failed_;
    PipeReader log_;
    std::unique_ptr<softhost::Relay> relay_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

Result<VmmLink> start_software(EventLoop& loop, const VmmRequest& request) {
    auto parts = softhost::find_parts(request.paths->programs);
    if (!parts) {
        return Error(EnclaveErrc::machine_refused, parts.error().detail());
    }
    softhost::LaunchOptions options;
    options.parts = std::move(*parts);
    options.memory_bytes = request.memory_bytes;
    options.vcpu_count = request.vcpu_count;
    options.image = request.memory;
    auto launched = softhost::launch(options);
    if (!launched) {
        return Error(EnclaveErrc::process_spawn,
                     "the software host was not started: " + launched.error().message());
    }
    CASEMATE_TRY(FdPair sockets, make_socket_pair(SOCK_SEQPACKET));
    auto host = std::make_unique<SoftwareHost>(loop, request);
    CASEMATE_CHECK(host->open(*launched, std::move(sockets.second), request.log_bytes));
    VmmLink link;
    link.control = std::move(sockets.first);
    link.processes.push_back({"QEMU", std::move(launched->process)});
    link.keeper = std::move(host);
    return link;
}

}  // namespace casemate::enclave
