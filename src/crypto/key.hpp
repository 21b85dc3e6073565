// Keys of elliptic curves and ECDSA (FIPS 186-5), in the forms that COSE and X.509 carry.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "crypto/error.hpp"

struct evp_pkey_st;
struct evp_pkey_ctx_st;

namespace casemate::crypto {

// Curve: NIST's, by their sizes. other: any other kind of key (RSA, Ed25519, another curve).
enum class Curve : std::uint8_t { p256, p384, p521, other };

// signature_size is the size of a raw signature r ‖ s: 64, 96 or 132 bytes; 0 for other.
[[nodiscard]] std::size_t signature_size(Curve curve);

// digest_for hashes a message as ECDSA on the curve wants: SHA-256, SHA-384, SHA-512. The curve is
// not other.
[[nodiscard]] Bytes digest_for(Curve curve, ByteView message);

// raw_signature is r ‖ s of a signature in DER. Errors: CryptoErrc bad_encoding when it is none of
// the curve, or the curve is other.
[[nodiscard]] Result<Bytes> raw_signature(Curve curve, ByteView der_signature);

// PublicKey: a key to verify with. Cheap to copy (shared, immutable) and safe to use from several
// threads.
class PublicKey {
public:
    // from_spki decodes a DER SubjectPublicKeyInfo of any kind of key, with nothing after it.
    // Refused are a point that is not on its curve and every encoding but the one: explicit curve
    // parameters, compressed points, BER. Errors: CryptoErrc bad_encoding.
    [[nodiscard]] static Result<PublicKey> from_spki(ByteView der);

    // spki gives the DER SubjectPublicKeyInfo.
    [[nodiscard]] const Bytes& spki() const;
    [[nodiscard]] Curve curve() const;

    // verifies tells whether raw_signature (r ‖ s, each as long as the curve's order) is this key's
    // over message, hashed by the digest of the curve's size (P-384: SHA-384). A signature of any
    // other length, or a key that is on no curve, verifies nothing.
    [[nodiscard]] bool verifies(ByteView message, ByteView raw_signature) const;
    // verifies_der is verifies for a signature in DER (RFC 3279 2.2.3), which has one encoding.
    // verifies_digest_der is that for a message whose digest is given, of the size that the curve
    // wants; one of any other size verifies nothing.
    [[nodiscard]] bool verifies_der(ByteView message, ByteView der_signature) const;
    [[nodiscard]] bool verifies_digest_der(ByteView digest, ByteView der_signature) const;

private:
    friend struct KeyAccess;
    friend class Certificate;
    struct State;
    explicit PublicKey(std::shared_ptr<const State> state) : state_(std::move(state)) {}
    std::shared_ptr<const State> state_;
};

// PrivateKey: a key to sign with, in this process's memory or in a token. Move-only. Keys in memory
// are safe to use from several threads, and cleansed when they go.
class PrivateKey {
public:
    // generate makes a new key on a curve that is not other. Errors: CryptoErrc library_failure (no
    // random numbers).
    [[nodiscard]] static Result<PrivateKey> generate(Curve curve);
    // from_pem reads an unencrypted key (PKCS #8 or SEC 1) on one of the curves, whose public half
    // belongs to it. Errors: CryptoErrc bad_encoding.
    [[nodiscard]] static Result<PrivateKey> from_pem(ByteView pem);
    // from_pkcs8 reads an unencrypted PKCS #8 PrivateKeyInfo (RFC 5208) in DER with nothing after
    // it, as from_pem does. It costs more than a signature: whoever signs often keeps the key.
    // Errors: CryptoErrc bad_encoding.
    [[nodiscard]] static Result<PrivateKey> from_pkcs8(ByteView der);
    // from_token finds a key of a PKCS #11 token by its URI (RFC 7512), which may name the PIN
    // (pin-value) or its file (pin-source), and the token's module (module-path; else it is the one
    // that $PKCS11_MODULE_PATH names, else p11-kit's). Nobody is asked for a PIN. The module stays
    // loaded until the process ends. Errors: CryptoErrc token_failure, saying what OpenSSL and the
    // token said, without the PIN; Errno for the PIN's file.
    [[nodiscard]] static Result<PrivateKey> from_token(const std::string& uri);

    PrivateKey(PrivateKey&& other) noexcept;
    PrivateKey& operator=(PrivateKey&& other) noexcept;
    ~PrivateKey();

    // to_pem writes PKCS #8, unencrypted. Errors: CryptoErrc token_failure for a key of a token.
    [[nodiscard]] Result<SecretBytes> to_pem() const;
    // to_pkcs8 writes it in DER. Errors: CryptoErrc token_failure for a key of a token.
    [[nodiscard]] Result<SecretBytes> to_pkcs8() const;
    [[nodiscard]] const PublicKey& public_key() const { return public_key_; }
    // sign gives r ‖ s over message, hashed as PublicKey::verifies says. Errors: CryptoErrc
    // library_failure, token_failure.
    [[nodiscard]] Result<Bytes> sign(ByteView message) const;
    // sign_der gives the signature in DER; sign_digest_der that over a message whose digest is
    // given. Errors: CryptoErrc library_failure, token_failure; out_of_range for a digest whose
    // size is not the one that the curve wants.
    [[nodiscard]] Result<Bytes> sign_der(ByteView message) const;
    [[nodiscard]] Result<Bytes> sign_digest_der(ByteView digest) const;

private:
    friend struct KeyAccess;
    struct FreeKey {
        void operator()(evp_pkey_st* key) const;
    };
    using Handle = std::unique_ptr<evp_pkey_st, FreeKey>;
    struct FreeContext {
        void operator()(evp_pkey_ctx_st* context) const;
    };
    using Context = std::unique_ptr<evp_pkey_ctx_st, FreeContext>;
    PrivateKey(Handle handle, PublicKey public_key, bool in_token);
    [[nodiscard]] Result<Context> start_signing() const;

    Handle handle_;
    PublicKey public_key_;
    // signer_: for a key in memory, a context that has been made ready to sign, which each
    // signature copies: looking the algorithms up costs a tenth of a signature on P-256.
    Context signer_;
    bool in_token_ = false;
};

}  // namespace casemate::crypto
