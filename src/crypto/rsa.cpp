#include "crypto/rsa.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "crypto/der.hpp"
#include "crypto/der_writer.hpp"
#include "crypto/openssl.hpp"
#include "crypto/pkcs8.hpp"

namespace casemate::crypto {

namespace {

using BigNumber = Owned<BIGNUM, BN_free>;
using SecretNumber = Owned<BIGNUM, BN_clear_free>;
using NumberContext = Owned<BN_CTX, BN_CTX_free>;
using KeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using Parameters = Owned<OSSL_PARAM, OSSL_PARAM_free>;
using ParameterBuilder = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;

constexpr std::size_t kMinBits = 2048;
constexpr std::size_t kMaxBits = 4096;
constexpr std::size_t kMaxExponentBits = 64;
constexpr unsigned long kMinExponent = 65537;
constexpr std::size_t kByteBits = 8;

// AlgorithmIdentifier: rsaEncryption, whose parameters are NULL (RFC 3279 2.3.1).
constexpr auto kRsaEncryption = std::to_array<std::uint8_t>(
    {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00});

Error bad_spki() {
    return openssl_error(CryptoErrc::bad_encoding,
                         "expected a public key of RSA in DER, found something else");
}

// Numbers views the INTEGERs' content, which DER has made positive or not.
struct Numbers {
    ByteView modulus;
    ByteView exponent;
};

std::optional<Numbers> read_numbers(ByteView spki) {
    if (!der::is_der(spki)) {
        return std::nullopt;
    }
    der::Row outside(spki);
    const auto whole = outside.next_if(der::kSequence);
    der::Row row(whole ? whole->content : ByteView());
    const auto algorithm = row.next_if(der::kSequence);
    const auto bits = row.next_if(der::kBitString);
    if (!algorithm || !std::ranges::equal(algorithm->whole, kRsaEncryption) || !bits ||
        !row.empty() || bits->content[0] != 0 || !der::is_der(bits->content.subspan(1))) {
        return std::nullopt;
    }
    der::Row key(bits->content.subspan(1));
    const auto sequence = key.next_if(der::kSequence);
    der::Row inside(sequence ? sequence->content : ByteView());
    const auto modulus = inside.next_if(der::kInteger);
    const auto exponent = inside.next_if(der::kInteger);
    // The first bit is the sign.
    if (!modulus || !exponent || !inside.empty() || (modulus->content[0] & 0x80U) != 0 ||
        (exponent->content[0] & 0x80U) != 0) {
        return std::nullopt;
    }
    return Numbers{modulus->content, exponent->content};
}

BigNumber to_number(ByteView content) {
    BigNumber number(BN_bin2bn(content.data(), static_cast<int>(content.size()), nullptr));
    require(number != nullptr, "make a number");
    return number;
}

// has_small_factor tells whether a prime below 31 divides the number.
bool has_small_factor(const BIGNUM* number) {
    constexpr std::uint64_t kProduct = 2UL * 3 * 5 * 7 * 11 * 13 * 17 * 19 * 23;
    const BN_ULONG rest = BN_mod_word(number, kProduct);
    constexpr auto kPrimes = std::to_array<std::uint64_t>({2, 3, 5, 7, 11, 13, 17, 19, 23});
    return BN_mod_word(number, 29) == 0 ||
           std::ranges::any_of(kPrimes, [&](std::uint64_t prime) { return rest % prime == 0; });
}

Result<> check_numbers(const BIGNUM* modulus, const BIGNUM* exponent) {
    const auto bits = static_cast<std::size_t>(BN_num_bits(modulus));
    if (bits < kMinBits || bits > kMaxBits) {
        return Error(
            CryptoErrc::out_of_range,
            "expected a modulus of RSA of 2048 to 4096 bits, found one of " + std::to_string(bits));
    }
    const auto exponent_bits = static_cast<std::size_t>(BN_num_bits(exponent));
    if (BN_is_odd(exponent) == 0 || exponent_bits > kMaxExponentBits ||
        BN_get_word(exponent) < kMinExponent) {
        return Error(CryptoErrc::out_of_range,
                     "expected an odd public exponent of RSA from 65537, of at most 64 bits, found "
                     "another");
    }
    if (has_small_factor(modulus)) {
        return Error(CryptoErrc::out_of_range,
                     "expected a modulus of RSA of two large primes, found a small factor");
    }
    return {};
}

Result<EvpKey> make_public(const BIGNUM* modulus, const BIGNUM* exponent) {
    const ParameterBuilder builder(OSSL_PARAM_BLD_new());
    require(builder && OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
                OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent) == 1,
            "make a key's parameters");
    const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
    const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    require(parameters && context && EVP_PKEY_fromdata_init(context.get()) == 1, "start a key");
    EVP_PKEY* key = nullptr;
    if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
        return bad_spki();
    }
    return EvpKey(key);
}

