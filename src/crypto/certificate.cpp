#include "crypto/certificate.hpp"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <limits>
#include <string_view>

#include "crypto/openssl.hpp"

namespace casemate::crypto {

namespace {

using Bio = Owned<BIO, BIO_free_all>;

// An encrypted PEM block must not make OpenSSL ask the terminal for a password.
int no_password(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*user*/) {
    return -1;
}

void free_openssl(unsigned char* memory) {
    OPENSSL_free(memory);
}

Result<std::string> utf8(const ASN1_STRING* string) {
    unsigned char* raw = nullptr;
    const int size = ASN1_STRING_to_UTF8(&raw, string);
    const Owned<unsigned char, free_openssl> owned(raw);
    if (size < 0) {
        return openssl_error(CryptoErrc::bad_encoding, "a name of the certificate is no text");
    }
    return std::string(as_text(ByteView(owned.get(), static_cast<std::size_t>(size))));
}

std::string algorithm_name(const ASN1_OBJECT* object) {
    const int nid = OBJ_obj2nid(object);
    if (nid != NID_undef) {
        return OBJ_nid2ln(nid);
    }
    std::string dotted(128, '\0');
    const int size = OBJ_obj2txt(dotted.data(), static_cast<int>(dotted.size()), object, 1);
    dotted.resize(size > 0 ? std::min(static_cast<std::size_t>(size), dotted.size() - 1) : 0);
    return dotted;
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

}  // namespace

void Certificate::FreeCertificate::operator()(x509_st* certificate) const {
    X509_free(certificate);
}

Result<Certificate> Certificate::from_handle(Handle handle) {
    const int size = i2d_X509(handle.get(), nullptr);
    if (size <= 0) {
        return openssl_error(CryptoErrc::bad_encoding, "the certificate can't be encoded");
    }
    Bytes der(static_cast<std::size_t>(size));
    unsigned char* out = der.data();
    require(i2d_X509(handle.get(), &out) == size, "encode a certificate");
    return Certificate(std::move(handle), std::move(der));
}

Result<Certificate> Certificate::from_pem(ByteView pem) {
    if (pem.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
        return Error(CryptoErrc::bad_encoding, "the PEM text is too long");
    }
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    Handle handle(bio ? PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr) : nullptr);
    if (!handle) {
        return openssl_error(CryptoErrc::bad_encoding,
                             "expected a certificate in PEM, found none that can be read");
    }
    return from_handle(std::move(handle));
}

Result<Certificate> Certificate::from_der(ByteView der) {
    if (der.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
        return Error(CryptoErrc::bad_encoding, "the certificate is too long");
    }
    const unsigned char* in = der.data();
    Handle handle(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
    if (!handle || in != der.data() + der.size()) {
        return openssl_error(CryptoErrc::bad_encoding,
                             "expected one certificate in DER, found something else");
    }
    return from_handle(std::move(handle));
}

Result<CertificateText> Certificate::text() const {
    CertificateText text;
    const X509_NAME* issuer = X509_get_issuer_name(handle_.get());
    for (int i = 0; i < X509_NAME_entry_count(issuer); ++i) {
        const X509_NAME_ENTRY* entry = X509_NAME_get_entry(issuer, i);
        CASEMATE_TRY(std::string value, utf8(X509_NAME_ENTRY_get_data(entry)));
        text.issuer.emplace_back(algorithm_name(X509_NAME_ENTRY_get_object(entry)),
                                 std::move(value));
    }
    const ASN1_BIT_STRING* signature = nullptr;
    const X509_ALGOR* algorithm = nullptr;
    X509_get0_signature(&signature, &algorithm, handle_.get());
    const ASN1_OBJECT* object = nullptr;
    X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
    text.signature_algorithm = algorithm_name(object);
    CASEMATE_TRY(text.not_before, time_text(X509_get0_notBefore(handle_.get())));
    CASEMATE_TRY(text.not_after, time_text(X509_get0_notAfter(handle_.get())));
    text.signature = colon_hex(ByteView(ASN1_STRING_get0_data(signature),
                                        static_cast<std::size_t>(ASN1_STRING_length(signature))));
    return text;
}

}  // namespace casemate::crypto
