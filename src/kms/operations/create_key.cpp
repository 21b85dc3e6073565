// CreateKey.
#include <algorithm>
#include <array>

#include "kms/core/algorithms.hpp"
#include "kms/core/checks.hpp"
#include "kms/operations/key_metadata.hpp"
#include "kms/operations/keys.hpp"
#include "kms/operations/policies.hpp"
#include "kms/operations/tags.hpp"

namespace casemate::kms {

namespace {

constexpr Bounds kDescriptionSize{0, 8192};
constexpr std::string_view kSpecs =
    "[RSA_2048, RSA_3072, RSA_4096, ECC_NIST_P256, ECC_NIST_P384, ECC_NIST_P521, ECC_SECG_P256K1, "
    "SYMMETRIC_DEFAULT, HMAC_224, HMAC_256, HMAC_384, HMAC_512, SM2, ML_DSA_44, ML_DSA_65, "
    "ML_DSA_87, ECC_NIST_EDWARDS25519]";
// AWS's specs that this service has not.
constexpr auto kOtherSpecs =
    std::to_array<std::string_view>({"ECC_SECG_P256K1", "HMAC_224", "SM2", "ML_DSA_44", "ML_DSA_65",
                                     "ML_DSA_87", "ECC_NIST_EDWARDS25519"});
constexpr std::string_view kUsages =
    "[SIGN_VERIFY, ENCRYPT_DECRYPT, GENERATE_VERIFY_MAC, KEY_AGREEMENT]";
constexpr std::string_view kOrigins = "[AWS_KMS, EXTERNAL, AWS_CLOUDHSM, EXTERNAL_KEY_STORE]";
constexpr auto kOtherOrigins =
    std::to_array<std::string_view>({"AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"});

Error unsupported(std::string_view member, std::string_view found) {
    return {KmsErrc::unsupported_operation,
            std::string(member) + " " + std::string(found) + " is not supported by this service."};
}

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

Result<KeySpec> read_spec(const Fields& fields) {
    if (fields.has("KeySpec") && fields.has("CustomerMasterKeySpec")) {
        return Error(KmsErrc::validation,
                     "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. "
                     "CustomerMasterKeySpec is deprecated.");
    }
    const std::string_view member =
        fields.has("CustomerMasterKeySpec") ? "CustomerMasterKeySpec" : "KeySpec";
    CASEMATE_TRY(const std::optional<std::string> name, fields.optional_text(member));
    if (!name) {
        return KeySpec::symmetric_default;
    }
    if (contains(kOtherSpecs, *name)) {
        return unsupported("KeySpec", *name);
    }
    const std::optional<KeySpec> spec = parse_key_spec(*name);
    return spec ? Result<KeySpec>(*spec) : Fields::not_in_set(member, *name, kSpecs);
}

Result<KeyUsage> read_usage(const Fields& fields, KeySpec spec) {
    CASEMATE_TRY(const std::optional<KeyUsage> usage,
                 fields.optional_choice<KeyUsage>("KeyUsage", parse_key_usage, kUsages));
    if (!usage && spec != KeySpec::symmetric_default) {
        return Error(KmsErrc::validation,
                     "You must specify a KeyUsage value for all KMS keys except for symmetric "
                     "encryption keys.");
    }
    const KeyUsage wanted = usage.value_or(KeyUsage::encrypt_decrypt);
    if (!allows(spec, wanted)) {
        return Error(KmsErrc::validation, "KeyUsage " + std::string(name_of(wanted)) +
                                              " is not compatible with KeySpec " +
                                              std::string(name_of(spec)));
    }
    return wanted;
}

Result<Origin> read_origin(const Fields& fields) {
    CASEMATE_TRY(const std::optional<std::string> name, fields.optional_text("Origin"));
    if (!name) {
        return Origin::aws_kms;
    }
    if (contains(kOtherOrigins, *name)) {
        return unsupported("Origin", *name);
    }
    const std::optional<Origin> origin = parse_origin(*name);
    return origin ? Result<Origin>(*origin) : Fields::not_in_set("Origin", *name, kOrigins);
}

// What is AWS's alone.
Result<> refuse_others(const Fields& fields) {
    CASEMATE_TRY(const bool multi_region, fields.truth("MultiRegion", false));
    if (multi_region) {
        return unsupported("MultiRegion", "true");
    }
    for (const std::string_view member : {"CustomKeyStoreId", "XksKeyId"}) {
        if (fields.has(member)) {
            return Error(KmsErrc::unsupported_operation,
                         std::string(member) + " is not supported by this service.");
        }
    }
    return {};
}

// Wanted: what a request describes. key has no material yet.
struct Wanted {
    Key key;
    NewPolicy policy;
};

Result<Wanted> read_wanted(const Core& core, const Call& call) {
    const Fields fields(call.input);
    Wanted wanted;
    Key& key = wanted.key;
    CASEMATE_CHECK(refuse_others(fields));
    CASEMATE_TRY(key.origin, read_origin(fields));
    CASEMATE_TRY(key.spec, read_spec(fields));
    CASEMATE_TRY(key.usage, read_usage(fields, key.spec));
    CASEMATE_TRY(const std::optional<std::string> description,
                 fields.optional_text("Description", kDescriptionSize));
    key.description = description.value_or("");
    CASEMATE_TRY(key.tags, read_tags(fields));
    CASEMATE_TRY(wanted.policy, read_new_policy(fields));
    key.policy = wanted.policy.policy ? wanted.policy.text : default_policy(call.caller.account);
    key.id = new_uuid();
    key.arn = key_arn(core.region(), call.caller.account, key.id);
    key.created = call.now;
    return wanted;
}

Result<> permit_creation(Core& core, Call& call, const Wanted& wanted) {
    const Key& key = wanted.key;
    Asked asked;
    asked.action = call.operation;
    asked.conditions = {
        {"kms:KeySpec", std::string(name_of(key.spec))},
        {"kms:KeyUsage", std::string(name_of(key.usage))},
        {"kms:KeyOrigin", std::string(name_of(key.origin))},
        {"kms:MultiRegion", "false"},
        {"kms:BypassPolicyLockoutSafetyCheck", wanted.policy.bypass ? "true" : "false"},
    };
    std::vector<std::string> names;
    put_tag_conditions(asked, key.tags, names);
    if (!key.tags.empty()) {
        asked.action = "TagResource";
        CASEMATE_CHECK(permit(core, call, asked));
        asked.action = call.operation;
    }
    return permit(core, call, asked);
}

}  // namespace

Result<Answer> create_key(Core& core, Call& call) {
    CASEMATE_TRY(Wanted wanted, read_wanted(core, call));
    Key& key = wanted.key;
    for (const auto& [name, value] :
         {std::pair<std::string_view, std::string_view>{"keySpec", name_of(key.spec)},
          {"keyUsage", name_of(key.usage)},
          {"origin", name_of(key.origin)}}) {
        call.notes.parameters.emplace_back(name, value);
    }
    CASEMATE_CHECK(permit_creation(core, call, wanted));
    CASEMATE_CHECK(require_control(call, key, {}, wanted.policy));
    std::optional<Material> first;
    if (key.origin == Origin::external) {
        key.state = KeyState::pending_import;
    } else {
        CASEMATE_TRY(const NewSecret made, generate_secret(key.spec));
        CASEMATE_TRY(first, wrap_material(core.vault, key.id, made, 1, "", key.created));
        key.current_material = first->id;
    }
    CASEMATE_CHECK(core.repository.create_key(key, first));
    call.notes.keys.push_back(key.arn);
    Answer answer = call.answer();
    answer["KeyMetadata"] = key_metadata(key, call.memory);
    return answer;
}

}  // namespace casemate::kms
