// Doctor: what this machine has for enclaves, what follows from it, and what to type.
#pragma once

#include <string>
#include <vector>

#include "enclave/paths.hpp"

namespace casemate::enclave {

// Health: good – as it should be; limited – enclaves run, with a consequence; bad – this keeps
// enclaves from running, or one of the two ways of running them.
enum class Health { good, limited, bad };

[[nodiscard]] std::string_view name_of(Health health);

// Finding: one thing that was looked at, in sentences for people. action is empty when there is
// nothing to do.
struct Finding {
    std::string name;
    Health health = Health::good;
    std::string found;
    std::string consequence;
    std::string action;
};

struct Diagnosis {
    std::vector<Finding> findings;
    // What run-enclave would use: "kvm", "software", or "none" when enclaves can't run.
    std::string acceleration;
};

// examine looks at the machine; it changes nothing and takes less than a second.
[[nodiscard]] Diagnosis examine(const Paths& paths);

}  // namespace casemate::enclave