const EVP_MD* digest_of(OaepHash hash) {
    return hash == OaepHash::sha1 ? EVP_sha1() : EVP_sha256();
}

const EVP_MD* digest_of(RsaHash hash) {
    switch (hash) {
        case RsaHash::sha256:
            return EVP_sha256();
        case RsaHash::sha384:
            return EVP_sha384();
        case RsaHash::sha512:
            return EVP_sha512();
    }
    return nullptr;
}

KeyContext make_context(EVP_PKEY* key) {
    KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    require(context != nullptr, "make a key context");
    return context;
}

void set_oaep(EVP_PKEY_CTX* context, OaepHash hash) {
    require(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
                EVP_PKEY_CTX_set_rsa_oaep_md(context, digest_of(hash)) == 1 &&
                EVP_PKEY_CTX_set_rsa_mgf1_md(context, digest_of(hash)) == 1,
            "set OAEP");
}

void set_scheme(EVP_PKEY_CTX* context, RsaScheme scheme, RsaHash hash) {
    const bool pss = scheme == RsaScheme::pss;
    require(EVP_PKEY_CTX_set_rsa_padding(context,
                                         pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) == 1 &&
                EVP_PKEY_CTX_set_signature_md(context, digest_of(hash)) == 1,
            "set a signature scheme");
    require(!pss || (EVP_PKEY_CTX_set_rsa_mgf1_md(context, digest_of(hash)) == 1 &&
                     EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1),
            "set PSS");
}

Bytes digest_message(RsaHash hash, ByteView message) {
    Bytes digest(digest_size(hash));
    require(EVP_Digest(message.data(), message.size(), digest.data(), nullptr, digest_of(hash),
                       nullptr) == 1,
            "digest a message");
    return digest;
}

SecretNumber secret_number(const EVP_PKEY* key, const char* name) {
    BIGNUM* number = nullptr;
    static_cast<void>(EVP_PKEY_get_bn_param(key, name, &number));
    return SecretNumber(number);
}

// inverts tells whether the exponents undo each other modulo prime − 1.
bool inverts(const BIGNUM* public_exponent, const BIGNUM* private_exponent, const BIGNUM* prime,
             BN_CTX* numbers) {
    const SecretNumber order(BN_dup(prime));
    const SecretNumber product(BN_new());
    require(order && product && BN_sub_word(order.get(), 1) == 1, "make a number");
    BN_set_flags(order.get(), BN_FLG_CONSTTIME);
    return BN_mod_mul(product.get(), public_exponent, private_exponent, order.get(), numbers) ==
               1 &&
           BN_is_one(product.get()) != 0;
}

// belongs_together checks what costs no search for primes: n = p·q, and d undoes e modulo both
// p − 1 and q − 1.
bool belongs_together(const EVP_PKEY* key) {
    const SecretNumber n = secret_number(key, OSSL_PKEY_PARAM_RSA_N);
    const SecretNumber e = secret_number(key, OSSL_PKEY_PARAM_RSA_E);
    const SecretNumber d = secret_number(key, OSSL_PKEY_PARAM_RSA_D);
    const SecretNumber p = secret_number(key, OSSL_PKEY_PARAM_RSA_FACTOR1);
    const SecretNumber q = secret_number(key, OSSL_PKEY_PARAM_RSA_FACTOR2);
    const SecretNumber third = secret_number(key, OSSL_PKEY_PARAM_RSA_FACTOR3);
    ERR_clear_error();
    if (!n || !e || !d || !p || !q || third) {
        return false;
    }
    const NumberContext numbers(BN_CTX_secure_new());
    const SecretNumber product(BN_new());
    require(numbers && product, "make a number");
    return BN_num_bits(p.get()) == BN_num_bits(q.get()) &&
           BN_mul(product.get(), p.get(), q.get(), numbers.get()) == 1 &&
           BN_cmp(product.get(), n.get()) == 0 && BN_cmp(p.get(), q.get()) != 0 &&
           inverts(e.get(), d.get(), p.get(), numbers.get()) &&
           inverts(e.get(), d.get(), q.get(), numbers.get());
}

struct KeyPair {
    EvpKey key;
    Bytes spki;
};

