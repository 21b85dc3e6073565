#include "crypto/key.hpp"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "crypto/key_access.hpp"
#include "crypto/openssl.hpp"

namespace casemate::crypto {

namespace {

using KeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using DigestContext = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using EcdsaSignature = Owned<ECDSA_SIG, ECDSA_SIG_free>;
using BigNumber = Owned<BIGNUM, BN_free>;

// A key's DER is the same for all keys of a curve up to the point's coordinates: id-ecPublicKey
// with the named curve, and an uncompressed point (RFC 5480 2). It is the only form that is taken.
constexpr auto kSpkiP256 = std::to_array<std::uint8_t>(
    {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
     0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04});
constexpr auto kSpkiP384 = std::to_array<std::uint8_t>(
    {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
     0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04});
constexpr auto kSpkiP521 = std::to_array<std::uint8_t>(
    {0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
     0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00, 0x04});

struct CurveFacts {
    Curve curve;
    // group is OpenSSL's name of it.
    const char* group;
    // Bytes of one coordinate, and of one half of a signature.
    std::size_t half;
    ByteView spki_prefix;
    const EVP_MD* (*digest)();
};

const auto kCurves = std::to_array<CurveFacts>({
    {Curve::p256, SN_X9_62_prime256v1, 32, kSpkiP256, EVP_sha256},
    {Curve::p384, SN_secp384r1, 48, kSpkiP384, EVP_sha384},
    {Curve::p521, SN_secp521r1, 66, kSpkiP521, EVP_sha512},
});

const CurveFacts* facts_of(Curve curve) {
    const auto* found = std::ranges::find(kCurves, curve, &CurveFacts::curve);
    return found == kCurves.end() ? nullptr : found;
}

const CurveFacts* facts_of_spki(ByteView der) {
    const auto* found = std::ranges::find_if(kCurves, [&](const CurveFacts& facts) {
        const std::size_t prefix = facts.spki_prefix.size();
        return der.size() == prefix + 2 * facts.half &&
               std::ranges::equal(der.first(prefix), facts.spki_prefix);
    });
    return found == kCurves.end() ? nullptr : found;
}

Error bad_key(const char* sentence) {
    return openssl_error(CryptoErrc::bad_encoding, sentence);
}

// decode_point makes a key of an uncompressed point (which begins with 4).
Result<EvpKey> decode_point(const CurveFacts& facts, ByteView point) {
    // OpenSSL's parameters take names and points as not const, and read them only.
    Bytes copy(point.begin(), point.end());
    std::string group = facts.group;
    std::array<OSSL_PARAM, 3> parameters = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy.data(), copy.size()),
        OSSL_PARAM_construct_end()};
    const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
    require(context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1, "start a key");
    EVP_PKEY* key = nullptr;
    if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.data()) != 1) {
        return bad_key("expected a public key on its curve, found no point of it");
    }
    return EvpKey(key);
}

Result<Bytes> encode_spki(const EVP_PKEY* key) {
    const int size = i2d_PUBKEY(key, nullptr);
    if (size <= 0) {
        return bad_key("the public key can't be encoded");
    }
    Bytes der(static_cast<std::size_t>(size));
    unsigned char* out = der.data();
    if (i2d_PUBKEY(key, &out) != size) {
        return bad_key("the public key can't be encoded");
    }
    return der;
}

bool is_on_known_curve(const EVP_PKEY* key) {
    std::array<char, 64> name{};
    std::size_t size = 0;
    return EVP_PKEY_get_group_name(key, name.data(), name.size(), &size) == 1 &&
           std::ranges::any_of(kCurves, [&](const CurveFacts& facts) {
               return std::string_view(facts.group) == std::string_view(name.data(), size);
           });
}

// has_plain_form: a key on an elliptic curve has its curve by name and its point uncompressed.
bool has_plain_form(const EVP_PKEY* key) {
    if (EVP_PKEY_is_a(key, "EC") != 1) {
        return true;
    }
    int is_explicit = 1;
    std::array<char, 32> form{};
    std::size_t size = 0;
    return EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                                  &is_explicit) == 1 &&
           is_explicit == 0 &&
           EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                          form.data(), form.size(), &size) == 1 &&
           std::string_view(form.data(), size) == OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED;
}

