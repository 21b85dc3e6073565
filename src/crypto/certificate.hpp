// X.509 certificates (RFC 5280).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/error.hpp"
#include "crypto/key.hpp"

namespace casemate::crypto {

// CertificateText: what people are shown of a certificate, in OpenSSL's own words.
struct CertificateText {
    // issuer has long attribute names ("commonName") and values as UTF-8, in the certificate's
    // order.
    std::vector<std::pair<std::string, std::string>> issuer;
    // signature_algorithm: "ecdsa-with-SHA384".
    std::string signature_algorithm;
    // not_before and not_after: "Mar 18 11:23:25 2021 GMT".
    std::string not_before;
    std::string not_after;
    // signature in hexadecimal, bytes separated by colons.
    std::string signature;
};

// Seconds of the wall clock, as certificates count time.
using Seconds = std::chrono::sys_seconds;

// NameAttribute: one attribute of a distinguished name, by its short name: {"CN", "example"}.
struct NameAttribute {
    std::string type;
    std::string value;

    bool operator==(const NameAttribute&) const = default;
};
using Name = std::vector<NameAttribute>;

// KeyUsage: bits of the extension (RFC 5280 4.2.1.3).
enum KeyUsage : std::uint16_t {
    kDigitalSignature = 1U << 0U,
    kNonRepudiation = 1U << 1U,
    kKeyCertSign = 1U << 5U,
    kCrlSign = 1U << 6U,
};

// CertificateFields: what path validation (RFC 5280 6) needs of a certificate, as it is written in
// it. Nothing of it is trusted before a signature over the certificate has been verified.
struct CertificateFields {
    // version as people count it: 3.
    int version = 0;
    // serial is the number, big-endian and without leading zeros; empty for zero.
    Bytes serial;
    // The names: their DER, to be compared, and their attributes in order.
    Bytes issuer_der;
    Bytes subject_der;
    Name issuer;
    Name subject;
    Seconds not_before;
    Seconds not_after;
    // ecdsa_with_sha384: both signature algorithm fields say ecdsa-with-SHA384 without parameters.
    bool ecdsa_with_sha384 = false;
    // Basic constraints: absent, or CA or not, with the path length if there is one.
    bool has_basic_constraints = false;
    bool basic_constraints_critical = false;
    bool is_ca = false;
    std::optional<std::uint32_t> path_length;
    // Key usage: absent, or the bits of KeyUsage and others by their number.
    std::optional<std::uint16_t> key_usage;
    bool key_usage_critical = false;
    std::optional<Bytes> subject_key_id;
    std::optional<Bytes> authority_key_id;
    // unknown_critical names the first critical extension, by its OID, that is neither basic
    // constraints nor key usage.
    std::optional<std::string> unknown_critical;
};

// Certificate: a certificate that could be decoded. Nothing about it has been verified.
class Certificate {
public:
    // from_der decodes one certificate in DER with nothing after it. BER is refused, which would
    // give one certificate many encodings, and so are more than 64 KiB. Errors: CryptoErrc
    // bad_encoding.
    [[nodiscard]] static Result<Certificate> from_der(ByteView der);
    // from_pem decodes the first certificate of a PEM file (RFC 7468), as from_der does. Errors:
    // CryptoErrc bad_encoding.
    [[nodiscard]] static Result<Certificate> from_pem(ByteView pem);
    // all_from_pem decodes every certificate of a PEM file, at least one, in their order. Errors:
    // CryptoErrc bad_encoding.
    [[nodiscard]] static Result<std::vector<Certificate>> all_from_pem(ByteView pem);

    // der gives the certificate's own encoding.
    [[nodiscard]] const Bytes& der() const { return der_; }
    // fields fails with CryptoErrc bad_encoding when one can't be read, the serial number is
    // negative, an extension comes twice, or an extension that is read is malformed.
    [[nodiscard]] Result<CertificateFields> fields() const;
    // public_key fails with CryptoErrc bad_encoding when it can't be decoded.
    [[nodiscard]] Result<PublicKey> public_key() const;
    // is_signed_by tells whether the P-384 key's signature is on this certificate, by ECDSA with
    // SHA-384; any other algorithm is on nothing. Only the signature is looked at, over the bytes
    // as they were received: names, times and extensions are the caller's.
    [[nodiscard]] bool is_signed_by(const PublicKey& issuer) const;
    // to_pem writes the certificate in PEM.
    [[nodiscard]] std::string to_pem() const;
    // text fails with CryptoErrc bad_encoding when a field can't be shown.
    [[nodiscard]] Result<CertificateText> text() const;

private:
    explicit Certificate(Bytes der) : der_(std::move(der)) {}

    Bytes der_;
};

}  // namespace casemate::crypto
