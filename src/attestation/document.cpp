#include "attestation/document.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "attestation/document_parts.hpp"
#include "attestation/text.hpp"
#include "codec/cbor/cbor.hpp"

namespace casemate::attestation {

namespace {

using cbor::Kind;
using cbor::Map;
using cbor::Reader;

constexpr std::size_t kSignatureSize = 96;

Error refuse(AttestationErrc code, std::string sentence) {
    return {code, std::move(sentence)};
}

std::string_view kind_name(std::optional<Kind> kind) {
    if (!kind) {
        return "nothing";
    }
    switch (*kind) {
        case Kind::unsigned_integer:
            return "an unsigned integer";
        case Kind::negative_integer:
            return "a negative integer";
        case Kind::bytes:
            return "a byte string";
        case Kind::text:
            return "text";
        case Kind::array:
            return "an array";
        case Kind::map:
            return "a map";
        case Kind::tag:
            return "a tag";
        case Kind::boolean:
            return "a boolean";
        case Kind::null:
            return "null";
    }
    return "something else";
}

// expect_kind refuses an item of another kind than the one that a field has.
Result<> expect_kind(const Reader& item, Kind kind, AttestationErrc code, std::string_view what) {
    const auto found = item.peek();
    if (found != kind) {
        return refuse(code, "expected " + std::string(what) + " to be " +
                                std::string(kind_name(kind)) + ", found " +
                                std::string(kind_name(found)));
    }
    return {};
}

Result<ByteView> read_bytes(Reader& item, std::size_t least, std::size_t most, AttestationErrc code,
                            std::string_view what) {
    CASEMATE_CHECK(expect_kind(item, Kind::bytes, code, what));
    CASEMATE_TRY(const ByteView bytes, item.read_bytes());
    if (bytes.size() < least || bytes.size() > most) {
        return refuse(code, "expected " + std::to_string(least) + " to " + std::to_string(most) +
                                " bytes of " + std::string(what) + ", found " +
                                std::to_string(bytes.size()));
    }
    return bytes;
}

Result<Reader> mandatory(const Map& payload, std::string_view key) {
    const auto found = payload.find(key);
    if (!found) {
        return refuse(AttestationErrc::missing_field,
                      "expected the field " + std::string(key) + ", found none");
    }
    return *found;
}

Result<std::string> read_module_id(const Map& payload) {
    constexpr auto kCode = AttestationErrc::bad_module_id;
    CASEMATE_TRY(Reader item, mandatory(payload, "module_id"));
    CASEMATE_CHECK(expect_kind(item, Kind::text, kCode, "module_id"));
    CASEMATE_TRY(const std::string_view text, item.read_text());
    if (text.empty() || text.size() > kMaxField) {
        return refuse(kCode, "expected 1 to " + std::to_string(kMaxField) +
                                 " bytes of module_id, found " + std::to_string(text.size()));
    }
    return std::string(text);
}

Result<> check_digest(const Map& payload) {
    constexpr auto kCode = AttestationErrc::bad_digest;
    CASEMATE_TRY(Reader item, mandatory(payload, "digest"));
    CASEMATE_CHECK(expect_kind(item, Kind::text, kCode, "digest"));
    CASEMATE_TRY(const std::string_view text, item.read_text());
    if (text != "SHA384") {
        return refuse(kCode, "expected the digest SHA384, found \"" + printable(text) + "\"");
    }
    return {};
}

Result<Time> read_timestamp(const Map& payload) {
    constexpr auto kCode = AttestationErrc::bad_timestamp;
    CASEMATE_TRY(Reader item, mandatory(payload, "timestamp"));
    CASEMATE_CHECK(expect_kind(item, Kind::unsigned_integer, kCode, "timestamp"));
    CASEMATE_TRY(const std::uint64_t value, item.read_uint());
    const auto last = static_cast<std::uint64_t>(kLastTime.time_since_epoch().count());
    if (value == 0 || value > last) {
        return refuse(kCode, "expected a timestamp of 1 to " + std::to_string(last) +
                                 " ms since 1970, found " + std::to_string(value));
    }
    return Time(std::chrono::milliseconds(static_cast<std::int64_t>(value)));
}

Result<std::pair<std::uint16_t, PcrValue>> read_pcr(Reader& pairs) {
    CASEMATE_CHECK(expect_kind(pairs, Kind::unsigned_integer, AttestationErrc::bad_pcr_index,
                               "the index of a PCR"));
    CASEMATE_TRY(const std::uint64_t index, pairs.read_uint());
    if (index >= kPcrCount) {
        return refuse(AttestationErrc::bad_pcr_index, "expected an index below " +
                                                          std::to_string(kPcrCount) +
                                                          ", found PCR" + std::to_string(index));
    }
    const std::string name = "PCR" + std::to_string(index);
    CASEMATE_TRY(const ByteView bytes,
                 read_bytes(pairs, kPcrSize, kPcrSize, AttestationErrc::bad_pcr_size, name));
    PcrValue value{};
    std::copy(bytes.begin(), bytes.end(), value.begin());
    return std::pair(static_cast<std::uint16_t>(index), value);
}

Result<Pcrs> read_pcrs(const Map& payload) {
    constexpr auto kCode = AttestationErrc::bad_pcrs;
    CASEMATE_TRY(Reader item, mandatory(payload, "pcrs"));
    CASEMATE_CHECK(expect_kind(item, Kind::map, kCode, "pcrs"));
    CASEMATE_TRY(const Map map, item.read_map());
    if (map.size() == 0 || map.size() > kPcrCount) {
        return refuse(kCode, "expected 1 to " + std::to_string(kPcrCount) + " PCRs, found " +
                                 std::to_string(map.size()));
    }
    Pcrs pcrs;
    Reader pairs = map.pairs();
    while (pairs.remaining() > 0) {
        CASEMATE_TRY(const auto pcr, read_pcr(pairs));
        pcrs.insert(pcr);
    }
    return pcrs;
}

Result<Bytes> read_certificate(const Map& payload) {
    CASEMATE_TRY(Reader item, mandatory(payload, "certificate"));
    CASEMATE_TRY(const ByteView der,
                 read_bytes(item, 1, kMaxCertificate, AttestationErrc::bad_certificate_field,
                            "certificate"));
    return Bytes(der.begin(), der.end());
}

Result<std::vector<Bytes>> read_cabundle(const Map& payload) {
    constexpr auto kCode = AttestationErrc::bad_cabundle;
    CASEMATE_TRY(Reader item, mandatory(payload, "cabundle"));
    CASEMATE_CHECK(expect_kind(item, Kind::array, kCode, "cabundle"));
    CASEMATE_TRY(Reader entries, item.read_array());
    if (entries.remaining() == 0 || entries.remaining() > kMaxBundle) {
        return refuse(kCode, "expected 1 to " + std::to_string(kMaxBundle) +
                                 " certificates in cabundle, found " +
                                 std::to_string(entries.remaining()));
    }
    std::vector<Bytes> bundle;
    while (entries.remaining() > 0) {
        const std::string name = "cabundle[" + std::to_string(bundle.size()) + "]";
        CASEMATE_TRY(const ByteView der, read_bytes(entries, 1, kMaxCertificate, kCode, name));
        bundle.emplace_back(der.begin(), der.end());
    }
    return bundle;
}

// Absent fields are null in AWS's documents; its own description has them left out.
Result<std::optional<Bytes>> read_optional(const Map& payload, std::string_view key,
                                           AttestationErrc code) {
    auto item = payload.find(key);
    if (!item || item->peek() == Kind::null) {
        return std::optional<Bytes>();
    }
    CASEMATE_TRY(const ByteView bytes, read_bytes(*item, 0, kMaxField, code, key));
    return std::optional(Bytes(bytes.begin(), bytes.end()));
}

Result<Map> open_payload(ByteView payload) {
    auto reader = Reader::open(payload);
    if (!reader) {
        return refuse(AttestationErrc::payload_not_cbor,
                      "expected a payload of strict CBOR, found: " + reader.error().message());
    }
    CASEMATE_CHECK(
        expect_kind(*reader, Kind::map, AttestationErrc::payload_not_map, "the payload"));
    CASEMATE_TRY(Map map, reader->read_map());
    Reader pairs = map.pairs();
    while (pairs.remaining() > 0) {
        CASEMATE_CHECK(expect_kind(pairs, Kind::text, AttestationErrc::payload_not_map,
                                   "each key of the payload"));
        CASEMATE_CHECK(pairs.read_encoded());
        CASEMATE_CHECK(pairs.read_encoded());
    }
    return map;
}

// message_refusal says what a COSE_Sign1 of ours is in place of what the codec says of any.
Error message_refusal(const Error& error) {
    using cose::CoseErrc;
    if (error.is(CoseErrc::bad_unprotected_header)) {
        return refuse(AttestationErrc::bad_unprotected_header, error.detail());
    }
    if (error.is(CoseErrc::bad_protected_header)) {
        return refuse(
            AttestationErrc::bad_protected_header,
            "expected a protected header with the algorithm alone, found: " + error.detail());
    }
    if (error.is(CoseErrc::not_cbor)) {
        return refuse(AttestationErrc::not_cbor,
                      "expected a document of strict CBOR, found: " + error.detail());
    }
    return refuse(AttestationErrc::not_sign1,
                  "expected a COSE_Sign1 message, found: " + error.detail());
}

Result<> check_size(ByteView bytes, std::size_t most, std::string_view what) {
    if (bytes.size() > most) {
        return refuse(AttestationErrc::too_large, "expected at most " + std::to_string(most) +
                                                      " bytes of " + std::string(what) +
                                                      ", found " + std::to_string(bytes.size()));
    }
    return {};
}

}  // namespace

Result<cose::Sign1> open_message(ByteView document) {
    CASEMATE_CHECK(check_size(document, kMaxDocument, "document"));
    auto parsed = cose::parse_sign1(document);
    if (!parsed) {
        return message_refusal(parsed.error());
    }
    if (parsed->algorithm != cose::kEs384) {
        return refuse(AttestationErrc::wrong_algorithm,
                      "expected ES384 (" + std::to_string(cose::kEs384) + "), found algorithm " +
                          std::to_string(parsed->algorithm));
    }
    if (parsed->signature.size() != kSignatureSize) {
        return refuse(AttestationErrc::bad_signature_size,
                      "expected " + std::to_string(kSignatureSize) + " bytes of signature, found " +
                          std::to_string(parsed->signature.size()));
    }
    CASEMATE_CHECK(check_size(parsed->payload, kMaxPayload, "payload"));
    return *parsed;
}

// Keys come in any order: AWS's are in none that CBOR knows. Keys that are unknown here are passed
// over: the leaf signs them like the rest, and a module of tomorrow may say more than one of today.
Result<UnverifiedDocument> read_payload(const cose::Sign1& message) {
    CASEMATE_TRY(const Map map, open_payload(message.payload));
    UnverifiedDocument document;
    Contents& contents = document.contents;
    CASEMATE_TRY(contents.module_id, read_module_id(map));
    CASEMATE_CHECK(check_digest(map));
    CASEMATE_TRY(contents.timestamp, read_timestamp(map));
    CASEMATE_TRY(contents.pcrs, read_pcrs(map));
    CASEMATE_TRY(document.certificate, read_certificate(map));
    CASEMATE_TRY(document.cabundle, read_cabundle(map));
    CASEMATE_TRY(contents.public_key,
                 read_optional(map, "public_key", AttestationErrc::bad_public_key));
    CASEMATE_TRY(contents.user_data,
                 read_optional(map, "user_data", AttestationErrc::bad_user_data));
    CASEMATE_TRY(contents.nonce, read_optional(map, "nonce", AttestationErrc::bad_nonce));
    document.signed_bytes = cose::sig_structure(message.protected_header, message.payload);
    document.signature.assign(message.signature.begin(), message.signature.end());
    return document;
}

Result<UnverifiedDocument> parse_document(ByteView document) {
    CASEMATE_TRY(const cose::Sign1 message, open_message(document));
    return read_payload(message);
}

}  // namespace casemate::attestation
