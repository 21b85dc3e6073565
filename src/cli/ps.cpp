#include <algorithm>
#include <array>

#include "cli/enclaves.hpp"
#include "cli/verbs.hpp"
#include "enclave/client.hpp"
#include "enclave/registry.hpp"

namespace casemate::cli {

namespace {

using Row = std::array<std::string, 10>;

// Why it ended, why it is not well, or why it ended before it was started again.
std::string reason_of(const enclave::EnclaveRecord& record) {
    if (record.end) {
        return record.end->reason;
    }
    if (!record.health_reason.empty()) {
        return record.health_reason;
    }
    return record.last_end ? "restarted: " + record.last_end->reason : "";
}

Row row_of(const enclave::EnclaveRecord& record) {
    return {record.id,
            record.name,
            std::to_string(record.cid),
            std::to_string(record.cpu_ids.size()),
            std::to_string(record.memory_mib) + " MiB",
            record.acceleration,
            std::string(enclave::name_of(record.state)),
            record.end ? "" : std::string(enclave::name_of(record.health)),
            std::to_string(record.restarts),
            reason_of(record)};
}

std::string table(const std::vector<enclave::EnclaveRecord>& records) {
    std::vector<Row> rows{{"ENCLAVE ID", "NAME", "CID", "CPUS", "MEMORY", "ACCELERATION", "STATE",
                           "HEALTH", "RESTARTS", "REASON"}};
    for (const auto& record : records) {
        rows.push_back(row_of(record));
    }
    std::array<std::size_t, 10> widths{};
    for (const Row& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths.at(i) = std::max(widths.at(i), row.at(i).size());
        }
    }
    std::string text;
    for (const Row& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            line += row.at(i) + std::string(widths.at(i) - row.at(i).size() + 2, ' ');
        }
        text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return text;
}

}  // namespace

int ps(const PsArguments& arguments, Output& output) {
    output.set_action("List Enclaves");
    const auto paths = enclave::find_paths();
    if (!paths) {
        return output.fail(ErrorCode::file_operation, paths.error());
    }
    std::vector<enclave::EnclaveRecord> records;
    if (arguments.all) {
        records = enclave::Registry(*paths).histories();
    } else {
        for (const auto& answer : enclave::describe_all(*paths)) {
            if (answer.record) {
                records.push_back(*answer.record);
            }
        }
    }
    if (!arguments.json) {
        return output.text(table(records));
    }
    Json list = Json::array();
    for (const auto& record : records) {
        list.append(history_json(record));
    }
    return output.result(list);
}

}  // namespace casemate::cli
