// Attestation documents (formats.md 2.4), taken apart. Trust is in the names: parse_document gives
// an UnverifiedDocument, whose contents anybody may have written; Verifier::verify alone makes a
// VerifiedDocument.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "attestation/error.hpp"
#include "attestation/isolation.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/digest.hpp"

namespace casemate::attestation {

inline constexpr std::uint16_t kPcrCount = 32;
inline constexpr std::size_t kPcrSize = 48;
using PcrValue = std::array<std::uint8_t, kPcrSize>;
using Pcrs = std::map<std::uint16_t, PcrValue>;

// Limits of a document (formats.md 2.4, 2.6), in bytes.
inline constexpr std::size_t kMaxDocument = 20480;
inline constexpr std::size_t kMaxPayload = 16384;
inline constexpr std::size_t kMaxField = 1024;
inline constexpr std::size_t kMaxCertificate = 1024;
// The longest cabundle that is looked at, in certificates.
inline constexpr std::size_t kMaxBundle = 8;

// A point of the wall clock, in milliseconds as documents have it.
using Time = std::chrono::sys_time<std::chrono::milliseconds>;
// The last millisecond that a certificate can speak of, 9999-12-31T23:59:59.999Z. No time in this
// room is later, or earlier than 1970, so that differences of two always fit.
inline constexpr Time kLastTime{std::chrono::milliseconds(253'402'300'799'999)};

// Contents: the fields of the payload.
struct Contents {
    // module_id: "<instance id>-enc<slot uid in hex>", never empty, at most kMaxField bytes.
    std::string module_id;
    Time timestamp;
    // The locked registers.
    Pcrs pcrs;
    // Nothing for null.
    std::optional<Bytes> public_key;
    std::optional<Bytes> user_data;
    std::optional<Bytes> nonce;
};

// UnverifiedDocument: a document of the right form. Whatever is in it may be a lie.
struct UnverifiedDocument {
    Contents contents;
    // DER of the leaf, and of the bundle, root first.
    Bytes certificate;
    std::vector<Bytes> cabundle;
    // What the leaf's key has to have signed, and its signature, r ‖ s.
    Bytes signed_bytes;
    Bytes signature;
};

// parse_document checks the form of a document, tagged or untagged (steps 1 and 2 of formats.md
// 2.6). Errors: AttestationErrc too_large to bad_nonce.
[[nodiscard]] Result<UnverifiedDocument> parse_document(ByteView document);

// VerifiedDocument: what a verifier has found to be true. Only Verifier::verify makes one.
class VerifiedDocument {
public:
    [[nodiscard]] const Contents& contents() const { return contents_; }
    // isolation is what the certificates say, the weakest of them; unknown when the issuer of the
    // leaf says nothing.
    [[nodiscard]] Isolation isolation() const { return isolation_; }
    // debug: the certificates say so, or PCR0 is zero or not in the document: the console can be
    // read from outside.
    [[nodiscard]] bool debug() const { return debug_; }
    // root is the SHA-256 of the DER of the root that the chain ends in.
    [[nodiscard]] const crypto::Digest256& root() const { return root_; }
    // valid_from and valid_until bound the time in which all certificates of the chain are valid,
    // both included.
    [[nodiscard]] Time valid_from() const { return valid_from_; }
    [[nodiscard]] Time valid_until() const { return valid_until_; }

private:
    friend class Verifier;
    VerifiedDocument() = default;
    Contents contents_;
    Isolation isolation_ = Isolation::unknown;
    bool debug_ = true;
    crypto::Digest256 root_{};
    Time valid_from_;
    Time valid_until_;
};

}  // namespace casemate::attestation
