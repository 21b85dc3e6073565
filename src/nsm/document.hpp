// Attestation documents (formats.md 2.4): written byte for byte as AWS's security module does.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/key.hpp"
#include "nsm/control.hpp"

namespace casemate::nsm {

// The most bytes of each of a document's user_data, nonce and public_key (formats.md 2.3).
inline constexpr std::size_t kMaxDocumentField = 1024;

// Statement: what a document says. It views what it names.
struct Statement {
    std::string_view module_id;
    // Since 1970.
    std::uint64_t timestamp_ms = 0;
    std::map<std::uint16_t, PcrValue> pcrs;
    // DER: the leaf certificate, and what leads to it, root first.
    ByteView certificate;
    std::span<const Bytes> bundle;
    // What the enclave asked to be attested with it. An empty one is written as an empty byte
    // string, one that is not there as null.
    std::optional<ByteView> public_key;
    std::optional<ByteView> user_data;
    std::optional<ByteView> nonce;
};

// encode_statement writes the payload: a map of nine, in the order of AWS's module.
[[nodiscard]] Bytes encode_statement(const Statement& statement);

// sign_document makes the document: an untagged COSE_Sign1 of the statement, signed by ES384.
// Errors: those of crypto::PrivateKey::sign.
[[nodiscard]] Result<Bytes> sign_document(const Statement& statement,
                                          const crypto::PrivateKey& key);

}  // namespace casemate::nsm
