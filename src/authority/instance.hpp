// The instance: what this machine says of itself in certificates, in enclaves' ids and in PCR3 and
// PCR4 (formats.md 1.7).
#pragma once

#include <string>

#include "base/result.hpp"

namespace casemate::authority {

struct Instance {
    // instance_id: "i-" and 8 or 17 hexadecimal digits.
    std::string instance_id;
    // region: 1 to 15 of a-z, 0-9 and "-", so that the names of certificates stay within 64 bytes.
    std::string region;
    // role_arn: an ARN, or empty: PCR3 stays zero.
    std::string role_arn;

    bool operator==(const Instance&) const = default;
};

// read_instance reads FILE (YAML: instance_id, region, role_arn, each optional; CONFIGURATION/
// instance.yaml). What it does not say, or without the file: the instance id is the board's asset
// tag where that is one (on EC2), else derived from /etc/machine-id, which itself stays secret,
// else random and kept in state/instance-id; the region is "local"; there is no role. Errors:
// AuthorityErrc bad_instance, saying the file, the key and what was expected; Errno.
[[nodiscard]] Result<Instance> read_instance(const std::string& file, const std::string& state);

}  // namespace casemate::authority
