// The bare-metal tests' supervisor: it loads a guest program as the loader would, starts the real
// casemate-vmm and talks to it over its control socket.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/process.hpp"
#include "base/result.hpp"
#include "machine/control.hpp"

namespace casemate::testing {

// Longer than any of these tests takes on an emulating machine.
inline constexpr std::chrono::seconds kPatience{60};

struct EnclaveOptions {
    std::uint64_t memory_bytes = machine::kMinMemory;
    std::uint32_t vcpu_count = 1;
    std::uint32_t guest_cid = 16;
    bool console = true;
    std::string command_line = "test";
};

// Enclave: one casemate-vmm process. Its destructor ends it.
class Enclave {
public:
    // start loads tests/baremetal/guests/NAME.cpp's program and starts it; the VMM's first answer
    // is for the test to take.
    [[nodiscard]] static Result<std::unique_ptr<Enclave>> start(const std::string& guest,
                                                                const EnclaveOptions& options = {});
    // spawn starts the process alone, and makes descriptors for a Start.
    [[nodiscard]] static Result<std::unique_ptr<Enclave>> spawn(std::uint64_t memory_bytes);

    // load copies the guest program into the memory file and describes it.
    [[nodiscard]] Result<machine::BootImage> load(const std::string& guest) const;
    // start_descriptors are those of a Start, in its order; this object's.
    [[nodiscard]] std::vector<int> start_descriptors() const;

    [[nodiscard]] Result<> send(const machine::SupervisorMessage& message,
                                const std::vector<int>& descriptors = {}) const;
    // next waits for the VMM's next message; an error after kPatience or when the VMM has gone.
    [[nodiscard]] Result<machine::VmmMessage> next() const;
    // next_of skips nothing: any other message is a test failure and gives nothing.
    template <class Message>
    [[nodiscard]] std::optional<Message> next_of() const {
        auto message = next();
        if (!message) {
            ADD_FAILURE() << message.error().message();
            return std::nullopt;
        }
        if (const auto* wanted = std::get_if<Message>(&*message)) {
            return *wanted;
        }
        const auto* exited = std::get_if<machine::Exited>(&*message);
        ADD_FAILURE() << "another message came, number " << message->index()
                      << (exited != nullptr ? ": " + exited->detail : "");
        return std::nullopt;
    }
    // console_text reads what the guest has said until the VMM closes the console.
    [[nodiscard]] std::string console_text();
    // nsm is the security module's end of the request socket.
    [[nodiscard]] int nsm() const { return nsm_.get(); }
    [[nodiscard]] int memory() const { return memory_.get(); }
    [[nodiscard]] Process& process() { return process_; }

private:
    Enclave() = default;

    UniqueFd memory_;
    std::uint64_t memory_bytes_ = 0;
    UniqueFd control_;
    UniqueFd nsm_;
    UniqueFd nsm_peer_;
    UniqueFd console_;
    UniqueFd console_peer_;
    UniqueFd kvm_;
    Process process_;
};

// kvm_usable tells whether these tests can run here; why not goes to reason.
[[nodiscard]] bool kvm_usable(std::string& reason);

}  // namespace casemate::testing

// CASEMATE_NEEDS_KVM() skips the test, aloud, on a machine without a usable /dev/kvm.
#define CASEMATE_NEEDS_KVM()                                   \
    do {                                                       \
        std::string casemate_reason;                           \
        if (!casemate::testing::kvm_usable(casemate_reason)) { \
            GTEST_SKIP() << casemate_reason;                   \
        }                                                      \
    } while (false)
