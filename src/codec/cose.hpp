// COSE_Sign1 (RFC 9052 4.2): the one COSE message of the project, taken apart and put together. No
// cryptography: a room that has keys signs and verifies sig_structure.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace casemate::cose {

enum class CoseErrc {
    // The bytes are not one item of strict CBOR (codec/cbor/cbor.hpp).
    not_cbor,
    // CBOR, but no COSE_Sign1: another tag than 18, no array of four, an element of another type.
    not_sign1,
    // The protected header is not a map with the algorithm (label 1) and nothing else.
    bad_protected_header,
    // The unprotected header has entries.
    bad_unprotected_header,
};

[[nodiscard]] std::string_view describe(CoseErrc code);

// Algorithms by their registered numbers (RFC 9053 2.1).
inline constexpr std::int64_t kEs256 = -7;
inline constexpr std::int64_t kEs384 = -35;
inline constexpr std::int64_t kEs512 = -36;

// Sign1: the parts of a message. It views the bytes it was parsed from. Nothing is verified.
struct Sign1 {
    // tagged: the message carried tag 18.
    bool tagged = false;
    std::int64_t algorithm = 0;
    // protected_header is the encoded map, as it is signed.
    ByteView protected_header;
    ByteView payload;
    ByteView signature;
};

// parse_sign1 takes one message apart, with or without its tag. The payload must be there (not
// detached). Errors: CoseErrc.
[[nodiscard]] Result<Sign1> parse_sign1(ByteView message);

// protected_header is the encoded {1: algorithm}.
[[nodiscard]] Bytes protected_header(std::int64_t algorithm);

// sig_structure is what is signed: ["Signature1", protected header, h'', payload] (RFC 9052 4.4).
[[nodiscard]] Bytes sig_structure(ByteView protected_header, ByteView payload);

// encode_sign1 writes the untagged message, as AWS's security module does (formats.md 2.4).
[[nodiscard]] Bytes encode_sign1(std::int64_t algorithm, ByteView payload, ByteView signature);

}  // namespace casemate::cose
