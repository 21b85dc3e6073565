#include <openssl/asn1.h>
#include <openssl/objects.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <utility>

#include "crypto/certificate_parts.hpp"
#include "crypto/openssl.hpp"

namespace casemate::crypto {

namespace {

using der::Element;
using der::Row;

// Context-specific tags of AuthorityKeyIdentifier (RFC 5280 4.2.1.1).
constexpr std::uint8_t kKeyIdentifier = 0x80;
constexpr std::uint8_t kAuthorityCertIssuer = 0xa1;
constexpr std::uint8_t kAuthorityCertSerial = 0x82;
constexpr std::uint8_t kSignBit = 0x80;
constexpr unsigned kByteBits = 8;

// The extensions that are read: id-ce (2.5.29) with their last arc, tagged.
using ExtensionId = std::array<std::uint8_t, 5>;
constexpr ExtensionId kSubjectKeyId = {0x06, 0x03, 0x55, 0x1d, 14};
constexpr ExtensionId kKeyUsage = {0x06, 0x03, 0x55, 0x1d, 15};
constexpr ExtensionId kBasicConstraints = {0x06, 0x03, 0x55, 0x1d, 19};
constexpr ExtensionId kAuthorityKeyId = {0x06, 0x03, 0x55, 0x1d, 35};

Error refusal(std::string sentence) {
    return openssl_error(CryptoErrc::bad_encoding, std::move(sentence));
}

Bytes copy_of(ByteView bytes) {
    return {bytes.begin(), bytes.end()};
}

// --- names ---

using Object = Owned<ASN1_OBJECT, ASN1_OBJECT_free>;

Object object_of(const Element& id) {
    const unsigned char* in = id.whole.data();
    return Object(d2i_ASN1_OBJECT(nullptr, &in, static_cast<long>(id.whole.size())));
}

std::string dotted(const ASN1_OBJECT* object) {
    std::array<char, 256> text{};
    const int size = OBJ_obj2txt(text.data(), static_cast<int>(text.size()), object, 1);
    return size > 0 ? text.data() : "unknown";
}

Result<std::string> attribute_type(const Element& id) {
    const Object object = object_of(id);
    if (!object) {
        return refusal("a name of the certificate has an attribute without a type");
    }
    const int nid = OBJ_obj2nid(object.get());
    return nid == NID_undef ? dotted(object.get()) : OBJ_nid2sn(nid);
}

// The types of strings that names have: UTF8String, NumericString, PrintableString, TeletexString,
// IA5String, UniversalString and BMPString.
constexpr auto kStrings = std::to_array<std::uint8_t>({0x0c, 0x12, 0x13, 0x14, 0x16, 0x1c, 0x1e});

Result<std::string> attribute_value(const Element& value) {
    if (std::ranges::find(kStrings, value.tag) == kStrings.end()) {
        return refusal("a name of the certificate is no text");
    }
    const Owned<ASN1_STRING, ASN1_STRING_free> string(ASN1_STRING_type_new(value.tag));
    require(string && ASN1_STRING_set(string.get(), value.content.data(),
                                      static_cast<int>(value.content.size())) == 1,
            "make a string");
    unsigned char* raw = nullptr;
    const int size = ASN1_STRING_to_UTF8(&raw, string.get());
    const Owned<unsigned char, free_openssl> owned(raw);
    if (size < 0) {
        return refusal("a name of the certificate is no text");
    }
    return std::string(as_text(ByteView(raw, static_cast<std::size_t>(size))));
}

// read_name reads what read_parts found to be a name.
Result<Name> read_name(ByteView whole) {
    Name name;
    const auto sequence = Row(whole).next();
    Row sets(sequence ? sequence->content : ByteView());
    while (const auto set = sets.next()) {
        Row attributes(set->content);
        while (const auto attribute = attributes.next()) {
            Row parts(attribute->content);
            const auto id = parts.next();
            const auto value = parts.next();
            if (!id || !value) {
                return refusal("a name of the certificate has an attribute that is none");
            }
            CASEMATE_TRY(std::string type, attribute_type(*id));
            CASEMATE_TRY(std::string text, attribute_value(*value));
            name.push_back({std::move(type), std::move(text)});
        }
    }
    return name;
}

// --- times ---

// Digits takes numbers of fixed width off a text.
class Digits {
public:
    explicit Digits(ByteView text) : text_(text) {}

