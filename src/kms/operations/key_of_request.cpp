#include "kms/operations/key_of_request.hpp"

namespace casemate::kms {

namespace {

constexpr Bounds kKeyIdSize{1, 2048};

}  // namespace

Result<NamedKey> find_key_without_alias(Core& core, const Call& call, const Fields& fields) {
    CASEMATE_TRY(const std::string key_id, fields.text("KeyId", kKeyIdSize));
    CASEMATE_TRY(const KeyName name, parse_key_name(key_id));
    if (name.kind == KeyName::Kind::alias) {
        return Error(KmsErrc::invalid_arn, "Key Aliases are not supported for this operation.");
    }
    return core.keyring.find(key_id, call.caller);
}

}  // namespace casemate::kms
