// Operations by their names in X-Amz-Target ("TrentService.Decrypt").
#pragma once

#include <span>
#include <string_view>

#include "kms/core/call.hpp"
#include "kms/core/core.hpp"

namespace casemate::kms {

// A handler reads the call's input, asks for permission, does the work and gives the answer. Errors
// of rooms below may go up as they are: at_edge turns them.
using Handler = Result<Answer> (*)(Core& core, Call& call);

struct Operation {
    std::string_view name;
    Handler handler;
    // changes: it changes the store.
    bool changes = false;
};

// find_operation gives an operation by its name; nullptr: there is none.
[[nodiscard]] const Operation* find_operation(std::string_view name);
// all_operations lists them by name.
[[nodiscard]] std::span<const Operation> all_operations();

// perform runs a call's operation and gives an error of KMS only (at_edge); what it hid is in the
// call's notes. Errors: KmsErrc.
[[nodiscard]] Result<Answer> perform(Core& core, Call& call);

}  // namespace casemate::kms
