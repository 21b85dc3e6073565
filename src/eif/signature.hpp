// The signature section (formats.md 1.8).
#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/digest.hpp"

namespace casemate::eif {

// Signature: what the section holds.
struct Signature {
    // certificate_pem is the signing certificate's file, as it was given to the signer.
    Bytes certificate_pem;
    // cose_sign1 is the encoded COSE_Sign1 over PCR0, not verified.
    Bytes cose_sign1;

    bool operator==(const Signature&) const = default;
};

// parse_signature reads the data of a signature section. Exactly AWS's encoding is accepted: one
// signature, definite lengths, shortest integers, the keys in AWS's order and nothing after them.
// Errors: EifErrc bad_signature.
[[nodiscard]] Result<Signature> parse_signature(ByteView section);
// encode_signature gives the data of a signature section.
[[nodiscard]] Bytes encode_signature(const Signature& signature);

// signer_register is PCR8, of the signing certificate's DER. Nothing is verified: whoever is to
// rely on it asks verify_signature. Errors: EifErrc bad_signature when the section or its PEM
// certificate can't be read.
[[nodiscard]] Result<crypto::Digest384> signer_register(ByteView section);

}  // namespace casemate::eif
