// The two halves of parse_document, for whoever tells about each of them.
#pragma once

#include "attestation/document.hpp"
#include "codec/cose.hpp"

namespace casemate::attestation {

// open_message is step 1 of formats.md 2.6: a COSE_Sign1 with ES384 and nothing else in its
// headers. It views the document. Errors: AttestationErrc too_large to bad_signature_size.
[[nodiscard]] Result<cose::Sign1> open_message(ByteView document);

// read_payload is step 2: every field of the payload, its type and its size. Errors:
// AttestationErrc payload_not_cbor to bad_nonce.
[[nodiscard]] Result<UnverifiedDocument> read_payload(const cose::Sign1& message);

}  // namespace casemate::attestation
