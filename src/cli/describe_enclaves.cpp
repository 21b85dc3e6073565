#include "cli/enclaves.hpp"
#include "cli/verbs.hpp"
#include "enclave/client.hpp"

namespace casemate::cli {

int describe_enclaves(const DescribeEnclavesArguments& arguments, Output& output) {
    if (arguments.table) {
        return ps({}, output);
    }
    output.set_action("Describe Enclaves");
    const auto paths = enclave::find_paths();
    if (!paths) {
        return output.fail(ErrorCode::file_operation, paths.error());
    }
    if (const auto readable = enclave::check_readable(*paths); !readable) {
        return output.fail(ErrorCode::read_from_disk, readable.error().detail());
    }
    Json list = Json::array();
    std::size_t failed = 0;
    for (const auto& answer : enclave::describe_all(*paths)) {
        if (answer.record) {
            list.append(description_json(*answer.record, arguments.metadata));
        } else {
            ++failed;
        }
    }
    const int status = output.result(list);
    return failed == 0 ? status
                       : failed_connections(failed, "some supervisors did not answer", output);
}

}  // namespace casemate::cli
