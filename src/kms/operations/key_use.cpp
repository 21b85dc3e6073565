#include "kms/operations/key_use.hpp"

#include "kms/core/checks.hpp"

namespace casemate::kms {

namespace {

constexpr Bounds kKeyId{1, 2048};

}  // namespace

Result<NamedKey> take_key(Core& core, Call& call, const Fields& fields,
                          std::optional<KeyUsage> usage, Asked asked) {
    CASEMATE_TRY(const std::string key_id, fields.text("KeyId", kKeyId));
    CASEMATE_TRY(NamedKey named, core.keyring.find(key_id, call.caller));
    asked.action = call.operation;
    asked.key = &named;
    CASEMATE_CHECK(permit(core, call, asked));
    CASEMATE_CHECK(require_enabled(call, named.key()));
    if (usage) {
        CASEMATE_CHECK(require_usage(named.key(), *usage, call.operation));
    }
    return named;
}

}  // namespace casemate::kms
