#include "kms/operations/mac.hpp"

#include "crypto/mac.hpp"
#include "kms/core/algorithms.hpp"
#include "kms/core/checks.hpp"
#include "kms/operations/key_use.hpp"

namespace casemate::kms {

namespace {

constexpr Bounds kMac{1, 6144};

// Authentication: what both have in common, checked.
struct Authentication {
    NamedKey key;
    MacName algorithm;
    SecretBytes message;
};

Result<Authentication> begin(Core& core, Call& call, const Fields& fields) {
    CASEMATE_TRY(SecretBytes message, fields.secret_blob("Message", {1, kMaxMessage}));
    CASEMATE_TRY(const MacName algorithm,
                 fields.choice<MacName>("MacAlgorithm", parse_mac_algorithm, kMacAlgorithms));
    call.notes.parameters.emplace_back("MacAlgorithm", algorithm.name);
    Asked asked;
    asked.conditions = {{"kms:MacAlgorithm", std::string(algorithm.name)}};
    CASEMATE_TRY(NamedKey key,
                 take_key(core, call, fields, KeyUsage::generate_verify_mac, std::move(asked)));
    CASEMATE_CHECK(check_algorithm(key.key(), algorithm.name));
    CASEMATE_CHECK(stop_if_dry_run(fields));
    return Authentication{std::move(key), algorithm, std::move(message)};
}

}  // namespace

Result<Answer> generate_mac(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const Authentication what, begin(core, call, fields));
    const Key& key = what.key.key();
    CASEMATE_TRY(const auto material, core.keyring.current(key));
    const SecretBytes mac =
        crypto::hmac(mac_of(key.spec), material->bytes().view(), what.message.view());
    Answer answer = call.answer();
    answer["KeyId"] = key.arn;
    put_blob(answer, "Mac", mac.view());
    answer["MacAlgorithm"] = what.algorithm.name;
    return answer;
}

Result<Answer> verify_mac(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const Bytes mac, fields.blob("Mac", kMac));
    CASEMATE_TRY(const Authentication what, begin(core, call, fields));
    const Key& key = what.key.key();
    CASEMATE_TRY(const auto material, core.keyring.current(key));
    if (!crypto::verify_hmac(mac_of(key.spec), material->bytes().view(), what.message.view(),
                             mac)) {
        return Error(KmsErrc::kms_invalid_mac, "");
    }
    Answer answer = call.answer();
    answer["KeyId"] = key.arn;
    answer["MacAlgorithm"] = what.algorithm.name;
    answer["MacValid"] = true;
    return answer;
}

}  // namespace casemate::kms
