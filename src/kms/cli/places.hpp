// Places: where things are on this machine.
#pragma once

#include <functional>
#include <string>

#include "base/result.hpp"

namespace casemate::kms::cli {

struct Places {
    // configuration: the file that is read where --config names none
    // (CASEMATE_CONFIG_DIR/kms.yaml).
    std::string configuration;
    // parent_ports: RUNTIME/parent, whose sockets enclaves reach as the parent's ports.
    std::string parent_ports;
    // make_directories makes that directory where it is missing.
    std::function<Result<>()> make_directories = [] { return Result<>(); };
    // authority_root: the certificate of this machine's attestation authority.
    std::string authority_root;
};

}  // namespace casemate::kms::cli
