#include "crypto/wrapping.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <string>

#include "crypto/openssl.hpp"
#include "crypto/random.hpp"

namespace casemate::crypto {

namespace {

using CipherContext = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

constexpr std::size_t kKeySize = 32;
// RFC 5649 works in half blocks, and puts one in front.
constexpr std::size_t kUnit = 8;

Error bad_key_size(std::size_t size) {
    return Error(CryptoErrc::out_of_range,
                 "expected a wrapping key of 32 bytes, found one of " + std::to_string(size));
}

// cipher_for gives nothing for a size that AES does not have.
const EVP_CIPHER* cipher_for(std::size_t key_size) {
    switch (key_size) {
        case 16:
            return EVP_aes_128_wrap_pad();
        case 24:
            return EVP_aes_192_wrap_pad();
        case kKeySize:
            return EVP_aes_256_wrap_pad();
        default:
            return nullptr;
    }
}

CipherContext make_context(const SecretBytes& key, bool wrapping) {
    CipherContext context(EVP_CIPHER_CTX_new());
    require(context != nullptr, "make a cipher context");
    EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    require(EVP_CipherInit_ex2(context.get(), cipher_for(key.size()), key.view().data(), nullptr,
                               wrapping ? 1 : 0, nullptr) == 1,
            "expand a wrapping key");
    return context;
}

Result<SecretBytes> unwrap_by(const SecretBytes& wrapping_key, ByteView wrapped) {
    if (wrapped.size() < 2 * kUnit || wrapped.size() % kUnit != 0 ||
        wrapped.size() > kMaxWrapped + kUnit) {
        return closed();
    }
    const CipherContext context = make_context(wrapping_key, false);
    SecretBytes room(wrapped.size());
    int size = 0;
    // This cipher gives all at once, and no more at the end.
    if (EVP_CipherUpdate(context.get(), room.mutable_view().data(), &size, wrapped.data(),
                         static_cast<int>(wrapped.size())) != 1 ||
        size <= 0) {
        return closed();
    }
    SecretBytes key(static_cast<std::size_t>(size));
    std::ranges::copy(room.view().first(key.size()), key.mutable_view().begin());
    return key;
}

}  // namespace

Result<Bytes> wrap(const SecretBytes& wrapping_key, ByteView key) {
    if (wrapping_key.size() != kKeySize) {
        return bad_key_size(wrapping_key.size());
    }
    if (key.empty() || key.size() > kMaxWrapped) {
        return Error(CryptoErrc::out_of_range, "expected 1 to " + std::to_string(kMaxWrapped) +
                                                   " bytes to wrap, found " +
                                                   std::to_string(key.size()));
    }
    const CipherContext context = make_context(wrapping_key, true);
    Bytes wrapped((key.size() + kUnit - 1) / kUnit * kUnit + kUnit);
    int size = 0;
    require(EVP_CipherUpdate(context.get(), wrapped.data(), &size, key.data(),
                             static_cast<int>(key.size())) == 1 &&
                static_cast<std::size_t>(size) == wrapped.size(),
            "wrap a key");
    return wrapped;
}

Result<SecretBytes> unwrap(const SecretBytes& wrapping_key, ByteView wrapped) {
    if (wrapping_key.size() != kKeySize) {
        return bad_key_size(wrapping_key.size());
    }
    return unwrap_by(wrapping_key, wrapped);
}

Result<Bytes> wrap_for(const RsaPublicKey& recipient, OaepHash hash, ByteView key) {
    const SecretBytes wrapping_key = random_secret(kKeySize);
    CASEMATE_TRY(const Bytes wrapped, wrap(wrapping_key, key));
    CASEMATE_TRY(Bytes whole, recipient.encrypt(hash, wrapping_key.view()));
    whole.insert(whole.end(), wrapped.begin(), wrapped.end());
    return whole;
}

Result<SecretBytes> unwrap_with(const RsaPrivateKey& recipient, OaepHash hash, ByteView wrapped) {
    const std::size_t size = recipient.public_key().size();
    if (wrapped.size() < size) {
        return closed();
    }
    CASEMATE_TRY(const SecretBytes wrapping_key, recipient.decrypt(hash, wrapped.first(size)));
    if (cipher_for(wrapping_key.size()) == nullptr) {
        return closed();
    }
    return unwrap_by(wrapping_key, wrapped.subspan(size));
}

}  // namespace casemate::crypto