// read_written reads the form that to_pkcs8 writes: an RSAPrivateKey of two primes (RFC 8017
// A.1.2). Nothing for any other form, which OpenSSL's decoder is to judge.
std::optional<KeyPair> read_written(ByteView der) {
    constexpr auto kNames = std::to_array<const char*>(
        {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_D,
         OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2, OSSL_PKEY_PARAM_RSA_EXPONENT1,
         OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1});
    const auto parts = split_pkcs8(der);
    if (!parts || !std::ranges::equal(parts->algorithm, kRsaEncryption)) {
        return std::nullopt;
    }
    der::Row outside(parts->key);
    const auto whole = outside.next_if(der::kSequence);
    der::Row row(whole ? whole->content : ByteView());
    const auto version = row.next_if(der::kInteger);
    if (!version || version->content.size() != 1 || version->content[0] != 0) {
        return std::nullopt;
    }
    KeyNumbers numbers;
    Bytes public_numbers;
    for (const char* name : kNames) {
        const auto number = row.next_if(der::kInteger);
        if (!number || (number->content[0] & 0x80U) != 0) {
            return std::nullopt;
        }
        numbers.add(name, number->content);
        if (name == kNames[0] || name == kNames[1]) {
            public_numbers.insert(public_numbers.end(), number->whole.begin(), number->whole.end());
        }
    }
    EvpKey key = row.empty() ? numbers.make("RSA") : nullptr;
    if (!key) {
        return std::nullopt;
    }
    Bytes public_key = {0};
    der::append_element(public_key, der::kSequence, public_numbers);
    Bytes bits;
    der::append_element(bits, der::kBitString, public_key);
    return KeyPair{.key = std::move(key), .spki = make_spki(kRsaEncryption, bits)};
}

Result<> check_private(const EVP_PKEY* key) {
    if (EVP_PKEY_is_a(key, "RSA") != 1 || !belongs_together(key)) {
        return Error(CryptoErrc::bad_encoding,
                     "expected a private key of RSA of two primes whose numbers belong together, "
                     "found another");
    }
    return {};
}

}  // namespace

std::size_t digest_size(RsaHash hash) {
    return static_cast<std::size_t>(EVP_MD_get_size(digest_of(hash)));
}

struct RsaPublicKey::State {
    EvpKey key;
    Bytes spki;
    std::size_t bits = 0;
};

Result<RsaPublicKey> RsaPublicKey::from_spki(ByteView der) {
    // 4096 bits take 550 bytes.
    constexpr std::size_t kMaxSpki = 1024;
    const auto numbers = der.size() <= kMaxSpki ? read_numbers(der) : std::nullopt;
    if (!numbers) {
        return bad_spki();
    }
    const BigNumber modulus = to_number(numbers->modulus);
    const BigNumber exponent = to_number(numbers->exponent);
    CASEMATE_CHECK(check_numbers(modulus.get(), exponent.get()));
    CASEMATE_TRY(EvpKey key, make_public(modulus.get(), exponent.get()));
    return RsaPublicKey(std::make_shared<const State>(
        State{.key = std::move(key),
              .spki = Bytes(der.begin(), der.end()),
              .bits = static_cast<std::size_t>(BN_num_bits(modulus.get()))}));
}

const Bytes& RsaPublicKey::spki() const {
    return state_->spki;
}

std::size_t RsaPublicKey::bits() const {
    return state_->bits;
}

std::size_t RsaPublicKey::size() const {
    return (state_->bits + kByteBits - 1) / kByteBits;
}

std::size_t RsaPublicKey::max_plaintext(OaepHash hash) const {
    return size() - 2 - 2 * static_cast<std::size_t>(EVP_MD_get_size(digest_of(hash)));
}

Result<Bytes> RsaPublicKey::encrypt(OaepHash hash, ByteView plaintext) const {
    if (plaintext.size() > max_plaintext(hash)) {
        return Error(CryptoErrc::out_of_range,
                     "expected at most " + std::to_string(max_plaintext(hash)) +
                         " bytes to encrypt, found " + std::to_string(plaintext.size()));
    }
    const KeyContext context = make_context(state_->key.get());
    require(EVP_PKEY_encrypt_init(context.get()) == 1, "start to encrypt");
    set_oaep(context.get(), hash);
    Bytes ciphertext(size());
    std::size_t written = ciphertext.size();
    // OpenSSL takes no address for no bytes as a question for the size.
    const std::uint8_t nothing = 0;
    require(
        EVP_PKEY_encrypt(context.get(), ciphertext.data(), &written,
                         plaintext.empty() ? &nothing : plaintext.data(), plaintext.size()) == 1 &&
            written == ciphertext.size(),
        "encrypt by OAEP");
    return ciphertext;
}

bool RsaPublicKey::verifies(RsaScheme scheme, RsaHash hash, ByteView message,
                            ByteView signature) const {
    return verifies_digest(scheme, hash, digest_message(hash, message), signature);
}

