// The instance: what this machine says of itself in certificates, in enclaves' ids and in PCR3 and
// PCR4 (formats.md 1.7).
#pragma once

#include <string>

#include "authority/error.hpp"
#include "base/result.hpp"

namespace casemate::authority {

struct Instance {
    // instance_id: "i-" and 8 or 17 hexadecimal digits, lower case.
    std::string instance_id;
    // region: 1 to 15 of a-z, 0-9 and "-", so that the names of certificates stay within 64 bytes.
    std::string region;
    // role_arn: an ARN, or empty: PCR3 stays zero.
    std::string role_arn;

    bool operator==(const Instance&) const = default;
};

// InstanceSources: where an instance id comes from when none is configured.
struct InstanceSources {
    std::string asset_tag = "/sys/devices/virtual/dmi/id/board_asset_tag";
    std::string machine_id = "/etc/machine-id";
};

// read_instance reads FILE (YAML: instance_id, region, role_arn, each optional; CONFIGURATION/
// instance.yaml). What it does not say, or without the file: the instance id is the board's asset
// tag where that is one (on EC2), else derived from the machine id, which itself stays secret
// (machine-id(5)), else random and kept in STATE/instance-id, the directory STATE being there; the
// region is "local"; there is no role. Errors: AuthorityErrc bad_instance, saying the file, the
// line, the key and what was expected; Errno.
[[nodiscard]] Result<Instance> read_instance(const std::string& file, const std::string& state,
                                             const InstanceSources& sources = {});

}  // namespace casemate::authority
