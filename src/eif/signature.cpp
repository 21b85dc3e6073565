#include "eif/signature.hpp"

#include <string>
#include <utility>

#include "crypto/certificate.hpp"
#include "eif/error.hpp"
#include "eif/format.hpp"
#include "eif/signing.hpp"

// The encoding is CBOR (RFC 8949), but of one fixed shape that is read more strictly than a general
// decoder would: byte strings are arrays of one integer per byte (formats.md 1.8).

namespace casemate::eif {

namespace {

constexpr std::string_view kCertificateKey = "signing_certificate";
constexpr std::string_view kSignatureKey = "signature";

enum class Major : std::uint8_t { unsigned_integer = 0, text = 3, array = 4, map = 5 };

constexpr unsigned kMajorShift = 5;
constexpr std::uint8_t kInfoMask = 0x1f;
// Additional information below this is the value itself; from it on, it says how long the value is.
constexpr std::uint8_t kFollows8 = 24;
constexpr std::uint8_t kFollows16 = 25;
constexpr std::uint64_t kMax8 = 0xff;
constexpr std::uint64_t kMax16 = 0xffff;

Error refusal(std::string sentence) {
    return Error(EifErrc::bad_signature, std::move(sentence));
}

// read_argument reads the value behind an initial byte; false when it ends early, is not in the
// shortest form, or is longer than the section's size limit could ever need.
bool read_argument(ByteReader& reader, std::uint8_t info, std::uint64_t& out) {
    if (info < kFollows8) {
        out = info;
        return true;
    }
    if (info == kFollows8) {
        std::uint8_t value = 0;
        const bool read = reader.read_u8(value);
        out = value;
        return read && value >= kFollows8;
    }
    if (info == kFollows16) {
        std::uint16_t value = 0;
        const bool read = reader.read_be(value);
        out = value;
        return read && value > kMax8;
    }
    return false;
}

bool read_head(ByteReader& reader, Major major, std::uint64_t& out) {
    std::uint8_t initial = 0;
    return reader.read_u8(initial) && initial >> kMajorShift == static_cast<std::uint8_t>(major) &&
           read_argument(reader, initial & kInfoMask, out);
}

Result<> expect_head(ByteReader& reader, Major major, std::uint64_t expected,
                     const std::string& what) {
    std::uint64_t found = 0;
    if (!read_head(reader, major, found) || found != expected) {
        return refusal("expected " + what + ", found something else " +
                       std::to_string(reader.remaining()) + " bytes before the end");
    }
    return {};
}

Result<> expect_key(ByteReader& reader, std::string_view key) {
    const std::string what = "the key \"" + std::string(key) + "\"";
    CASEMATE_CHECK(expect_head(reader, Major::text, key.size(), what));
    ByteView text;
    if (!reader.read_bytes(key.size(), text) || as_text(text) != key) {
        return refusal("expected " + what + ", found another");
    }
    return {};
}

Result<Bytes> read_byte_array(ByteReader& reader, std::string_view key) {
    const std::string what(key);
    std::uint64_t count = 0;
    if (!read_head(reader, Major::array, count) || count > reader.remaining()) {
        return refusal("expected \"" + what + "\" as an array with its length, found none or one " +
                       "longer than the section");
    }
    Bytes bytes;
    bytes.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) {
        std::uint64_t value = 0;
        if (!read_head(reader, Major::unsigned_integer, value) || value > kMax8) {
            return refusal("expected \"" + what + "\" element " + std::to_string(i) +
                           " as an integer of 0 to 255, found something else");
        }
        bytes.push_back(static_cast<std::uint8_t>(value));
    }
    return bytes;
}

void put_head(ByteWriter& writer, Major major, std::uint64_t value) {
    const auto initial = static_cast<unsigned>(major) << kMajorShift;
    if (value < kFollows8) {
        writer.put_u8(static_cast<std::uint8_t>(initial | value));
    } else if (value <= kMax8) {
        writer.put_u8(static_cast<std::uint8_t>(initial | kFollows8));
        writer.put_u8(static_cast<std::uint8_t>(value));
    } else {
        // The section holds at most 32768 bytes, so 16 bits are enough for every length in it.
        writer.put_u8(static_cast<std::uint8_t>(initial | kFollows16));
        writer.put_be(static_cast<std::uint16_t>(value & kMax16));
    }
}

void put_byte_array(ByteWriter& writer, std::string_view key, const Bytes& bytes) {
    put_head(writer, Major::text, key.size());
    writer.put_bytes(as_bytes(key));
    put_head(writer, Major::array, bytes.size());
    for (const std::uint8_t byte : bytes) {
        put_head(writer, Major::unsigned_integer, byte);
    }
}

}  // namespace

Result<Signature> parse_signature(ByteView section) {
    if (section.size() > kMaxSignatureSize) {
        return refusal("expected at most " + std::to_string(kMaxSignatureSize) + " bytes, found " +
                       std::to_string(section.size()));
    }
    ByteReader reader(section);
    CASEMATE_CHECK(expect_head(reader, Major::array, 1, "an array of one signature"));
    CASEMATE_CHECK(expect_head(reader, Major::map, 2, "a map of certificate and signature"));
    Signature signature;
    CASEMATE_CHECK(expect_key(reader, kCertificateKey));
    CASEMATE_TRY(signature.certificate_pem, read_byte_array(reader, kCertificateKey));
    CASEMATE_CHECK(expect_key(reader, kSignatureKey));
    CASEMATE_TRY(signature.cose_sign1, read_byte_array(reader, kSignatureKey));
    if (!reader.empty()) {
        return refusal("expected the end of the section after the signature, found " +
                       std::to_string(reader.remaining()) + " more bytes");
    }
    return signature;
}

Bytes encode_signature(const Signature& signature) {
    Bytes bytes;
    ByteWriter writer(bytes);
    put_head(writer, Major::array, 1);
    put_head(writer, Major::map, 2);
    put_byte_array(writer, kCertificateKey, signature.certificate_pem);
    put_byte_array(writer, kSignatureKey, signature.cose_sign1);
    return bytes;
}

Result<crypto::Digest384> signer_register(ByteView section) {
    CASEMATE_TRY(const Signature signature, parse_signature(section));
    const auto certificate = crypto::Certificate::from_pem(signature.certificate_pem);
    if (!certificate) {
        return refusal("signing certificate: " + certificate.error().message());
    }
    return certificate_register(*certificate);
}

}  // namespace casemate::eif
