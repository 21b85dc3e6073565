#include "crypto/certificate_parts.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace casemate::crypto {

namespace {

using der::Element;
using der::Row;

// Context-specific tags (RFC 5280 4.1).
constexpr std::uint8_t kVersion = 0xa0;
constexpr std::uint8_t kIssuerUniqueId = 0x81;
constexpr std::uint8_t kSubjectUniqueId = 0x82;
constexpr std::uint8_t kExtensions = 0xa3;

// 1.2.840.10045.4.3.3 in a SEQUENCE without parameters (RFC 5758 3.2).
constexpr auto kEcdsaWithSha384 = std::to_array<std::uint8_t>(
    {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03});

Error not_certificate(const char* part) {
    return Error(CryptoErrc::bad_encoding, std::string("expected a certificate, found one whose ") +
                                               part + " is missing or something else");
}

// AlgorithmIdentifier: an object identifier and at most one element of parameters.
bool is_algorithm(const Element& element) {
    Row row(element.content);
    return row.next_if(der::kObjectIdentifier) && (row.empty() || row.next()) && row.empty();
}

// Attribute: an object identifier and a value.
bool is_attribute(const Element& element) {
    Row row(element.content);
    return row.next_if(der::kObjectIdentifier) && row.next() && row.empty();
}

// Name: a sequence of sets, none of them empty, of attributes.
bool is_name(const Element& element) {
    Row sets(element.content);
    while (!sets.empty()) {
        const auto set = sets.next_if(der::kSet);
        if (!set || set->content.empty()) {
            return false;
        }
        Row attributes(set->content);
        while (!attributes.empty()) {
            const auto attribute = attributes.next_if(der::kSequence);
            if (!attribute || !is_attribute(*attribute)) {
                return false;
            }
        }
    }
    return true;
}

bool is_time(const Element& element) {
    return element.tag == der::kUtcTime || element.tag == der::kGeneralizedTime;
}

bool is_public_key(const Element& element) {
    Row row(element.content);
    const auto algorithm = row.next_if(der::kSequence);
    return algorithm && is_algorithm(*algorithm) && row.next_if(der::kBitString) && row.empty();
}

// Version 1 is the default, and so is never written; 2 and 3 are written as 1 and 2.
bool read_version(Row& row, int& version) {
    const auto wrapper = row.next_if(kVersion);
    if (!wrapper) {
        return true;
    }
    Row inside(wrapper->content);
    const auto number = inside.next_if(der::kInteger);
    if (!number || !inside.empty() || number->content.size() != 1 || number->content[0] < 1 ||
        number->content[0] > 2) {
        return false;
    }
    version = number->content[0] + 1;
    return true;
}

bool read_validity(Row& row, CertificateParts& parts) {
    const auto validity = row.next_if(der::kSequence);
    if (!validity) {
        return false;
    }
    Row times(validity->content);
    const auto not_before = times.next();
    const auto not_after = times.next();
    if (!not_before || !not_after || !is_time(*not_before) || !is_time(*not_after)) {
        return false;
    }
    parts.not_before = *not_before;
    parts.not_after = *not_after;
    return times.empty();
}

bool read_extension(const Element& element, ExtensionParts& parts) {
    Row row(element.content);
    const auto id = row.next_if(der::kObjectIdentifier);
    const auto critical = row.next_if(der::kBoolean);
    const auto value = row.next_if(der::kOctetString);
    // FALSE is the default.
    if (!id || !value || !row.empty() || (critical && critical->content[0] == 0)) {
        return false;
    }
    parts = {.id = *id, .critical = critical.has_value(), .value = value->content};
    return true;
}

// Unique identifiers came with version 2, extensions with version 3.
bool read_extensions(Row& row, CertificateParts& parts) {
    for (const std::uint8_t tag : {kIssuerUniqueId, kSubjectUniqueId}) {
        if (row.next_if(tag) && parts.version < 2) {
            return false;
        }
    }
    if (row.empty()) {
        return true;
    }
    const auto wrapper = row.next_if(kExtensions);
    if (!wrapper || parts.version < 3) {
        return false;
    }
    Row inside(wrapper->content);
    const auto list = inside.next_if(der::kSequence);
    if (!list || !inside.empty() || list->content.empty()) {
        return false;
    }
    Row extensions(list->content);
    while (!extensions.empty()) {
        const auto element = extensions.next_if(der::kSequence);
        ExtensionParts extension;
        if (!element || !read_extension(*element, extension)) {
            return false;
        }
        parts.extensions.push_back(extension);
    }
    return row.empty();
}

Result<> read_signed_part(ByteView content, CertificateParts& parts) {
    Row row(content);
    if (!read_version(row, parts.version)) {
        return not_certificate("version");
    }
    const auto serial = row.next_if(der::kInteger);
    if (!serial) {
        return not_certificate("serial number");
    }
    parts.serial = serial->content;
    const auto algorithm = row.next_if(der::kSequence);
    if (!algorithm || !is_algorithm(*algorithm)) {
        return not_certificate("first signature algorithm");
    }
    parts.signed_algorithm = algorithm->whole;
    const auto issuer = row.next_if(der::kSequence);
    if (!issuer || !is_name(*issuer)) {
        return not_certificate("issuer");
    }
    parts.issuer = issuer->whole;
    if (!read_validity(row, parts)) {
        return not_certificate("validity");
    }
    const auto subject = row.next_if(der::kSequence);
    if (!subject || !is_name(*subject)) {
        return not_certificate("subject");
    }
    parts.subject = subject->whole;
    const auto public_key = row.next_if(der::kSequence);
    if (!public_key || !is_public_key(*public_key)) {
        return not_certificate("public key");
    }
    parts.public_key = public_key->whole;
    if (!read_extensions(row, parts)) {
        return not_certificate("list of extensions");
    }
    return {};
}

}  // namespace

Result<CertificateParts> read_parts(ByteView der) {
    if (!der::is_der(der)) {
        return Error(CryptoErrc::bad_encoding,
                     "expected one certificate in DER, found something else");
    }
    Row outside(der);
    const auto certificate = outside.next_if(der::kSequence);
    Row row(certificate ? certificate->content : ByteView());
    const auto signed_part = row.next_if(der::kSequence);
    if (!signed_part) {
        return not_certificate("signed part");
    }
    CertificateParts parts;
    parts.signed_part = signed_part->whole;
    CASEMATE_CHECK(read_signed_part(signed_part->content, parts));
    const auto algorithm = row.next_if(der::kSequence);
    if (!algorithm || !is_algorithm(*algorithm)) {
        return not_certificate("second signature algorithm");
    }
    parts.algorithm = algorithm->whole;
    // The first byte of a BIT STRING counts the bits of its last byte that are unused.
    const auto signature = row.next_if(der::kBitString);
    if (!signature || signature->content[0] != 0 || !row.empty()) {
        return not_certificate("signature");
    }
    parts.signature = signature->content.subspan(1);
    return parts;
}

bool is_ecdsa_with_sha384(const CertificateParts& parts) {
    return std::ranges::equal(parts.signed_algorithm, kEcdsaWithSha384) &&
           std::ranges::equal(parts.algorithm, kEcdsaWithSha384);
}

}  // namespace casemate::crypto
