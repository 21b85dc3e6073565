#include "kms/operations/own_key.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "kms/core/checks.hpp"

namespace casemate::kms {

namespace {

constexpr Bounds kKeyIdSize{1, 2048};

constexpr auto kStateRules = std::to_array<StateRule>({
    {"CancelKeyDeletion", false, false, false, true},
    {"CreateAlias", true, true, true, false},
    {"DeleteAlias"},
    {"DescribeKey"},
    {"DisableKey", true, true, false, false},
    {"EnableKey", true, true, false, false},
    {"GetKeyPolicy"},
    {"ListAliases"},
    {"ListKeyPolicies"},
    {"ListResourceTags"},
    {"PutKeyPolicy"},
    {"ScheduleKeyDeletion", true, true, true, false},
    {"TagResource", true, true, true, false},
    {"UntagResource", true, true, true, false},
    // Of the key that the alias is moved to; the one that it leaves may be in any state.
    {"UpdateAlias", true, true, true, false},
    {"UpdateKeyDescription", true, true, true, false},
});

bool takes(const StateRule& rule, KeyState state) {
    switch (state) {
        case KeyState::enabled:
            return rule.enabled;
        case KeyState::disabled:
            return rule.disabled;
        case KeyState::pending_import:
            return rule.pending_import;
        case KeyState::pending_deletion:
            return rule.pending_deletion;
    }
    return false;
}

}  // namespace

std::unique_lock<std::mutex> next_try() {
    static std::mutex mutex;
    return std::unique_lock<std::mutex>(mutex);
}

std::span<const StateRule> state_rules() {
    return kStateRules;
}

Result<> require_state(const Key& key, std::string_view operation) {
    const auto* rule = std::ranges::find(kStateRules, operation, &StateRule::operation);
    if (rule == kStateRules.end()) {
        return Error(KmsErrc::internal,
                     "expected a rule of states for " + std::string(operation) + ", found none");
    }
    if (takes(*rule, key.state)) {
        return {};
    }
    std::string_view found = " is not pending deletion.";
    if (key.state == KeyState::pending_deletion) {
        found = " is pending deletion.";
    } else if (key.state == KeyState::pending_import && !rule->pending_deletion) {
        found = " is pending import.";
    }
    return Error(KmsErrc::kms_invalid_state, key.arn + std::string(found));
}

Result<NamedKey> own_key(Core& core, const Call& call, const Fields& fields,
                         std::string_view member) {
    CASEMATE_TRY(const std::string text, fields.text(member, kKeyIdSize));
    CASEMATE_TRY(const KeyName name, parse_key_name(text));
    if (name.kind == KeyName::Kind::alias) {
        return Error(KmsErrc::not_found,
                     name.arn ? "Invalid arn " + text : "Invalid keyId '" + text + "'");
    }
    CASEMATE_TRY(NamedKey named, core.keyring.find(text, call.caller));
    CASEMATE_CHECK(require_own_account(call, *named.known));
    return named;
}

Result<NamedKey> permitted_key(Core& core, Call& call, const Fields& fields) {
    CASEMATE_TRY(NamedKey named, own_key(core, call, fields));
    Asked asked;
    asked.action = call.operation;
    asked.key = &named;
    CASEMATE_CHECK(permit(core, call, asked));
    return named;
}

}  // namespace casemate::kms