bool RsaPublicKey::verifies_digest(RsaScheme scheme, RsaHash hash, ByteView digest,
                                   ByteView signature) const {
    if (digest.size() != digest_size(hash) || signature.size() != size()) {
        return false;
    }
    const KeyContext context = make_context(state_->key.get());
    require(EVP_PKEY_verify_init(context.get()) == 1, "start to verify");
    set_scheme(context.get(), scheme, hash);
    const bool verified = EVP_PKEY_verify(context.get(), signature.data(), signature.size(),
                                          digest.data(), digest.size()) == 1;
    // OpenSSL's reasons are of no use here, and must not be told with another error.
    ERR_clear_error();
    return verified;
}

void RsaPrivateKey::FreeKey::operator()(evp_pkey_st* key) const {
    EVP_PKEY_free(key);
}

RsaPrivateKey::RsaPrivateKey(Handle handle, RsaPublicKey public_key)
    : handle_(std::move(handle)), public_key_(std::move(public_key)) {
}

RsaPrivateKey::RsaPrivateKey(RsaPrivateKey&& other) noexcept = default;
RsaPrivateKey& RsaPrivateKey::operator=(RsaPrivateKey&& other) noexcept = default;
RsaPrivateKey::~RsaPrivateKey() = default;

Result<RsaPrivateKey> RsaPrivateKey::adopt(Handle handle) {
    unsigned char* raw = nullptr;
    const int size = i2d_PUBKEY(handle.get(), &raw);
    const Owned<unsigned char, free_openssl> owned(raw);
    if (size <= 0) {
        return bad_spki();
    }
    CASEMATE_TRY(RsaPublicKey public_key,
                 RsaPublicKey::from_spki(ByteView(raw, static_cast<std::size_t>(size))));
    return RsaPrivateKey(std::move(handle), std::move(public_key));
}

Result<RsaPrivateKey> RsaPrivateKey::generate(std::size_t bits) {
    if (bits != 2048 && bits != 3072 && bits != 4096) {
        return Error(CryptoErrc::out_of_range,
                     "expected 2048, 3072 or 4096 bits, found " + std::to_string(bits));
    }
    Handle key(EVP_RSA_gen(static_cast<unsigned>(bits)));
    if (!key) {
        return openssl_error(CryptoErrc::library_failure, "no key could be generated");
    }
    return adopt(std::move(key));
}

Result<RsaPrivateKey> RsaPrivateKey::from_pkcs8(ByteView der) {
    if (auto written = read_written(der)) {
        CASEMATE_CHECK(check_private(written->key.get()));
        CASEMATE_TRY(RsaPublicKey public_key, RsaPublicKey::from_spki(written->spki));
        return RsaPrivateKey(Handle(written->key.release()), std::move(public_key));
    }
    CASEMATE_TRY(EvpKey key, read_pkcs8(der));
    CASEMATE_CHECK(check_private(key.get()));
    return adopt(Handle(key.release()));
}

SecretBytes RsaPrivateKey::to_pkcs8() const {
    return write_pkcs8(handle_.get());
}

Result<SecretBytes> RsaPrivateKey::decrypt(OaepHash hash, ByteView ciphertext) const {
    if (ciphertext.size() != public_key_.size()) {
        return closed();
    }
    const KeyContext context = make_context(handle_.get());
    require(EVP_PKEY_decrypt_init(context.get()) == 1, "start to decrypt");
    set_oaep(context.get(), hash);
    SecretBytes room(public_key_.size());
    std::size_t size = room.size();
    if (EVP_PKEY_decrypt(context.get(), room.mutable_view().data(), &size, ciphertext.data(),
                         ciphertext.size()) != 1) {
        return closed();
    }
    SecretBytes plaintext(size);
    std::ranges::copy(room.view().first(size), plaintext.mutable_view().begin());
    return plaintext;
}

Result<Bytes> RsaPrivateKey::sign(RsaScheme scheme, RsaHash hash, ByteView message) const {
    return sign_digest(scheme, hash, digest_message(hash, message));
}

Result<Bytes> RsaPrivateKey::sign_digest(RsaScheme scheme, RsaHash hash, ByteView digest) const {
    if (digest.size() != digest_size(hash)) {
        return Error(CryptoErrc::out_of_range,
                     "expected a digest of " + std::to_string(digest_size(hash)) +
                         " bytes, found one of " + std::to_string(digest.size()));
    }
    const KeyContext context = make_context(handle_.get());
    require(EVP_PKEY_sign_init(context.get()) == 1, "start to sign");
    set_scheme(context.get(), scheme, hash);
    Bytes signature(public_key_.size());
    std::size_t size = signature.size();
    if (EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), digest.size()) != 1 ||
        size != signature.size()) {
        return openssl_error(CryptoErrc::library_failure, "the key does not sign");
    }
    return signature;
}

}  // namespace casemate::crypto
