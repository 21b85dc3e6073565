#include "codec/cose.hpp"

#include <string>

#include "codec/cbor/cbor.hpp"

namespace casemate::cose {

namespace {

constexpr std::uint64_t kSign1Tag = 18;
constexpr std::uint64_t kSign1Elements = 4;
constexpr std::int64_t kAlgorithmLabel = 1;
constexpr std::string_view kContext = "Signature1";
// The longest head of a CBOR item.
constexpr std::size_t kMostHead = 9;

// wrap gives an error of the CBOR reader this room's code.
template <class T>
Result<T> wrap(Result<T> result, CoseErrc code, std::string_view what) {
    if (result) {
        return result;
    }
    return Error(code, std::string(what) + ": " + result.error().message());
}

Result<std::int64_t> read_protected_header(ByteView header) {
    constexpr auto kCode = CoseErrc::bad_protected_header;
    constexpr std::string_view kWhat = "protected header";
    CASEMATE_TRY(cbor::Reader reader, wrap(cbor::Reader::open(header), kCode, kWhat));
    CASEMATE_TRY(const cbor::Map map, wrap(reader.read_map(), kCode, kWhat));
    auto algorithm = map.find(kAlgorithmLabel);
    if (map.size() != 1 || !algorithm) {
        return Error(kCode, "expected a map of the algorithm alone, found " +
                                std::to_string(map.size()) + " entries, " +
                                (algorithm ? "the algorithm" : "no algorithm") + " among them");
    }
    return wrap(algorithm->read_int(), kCode, kWhat);
}

Result<> read_unprotected_header(cbor::Reader& elements) {
    CASEMATE_TRY(const cbor::Map map,
                 wrap(elements.read_map(), CoseErrc::not_sign1, "unprotected header"));
    if (map.size() != 0) {
        return Error(CoseErrc::bad_unprotected_header,
                     "expected no entries, found " + std::to_string(map.size()));
    }
    return {};
}

}  // namespace

std::string_view describe(CoseErrc code) {
    switch (code) {
        case CoseErrc::not_cbor:
            return "not CBOR";
        case CoseErrc::not_sign1:
            return "not a COSE_Sign1";
        case CoseErrc::bad_protected_header:
            return "bad protected header";
        case CoseErrc::bad_unprotected_header:
            return "bad unprotected header";
    }
    return "unknown";
}

Result<Sign1> parse_sign1(ByteView message) {
    auto opened = cbor::Reader::open(message);
    if (!opened) {
        return Error(CoseErrc::not_cbor, opened.error().message());
    }
    cbor::Reader reader = *opened;
    Sign1 parsed;
    constexpr auto kCode = CoseErrc::not_sign1;
    if (reader.peek() == cbor::Kind::tag) {
        CASEMATE_TRY(const std::uint64_t tag, wrap(reader.read_tag(), kCode, "tag"));
        if (tag != kSign1Tag) {
            return Error(kCode, "expected tag 18 or none, found tag " + std::to_string(tag));
        }
        parsed.tagged = true;
    }
    CASEMATE_TRY(cbor::Reader elements, wrap(reader.read_array(), kCode, "message"));
    if (elements.remaining() != kSign1Elements) {
        return Error(kCode, "expected an array of 4 elements, found " +
                                std::to_string(elements.remaining()));
    }
    CASEMATE_TRY(parsed.protected_header, wrap(elements.read_bytes(), kCode, "protected header"));
    CASEMATE_TRY(parsed.algorithm, read_protected_header(parsed.protected_header));
    CASEMATE_CHECK(read_unprotected_header(elements));
    CASEMATE_TRY(parsed.payload, wrap(elements.read_bytes(), kCode, "payload"));
    CASEMATE_TRY(parsed.signature, wrap(elements.read_bytes(), kCode, "signature"));
    return parsed;
}

Bytes protected_header(std::int64_t algorithm) {
    Bytes header;
    cbor::Writer writer(header);
    writer.begin_map(1);
    writer.put_int(kAlgorithmLabel);
    writer.put_int(algorithm);
    return header;
}

Bytes sig_structure(ByteView protected_header, ByteView payload) {
    Bytes structure;
    // So that the payload is copied once.
    structure.reserve(payload.size() + protected_header.size() + kContext.size() + 4 * kMostHead);
    cbor::Writer writer(structure);
    writer.begin_array(4);
    writer.put_text(kContext);
    writer.put_bytes(protected_header);
    writer.put_bytes({});
    writer.put_bytes(payload);
    return structure;
}

Bytes encode_sign1(std::int64_t algorithm, ByteView payload, ByteView signature) {
    const Bytes header = protected_header(algorithm);
    Bytes message;
    message.reserve(header.size() + payload.size() + signature.size() + 5 * kMostHead);
    cbor::Writer writer(message);
    writer.begin_array(kSign1Elements);
    writer.put_bytes(header);
    writer.begin_map(0);
    writer.put_bytes(payload);
    writer.put_bytes(signature);
    return message;
}

}  // namespace casemate::cose
