#include "policy/error.hpp"

namespace casemate::policy {

std::string_view describe(PolicyErrc code) {
    switch (code) {
        case PolicyErrc::too_large:
            return "policy too large";
        case PolicyErrc::syntax:
            return "syntax errors in policy";
        case PolicyErrc::malformed:
            return "malformed policy";
        case PolicyErrc::invalid_principal:
            return "invalid principal in policy";
    }
    return "unknown policy error";
}

}  // namespace casemate::policy
