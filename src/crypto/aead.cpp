#include "crypto/aead.hpp"

#include <openssl/evp.h>

#include <string>
#include <utility>

#include "crypto/openssl.hpp"

namespace casemate::crypto {

namespace {

// The cipher is looked up once: each look-up takes a lock that all threads share.
const EVP_CIPHER* cipher() {
    static const Owned<EVP_CIPHER, EVP_CIPHER_free> fetched(
        EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
    require(fetched != nullptr, "find AES-256-GCM");
    return fetched.get();
}

using CipherContext = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

int size_of(ByteView bytes) {
    return static_cast<int>(bytes.size());
}

Result<> check_key(const SecretBytes& key) {
    if (key.size() != kAeadKeySize) {
        return Error(CryptoErrc::out_of_range, "expected a key of " + std::to_string(kAeadKeySize) +
                                                   " bytes, found " + std::to_string(key.size()));
    }
    return {};
}

// make_context expands the key in one direction, which is enough for a key that is used once.
CipherContext make_context(const SecretBytes& key, bool sealing) {
    CipherContext context(EVP_CIPHER_CTX_new());
    require(context != nullptr && EVP_CipherInit_ex2(context.get(), cipher(), key.view().data(),
                                                     nullptr, sealing ? 1 : 0, nullptr) == 1,
            "expand a key");
    return context;
}

// start begins a message with its nonce and associated data.
void start(EVP_CIPHER_CTX* context, const AeadNonce& nonce, ByteView associated) {
    require(EVP_CipherInit_ex2(context, nullptr, nullptr, nonce.data(), -1, nullptr) == 1,
            "set a nonce");
    int size = 0;
    require(associated.empty() || EVP_CipherUpdate(context, nullptr, &size, associated.data(),
                                                   size_of(associated)) == 1,
            "authenticate associated data");
}

Result<Bytes> seal_by(EVP_CIPHER_CTX* context, const AeadNonce& nonce, ByteView associated,
                      ByteView plaintext) {
    if (plaintext.size() > kMaxAeadSize || associated.size() > kMaxAeadSize) {
        return Error(CryptoErrc::out_of_range, "expected at most " + std::to_string(kMaxAeadSize) +
                                                   " bytes to seal, found more");
    }
    start(context, nonce, associated);
    Bytes sealed(plaintext.size() + kAeadTagSize);
    int size = 0;
    // An empty message would look like associated data, which also has no output.
    require(plaintext.empty() || EVP_CipherUpdate(context, sealed.data(), &size, plaintext.data(),
                                                  size_of(plaintext)) == 1,
            "encrypt");
    std::uint8_t* const tag = sealed.data() + plaintext.size();
    require(EVP_CipherFinal_ex(context, tag, &size) == 1 &&
                EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, int{kAeadTagSize}, tag) == 1,
            "make a tag");
    return sealed;
}

Result<SecretBytes> open_by(EVP_CIPHER_CTX* context, const AeadNonce& nonce, ByteView associated,
                            ByteView sealed) {
    if (sealed.size() < kAeadTagSize || sealed.size() > kMaxAeadSize + kAeadTagSize ||
        associated.size() > kMaxAeadSize) {
        return closed();
    }
    const ByteView ciphertext = sealed.first(sealed.size() - kAeadTagSize);
    start(context, nonce, associated);
    SecretBytes plaintext(ciphertext.size());
    int size = 0;
    require(ciphertext.empty() || EVP_CipherUpdate(context, plaintext.mutable_view().data(), &size,
                                                   ciphertext.data(), size_of(ciphertext)) == 1,
            "decrypt");
    // OpenSSL only reads the tag through this pointer to what is not const.
    Bytes tag(sealed.end() - std::ptrdiff_t{kAeadTagSize}, sealed.end());
    std::array<std::uint8_t, kAeadTagSize> rest{};
    require(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, int{kAeadTagSize}, tag.data()) == 1,
            "set a tag");
    if (EVP_CipherFinal_ex(context, rest.data(), &size) != 1) {
        return closed();
    }
    return plaintext;
}

}  // namespace

void AeadKey::FreeContext::operator()(evp_cipher_ctx_st* context) const {
    EVP_CIPHER_CTX_free(context);
}

AeadKey::AeadKey(Context sealing, Context opening)
    : sealing_(std::move(sealing)), opening_(std::move(opening)) {
}

Result<AeadKey> AeadKey::expand(const SecretBytes& key) {
    CASEMATE_CHECK(check_key(key));
    return AeadKey(Context(make_context(key, true).release()),
                   Context(make_context(key, false).release()));
}

Result<Bytes> AeadKey::seal(const AeadNonce& nonce, ByteView associated, ByteView plaintext) const {
    return seal_by(sealing_.get(), nonce, associated, plaintext);
}

Result<SecretBytes> AeadKey::open(const AeadNonce& nonce, ByteView associated,
                                  ByteView sealed) const {
    return open_by(opening_.get(), nonce, associated, sealed);
}

Result<Bytes> seal(const SecretBytes& key, const AeadNonce& nonce, ByteView associated,
                   ByteView plaintext) {
    CASEMATE_CHECK(check_key(key));
    return seal_by(make_context(key, true).get(), nonce, associated, plaintext);
}

Result<SecretBytes> open(const SecretBytes& key, const AeadNonce& nonce, ByteView associated,
                         ByteView sealed) {
    CASEMATE_CHECK(check_key(key));
    return open_by(make_context(key, false).get(), nonce, associated, sealed);
}

}  // namespace casemate::crypto
