// Authenticated encryption: AES-256 in Galois/Counter Mode (NIST SP 800-38D) with a nonce of 96
// bits and a tag of 128.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "crypto/error.hpp"

struct evp_cipher_ctx_st;

namespace casemate::crypto {

inline constexpr std::size_t kAeadKeySize = 32;
inline constexpr std::size_t kAeadTagSize = 16;
// kMaxAeadSize: the longest plaintext, and the longest associated data, in bytes.
inline constexpr std::size_t kMaxAeadSize = std::size_t{1} << 30U;

// AeadNonce must never come twice with one key: two messages under one nonce give the
// authentication key away. Random ones are good for 2^32 messages of a key (SP 800-38D 8.3).
using AeadNonce = std::array<std::uint8_t, 12>;

// AeadKey: a key, expanded once for any number of messages. Move-only; for one thread at a time,
// also where it is const. The expanded key is cleansed when it goes. A moved-from AeadKey can only
// be assigned or destroyed.
class AeadKey {
public:
    // expand takes a key of kAeadKeySize bytes. Errors: CryptoErrc out_of_range.
    [[nodiscard]] static Result<AeadKey> expand(const SecretBytes& key);

    AeadKey(AeadKey&& other) noexcept = default;
    AeadKey& operator=(AeadKey&& other) noexcept = default;

    // seal gives ciphertext ‖ tag, kAeadTagSize longer than the plaintext. Whoever opens it must
    // name the same nonce and associated data. Errors: CryptoErrc out_of_range for more than
    // kMaxAeadSize bytes.
    [[nodiscard]] Result<Bytes> seal(const AeadNonce& nonce, ByteView associated,
                                     ByteView plaintext) const;
    // open gives the plaintext of ciphertext ‖ tag. Errors: CryptoErrc not_opened when key, nonce,
    // associated data or any byte is another, without telling which; no plaintext is left anywhere
    // then.
    [[nodiscard]] Result<SecretBytes> open(const AeadNonce& nonce, ByteView associated,
                                           ByteView sealed) const;

private:
    struct FreeContext {
        void operator()(evp_cipher_ctx_st* context) const;
    };
    using Context = std::unique_ptr<evp_cipher_ctx_st, FreeContext>;
    AeadKey(Context sealing, Context opening);

    Context sealing_;
    Context opening_;
};

// seal and open are AeadKey's, for a key that is used once. Errors: theirs and AeadKey::expand's.
[[nodiscard]] Result<Bytes> seal(const SecretBytes& key, const AeadNonce& nonce,
                                 ByteView associated, ByteView plaintext);
[[nodiscard]] Result<SecretBytes> open(const SecretBytes& key, const AeadNonce& nonce,
                                       ByteView associated, ByteView sealed);

}  // namespace casemate::crypto