// decode_other reads any kind of key that OpenSSL knows, but for those on the curves, whose one
// form is known.
Result<EvpKey> decode_other(ByteView der) {
    const unsigned char* in = der.data();
    EvpKey key(d2i_PUBKEY(nullptr, &in, static_cast<long>(der.size())));
    if (!key || in != der.data() + der.size()) {
        return bad_key("expected a public key in DER, found something else");
    }
    CASEMATE_TRY(const Bytes again, encode_spki(key.get()));
    if (is_on_known_curve(key.get()) || !has_plain_form(key.get()) ||
        !std::ranges::equal(again, der)) {
        return bad_key("expected a public key in its one DER encoding, found another encoding");
    }
    return key;
}

// to_der is r ‖ s as a SEQUENCE of two INTEGERs, as OpenSSL and X.509 want it.
Bytes to_der(ByteView raw) {
    const std::size_t half = raw.size() / 2;
    const EcdsaSignature signature(ECDSA_SIG_new());
    require(signature != nullptr, "make a signature");
    BigNumber r(BN_bin2bn(raw.data(), static_cast<int>(half), nullptr));
    BigNumber s(BN_bin2bn(raw.data() + half, static_cast<int>(half), nullptr));
    require(r != nullptr && s != nullptr, "make a number");
    require(ECDSA_SIG_set0(signature.get(), r.release(), s.release()) == 1, "make a signature");
    const int size = i2d_ECDSA_SIG(signature.get(), nullptr);
    require(size > 0, "encode a signature");
    Bytes der(static_cast<std::size_t>(size));
    unsigned char* out = der.data();
    require(i2d_ECDSA_SIG(signature.get(), &out) == size, "encode a signature");
    return der;
}

// to_raw is r ‖ s, each as long as half; empty where the DER is no signature or one is longer.
Bytes to_raw(ByteView der, std::size_t half) {
    const unsigned char* in = der.data();
    const EcdsaSignature signature(d2i_ECDSA_SIG(nullptr, &in, static_cast<long>(der.size())));
    Bytes raw(2 * half);
    const int wanted = static_cast<int>(half);
    if (!signature || in != der.data() + der.size() ||
        BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), raw.data(), wanted) != wanted ||
        BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), raw.data() + half, wanted) != wanted) {
        return {};
    }
    return raw;
}

}  // namespace

std::size_t signature_size(Curve curve) {
    const CurveFacts* facts = facts_of(curve);
    return facts == nullptr ? 0 : 2 * facts->half;
}

Result<Bytes> raw_signature(Curve curve, ByteView der_signature) {
    Bytes raw = to_raw(der_signature, signature_size(curve) / 2);
    if (raw.empty()) {
        return bad_key("expected a signature in DER on the key's curve, found something else");
    }
    return raw;
}

const EVP_MD* message_digest(Curve curve) {
    const CurveFacts* facts = facts_of(curve);
    return facts == nullptr ? nullptr : facts->digest();
}

struct PublicKey::State {
    EvpKey key;
    Bytes spki;
    Curve curve = Curve::other;
};

Result<PublicKey> PublicKey::from_spki(ByteView der) {
    if (der.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
        return Error(CryptoErrc::bad_encoding, "the public key is too long");
    }
    const CurveFacts* facts = facts_of_spki(der);
    // The prefix ends with the point's first byte.
    auto key = facts != nullptr ? decode_point(*facts, der.subspan(facts->spki_prefix.size() - 1))
                                : decode_other(der);
    if (!key) {
        return std::move(key).error();
    }
    return PublicKey(std::make_shared<const State>(
        State{.key = std::move(*key),
              .spki = Bytes(der.begin(), der.end()),
              .curve = facts != nullptr ? facts->curve : Curve::other}));
}

const Bytes& PublicKey::spki() const {
    return state_->spki;
}

Curve PublicKey::curve() const {
    return state_->curve;
}

bool PublicKey::verifies(ByteView message, ByteView raw_signature) const {
    if (state_->curve == Curve::other || raw_signature.size() != signature_size(state_->curve)) {
        return false;
    }
    return verifies_der(message, to_der(raw_signature));
}

bool PublicKey::verifies_der(ByteView message, ByteView der_signature) const {
    if (state_->curve == Curve::other) {
        return false;
    }
    const DigestContext context(EVP_MD_CTX_new());
    require(context != nullptr, "make a digest context");
    const bool verified =
        EVP_DigestVerifyInit(context.get(), nullptr, message_digest(state_->curve), nullptr,
                             state_->key.get()) == 1 &&
        EVP_DigestVerify(context.get(), der_signature.data(), der_signature.size(), message.data(),
                         message.size()) == 1;
    if (!verified) {
        // OpenSSL's reasons are of no use here, and must not be told with another error.
        ERR_clear_error();
    }
    return verified;
}

