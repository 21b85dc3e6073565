#include "attestation/error.hpp"

#include <array>
#include <cstddef>

namespace casemate::attestation {

namespace {

struct Entry {
    AttestationErrc code;
    std::string_view identifier;
    std::string_view words;
};

using enum AttestationErrc;

// In the order of the enumeration, which the assertion below checks.
constexpr std::array kEntries{
    Entry{too_large, "too_large", "document too large"},
    Entry{not_cbor, "not_cbor", "not strict CBOR"},
    Entry{not_sign1, "not_sign1", "not a COSE_Sign1 message"},
    Entry{bad_protected_header, "bad_protected_header", "bad protected header"},
    Entry{bad_unprotected_header, "bad_unprotected_header", "unprotected header not empty"},
    Entry{wrong_algorithm, "wrong_algorithm", "wrong signature algorithm"},
    Entry{bad_signature_size, "bad_signature_size", "wrong size of the signature"},
    Entry{payload_not_cbor, "payload_not_cbor", "payload not strict CBOR"},
    Entry{payload_not_map, "payload_not_map", "payload not a map"},
    Entry{missing_field, "missing_field", "field missing"},
    Entry{bad_module_id, "bad_module_id", "bad module_id"},
    Entry{bad_digest, "bad_digest", "bad digest"},
    Entry{bad_timestamp, "bad_timestamp", "bad timestamp"},
    Entry{bad_pcrs, "bad_pcrs", "bad pcrs"},
    Entry{bad_pcr_index, "bad_pcr_index", "bad PCR index"},
    Entry{bad_pcr_size, "bad_pcr_size", "wrong size of a PCR"},
    Entry{bad_certificate_field, "bad_certificate_field", "bad certificate field"},
    Entry{bad_cabundle, "bad_cabundle", "bad cabundle"},
    Entry{bad_public_key, "bad_public_key", "bad public_key"},
    Entry{bad_user_data, "bad_user_data", "bad user_data"},
    Entry{bad_nonce, "bad_nonce", "bad nonce"},
    Entry{untrusted_root, "untrusted_root", "root not trusted"},
    Entry{malformed_certificate, "malformed_certificate", "malformed certificate"},
    Entry{broken_chain, "broken_chain", "certificates do not form a chain"},
    Entry{wrong_certificate_algorithm, "wrong_certificate_algorithm",
          "wrong algorithm of a certificate"},
    Entry{unknown_critical_extension, "unknown_critical_extension", "unknown critical extension"},
    Entry{not_a_ca, "not_a_ca", "issuer not a CA"},
    Entry{path_too_long, "path_too_long", "too many CAs in the chain"},
    Entry{no_cert_sign, "no_cert_sign", "issuer may not sign certificates"},
    Entry{leaf_is_ca, "leaf_is_ca", "leaf may sign certificates"},
    Entry{no_digital_signature, "no_digital_signature", "leaf may not sign documents"},
    Entry{wrong_leaf_key, "wrong_leaf_key", "wrong kind of key in the leaf"},
    Entry{bad_certificate_signature, "bad_certificate_signature",
          "wrong signature of a certificate"},
    Entry{not_yet_valid, "not_yet_valid", "certificate not yet valid"},
    Entry{expired, "expired", "certificate expired"},
    Entry{bad_signature, "bad_signature", "wrong signature of the document"},
    Entry{from_the_future, "from_the_future", "document from the future"},
    Entry{too_old, "too_old", "document too old"},
    Entry{nonce_mismatch, "nonce_mismatch", "another nonce"},
    Entry{debug_refused, "debug_refused", "enclave in debug mode"},
    Entry{isolation_refused, "isolation_refused", "isolation not accepted"},
    Entry{pcr_missing, "pcr_missing", "PCR missing"},
    Entry{pcr_mismatch, "pcr_mismatch", "another PCR"},
    Entry{bad_roots, "bad_roots", "trusted roots can't be used"},
    Entry{bad_expectation, "bad_expectation", "expectation can't be used"},
};

constexpr bool in_order() {
    for (std::size_t i = 0; i < kEntries.size(); ++i) {
        if (static_cast<std::size_t>(kEntries[i].code) != i) {
            return false;
        }
    }
    return kEntries.back().code == bad_expectation;
}
static_assert(in_order());

const Entry* find(AttestationErrc code) {
    const auto index = static_cast<std::size_t>(code);
    return index < kEntries.size() ? &kEntries[index] : nullptr;
}

}  // namespace

std::string_view describe(AttestationErrc code) {
    const Entry* entry = find(code);
    return entry != nullptr ? entry->words : "unknown refusal";
}

std::string_view identifier(AttestationErrc code) {
    const Entry* entry = find(code);
    return entry != nullptr ? entry->identifier : "unknown";
}

}  // namespace casemate::attestation
