#include "cli/enclaves.hpp"
#include "cli/verbs.hpp"

namespace casemate::cli {

int console(const ConsoleArguments& arguments, Output& output) {
    output.set_action("Enclave Console");
    const auto paths = enclave::find_paths();
    if (!paths) {
        return output.fail(ErrorCode::file_operation, paths.error());
    }
    const auto id = selected(*paths, arguments.selector);
    if (!id) {
        return output.fail(code_of(id.error(), ErrorCode::naming), id.error().detail());
    }
    return follow_console(*paths, *id, arguments.disconnect_timeout_seconds, output);
}

}  // namespace casemate::cli
