// Keys on curves in PKCS #8, and ECDSA signatures in DER.
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <string>

#include "crypto/key_access.hpp"
#include "crypto/openssl.hpp"
#include "crypto/pkcs8.hpp"

namespace casemate::crypto {

namespace {

using KeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using DigestContext = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;

bool is_digest_of(const EVP_MD* wanted, ByteView digest) {
    return wanted != nullptr && digest.size() == static_cast<std::size_t>(EVP_MD_get_size(wanted));
}

KeyContext make_context(EVP_PKEY* key) {
    KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    require(context != nullptr, "make a key context");
    return context;
}

// The longest signature has two numbers of 66 bytes, with a tag, a length and a sign each.
constexpr std::size_t kMaxDerSignature = 160;

}  // namespace

bool PublicKey::verifies_digest_der(ByteView digest, ByteView der_signature) const {
    const EVP_MD* wanted = message_digest(curve());
    if (!is_digest_of(wanted, digest)) {
        return false;
    }
    const KeyContext context = make_context(KeyAccess::handle(*this));
    const bool verified = EVP_PKEY_verify_init(context.get()) == 1 &&
                          EVP_PKEY_CTX_set_signature_md(context.get(), wanted) == 1 &&
                          EVP_PKEY_verify(context.get(), der_signature.data(), der_signature.size(),
                                          digest.data(), digest.size()) == 1;
    ERR_clear_error();
    return verified;
}

Result<PrivateKey> PrivateKey::from_pkcs8(ByteView der) {
    CASEMATE_TRY(EvpKey key, read_pkcs8(der));
    const KeyContext context = make_context(key.get());
    if (EVP_PKEY_is_a(key.get(), "EC") != 1 || EVP_PKEY_check(context.get()) != 1) {
        return openssl_error(CryptoErrc::bad_encoding,
                             "expected a private key on a curve with the public key that belongs "
                             "to it, found another");
    }
    return KeyAccess::make_private(std::move(key), false);
}

Result<SecretBytes> PrivateKey::to_pkcs8() const {
    if (in_token_) {
        return Error(CryptoErrc::token_failure, "a token does not give its private keys away");
    }
    return write_pkcs8(handle_.get());
}

Result<Bytes> PrivateKey::sign_der(ByteView message) const {
    const DigestContext context(EVP_MD_CTX_new());
    require(context != nullptr, "make a digest context");
    Bytes der(kMaxDerSignature);
    std::size_t size = der.size();
    if (EVP_DigestSignInit(context.get(), nullptr, message_digest(public_key_.curve()), nullptr,
                           handle_.get()) != 1 ||
        EVP_DigestSign(context.get(), der.data(), &size, message.data(), message.size()) != 1) {
        return openssl_error(KeyAccess::failure_of(*this), "the key does not sign");
    }
    der.resize(size);
    return der;
}

Result<Bytes> PrivateKey::sign_digest_der(ByteView digest) const {
    const EVP_MD* wanted = message_digest(public_key_.curve());
    if (!is_digest_of(wanted, digest)) {
        return Error(CryptoErrc::out_of_range,
                     "expected a digest of " + std::to_string(EVP_MD_get_size(wanted)) +
                         " bytes, found one of " + std::to_string(digest.size()));
    }
    const KeyContext context = make_context(handle_.get());
    Bytes der(kMaxDerSignature);
    std::size_t size = der.size();
    if (EVP_PKEY_sign_init(context.get()) != 1 ||
        EVP_PKEY_CTX_set_signature_md(context.get(), wanted) != 1 ||
        EVP_PKEY_sign(context.get(), der.data(), &size, digest.data(), digest.size()) != 1) {
        return openssl_error(KeyAccess::failure_of(*this), "the key does not sign");
    }
    der.resize(size);
    return der;
}

}  // namespace casemate::crypto
