// The steps of making a machine, so that whoever asked for it learns which of them failed.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "machine/control.hpp"

namespace casemate::machine {

// StepErrc: the step that failed. Its sentence has the cause, and what to do about it where that is
// known.
enum class StepErrc { create_vm, set_memory, load_image, add_vcpu, start };

[[nodiscard]] std::string_view describe(StepErrc step);
// reason_of is what Exited says of the step (control.hpp).
[[nodiscard]] ExitReason reason_of(StepErrc step);

// failed_step makes an error of a step out of its cause.
[[nodiscard]] Error failed_step(StepErrc step, const Error& cause);

// at_step passes a result on; an error becomes the step's.
template <class T>
[[nodiscard]] Result<T> at_step(StepErrc step, Result<T> result) {
    if (!result) {
        return failed_step(step, result.error());
    }
    return result;
}

}  // namespace casemate::machine
