#include "crypto/certificate.hpp"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <limits>
#include <string_view>

#include "crypto/der.hpp"
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

ByteView content_of(const ASN1_STRING* string) {
    return {ASN1_STRING_get0_data(string), static_cast<std::size_t>(ASN1_STRING_length(string))};
}

Bytes copy_of(const ASN1_STRING* string) {
    const ByteView content = content_of(string);
    return {content.begin(), content.end()};
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

// encode gives the DER of anything that OpenSSL has an i2d function for; empty where it fails.
template <class I2d, class T>
Bytes encode(I2d i2d, T* object) {
    const int size = i2d(object, nullptr);
    Bytes der(static_cast<std::size_t>(std::max(size, 0)));
    unsigned char* out = der.data();
    if (size > 0) {
        require(i2d(object, &out) == size, "encode a part of a certificate");
    }
    return der;
}

Result<Name> name_of(const X509_NAME* from) {
    Name name;
    for (int i = 0; i < X509_NAME_entry_count(from); ++i) {
        const X509_NAME_ENTRY* entry = X509_NAME_get_entry(from, i);
        const ASN1_OBJECT* object = X509_NAME_ENTRY_get_object(entry);
        const int nid = OBJ_obj2nid(object);
        CASEMATE_TRY(std::string value, utf8(X509_NAME_ENTRY_get_data(entry)));
        name.push_back({nid == NID_undef ? dotted(object) : OBJ_nid2sn(nid), std::move(value)});
    }
    return name;
}

// Times have seconds and are in UTC (RFC 5280 4.1.2.5): YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ.
Result<Seconds> seconds_of(const ASN1_TIME* time) {
    const std::string_view text = as_text(content_of(time));
    const std::size_t size = ASN1_STRING_type(time) == V_ASN1_UTCTIME ? 13 : 15;
    std::tm parts{};
    if (text.size() != size || text.back() != 'Z' || ASN1_TIME_to_tm(time, &parts) != 1) {
        return openssl_error(
            CryptoErrc::bad_encoding,
            "expected a time in seconds and UTC, found \"" + std::string(text) + "\"");
    }
    using std::chrono::day;
    using std::chrono::month;
    using std::chrono::year;
    constexpr int kFirstYear = 1900;
    const auto date = year(parts.tm_year + kFirstYear) /
                      month(static_cast<unsigned>(parts.tm_mon + 1)) /
                      day(static_cast<unsigned>(parts.tm_mday));
    return std::chrono::sys_days(date) + std::chrono::hours(parts.tm_hour) +
           std::chrono::minutes(parts.tm_min) + std::chrono::seconds(parts.tm_sec);
}

Error malformed(const char* extension) {
    return openssl_error(CryptoErrc::bad_encoding, std::string("the certificate's extension \"") +
                                                       extension + "\" is malformed");
}

// decode_extension decodes the whole content of an extension; null where it is something else or
// not in its one encoding.
template <class T, auto FreeFunction>
Owned<T, FreeFunction> decode_extension(X509_EXTENSION* extension,
                                        T* (*d2i)(T**, const unsigned char**, long),
                                        int (*i2d)(const T*, unsigned char**)) {
    const ByteView content = content_of(X509_EXTENSION_get_data(extension));
    const unsigned char* in = content.data();
    Owned<T, FreeFunction> value(d2i(nullptr, &in, static_cast<long>(content.size())));
    if (!value || !std::ranges::equal(encode(i2d, value.get()), content)) {
        return nullptr;
    }
    return value;
}

Result<> read_basic_constraints(X509_EXTENSION* extension, CertificateFields& fields) {
    const auto value = decode_extension<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free>(
        extension, d2i_BASIC_CONSTRAINTS, i2d_BASIC_CONSTRAINTS);
    if (!value) {
        return malformed("basic constraints");
    }
    fields.has_basic_constraints = true;
    fields.basic_constraints_critical = X509_EXTENSION_get_critical(extension) == 1;
    fields.is_ca = value->ca != 0;
    if (value->pathlen != nullptr) {
        std::uint64_t length = 0;
        if (ASN1_INTEGER_get_uint64(&length, value->pathlen) != 1 ||
            length > std::numeric_limits<std::uint32_t>::max()) {
            return malformed("basic constraints");
        }
        fields.path_length = static_cast<std::uint32_t>(length);
    }
    return {};
}

Result<> read_key_usage(X509_EXTENSION* extension, CertificateFields& fields) {
    const auto value = decode_extension<ASN1_BIT_STRING, ASN1_BIT_STRING_free>(
        extension, d2i_ASN1_BIT_STRING, i2d_ASN1_BIT_STRING);
    // Nine bits have names.
    constexpr int kBits = 9;
    if (!value || ASN1_STRING_length(value.get()) > 2) {
        return malformed("key usage");
    }
    std::uint16_t usage = 0;
    for (int bit = 0; bit < kBits; ++bit) {
        if (ASN1_BIT_STRING_get_bit(value.get(), bit) != 0) {
            usage = static_cast<std::uint16_t>(usage | (1U << static_cast<unsigned>(bit)));
        }
    }
    fields.key_usage = usage;
    fields.key_usage_critical = X509_EXTENSION_get_critical(extension) == 1;
    return {};
}

Result<> read_subject_key_id(X509_EXTENSION* extension, CertificateFields& fields) {
    const auto value = decode_extension<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>(
        extension, d2i_ASN1_OCTET_STRING, i2d_ASN1_OCTET_STRING);
    if (!value) {
        return malformed("subject key identifier");
    }
    fields.subject_key_id = copy_of(value.get());
    return {};
}

Result<> read_authority_key_id(X509_EXTENSION* extension, CertificateFields& fields) {
    const auto value = decode_extension<AUTHORITY_KEYID, AUTHORITY_KEYID_free>(
        extension, d2i_AUTHORITY_KEYID, i2d_AUTHORITY_KEYID);
    if (!value) {
        return malformed("authority key identifier");
    }
    if (value->keyid != nullptr) {
        fields.authority_key_id = copy_of(value->keyid);
    }
    return {};
}

Result<> read_extension(X509_EXTENSION* extension, CertificateFields& fields) {
    const bool critical = X509_EXTENSION_get_critical(extension) == 1;
    const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
    if (nid == NID_basic_constraints) {
        return read_basic_constraints(extension, fields);
    }
    if (nid == NID_key_usage) {
        return read_key_usage(extension, fields);
    }
    if (critical && !fields.unknown_critical) {
        fields.unknown_critical = dotted(X509_EXTENSION_get_object(extension));
    }
    if (nid == NID_subject_key_identifier) {
        return read_subject_key_id(extension, fields);
    }
    if (nid == NID_authority_key_identifier) {
        return read_authority_key_id(extension, fields);
    }
    return {};
}

Result<> read_extensions(const X509* certificate, CertificateFields& fields) {
    for (int i = 0; i < X509_get_ext_count(certificate); ++i) {
        X509_EXTENSION* extension = X509_get_ext(certificate, i);
        const ASN1_OBJECT* object = X509_EXTENSION_get_object(extension);
        if (X509_get_ext_by_OBJ(certificate, object, -1) != i) {
            return Error(CryptoErrc::bad_encoding,
                         "the certificate has the extension " + dotted(object) + " twice");
        }
        CASEMATE_CHECK(read_extension(extension, fields));
    }
    return {};
}

bool says_ecdsa_with_sha384(const X509_ALGOR* algorithm) {
    const ASN1_OBJECT* object = nullptr;
    int parameter = V_ASN1_UNDEF;
    X509_ALGOR_get0(&object, &parameter, nullptr, algorithm);
    return OBJ_obj2nid(object) == NID_ecdsa_with_SHA384 && parameter == V_ASN1_UNDEF;
}

bool has_ecdsa_with_sha384(const X509* certificate) {
    const X509_ALGOR* outer = nullptr;
    X509_get0_signature(nullptr, &outer, certificate);
    return says_ecdsa_with_sha384(outer) &&
           says_ecdsa_with_sha384(X509_get0_tbs_sigalg(certificate));
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

// signed_part_of a certificate that was decoded is its first element, as it was received.
ByteView signed_part_of(ByteView der) {
    ByteReader reader(der);
    const auto certificate = der::read_element(reader);
    if (!certificate) {
        return {};
    }
    ByteReader inside(certificate->content);
    const auto signed_part = der::read_element(inside);
    return signed_part ? signed_part->whole : ByteView();
}

Error no_certificate() {
    return Error(CryptoErrc::bad_encoding, "expected a certificate in PEM, found none");
}

}  // namespace

void Certificate::FreeCertificate::operator()(x509_st* certificate) const {
    X509_free(certificate);
}

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
    const unsigned char* in = der.data();
    Handle handle(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
    if (!handle || in != der.data() + der.size()) {
        return openssl_error(CryptoErrc::bad_encoding,
                             "expected one certificate in DER, found something else");
    }
    // The decoder takes BER, and keeps the parts' own bytes: encoding again shows default values
    // that were written out, and the rest is seen element by element.
    const Bytes signed_part = encode(i2d_re_X509_tbs, handle.get());
    if (!der::is_der(der) || !std::ranges::equal(signed_part, signed_part_of(der)) ||
        !std::ranges::equal(encode(i2d_X509, handle.get()), der)) {
        return openssl_error(CryptoErrc::bad_encoding,
                             "expected a certificate in its one DER encoding, found another");
    }
    return Certificate(std::move(handle), Bytes(der.begin(), der.end()));
}

std::string Certificate::to_pem() const {
    const Bio bio(BIO_new(BIO_s_mem()));
    require(bio && PEM_write_bio_X509(bio.get(), handle_.get()) == 1, "write a certificate");
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

Result<CertificateFields> Certificate::fields() const {
    const X509* certificate = handle_.get();
    CertificateFields fields;
    fields.version = static_cast<int>(X509_get_version(certificate)) + 1;
    const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate);
    if (ASN1_STRING_type(serial) != V_ASN1_INTEGER) {
        return Error(CryptoErrc::bad_encoding, "the certificate's serial number is negative");
    }
    fields.serial = copy_of(serial);
    fields.issuer_der = encode(i2d_X509_NAME, X509_get_issuer_name(certificate));
    fields.subject_der = encode(i2d_X509_NAME, X509_get_subject_name(certificate));
    CASEMATE_TRY(fields.issuer, name_of(X509_get_issuer_name(certificate)));
    CASEMATE_TRY(fields.subject, name_of(X509_get_subject_name(certificate)));
    CASEMATE_TRY(fields.not_before, seconds_of(X509_get0_notBefore(certificate)));
    CASEMATE_TRY(fields.not_after, seconds_of(X509_get0_notAfter(certificate)));
    fields.ecdsa_with_sha384 = has_ecdsa_with_sha384(certificate);
    CASEMATE_CHECK(read_extensions(certificate, fields));
    return fields;
}

Result<PublicKey> Certificate::public_key() const {
    return PublicKey::from_spki(encode(i2d_X509_PUBKEY, X509_get_X509_PUBKEY(handle_.get())));
}

bool Certificate::is_signed_by(const PublicKey& issuer) const {
    if (issuer.curve() != Curve::p384 || !has_ecdsa_with_sha384(handle_.get())) {
        return false;
    }
    const ASN1_BIT_STRING* signature = nullptr;
    X509_get0_signature(&signature, nullptr, handle_.get());
    return issuer.verifies_der(signed_part_of(der_), content_of(signature));
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
    text.signature = colon_hex(content_of(signature));
    return text;
}

}  // namespace casemate::crypto
