#include "machine/step.hpp"

#include <cerrno>
#include <string>

#include "base/os_error.hpp"

namespace casemate::machine {

namespace {

// What to do about a cause, where the system's number tells.
std::string_view advice(StepErrc step, int number) {
    switch (number) {
        case ENOMEM:
            return "the machine has no memory left for it: end other enclaves, or ask for less";
        case EACCES:
        case EPERM:
            return "this process may not do that: look at the device's permissions and at what a "
                   "container or security module forbids";
        case EBUSY:
            return "the processor's virtualization is in use: end other hypervisors";
        case ENOTTY:
            return "the device is not KVM's";
        case EINVAL:
        case ENOSPC:
            return step == StepErrc::add_vcpu ? "ask for fewer CPUs" : "";
        default:
            return "";
    }
}

}  // namespace

std::string_view describe(StepErrc step) {
    switch (step) {
        case StepErrc::create_vm:
            return "the virtual machine could not be created";
        case StepErrc::set_memory:
            return "the machine did not take the enclave's memory";
        case StepErrc::load_image:
            return "the image's boot data could not be written";
        case StepErrc::add_vcpu:
            return "a virtual CPU could not be added";
        case StepErrc::start:
            return "the machine could not be started";
    }
    return "unknown step";
}

ExitReason reason_of(StepErrc step) {
    switch (step) {
        case StepErrc::create_vm:
            return ExitReason::not_created;
        case StepErrc::set_memory:
            return ExitReason::no_memory;
        case StepErrc::load_image:
            return ExitReason::not_loaded;
        case StepErrc::add_vcpu:
            return ExitReason::no_vcpu;
        case StepErrc::start:
            return ExitReason::not_started;
    }
    return ExitReason::failed;
}

Error failed_step(StepErrc step, const Error& cause) {
    std::string sentence = cause.message();
    if (const auto code = cause.code_as<Errno>()) {
        const std::string_view hint = advice(step, static_cast<int>(*code));
        sentence += hint.empty() ? "" : "; " + std::string(hint);
    }
    return {step, std::move(sentence)};
}

}  // namespace casemate::machine
