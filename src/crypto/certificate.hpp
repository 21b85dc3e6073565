// X.509 certificates (RFC 5280).
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/error.hpp"

struct x509_st;

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

// Certificate: a certificate that could be decoded. Nothing about it has been verified.
class Certificate {
public:
    // from_pem decodes the first certificate of a PEM file (RFC 7468). Errors: CryptoErrc
    // bad_encoding.
    [[nodiscard]] static Result<Certificate> from_pem(ByteView pem);
    // from_der decodes one certificate with nothing after it. Errors: CryptoErrc bad_encoding.
    [[nodiscard]] static Result<Certificate> from_der(ByteView der);

    // der gives the certificate's own encoding.
    [[nodiscard]] const Bytes& der() const { return der_; }
    // text fails with CryptoErrc bad_encoding when a field can't be shown.
    [[nodiscard]] Result<CertificateText> text() const;

private:
    struct FreeCertificate {
        void operator()(x509_st* certificate) const;
    };
    using Handle = std::unique_ptr<x509_st, FreeCertificate>;
    [[nodiscard]] static Result<Certificate> from_handle(Handle handle);
    Certificate(Handle handle, Bytes der) : handle_(std::move(handle)), der_(std::move(der)) {}

    Handle handle_;
    Bytes der_;
};

}  // namespace casemate::crypto
