#include "cli/enclaves.hpp"
#include "cli/verbs.hpp"
#include "enclave/client.hpp"
#include "enclave/errors.hpp"
#include "enclave/registry.hpp"

namespace casemate::cli {

namespace {

Json terminated_json(const enclave::EnclaveRecord& record) {
    Json json = Json::object();
    json.add("EnclaveName", record.name);
    json.add("EnclaveID", record.id);
    json.add("Terminated", true);
    return json;
}

int terminate_one(const enclave::Paths& paths, const std::string& id,
                  std::optional<std::uint32_t> seconds, Output& output) {
    const auto answers = enclave::terminate(paths, {id}, seconds);
    const auto& record = answers.front().record;
    if (!record) {
        if (!record.error().is(enclave::EnclaveErrc::socket)) {
            output.say("Warning: Failed to stop enclave " + id +
                       "\nError message: " + record.error().detail());
        }
        return output.fail(code_of(record.error(), ErrorCode::command_not_executed),
                           record.error().detail());
    }
    output.say("Successfully terminated enclave " + id + ".");
    return output.result(terminated_json(*record));
}

// Enclaves of other users are passed over, as nitro-cli does, but not without a word.
int terminate_all(const enclave::Paths& paths, std::optional<std::uint32_t> seconds,
                  Output& output) {
    if (const auto readable = enclave::check_readable(paths); !readable) {
        return output.fail(ErrorCode::read_from_disk, readable.error().detail());
    }
    Json list = Json::array();
    std::size_t failed = 0;
    for (const auto& answer :
         enclave::terminate(paths, enclave::Registry(paths).living(), seconds)) {
        if (answer.record) {
            output.say("Successfully terminated enclave " + answer.id + ".");
            list.append(terminated_json(*answer.record));
        } else if (answer.record.error().is(enclave::EnclaveErrc::not_permitted)) {
            output.say("Enclave " + answer.id + " belongs to another user and was left alone.");
        } else {
            output.say("Warning: Failed to stop enclave " + answer.id +
                       "\nError message: " + answer.record.error().detail());
            ++failed;
        }
    }
    const int status = output.result(list);
    return failed == 0 ? status
                       : failed_connections(failed, "some supervisors did not answer", output);
}

}  // namespace

int terminate_enclave(const TerminateEnclaveArguments& arguments, Output& output) {
    output.set_action("Terminate Enclave");
    const auto paths = enclave::find_paths();
    if (!paths) {
        return output.fail(ErrorCode::file_operation, paths.error());
    }
    if (arguments.all) {
        return terminate_all(*paths, arguments.timeout_seconds, output);
    }
    const auto id = selected(*paths, arguments.selector);
    if (!id) {
        return output.fail(code_of(id.error(), ErrorCode::naming), id.error().detail());
    }
    return terminate_one(*paths, *id, arguments.timeout_seconds, output);
}

}  // namespace casemate::cli
