#include "cli/enclaves.hpp"
#include "cli/verbs.hpp"
#include "enclave/client.hpp"

namespace casemate::cli {

namespace {

constexpr int kUnhealthy = 1;
constexpr int kUndecided = 3;

std::string explanation(const enclave::EnclaveRecord& record) {
    switch (record.health) {
        case enclave::HealthState::healthy:
            return "";
        case enclave::HealthState::unhealthy:
            return ": " + record.health_reason;
        case enclave::HealthState::starting:
            return record.last_end ? ", after " + record.last_end->reason : "";
        case enclave::HealthState::unknown:
            return ": its init says nothing of itself; --health-port lets its program be asked";
    }
    return "";
}

int status_of(enclave::HealthState health) {
    if (health == enclave::HealthState::healthy) {
        return 0;
    }
    return health == enclave::HealthState::unhealthy ? kUnhealthy : kUndecided;
}

}  // namespace

int health(const HealthArguments& arguments, Output& output) {
    output.set_action("Enclave Health");
    const auto paths = enclave::find_paths();
    if (!paths) {
        return output.fail(ErrorCode::file_operation, paths.error());
    }
    const auto id = selected(*paths, arguments.selector);
    if (!id) {
        return output.fail(code_of(id.error(), ErrorCode::naming), id.error().detail());
    }
    const auto record = enclave::describe(*paths, *id);
    if (!record) {
        return output.fail(code_of(record.error(), ErrorCode::socket), record.error().detail());
    }
    const int written =
        output.text(std::string(enclave::name_of(record->health)) + explanation(*record) + "\n");
    return written != 0 ? written : status_of(record->health);
}

}  // namespace casemate::cli
