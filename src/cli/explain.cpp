#include "cli/verbs.hpp"

namespace casemate::cli {

int explain(const ExplainArguments& arguments, Output& output) {
    const auto code = code_of(arguments.error_code);
    if (!code) {
        output.say("No such error code " + arguments.error_code);
        return 0;
    }
    const ErrorText& text = text_of(*code);
    output.say("[ " + label(*code) + " ] " + std::string(text.name) + ". " +
               std::string(text.help));
    return 0;
}

}  // namespace casemate::cli
