#include "base/file.hpp"
#include "cli/enclaves.hpp"
#include "cli/verbs.hpp"
#include "enclave/console.hpp"
#include "enclave/registry.hpp"

namespace casemate::cli {

namespace {

// The end of a full file tells so, so it may be a little longer than its limit.
constexpr std::uint64_t kMost = enclave::kMaxLogSize + 4096;

}  // namespace

int logs(const LogsArguments& arguments, Output& output) {
    output.set_action("Enclave Logs");
    const auto paths = enclave::find_paths();
    if (!paths) {
        return output.fail(ErrorCode::file_operation, paths.error());
    }
    const std::string& id = arguments.enclave_id;
    if (!enclave::valid_id(id)) {
        return output.fail(ErrorCode::invalid_argument,
                           "expected an enclave's id, as `casemate ps --all` shows it");
    }
    const auto log = read_file(paths->history(id) + "/log", kMost);
    if (!log) {
        return output.fail(ErrorCode::file_operation,
                           "expected the log of " + id + ", found " + log.error().message() +
                               "; `casemate ps --all` shows the enclaves that are remembered");
    }
    const int status = output.text(as_text(*log));
    const auto console = read_file(paths->history(id) + "/console.log", kMost);
    return console && status == 0 ? output.text(as_text(*console)) : status;
}

}  // namespace casemate::cli
