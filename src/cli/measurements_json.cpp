#include "cli/measurements_json.hpp"

namespace casemate::cli {

Json measurements_json(const eif::Measurements& measurements) {
    Json json = Json::object();
    json.add("HashAlgorithm", "Sha384 { ... }");
    json.add("PCR0", to_hex(measurements.pcr0));
    json.add("PCR1", to_hex(measurements.pcr1));
    json.add("PCR2", to_hex(measurements.pcr2));
    if (measurements.pcr8) {
        json.add("PCR8", to_hex(*measurements.pcr8));
    }
    return json;
}

Result<> add_metadata(Json& json, const eif::Metadata& metadata) {
    Json shown = Json::object();
    shown.add("BuildTime", metadata.build_time);
    shown.add("BuildTool", metadata.build_tool);
    shown.add("BuildToolVersion", metadata.build_tool_version);
    shown.add("OperatingSystem", metadata.operating_system);
    shown.add("KernelVersion", metadata.kernel_version);
    CASEMATE_TRY(Json docker_info, Json::parse(metadata.docker_info));
    shown.add("DockerInfo", std::move(docker_info));
    CASEMATE_TRY(const Json custom, Json::parse(metadata.custom));
    for (const auto& [key, value] : custom.members()) {
        shown.add(key, value);
    }
    json.add("ImageName", metadata.image_name);
    json.add("ImageVersion", metadata.image_version);
    json.add("Metadata", std::move(shown));
    return {};
}

}  // namespace casemate::cli