EVP_PKEY* KeyAccess::handle(const PublicKey& key) {
    return key.state_->key.get();
}

Result<PrivateKey> KeyAccess::make_private(EvpKey key, bool in_token) {
    CASEMATE_TRY(const Bytes spki, encode_spki(key.get()));
    CASEMATE_TRY(PublicKey public_key, PublicKey::from_spki(spki));
    if (public_key.curve() == Curve::other) {
        return Error(CryptoErrc::bad_encoding,
                     "expected a private key on P-256, P-384 or P-521, found another kind");
    }
    return PrivateKey(PrivateKey::Handle(key.release()), std::move(public_key), in_token);
}

void PrivateKey::FreeKey::operator()(evp_pkey_st* key) const {
    EVP_PKEY_free(key);
}

PrivateKey::PrivateKey(Handle handle, PublicKey public_key, bool in_token)
    : handle_(std::move(handle)), public_key_(std::move(public_key)), in_token_(in_token) {
    if (!in_token_) {
        // Where it can't be made, signing says why.
        if (auto signer = start_signing()) {
            signer_ = std::move(*signer);
        }
    }
}

void PrivateKey::FreeContext::operator()(evp_pkey_ctx_st* context) const {
    EVP_PKEY_CTX_free(context);
}

PrivateKey::PrivateKey(PrivateKey&& other) noexcept = default;
PrivateKey& PrivateKey::operator=(PrivateKey&& other) noexcept = default;
PrivateKey::~PrivateKey() = default;

Result<PrivateKey> PrivateKey::generate(Curve curve) {
    const CurveFacts* facts = facts_of(curve);
    if (facts == nullptr) {
        return Error(CryptoErrc::library_failure, "expected P-256, P-384 or P-521 as the curve");
    }
    EvpKey key(EVP_EC_gen(facts->group));
    if (!key) {
        return openssl_error(CryptoErrc::library_failure, "no key could be generated");
    }
    return KeyAccess::make_private(std::move(key), false);
}

Result<PrivateKey> PrivateKey::from_pem(ByteView pem) {
    if (pem.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
        return Error(CryptoErrc::bad_encoding, "the PEM text is too long");
    }
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    EvpKey key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr) : nullptr);
    if (!key) {
        return bad_key("expected an unencrypted private key in PEM, found none that can be read");
    }
    // A key whose two halves don't belong together would sign what nobody can verify.
    const KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    require(context != nullptr, "make a key context");
    if (EVP_PKEY_is_a(key.get(), "EC") == 1 && EVP_PKEY_check(context.get()) != 1) {
        return bad_key("the private key and its public key don't belong together");
    }
    return KeyAccess::make_private(std::move(key), false);
}

Result<SecretBytes> PrivateKey::to_pem() const {
    if (in_token_) {
        return Error(CryptoErrc::token_failure, "a token does not give its private keys away");
    }
    // This kind of buffer is cleansed when it grows and when it goes.
    const Bio bio(BIO_new(BIO_s_secmem()));
    if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), handle_.get(), nullptr, nullptr, 0,
                                              nullptr, nullptr) != 1) {
        return openssl_error(CryptoErrc::library_failure, "the private key can't be encoded");
    }
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    SecretBytes pem(static_cast<std::size_t>(size));
    std::copy_n(text, size, pem.mutable_view().begin());
    return pem;
}

Result<Bytes> PrivateKey::sign(ByteView message) const {
    const CryptoErrc failure = KeyAccess::failure_of(*this);
    const DigestContext context(EVP_MD_CTX_new());
    require(context != nullptr, "make a digest context");
    // The longest signature has two numbers of 66 bytes, with a tag, a length and a sign each.
    std::array<std::uint8_t, 160> der{};
    std::size_t size = der.size();
    if (EVP_DigestSignInit(context.get(), nullptr, message_digest(public_key_.curve()), nullptr,
                           handle_.get()) != 1 ||
        EVP_DigestSign(context.get(), der.data(), &size, message.data(), message.size()) != 1) {
        return openssl_error(failure, "the key does not sign");
    }
    Bytes raw = to_raw(ByteView(der).first(size), signature_size(public_key_.curve()) / 2);
    if (raw.empty()) {
        return openssl_error(failure, "the key made a signature that is none");
    }
    return raw;
}

}  // namespace casemate::crypto
