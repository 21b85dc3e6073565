#include <array>
#include <utility>

#include "crypto/random.hpp"
#include "crypto/tls.hpp"

namespace casemate::crypto {

namespace {

// A serial number of 127 random bits, and never zero (RFC 5280 4.1.2.2).
Bytes make_serial() {
    constexpr std::uint8_t kSignBit = 0x80;
    constexpr std::uint8_t kNeverZero = 0x40;
    Bytes serial(16);
    random_bytes(serial);
    serial[0] = static_cast<std::uint8_t>((serial[0] & ~kSignBit) | kNeverZero);
    return serial;
}

}  // namespace

Result<TlsIdentity> make_tls_authority(const Name& subject, Seconds not_before, Seconds not_after) {
    CASEMATE_TRY(PrivateKey key, PrivateKey::generate(Curve::p384));
    CertificateTemplate what;
    what.serial = make_serial();
    what.subject = subject;
    what.not_before = not_before;
    what.not_after = not_after;
    what.is_ca = true;
    what.path_length = 0;
    what.key_usage = kKeyCertSign | kCrlSign;
    what.with_subject_key_id = true;
    CASEMATE_TRY(Certificate certificate,
                 issue(what, key.public_key(), Issuer{.name = subject, .key = &key}));
    return TlsIdentity{.key = std::move(key), .certificate = std::move(certificate)};
}

Result<TlsIdentity> make_tls_server(const ServerCertificate& server, const TlsIdentity& authority) {
    if ((server.curve != Curve::p256 && server.curve != Curve::p384) || server.names.empty()) {
        return Error(CryptoErrc::out_of_range,
                     "expected P-256 or P-384 and at least one name for a server's certificate, "
                     "found another curve or none");
    }
    CASEMATE_TRY(const CertificateFields issuer, authority.certificate.fields());
    CASEMATE_TRY(PrivateKey key, PrivateKey::generate(server.curve));
    CertificateTemplate what;
    what.serial = make_serial();
    what.subject = server.subject;
    what.not_before = server.not_before;
    what.not_after = server.not_after;
    what.key_usage = kDigitalSignature;
    what.with_subject_key_id = true;
    what.with_authority_key_id = true;
    what.for_tls_server = true;
    what.alternative_names = server.names;
    CASEMATE_TRY(
        Certificate certificate,
        issue(what, key.public_key(), Issuer{.name = issuer.subject, .key = &authority.key}));
    return TlsIdentity{.key = std::move(key), .certificate = std::move(certificate)};
}

}  // namespace casemate::crypto
