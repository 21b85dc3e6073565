// The signature section (formats.md 1.8).
#pragma once

#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/digest.hpp"

namespace casemate::eif {

// Signature: one entry of the section.
struct Signature {
    // certificate_pem is the signing certificate's file, as it was given to the signer.
    Bytes certificate_pem;
    // cose_sign1 is the encoded COSE_Sign1 over PCR0, not verified.
    Bytes cose_sign1;

    bool operator==(const Signature&) const = default;
};

// parse_signatures reads the data of a signature section. Exactly AWS's encoding is accepted.
// Errors: EifErrc bad_signature.
[[nodiscard]] Result<std::vector<Signature>> parse_signatures(ByteView section);
// encode_signatures gives the data of a signature section.
[[nodiscard]] Bytes encode_signatures(const std::vector<Signature>& signatures);

// signer_register is PCR8: of the certificate of the first signature. Errors: EifErrc bad_signature
// when there is no signature or its certificate is no PEM certificate.
[[nodiscard]] Result<crypto::Digest384> signer_register(ByteView section);

}  // namespace casemate::eif
