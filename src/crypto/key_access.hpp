// What the files of this room share of keys. No other room includes this header.
#pragma once

#include <openssl/evp.h>

#include "crypto/key.hpp"
#include "crypto/openssl.hpp"

namespace casemate::crypto {

using EvpKey = Owned<EVP_PKEY, EVP_PKEY_free>;

// message_digest is the digest of the curve's size; null for other kinds of key.
[[nodiscard]] const EVP_MD* message_digest(Curve curve);

// KeyAccess: OpenSSL's own objects behind the keys, which stay theirs.
struct KeyAccess {
    [[nodiscard]] static EVP_PKEY* handle(const PublicKey& key);
    [[nodiscard]] static EVP_PKEY* handle(const PrivateKey& key) { return key.handle_.get(); }
    // failure_of is the code of what goes wrong while the key is used.
    [[nodiscard]] static CryptoErrc failure_of(const PrivateKey& key) {
        return key.in_token_ ? CryptoErrc::token_failure : CryptoErrc::library_failure;
    }
    // make_private takes a key on one of the curves over, with its public half. Errors: CryptoErrc
    // bad_encoding for any other kind of key.
    [[nodiscard]] static Result<PrivateKey> make_private(EvpKey key, bool in_token);
    // adopt takes a key in memory over, whose public half is known and belongs to it.
    [[nodiscard]] static PrivateKey adopt(EvpKey key, PublicKey public_key) {
        return {PrivateKey::Handle(key.release()), std::move(public_key), false};
    }
};

}  // namespace casemate::crypto
