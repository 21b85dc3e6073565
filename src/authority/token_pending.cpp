#include "crypto/key.hpp"

namespace casemate::crypto {

Result<PrivateKey> PrivateKey::from_token(const std::string& /*uri*/) {
    return Error(CryptoErrc::token_failure, "expected support of tokens, found none");
}

}  // namespace casemate::crypto
