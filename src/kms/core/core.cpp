#include "kms/core/core.hpp"

namespace casemate::kms {

Error at_edge(const Error& error) {
    if (error.code_as<KmsErrc>()) {
        return error;
    }
    if (error.is(StoreErrc::unavailable)) {
        return {KmsErrc::dependency_timeout,
                "The system timed out while trying to fulfill the request. You can retry the "
                "request."};
    }
    if (error.is(StoreErrc::bad_text)) {
        return {KmsErrc::validation, "expected text of Unicode without NUL, found other bytes"};
    }
    if (error.is(StoreErrc::conflict)) {
        return {KmsErrc::conflict,
                "The resource was changed by another request at the same time. Retry the request."};
    }
    return {KmsErrc::internal,
            "The request was rejected because an internal exception occurred. You can retry the "
            "request."};
}

}  // namespace casemate::kms
