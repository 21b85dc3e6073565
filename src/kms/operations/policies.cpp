#include "kms/operations/policies.hpp"

#include <algorithm>

#include "kms/core/checks.hpp"
#include "kms/operations/own_key.hpp"

namespace casemate::kms {

namespace {

// The only name that a key's policy can have.
constexpr std::string_view kPolicyName = "default";
constexpr Bounds kPolicyNameSize{1, 128};
constexpr Bounds kPolicySize{1, 131072};
constexpr std::size_t kMostPolicies = 1000;
constexpr std::size_t kUsualPolicies = 100;

// is_latin tells whether well-formed UTF-8 has only what AWS takes in a policy: tab, line feed,
// carriage return, and U+0020 to U+00FF.
bool is_latin(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char letter) {
        const auto byte = static_cast<unsigned char>(letter);
        // U+0100 is 0xc4 0x80.
        return (byte >= 0x20 && byte < 0xc4) || byte == '\t' || byte == '\n' || byte == '\r';
    });
}

// The name may be left out.
Result<> check_policy_name(const Fields& fields) {
    CASEMATE_TRY(const std::optional<std::string> name,
                 fields.optional_text("PolicyName", kPolicyNameSize));
    if (name && *name != kPolicyName) {
        return Error(KmsErrc::not_found, "No such policy exists");
    }
    return {};
}

Result<Answer> put_once(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_CHECK(check_policy_name(fields));
    if (!fields.has("Policy")) {
        return Fields::missing("Policy");
    }
    CASEMATE_TRY(const NewPolicy wanted, read_new_policy(fields));
    CASEMATE_TRY(const NamedKey named, own_key(core, call, fields));
    Asked asked;
    asked.action = call.operation;
    asked.key = &named;
    asked.conditions.emplace_back("kms:BypassPolicyLockoutSafetyCheck",
                                  wanted.bypass ? "true" : "false");
    CASEMATE_CHECK(permit(core, call, asked));
    call.notes.parameters.emplace_back("bypassPolicyLockoutSafetyCheck",
                                       wanted.bypass ? "true" : "false");
    Key key = named.key();
    CASEMATE_CHECK(require_state(key, call.operation));
    CASEMATE_CHECK(require_control(call, key, named.known->aliases, wanted));
    key.policy = wanted.text;
    CASEMATE_CHECK(core.repository.update_key(key));
    return call.answer();
}

}  // namespace

Result<NewPolicy> read_new_policy(const Fields& fields) {
    NewPolicy wanted;
    CASEMATE_TRY(wanted.bypass, fields.truth("BypassPolicyLockoutSafetyCheck", false));
    CASEMATE_TRY(std::optional<std::string> text, fields.optional_text("Policy", kPolicySize));
    if (!text) {
        return wanted;
    }
    if (!is_latin(*text)) {
        return Fields::refused("Policy", *text,
                               "Member must satisfy regular expression pattern: "
                               "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+");
    }
    if (text->size() > policy::kMaxPolicySize) {
        return Error(
            KmsErrc::limit_exceeded,
            "The key policy is longer than " + std::to_string(policy::kMaxPolicySize) + " bytes.");
    }
    Result<policy::Policy> read = policy::Policy::parse(*text, policy::Kind::key_policy);
    if (!read) {
        // The sentence is about what the caller wrote, quoted.
        return Error(KmsErrc::malformed_policy, read.error().message());
    }
    wanted.policy = std::move(read).value();
    wanted.text = *std::move(text);
    return wanted;
}

std::string default_policy(std::string_view account) {
    return R"({
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::)" +
           std::string(account) + R"(:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
})";
}

Result<> require_control(const Call& call, const Key& key, const std::vector<std::string>& aliases,
                         const NewPolicy& wanted) {
    if (!wanted.policy || wanted.bypass) {
        return {};
    }
    NamedKey named;
    named.known = std::make_shared<const KnownKey>(
        KnownKey{key, *wanted.policy, aliases, account_of(key.arn)});
    Asked asked;
    asked.action = "PutKeyPolicy";
    asked.key = &named;
    asked.conditions.emplace_back("kms:BypassPolicyLockoutSafetyCheck", "false");
    if (!policy::keeps_control(sources_of(call, asked), request_of(call, asked))) {
        return Error(
            KmsErrc::malformed_policy,
            "The new key policy will not allow you to update the key policy in the future.");
    }
    return {};
}

Result<Answer> get_key_policy(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_CHECK(check_policy_name(fields));
    CASEMATE_TRY(const NamedKey named, permitted_key(core, call, fields));
    Answer answer = call.answer();
    answer["Policy"] = named.key().policy;
    answer["PolicyName"] = kPolicyName;
    return answer;
}

Result<Answer> put_key_policy(Core& core, Call& call) {
    return retried(core, call, put_once);
}

Result<Answer> list_key_policies(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const PageRequest page, read_page_request(fields, kUsualPolicies, kMostPolicies));
    CASEMATE_TRY(const NamedKey named, permitted_key(core, call, fields));
    Answer answer = call.answer();
    json::array names(call.memory);
    if (page.after < kPolicyName) {
        names.emplace_back(kPolicyName);
    }
    answer["PolicyNames"] = std::move(names);
    put_page(answer, std::nullopt);
    return answer;
}

}  // namespace casemate::kms
