// Keys on curves in PKCS #8, and ECDSA signatures in DER.
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <optional>
#include <string>
#include <utility>

#include "crypto/der.hpp"
#include "crypto/digest.hpp"
#include "crypto/key_access.hpp"
#include "crypto/openssl.hpp"
#include "crypto/pkcs8.hpp"

namespace casemate::crypto {

namespace {

using KeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

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

const char* group_of(Curve curve) {
    switch (curve) {
        case Curve::p256:
            return SN_X9_62_prime256v1;
        case Curve::p384:
            return SN_secp384r1;
        case Curve::p521:
            return SN_secp521r1;
        case Curve::other:
            break;
    }
    return nullptr;
}

struct KeyPair {
    EvpKey key;
    PublicKey public_key;
};

// read_written reads the form that to_pkcs8 writes: an ECPrivateKey (RFC 5915) without parameters
// and with the public key. Nothing for any other form, which OpenSSL's decoder is to judge.
std::optional<KeyPair> read_written(ByteView der) {
    constexpr std::uint8_t kPublicKey = 0xa1;
    const auto parts = split_pkcs8(der);
    der::Row outside(parts ? parts->key : ByteView());
    const auto whole = outside.next_if(der::kSequence);
    der::Row row(whole ? whole->content : ByteView());
    const auto version = row.next_if(der::kInteger);
    const auto number = row.next_if(der::kOctetString);
    const auto wrapper = row.next_if(kPublicKey);
    if (!version || version->content.size() != 1 || version->content[0] != 1 || !number ||
        !wrapper || !row.empty()) {
        return std::nullopt;
    }
    auto public_key = PublicKey::from_spki(make_spki(parts->algorithm, wrapper->content));
    if (!public_key || group_of(public_key->curve()) == nullptr ||
        number->content.size() != signature_size(public_key->curve()) / 2) {
        return std::nullopt;
    }
    const std::size_t point = signature_size(public_key->curve()) + 1;
    KeyNumbers numbers;
    numbers.add_text(OSSL_PKEY_PARAM_GROUP_NAME, group_of(public_key->curve()));
    numbers.add_octets(OSSL_PKEY_PARAM_PUB_KEY, ByteView(public_key->spki()).last(point));
    numbers.add(OSSL_PKEY_PARAM_PRIV_KEY, number->content);
    EvpKey key = numbers.make("EC");
    if (!key) {
        return std::nullopt;
    }
    return KeyPair{.key = std::move(key), .public_key = std::move(*public_key)};
}

Result<> check_pair(EVP_PKEY* key) {
    const KeyContext context = make_context(key);
    if (EVP_PKEY_is_a(key, "EC") != 1 || EVP_PKEY_check(context.get()) != 1) {
        return openssl_error(CryptoErrc::bad_encoding,
                             "expected a private key on a curve with the public key that belongs "
                             "to it, found another");
    }
    return {};
}

}  // namespace

// Digests of the smaller curves are not looked up anew each time.
Bytes digest_for(Curve curve, ByteView message) {
    if (curve == Curve::p256) {
        const Digest256 digest = sha256(message);
        return {digest.begin(), digest.end()};
    }
    if (curve == Curve::p384) {
        const Digest384 digest = sha384(message);
        return {digest.begin(), digest.end()};
    }
    const EVP_MD* wanted = message_digest(curve);
    require(wanted != nullptr, "find the digest of a curve");
    Bytes digest(static_cast<std::size_t>(EVP_MD_get_size(wanted)));
    require(
        EVP_Digest(message.data(), message.size(), digest.data(), nullptr, wanted, nullptr) == 1,
        "digest a message");
    return digest;
}

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
    if (auto written = read_written(der)) {
        CASEMATE_CHECK(check_pair(written->key.get()));
        return KeyAccess::adopt(std::move(written->key), std::move(written->public_key));
    }
    CASEMATE_TRY(EvpKey key, read_pkcs8(der));
    CASEMATE_CHECK(check_pair(key.get()));
    return KeyAccess::make_private(std::move(key), false);
}

Result<SecretBytes> PrivateKey::to_pkcs8() const {
    if (in_token_) {
        return Error(CryptoErrc::token_failure, "a token does not give its private keys away");
    }
    return write_pkcs8(handle_.get());
}

Result<PrivateKey::Context> PrivateKey::start_signing() const {
    if (signer_) {
        Context copy(EVP_PKEY_CTX_dup(signer_.get()));
        require(copy != nullptr, "copy a key context");
        return copy;
    }
    Context context(make_context(handle_.get()).release());
    if (EVP_PKEY_sign_init(context.get()) != 1 ||
        EVP_PKEY_CTX_set_signature_md(context.get(), message_digest(public_key_.curve())) != 1) {
        return openssl_error(KeyAccess::failure_of(*this), "the key does not sign");
    }
    return context;
}

Result<Bytes> PrivateKey::sign_der(ByteView message) const {
    return sign_digest_der(digest_for(public_key_.curve(), message));
}

Result<Bytes> PrivateKey::sign_digest_der(ByteView digest) const {
    const EVP_MD* wanted = message_digest(public_key_.curve());
    if (!is_digest_of(wanted, digest)) {
        return Error(CryptoErrc::out_of_range,
                     "expected a digest of " + std::to_string(EVP_MD_get_size(wanted)) +
                         " bytes, found one of " + std::to_string(digest.size()));
    }
    CASEMATE_TRY(const Context context, start_signing());
    Bytes der(kMaxDerSignature);
    std::size_t size = der.size();
    if (EVP_PKEY_sign(context.get(), der.data(), &size, digest.data(), digest.size()) != 1) {
        return openssl_error(KeyAccess::failure_of(*this), "the key does not sign");
    }
    der.resize(size);
    return der;
}

}  // namespace casemate::crypto
