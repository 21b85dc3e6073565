// What the audit log tells of a request, by the names of AWS's CloudTrail.
#pragma once

#include <optional>
#include <string>

#include "http/message.hpp"
#include "kms/core/call.hpp"
#include "kms/core/upkeep.hpp"
#include "kms/operations/operation.hpp"
#include "kms/service/error.hpp"

namespace casemate::kms::service {

// Audited: a request that is about to be answered. Borrowed for the call.
struct Audited {
    const Call* call = nullptr;
    const http::Request* request = nullptr;
    // operation: nullptr for one that names none.
    const Operation* operation = nullptr;
    std::string region;
    // access_key_id that a refused request claims; of an authenticated one it is the caller's.
    std::string claimed_access_key;
    // fault: nothing where the request succeeded.
    std::optional<Fault> fault;
};

// audit_entry is the JSON object for AuditLog::append. What an unauthenticated caller wrote is cut
// short, and never makes it longer than 4 KiB.
[[nodiscard]] std::string audit_entry(const Audited& audited);

// What the service did by itself.
[[nodiscard]] std::string audit_entry(const UpkeepEvent& event, std::string_view region);

}  // namespace casemate::kms::service
