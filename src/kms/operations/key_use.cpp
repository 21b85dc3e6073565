#include "kms/operations/key_use.hpp"

#include "kms/core/checks.hpp"

namespace casemate::kms {

namespace {

constexpr Bounds kKeyId{1, 2048};
constexpr Bounds kGrantTokens{0, 10};
constexpr std::size_t kMaxGrantToken = 8192;

}  // namespace

Result<> read_grant_tokens(const Fields& fields) {
    CASEMATE_TRY(const std::vector<std::string> tokens, fields.texts("GrantTokens", kGrantTokens));
    for (const std::string& token : tokens) {
        if (token.empty() || token.size() > kMaxGrantToken) {
            return Fields::refused("GrantTokens", "[" + token.substr(0, kMaxGrantToken) + "]",
                                   "Member must satisfy constraint: [Member must have length less "
                                   "than or equal to 8192, Member must have length greater than "
                                   "or equal to 1]");
        }
    }
    return {};
}

Result<NamedKey> take_key(Core& core, Call& call, const Fields& fields,
                          std::optional<KeyUsage> usage, Asked asked) {
    CASEMATE_TRY(const std::string key_id, fields.text("KeyId", kKeyId));
    CASEMATE_CHECK(read_grant_tokens(fields));
    CASEMATE_TRY(NamedKey named, core.keyring.find(key_id, call.caller));
    asked.action = call.operation;
    asked.key = &named;
    CASEMATE_CHECK(permit(core, call, asked));
    CASEMATE_CHECK(require_enabled(named.key()));
    if (usage) {
        CASEMATE_CHECK(require_usage(named.key(), *usage, call.operation));
    }
    return named;
}

}  // namespace casemate::kms
