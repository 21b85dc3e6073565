// RSA (RFC 8017): encryption by OAEP, signatures by PSS and PKCS #1 v1.5.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "crypto/error.hpp"

struct evp_pkey_st;

namespace casemate::crypto {

// OaepHash: the hash of the label, which is empty, and of MGF1 alike.
enum class OaepHash : std::uint8_t { sha1, sha256 };

// RsaScheme: PSS has MGF1 with the message's hash and a salt as long as the digest.
enum class RsaScheme : std::uint8_t { pkcs1_v15, pss };

// RsaHash: what a message is hashed with before it is signed.
enum class RsaHash : std::uint8_t { sha256, sha384, sha512 };

// digest_size is the number of bytes of a digest: 32, 48 or 64.
[[nodiscard]] std::size_t digest_size(RsaHash hash);

// RsaPublicKey: a key to encrypt and to verify with. Cheap to copy (shared, immutable) and safe to
// use from several threads.
class RsaPublicKey {
public:
    // from_spki reads a DER SubjectPublicKeyInfo of rsaEncryption with nothing after it (RFC 3279
    // 2.3.1). Errors: CryptoErrc bad_encoding for anything else; out_of_range unless the modulus
    // has 2048 to 4096 bits and no factor below 31, and the exponent is odd, at least 65537 and at
    // most 64 bits long.
    [[nodiscard]] static Result<RsaPublicKey> from_spki(ByteView der);

    // spki gives the DER SubjectPublicKeyInfo, size the modulus's bytes, bits its bits.
    [[nodiscard]] const Bytes& spki() const;
    [[nodiscard]] std::size_t bits() const;
    [[nodiscard]] std::size_t size() const;

    // max_plaintext is the most that encrypt takes: size() − 2 − two digests.
    [[nodiscard]] std::size_t max_plaintext(OaepHash hash) const;
    // encrypt gives a ciphertext of size() bytes. Errors: CryptoErrc out_of_range for a plaintext
    // longer than max_plaintext.
    [[nodiscard]] Result<Bytes> encrypt(OaepHash hash, ByteView plaintext) const;

    // verifies tells whether signature, size() bytes, is this key's over message; verifies_digest
    // the same for a message whose digest is given. A digest or a signature of any other length
    // verifies nothing.
    [[nodiscard]] bool verifies(RsaScheme scheme, RsaHash hash, ByteView message,
                                ByteView signature) const;
    [[nodiscard]] bool verifies_digest(RsaScheme scheme, RsaHash hash, ByteView digest,
                                       ByteView signature) const;

private:
    friend class RsaPrivateKey;
    struct State;
    explicit RsaPublicKey(std::shared_ptr<const State> state) : state_(std::move(state)) {}
    std::shared_ptr<const State> state_;
};

// RsaPrivateKey: a key to decrypt and to sign with, in this process's memory. Move-only; safe to
// use from several threads; cleansed when it goes. Reading one costs more than a signature on small
// curves: whoever uses it often keeps it.
class RsaPrivateKey {
public:
    // generate makes a key of 2048, 3072 or 4096 bits with the exponent 65537, which takes from a
    // tenth of a second to several seconds. Errors: CryptoErrc out_of_range for another size,
    // library_failure.
    [[nodiscard]] static Result<RsaPrivateKey> generate(std::size_t bits);
    // from_pkcs8 reads an unencrypted PKCS #8 PrivateKeyInfo (RFC 5208) in DER with nothing after
    // it. Errors: CryptoErrc bad_encoding for anything else, more than two primes included, and for
    // numbers that don't belong together; out_of_range as RsaPublicKey::from_spki.
    [[nodiscard]] static Result<RsaPrivateKey> from_pkcs8(ByteView der);

    RsaPrivateKey(RsaPrivateKey&& other) noexcept;
    RsaPrivateKey& operator=(RsaPrivateKey&& other) noexcept;
    ~RsaPrivateKey();

    // to_pkcs8 writes what from_pkcs8 reads.
    [[nodiscard]] SecretBytes to_pkcs8() const;
    [[nodiscard]] const RsaPublicKey& public_key() const { return public_key_; }

    // decrypt gives what was encrypted with the same hash. Errors: CryptoErrc not_opened for
    // everything else, without telling what is wrong; OpenSSL looks at the padding in constant time
    // (RFC 8017 7.1.2).
    [[nodiscard]] Result<SecretBytes> decrypt(OaepHash hash, ByteView ciphertext) const;

    // sign signs a message, sign_digest one whose digest is given; the signature has as many bytes
    // as the modulus. Errors: CryptoErrc out_of_range for a digest of another length,
    // library_failure.
    [[nodiscard]] Result<Bytes> sign(RsaScheme scheme, RsaHash hash, ByteView message) const;
    [[nodiscard]] Result<Bytes> sign_digest(RsaScheme scheme, RsaHash hash, ByteView digest) const;

private:
    struct FreeKey {
        void operator()(evp_pkey_st* key) const;
    };
    using Handle = std::unique_ptr<evp_pkey_st, FreeKey>;
    RsaPrivateKey(Handle handle, RsaPublicKey public_key);
    [[nodiscard]] static Result<RsaPrivateKey> adopt(Handle handle);

    Handle handle_;
    RsaPublicKey public_key_;
};

}  // namespace casemate::crypto
