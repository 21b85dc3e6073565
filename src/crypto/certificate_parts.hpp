// The parts of a certificate (RFC 5280 4.1), found in its DER.
//
// OpenSSL's own decoder is not used for what is verified: it takes BER, and it decodes every public
// key it meets through a machinery that takes a quarter of the time of verifying a signature.
#pragma once

#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/certificate.hpp"
#include "crypto/der.hpp"

namespace casemate::crypto {

struct ExtensionParts {
    // id is the object identifier with its tag.
    der::Element id;
    bool critical = false;
    // value is what the extension's OCTET STRING holds.
    ByteView value;
};

// CertificateParts views the bytes it was read from. Names, algorithms and the public key are whole
// elements.
struct CertificateParts {
    // signed_part is the TBSCertificate, which the signature is over.
    ByteView signed_part;
    // version as people count it.
    int version = 1;
    // serial is the INTEGER's content.
    ByteView serial;
    ByteView signed_algorithm;
    ByteView issuer;
    der::Element not_before;
    der::Element not_after;
    ByteView subject;
    ByteView public_key;
    std::vector<ExtensionParts> extensions;
    ByteView algorithm;
    // signature is the BIT STRING's content, whole bytes.
    ByteView signature;
};

// read_parts finds the parts. The bytes must be one certificate in DER, with nothing that DER
// leaves out: default values and empty lists are refused. Errors: CryptoErrc bad_encoding.
[[nodiscard]] Result<CertificateParts> read_parts(ByteView der);

// read_fields reads what the parts say. Errors: CryptoErrc bad_encoding.
[[nodiscard]] Result<CertificateFields> read_fields(const CertificateParts& parts);

// is_ecdsa_with_sha384 tells whether both signature algorithms are that one, without parameters.
[[nodiscard]] bool is_ecdsa_with_sha384(const CertificateParts& parts);

}  // namespace casemate::crypto