    [[nodiscard]] unsigned take(std::size_t count) {
        unsigned number = 0;
        for (std::size_t i = 0; i < count; ++i) {
            std::uint8_t digit = 0;
            valid_ = valid_ && text_.read_u8(digit) && digit >= '0' && digit <= '9';
            constexpr unsigned kTen = 10;
            number = number * kTen + (valid_ ? digit - unsigned{'0'} : 0);
        }
        return number;
    }
    [[nodiscard]] bool end_with_z() {
        std::uint8_t last = 0;
        return valid_ && text_.read_u8(last) && last == 'Z' && text_.empty();
    }

private:
    ByteReader text_;
    bool valid_ = true;
};

// Times have seconds and are in UTC: YYMMDDHHMMSSZ through 2049, YYYYMMDDHHMMSSZ from then on (RFC
// 5280 4.1.2.5).
Result<Seconds> read_time(const Element& time) {
    Digits digits(time.content);
    constexpr unsigned kPivot = 50;
    constexpr unsigned kFirstLongYear = 2050;
    unsigned year = 0;
    if (time.tag == der::kUtcTime) {
        year = digits.take(2);
        year += year < kPivot ? 2000 : 1900;
    } else {
        year = digits.take(4);
    }
    const bool right_form = time.tag == der::kUtcTime || year >= kFirstLongYear;
    const unsigned month = digits.take(2);
    const unsigned day = digits.take(2);
    const unsigned hour = digits.take(2);
    const unsigned minute = digits.take(2);
    const unsigned second = digits.take(2);
    const auto date = std::chrono::year(static_cast<int>(year)) / std::chrono::month(month) /
                      std::chrono::day(day);
    if (!digits.end_with_z() || !right_form || !date.ok() || hour > 23 || minute > 59 ||
        second > 59) {
        return refusal("expected a time in seconds and UTC in the certificate, found " +
                       to_hex(time.whole));
    }
    return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
           std::chrono::seconds(second);
}

// --- extensions ---

Error malformed(const char* extension) {
    return refusal(std::string("the certificate's extension \"") + extension + "\" is malformed");
}

// read_path_length reads an INTEGER of zero or more.
bool read_path_length(ByteView integer, std::uint32_t& out) {
    // Four bytes and a sign byte before them.
    if (integer.empty() || (integer[0] & kSignBit) != 0 || integer.size() > sizeof(out) + 1) {
        return false;
    }
    std::uint64_t length = 0;
    for (const std::uint8_t byte : integer) {
        length = (length << kByteBits) | byte;
    }
    out = static_cast<std::uint32_t>(length);
    return length <= std::numeric_limits<std::uint32_t>::max();
}

// BasicConstraints: SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL }.
bool read_basic_constraints(const ExtensionParts& extension, CertificateFields& fields) {
    const auto sequence = Row(extension.value).next_if(der::kSequence);
    if (!sequence) {
        return false;
    }
    Row inside(sequence->content);
    const auto is_ca = inside.next_if(der::kBoolean);
    const auto path_length = inside.next_if(der::kInteger);
    // FALSE is the default, and so is never written.
    if (!inside.empty() || (is_ca && is_ca->content[0] == 0)) {
        return false;
    }
    if (path_length) {
        std::uint32_t length = 0;
        if (!read_path_length(path_length->content, length)) {
            return false;
        }
        fields.path_length = length;
    }
    fields.has_basic_constraints = true;
    fields.basic_constraints_critical = extension.critical;
    fields.is_ca = is_ca.has_value();
    return true;
}

// KeyUsage: a BIT STRING of nine named bits, of which zeros at the end are left out.
bool read_key_usage(const ExtensionParts& extension, CertificateFields& fields) {
    const auto string = Row(extension.value).next_if(der::kBitString);
    if (!string || string->content.size() < 2 || string->content.size() > 3) {
        return false;
    }
    const unsigned unused = string->content.front();
    const ByteView bytes = string->content.subspan(1);
    if (((unsigned{bytes.back()} >> unused) & 1U) == 0) {
        return false;
    }
    std::uint16_t usage = 0;
    for (unsigned bit = 0; bit < bytes.size() * kByteBits; ++bit) {
        const unsigned byte = bytes[bit / kByteBits];
        if ((byte & (kSignBit >> (bit % kByteBits))) != 0) {
            usage = static_cast<std::uint16_t>(usage | (1U << bit));
        }
    }
    fields.key_usage = usage;
    fields.key_usage_critical = extension.critical;
    return true;
}

bool read_subject_key_id(const ExtensionParts& extension, CertificateFields& fields) {
    const auto id = Row(extension.value).next_if(der::kOctetString);
    if (!id) {
        return false;
    }
    fields.subject_key_id = copy_of(id->content);
    return true;
}

// AuthorityKeyIdentifier: a key identifier, and an issuer with a serial number, both optional.
bool read_authority_key_id(const ExtensionParts& extension, CertificateFields& fields) {
    const auto sequence = Row(extension.value).next_if(der::kSequence);
    if (!sequence) {
        return false;
    }
    Row inside(sequence->content);
    const auto id = inside.next_if(kKeyIdentifier);
    const auto issuer = inside.next_if(kAuthorityCertIssuer);
    const auto serial = inside.next_if(kAuthorityCertSerial);
    if (!inside.empty() || issuer.has_value() != serial.has_value()) {
        return false;
    }
    if (id) {
        fields.authority_key_id = copy_of(id->content);
    }
    return true;
}

struct KnownExtension {
    ExtensionId id;
    const char* name;
    bool (*read)(const ExtensionParts& extension, CertificateFields& fields);
    // understood: path validation goes by it, so it may be critical.
    bool understood;
};

constexpr auto kKnownExtensions = std::to_array<KnownExtension>({
    {kBasicConstraints, "basic constraints", read_basic_constraints, true},
    {kKeyUsage, "key usage", read_key_usage, true},
    {kSubjectKeyId, "subject key identifier", read_subject_key_id, false},
    {kAuthorityKeyId, "authority key identifier", read_authority_key_id, false},
});

Result<> read_extension(const ExtensionParts& extension, CertificateFields& fields) {
    const auto* known =
        std::ranges::find_if(kKnownExtensions, [&](const KnownExtension& candidate) {
            return std::ranges::equal(candidate.id, extension.id.whole);
        });
    const bool is_known = known != kKnownExtensions.end();
    if (is_known && (!der::is_der(extension.value) || !known->read(extension, fields))) {
        return malformed(known->name);
    }
    if (extension.critical && !(is_known && known->understood) && !fields.unknown_critical) {
        fields.unknown_critical = dotted(object_of(extension.id).get());
    }
    return {};
}

Result<> read_extensions(const std::vector<ExtensionParts>& extensions, CertificateFields& fields) {
    for (auto extension = extensions.begin(); extension != extensions.end(); ++extension) {
        const bool again = std::any_of(extensions.begin(), extension, [&](const auto& before) {
            return std::ranges::equal(before.id.whole, extension->id.whole);
        });
        if (again) {
            return refusal("the certificate has the extension " +
                           dotted(object_of(extension->id).get()) + " twice");
        }
        CASEMATE_CHECK(read_extension(*extension, fields));
    }
    return {};
}

}  // namespace

Result<CertificateFields> read_fields(const CertificateParts& parts) {
    CertificateFields fields;
    fields.version = parts.version;
    if ((parts.serial[0] & kSignBit) != 0) {
        return refusal("the certificate's serial number is negative");
    }
    // A zero before a byte with the highest bit says that the number is not negative.
    fields.serial = copy_of(parts.serial[0] == 0 ? parts.serial.subspan(1) : parts.serial);
    fields.issuer_der = copy_of(parts.issuer);
    fields.subject_der = copy_of(parts.subject);
    CASEMATE_TRY(fields.issuer, read_name(parts.issuer));
    CASEMATE_TRY(fields.subject, read_name(parts.subject));
    CASEMATE_TRY(fields.not_before, read_time(parts.not_before));
    CASEMATE_TRY(fields.not_after, read_time(parts.not_after));
    fields.ecdsa_with_sha384 = is_ecdsa_with_sha384(parts);
    CASEMATE_CHECK(read_extensions(parts.extensions, fields));
    return fields;
}

}  // namespace casemate::crypto
