#include "kms/operations/public_key.hpp"

#include "kms/core/algorithms.hpp"
#include "kms/operations/key_use.hpp"

namespace casemate::kms {

Result<Answer> get_public_key(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const NamedKey named, take_key(core, call, fields, std::nullopt, Asked{}));
    const Key& key = named.key();
    CASEMATE_TRY(const Bytes public_key, core.keyring.public_key(key));
    Answer answer = call.answer();
    answer["KeyId"] = key.arn;
    put_blob(answer, "PublicKey", public_key);
    answer["CustomerMasterKeySpec"] = name_of(key.spec);
    answer["KeySpec"] = name_of(key.spec);
    answer["KeyUsage"] = name_of(key.usage);
    put_algorithms(answer, key);
    return answer;
}

}  // namespace casemate::kms
