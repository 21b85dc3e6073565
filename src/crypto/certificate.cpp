#include "crypto/certificate.hpp"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <limits>

#include "crypto/certificate_parts.hpp"
#include "crypto/openssl.hpp"

namespace casemate::crypto {

namespace {

constexpr std::size_t kMaxDer = 64UL * 1024;

Result<std::string> utf8(const ASN1_STRING* string) {
    unsigned char* raw = nullptr;
    const int size = ASN1_STRING_to_UTF8(&raw, string);
    const Owned<unsigned char, free_openssl> owned(raw);
    if (size < 0) {
        return openssl_error(CryptoErrc::bad_encoding, "a name of the certificate is no text");
    }
    return std::string(as_text(ByteView(owned.get(), static_cast<std::size_t>(size))));
}

std::string dotted(const ASN1_OBJECT* object) {
    std::string text(128, '\0');
    const int size = OBJ_obj2txt(text.data(), static_cast<int>(text.size()), object, 1);
    text.resize(size > 0 ? std::min(static_cast<std::size_t>(size), text.size() - 1) : 0);
    return text;
}

std::string algorithm_name(const ASN1_OBJECT* object) {
    const int nid = OBJ_obj2nid(object);
    return nid != NID_undef ? OBJ_nid2ln(nid) : dotted(object);
}

Result<std::string> time_text(const ASN1_TIME* time) {
    const Bio bio(BIO_new(BIO_s_mem()));
    require(bio != nullptr, "make a memory buffer");
    if (ASN1_TIME_print(bio.get(), time) != 1) {
        return openssl_error(CryptoErrc::bad_encoding, "a time of the certificate is no time");
    }
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return std::string(text, static_cast<std::size_t>(size));
}

std::string colon_hex(ByteView bytes) {
    std::string text;
    for (const std::uint8_t byte : bytes) {
        text += text.empty() ? "" : ":";
        text += to_hex({&byte, 1});
    }
    return text;
}

// read_pem_block finds the next certificate of a PEM file and gives its DER; empty at the end.
Result<Bytes> read_pem_block(BIO* bio) {
    unsigned char* raw = nullptr;
    long size = 0;
    if (PEM_bytes_read_bio(&raw, &size, nullptr, PEM_STRING_X509, bio, no_password, nullptr) != 1) {
        const unsigned long reason = ERR_peek_last_error();
        if (ERR_GET_LIB(reason) == ERR_LIB_PEM && ERR_GET_REASON(reason) == PEM_R_NO_START_LINE) {
            ERR_clear_error();
            return Bytes();
        }
        return openssl_error(CryptoErrc::bad_encoding, "the PEM text is damaged");
    }
    const Owned<unsigned char, free_openssl> owned(raw);
    if (size <= 0) {
        return Error(CryptoErrc::bad_encoding, "the PEM text has a certificate without content");
    }
    return Bytes(raw, raw + size);
}

Result<Bio> open_pem(ByteView pem) {
    if (pem.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
        return Error(CryptoErrc::bad_encoding, "the PEM text is too long");
    }
    // OpenSSL takes no null pointer, which an empty view may have.
    Bio bio(BIO_new_mem_buf(pem.empty() ? "" : as_text(pem).data(), static_cast<int>(pem.size())));
    require(bio != nullptr, "make a memory buffer");
    return bio;
}

Error no_certificate() {
    return Error(CryptoErrc::bad_encoding, "expected a certificate in PEM, found none");
}

}  // namespace

Result<Certificate> Certificate::from_pem(ByteView pem) {
    CASEMATE_TRY(const Bio bio, open_pem(pem));
    CASEMATE_TRY(const Bytes der, read_pem_block(bio.get()));
    if (der.empty()) {
        return no_certificate();
    }
    return from_der(der);
}

Result<std::vector<Certificate>> Certificate::all_from_pem(ByteView pem) {
    CASEMATE_TRY(const Bio bio, open_pem(pem));
    std::vector<Certificate> certificates;
    while (true) {
        CASEMATE_TRY(const Bytes der, read_pem_block(bio.get()));
        if (der.empty()) {
            break;
        }
        CASEMATE_TRY(Certificate certificate, from_der(der));
        certificates.push_back(std::move(certificate));
    }
    if (certificates.empty()) {
        return no_certificate();
    }
    return certificates;
}

Result<Certificate> Certificate::from_der(ByteView der) {
    if (der.size() > kMaxDer) {
        return Error(CryptoErrc::bad_encoding, "expected a certificate of at most " +
                                                   std::to_string(kMaxDer) + " bytes, found " +
                                                   std::to_string(der.size()));
    }
    CASEMATE_TRY(const CertificateParts parts, read_parts(der));
    static_cast<void>(parts);
    return Certificate(Bytes(der.begin(), der.end()));
}

std::string Certificate::to_pem() const {
    const Bio bio(BIO_new(BIO_s_mem()));
    require(bio && PEM_write_bio(bio.get(), PEM_STRING_X509, "", der_.data(),
                                 static_cast<long>(der_.size())) > 0,
            "write a certificate");
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

Result<CertificateFields> Certificate::fields() const {
    CASEMATE_TRY(const CertificateParts parts, read_parts(der_));
    return read_fields(parts);
}

Result<PublicKey> Certificate::public_key() const {
    CASEMATE_TRY(const CertificateParts parts, read_parts(der_));
    return PublicKey::from_spki(parts.public_key);
}

bool Certificate::is_signed_by(const PublicKey& issuer) const {
    const auto parts = read_parts(der_);
    return parts && issuer.curve() == Curve::p384 && is_ecdsa_with_sha384(*parts) &&
           issuer.verifies_der(parts->signed_part, parts->signature);
}

Result<CertificateText> Certificate::text() const {
    const unsigned char* in = der_.data();
    const Owned<X509, X509_free> certificate(
        d2i_X509(nullptr, &in, static_cast<long>(der_.size())));
    if (!certificate) {
        return openssl_error(CryptoErrc::bad_encoding, "OpenSSL can't decode the certificate");
    }
    CertificateText text;
    const X509_NAME* issuer = X509_get_issuer_name(certificate.get());
    for (int i = 0; i < X509_NAME_entry_count(issuer); ++i) {
        const X509_NAME_ENTRY* entry = X509_NAME_get_entry(issuer, i);
        CASEMATE_TRY(std::string value, utf8(X509_NAME_ENTRY_get_data(entry)));
        text.issuer.emplace_back(algorithm_name(X509_NAME_ENTRY_get_object(entry)),
                                 std::move(value));
    }
    const ASN1_BIT_STRING* signature = nullptr;
    const X509_ALGOR* algorithm = nullptr;
    X509_get0_signature(&signature, &algorithm, certificate.get());
    const ASN1_OBJECT* object = nullptr;
    X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
    text.signature_algorithm = algorithm_name(object);
    CASEMATE_TRY(text.not_before, time_text(X509_get0_notBefore(certificate.get())));
    CASEMATE_TRY(text.not_after, time_text(X509_get0_notAfter(certificate.get())));
    text.signature = colon_hex(ByteView(ASN1_STRING_get0_data(signature),
                                        static_cast<std::size_t>(ASN1_STRING_length(signature))));
    return text;
}

}  // namespace casemate::crypto
