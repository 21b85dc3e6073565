// Refusals of the verifier: one for each way in which a document can be wrong, in the order in
// which they are looked for (formats.md 2.6).
#pragma once

#include <cstdint>
#include <string_view>

namespace casemate::attestation {

enum class AttestationErrc : std::uint8_t {
    // --- the message ---
    // The document, or its payload, is longer than any can be (formats.md 2.4).
    too_large,
    // Not strict CBOR: malformed, indefinite or not shortest lengths, a key twice, trailing bytes.
    not_cbor,
    // CBOR, but no COSE_Sign1.
    not_sign1,
    bad_protected_header,
    bad_unprotected_header,
    // Another algorithm than ES384.
    wrong_algorithm,
    bad_signature_size,
    // --- the payload ---
    payload_not_cbor,
    payload_not_map,
    missing_field,
    bad_module_id,
    bad_digest,
    bad_timestamp,
    bad_pcrs,
    bad_pcr_index,
    bad_pcr_size,
    bad_certificate_field,
    bad_cabundle,
    bad_public_key,
    bad_user_data,
    bad_nonce,
    // --- the certificates, root first, each with all its checks before the next one ---
    // cabundle[0] is not one of the trusted roots, byte for byte.
    untrusted_root,
    // Not one certificate in DER, version 3.
    malformed_certificate,
    // A certificate's issuer is not the subject of the one before it (wrong order, one too many),
    // or is that certificate itself.
    broken_chain,
    // Not ecdsa-with-SHA384, or, for a CA, not a P-384 key.
    wrong_certificate_algorithm,
    unknown_critical_extension,
    // Of a CA: its basic constraints are not there, not critical, or say otherwise.
    not_a_ca,
    // A CA above allows fewer CAs below it.
    path_too_long,
    no_cert_sign,
    // Of the leaf: it may sign certificates.
    leaf_is_ca,
    no_digital_signature,
    // Of the leaf: not a P-384 key.
    wrong_leaf_key,
    bad_certificate_signature,
    not_yet_valid,
    expired,
    // --- the document's signature ---
    bad_signature,
    // --- what is expected of it ---
    from_the_future,
    too_old,
    nonce_mismatch,
    debug_refused,
    isolation_refused,
    pcr_missing,
    pcr_mismatch,
    // --- not a document's fault ---
    // The trusted roots, the expected measurements or the policy can't be used.
    bad_roots,
    bad_expectation,
};

// describe names a refusal in a few words: "certificate expired".
[[nodiscard]] std::string_view describe(AttestationErrc code);
// identifier is the enumerator as programs read it ("expired"); the JSON of `casemate verify` and
// the C interface use it.
[[nodiscard]] std::string_view identifier(AttestationErrc code);

}  // namespace casemate::attestation
