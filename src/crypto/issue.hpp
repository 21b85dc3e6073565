// Issuing X.509 certificates (RFC 5280).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/certificate.hpp"
#include "crypto/key.hpp"

namespace casemate::crypto {

// AlternativeName: what the subject is called besides its name (RFC 5280 4.2.1.6).
struct AlternativeName {
    // dns: ASCII, "example.com", or "*.example.com" for one label; ip: "192.0.2.1" or
    // "2001:db8::1".
    enum class Kind : std::uint8_t { dns, ip };
    Kind kind = Kind::dns;
    std::string value;
};

// CertificateTemplate: what a new certificate says. Everything is written as it stands here.
struct CertificateTemplate {
    // serial: 1 to 20 bytes, big-endian; the first bit of 20 bytes must be zero (RFC 5280 4.1.2.2).
    Bytes serial;
    Name subject;
    Seconds not_before;
    Seconds not_after;
    // Basic constraints, critical always.
    bool is_ca = false;
    std::optional<std::uint32_t> path_length;
    // Bits of KeyUsage.
    std::uint16_t key_usage = 0;
    bool key_usage_critical = true;
    // Key identifiers: SHA-1 of the bits of the public key, or of the issuer's (RFC 5280 4.2.1.2
    // (1)).
    bool with_subject_key_id = false;
    bool with_authority_key_id = false;
    // Extended key usage (RFC 5280 4.2.1.12): for TLS servers, and for nothing else.
    bool for_tls_server = false;
    // Subject alternative names, not critical; left out where there are none.
    std::vector<AlternativeName> alternative_names;
};

// Issuer: whose name and key sign.
struct Issuer {
    Name name;
    const PrivateKey* key = nullptr;
};

// issue makes an X.509 v3 certificate for the public key, signed by ECDSA with the digest of the
// issuer's curve. A self-signed certificate has the issuer's own name and public key. Extensions
// come in the order basic constraints, authority key identifier, subject key identifier, key usage
// (formats.md 2.5), extended key usage, subject alternative names. Errors: CryptoErrc bad_encoding
// for a template that can't be encoded, library_failure, token_failure.
[[nodiscard]] Result<Certificate> issue(const CertificateTemplate& what,
                                        const PublicKey& public_key, const Issuer& issuer);

}  // namespace casemate::crypto
