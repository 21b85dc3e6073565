#include "crypto/issue.hpp"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "crypto/der.hpp"
#include "crypto/key_access.hpp"
#include "crypto/openssl.hpp"

namespace casemate::crypto {

namespace {

using NewCertificate = Owned<X509, X509_free>;
using NewName = Owned<X509_NAME, X509_NAME_free>;
using Octets = Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;
using NewGeneralName = Owned<GENERAL_NAME, GENERAL_NAME_free>;
using KeyId = std::array<std::uint8_t, SHA_DIGEST_LENGTH>;

constexpr std::size_t kMaxSerial = 20;
constexpr int kVersion3 = 2;

Error bad_template(std::string sentence) {
    return openssl_error(CryptoErrc::bad_encoding, std::move(sentence));
}

Result<> set_serial(X509* certificate, ByteView serial) {
    if (serial.empty() || serial.size() > kMaxSerial ||
        (serial.size() == kMaxSerial && (serial[0] & 0x80U) != 0)) {
        return bad_template("expected a serial number of 1 to 20 bytes below 2^159, found " +
                            to_hex(serial));
    }
    const Owned<BIGNUM, BN_free> number(
        BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
    require(number != nullptr, "make a number");
    if (BN_is_zero(number.get()) != 0) {
        return bad_template("expected a serial number above zero (RFC 5280 4.1.2.2), found zero");
    }
    require(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr,
            "set a serial number");
    return {};
}

Result<NewName> make_name(const Name& attributes) {
    NewName name(X509_NAME_new());
    require(name != nullptr, "make a name");
    for (const NameAttribute& attribute : attributes) {
        const ByteView value = as_bytes(attribute.value);
        // Each attribute is a set of its own (-1, 0), behind those before.
        if (X509_NAME_add_entry_by_txt(name.get(), attribute.type.c_str(), MBSTRING_UTF8,
                                       value.data(), static_cast<int>(value.size()), -1, 0) != 1) {
            return bad_template("the name's attribute " + attribute.type + "=" + attribute.value +
                                " can't be encoded");
        }
    }
    return name;
}

Result<> set_names(X509* certificate, const Name& subject, const Name& issuer) {
    CASEMATE_TRY(const NewName subject_name, make_name(subject));
    CASEMATE_TRY(const NewName issuer_name, make_name(issuer));
    require(X509_set_subject_name(certificate, subject_name.get()) == 1 &&
                X509_set_issuer_name(certificate, issuer_name.get()) == 1,
            "set a certificate's names");
    return {};
}

// The years that a certificate's times can have (RFC 5280 4.1.2.5).
constexpr std::chrono::sys_days kFirstTime{std::chrono::year(1950) / 1 / 1};
constexpr std::chrono::sys_days kTimesEnd{std::chrono::year(10000) / 1 / 1};

Result<> set_validity(X509* certificate, const CertificateTemplate& what) {
    if (what.not_before < kFirstTime || what.not_after < what.not_before ||
        what.not_after >= kTimesEnd) {
        return bad_template(
            "expected a validity from a time in 1950 or later to a later one before the year "
            "10000, found another");
    }
    // ASN1_TIME_set writes years up to 2049 in two digits and later ones in four, as it is wanted.
    require(ASN1_TIME_set(X509_getm_notBefore(certificate),
                          what.not_before.time_since_epoch().count()) != nullptr &&
                ASN1_TIME_set(X509_getm_notAfter(certificate),
                              what.not_after.time_since_epoch().count()) != nullptr,
            "set a validity");
    return {};
}

// key_id is SHA-1 over the content of the BIT STRING in a SubjectPublicKeyInfo.
KeyId key_id(const PublicKey& key) {
    const auto spki = der::Row(key.spki()).next_if(der::kSequence);
    require(spki.has_value(), "read a public key");
    der::Row inside(spki->content);
    const auto algorithm = inside.next_if(der::kSequence);
    const auto bits = inside.next_if(der::kBitString);
    // The first byte counts unused bits, of which a key has none.
    require(algorithm && bits && !bits->content.empty(), "read a public key");
    const ByteView content = bits->content.subspan(1);
    KeyId id{};
    require(SHA1(content.data(), content.size(), id.data()) != nullptr, "make a key identifier");
    return id;
}

Octets octets(ByteView bytes) {
    Octets made(ASN1_OCTET_STRING_new());
    require(made && ASN1_OCTET_STRING_set(made.get(), bytes.data(),
                                          static_cast<int>(bytes.size())) == 1,
            "make an octet string");
    return made;
}

void add(X509* certificate, int nid, void* value, bool critical) {
    require(X509_add1_ext_i2d(certificate, nid, value, critical ? 1 : 0, X509V3_ADD_APPEND) == 1,
            "add an extension");
}

void add_basic_constraints(X509* certificate, const CertificateTemplate& what) {
    const Owned<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free> value(BASIC_CONSTRAINTS_new());
    require(value != nullptr, "make basic constraints");
    value->ca = what.is_ca ? 0xff : 0;
    if (what.path_length) {
        value->pathlen = ASN1_INTEGER_new();
        require(value->pathlen != nullptr &&
                    ASN1_INTEGER_set_uint64(value->pathlen, *what.path_length) == 1,
                "make a path length");
    }
    add(certificate, NID_basic_constraints, value.get(), true);
}

void add_authority_key_id(X509* certificate, const PublicKey& issuer) {
    const Owned<AUTHORITY_KEYID, AUTHORITY_KEYID_free> value(AUTHORITY_KEYID_new());
    require(value != nullptr, "make an authority key identifier");
    value->keyid = octets(key_id(issuer)).release();
    add(certificate, NID_authority_key_identifier, value.get(), false);
}

void add_key_usage(X509* certificate, const CertificateTemplate& what) {
    const Owned<ASN1_BIT_STRING, ASN1_BIT_STRING_free> value(ASN1_BIT_STRING_new());
    require(value != nullptr, "make a key usage");
    constexpr int kBits = 16;
    for (int bit = 0; bit < kBits; ++bit) {
        if ((what.key_usage & (1U << static_cast<unsigned>(bit))) != 0) {
            require(ASN1_BIT_STRING_set_bit(value.get(), bit, 1) == 1, "set a key usage");
        }
    }
    add(certificate, NID_key_usage, value.get(), what.key_usage_critical);
}

void add_extended_key_usage(X509* certificate) {
    const Owned<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free> value(EXTENDED_KEY_USAGE_new());
    // This object is OpenSSL's own table's, and freeing it does nothing.
    require(value && sk_ASN1_OBJECT_push(value.get(), OBJ_nid2obj(NID_server_auth)) > 0,
            "make an extended key usage");
    add(certificate, NID_ext_key_usage, value.get(), false);
}

// make_alternative_name decodes addresses itself; a host name has letters, digits and hyphens, and
// an asterisk for its first label.
Result<NewGeneralName> make_alternative_name(const AlternativeName& what) {
    constexpr std::size_t kMaxHostName = 253;
    NewGeneralName name(GENERAL_NAME_new());
    require(name != nullptr, "make an alternative name");
    if (what.kind == AlternativeName::Kind::ip) {
        Octets address(a2i_IPADDRESS(what.value.c_str()));
        if (!address || what.value.find('\0') != std::string::npos) {
            return bad_template("expected an IP address as alternative name, found " + what.value);
        }
        GENERAL_NAME_set0_value(name.get(), GEN_IPADD, address.release());
        return name;
    }
    const std::string_view host = what.value;
    const std::string_view labels = host.starts_with("*.") ? host.substr(2) : host;
    const bool plain = std::ranges::all_of(labels, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.' || c == '_';
    });
    if (labels.empty() || host.size() > kMaxHostName || !plain) {
        return bad_template("expected a host name as alternative name, found " + what.value);
    }
    Owned<ASN1_IA5STRING, ASN1_IA5STRING_free> text(ASN1_IA5STRING_new());
    require(text && ASN1_STRING_set(text.get(), host.data(), static_cast<int>(host.size())) == 1,
            "make an alternative name");
    GENERAL_NAME_set0_value(name.get(), GEN_DNS, text.release());
    return name;
}

Result<> add_alternative_names(X509* certificate, const CertificateTemplate& what) {
    const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(GENERAL_NAMES_new());
    require(names != nullptr, "make alternative names");
    for (const AlternativeName& one : what.alternative_names) {
        CASEMATE_TRY(NewGeneralName name, make_alternative_name(one));
        require(sk_GENERAL_NAME_push(names.get(), name.release()) > 0, "make alternative names");
    }
    add(certificate, NID_subject_alt_name, names.get(), false);
    return {};
}

Result<> add_extensions(X509* certificate, const CertificateTemplate& what,
                        const PublicKey& subject, const PublicKey& issuer) {
    add_basic_constraints(certificate, what);
    if (what.with_authority_key_id) {
        add_authority_key_id(certificate, issuer);
    }
    if (what.with_subject_key_id) {
        const Octets id = octets(key_id(subject));
        add(certificate, NID_subject_key_identifier, id.get(), false);
    }
    if (what.key_usage != 0) {
        add_key_usage(certificate, what);
    }
    if (what.for_tls_server) {
        add_extended_key_usage(certificate);
    }
    if (!what.alternative_names.empty()) {
        CASEMATE_CHECK(add_alternative_names(certificate, what));
    }
    return {};
}

}  // namespace

Result<Certificate> issue(const CertificateTemplate& what, const PublicKey& public_key,
                          const Issuer& issuer) {
    const NewCertificate certificate(X509_new());
    require(certificate && X509_set_version(certificate.get(), kVersion3) == 1,
            "make a certificate");
    CASEMATE_CHECK(set_serial(certificate.get(), what.serial));
    CASEMATE_CHECK(set_names(certificate.get(), what.subject, issuer.name));
    CASEMATE_CHECK(set_validity(certificate.get(), what));
    require(X509_set_pubkey(certificate.get(), KeyAccess::handle(public_key)) == 1,
            "set a certificate's public key");
    const PublicKey& issuer_key = issuer.key->public_key();
    CASEMATE_CHECK(add_extensions(certificate.get(), what, public_key, issuer_key));
    if (X509_sign(certificate.get(), KeyAccess::handle(*issuer.key),
                  message_digest(issuer_key.curve())) <= 0) {
        return openssl_error(KeyAccess::failure_of(*issuer.key), "the issuer's key does not sign");
    }
    unsigned char* raw = nullptr;
    const int size = i2d_X509(certificate.get(), &raw);
    require(size > 0, "encode a certificate");
    const Owned<unsigned char, free_openssl> owned(raw);
    return Certificate::from_der(ByteView(raw, static_cast<std::size_t>(size)));
}

}  // namespace casemate::crypto
