// Keys of RSA in a PKCS #11 token, to decrypt with.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "crypto/error.hpp"
#include "crypto/rsa.hpp"

struct evp_pkey_st;

namespace casemate::crypto {

// TokenRsaKey: a key whose private half stays in its token. Move-only.
class TokenRsaKey {
public:
    // find finds a key by its URI (RFC 7512), as PrivateKey::from_token does. Errors: CryptoErrc
    // token_failure, without the PIN; out_of_range as RsaPublicKey::from_spki; Errno for the PIN's
    // file.
    [[nodiscard]] static Result<TokenRsaKey> find(const std::string& uri);

    TokenRsaKey(TokenRsaKey&& other) noexcept;
    TokenRsaKey& operator=(TokenRsaKey&& other) noexcept;
    ~TokenRsaKey();

    [[nodiscard]] const RsaPublicKey& public_key() const { return public_key_; }

    // decrypt gives what was encrypted by OAEP. The token does it whole where it knows the hash;
    // else it does RSA alone (CKM_RSA_X_509), and OpenSSL takes the padding off. Errors: CryptoErrc
    // token_failure, also when the ciphertext is another key's: a token does not tell these apart.
    [[nodiscard]] Result<SecretBytes> decrypt(OaepHash hash, ByteView ciphertext) const;

private:
    struct FreeKey {
        void operator()(evp_pkey_st* key) const;
    };
    using Handle = std::unique_ptr<evp_pkey_st, FreeKey>;
    TokenRsaKey(Handle handle, RsaPublicKey public_key);

    Handle handle_;
    RsaPublicKey public_key_;
};

}  // namespace casemate::crypto
