#include "enclave/doctor.hpp"

#include "cli/enclaves.hpp"
#include "cli/verbs.hpp"

namespace casemate::cli {

namespace {

std::string_view mark(enclave::Health health) {
    switch (health) {
        case enclave::Health::good:
            return "[ok]  ";
        case enclave::Health::limited:
            return "[note]";
        case enclave::Health::bad:
            return "[bad] ";
    }
    return "";
}

std::string conclusion(const std::string& acceleration) {
    if (acceleration == "kvm") {
        return "Enclaves run here, on hardware virtualization (--accel kvm).\n";
    }
    if (acceleration == "software") {
        return "Enclaves run here, in the software host (--accel software).\n";
    }
    return "Enclaves can't run here yet; see above for what to do.\n";
}

std::string as_page(const enclave::Diagnosis& diagnosis) {
    std::string page;
    for (const enclave::Finding& finding : diagnosis.findings) {
        page +=
            std::string(mark(finding.health)) + " " + finding.name + ": " + finding.found + "\n";
        if (!finding.consequence.empty()) {
            page += "       " + finding.consequence + "\n";
        }
        if (!finding.action.empty()) {
            page += "       -> " + finding.action + "\n";
        }
    }
    return page + "\n" + conclusion(diagnosis.acceleration);
}

Json as_json(const enclave::Diagnosis& diagnosis) {
    Json list = Json::array();
    for (const enclave::Finding& finding : diagnosis.findings) {
        Json entry = Json::object();
        entry.add("Name", finding.name);
        entry.add("Health", enclave::name_of(finding.health));
        entry.add("Found", finding.found);
        entry.add("Consequence", finding.consequence);
        entry.add("Action", finding.action);
        list.append(std::move(entry));
    }
    Json json = Json::object();
    json.add("Acceleration", diagnosis.acceleration);
    json.add("Findings", std::move(list));
    return json;
}

}  // namespace

int doctor(const DoctorArguments& arguments, Output& output) {
    output.set_action("Examine Machine");
    const auto paths = enclave::find_paths();
    if (!paths) {
        return output.fail(ErrorCode::file_operation, paths.error());
    }
    const enclave::Diagnosis diagnosis = enclave::examine(*paths);
    const int written =
        arguments.json ? output.result(as_json(diagnosis)) : output.text(as_page(diagnosis));
    // A script can ask whether enclaves run here.
    return written != 0 || diagnosis.acceleration != "none" ? written : 1;
}

}  // namespace casemate::cli
