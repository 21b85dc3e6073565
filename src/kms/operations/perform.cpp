#include "kms/operations/operation.hpp"

namespace casemate::kms {

Result<Answer> perform(Core& core, Call& call) {
    const Operation* operation = find_operation(call.operation);
    if (operation == nullptr) {
        return Error(KmsErrc::unknown_operation, "There is no such operation");
    }
    Result<Answer> answer = operation->handler(core, call);
    if (answer) {
        return answer;
    }
    Error told = at_edge(answer.error());
    if (call.notes.refusal.empty() && !answer.error().code_as<KmsErrc>()) {
        call.notes.refusal = answer.error().message();
    }
    return told;
}

}  // namespace casemate::kms
