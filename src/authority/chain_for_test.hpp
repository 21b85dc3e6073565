// For tests: a chain checked by what RFC 5280 6 asks of it, independently of the verifier.
#pragma once

#include <string>

#include "authority/authority.hpp"
#include "crypto/certificate.hpp"

namespace casemate::authority {

// problem_of says what is wrong with a chain at a time; empty: nothing. Beyond what a verifier
// needs, each certificate's whole time has to lie in its issuer's.
inline std::string problem_of(const IssuedChain& chain, crypto::Seconds now) {
    std::vector<Bytes> all = chain.bundle;
    all.push_back(chain.leaf);
    std::optional<crypto::CertificateFields> above;
    std::optional<crypto::PublicKey> key;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const std::string where = "certificate " + std::to_string(i);
        const auto certificate = crypto::Certificate::from_der(all[i]);
        if (!certificate || !certificate->fields() || !certificate->public_key()) {
            return where + " can't be decoded";
        }
        auto fields = certificate->fields().value();
        if (!key) {
            key = certificate->public_key().value();
            above = fields;
        }
        if (!certificate->is_signed_by(*key) || fields.issuer_der != above->subject_der) {
            return where + " is not signed by the one above";
        }
        if (fields.not_before > now || fields.not_after < now) {
            return where + " is not valid now";
        }
        if (fields.not_before < above->not_before || fields.not_after > above->not_after) {
            return where + " is not valid within the time of the one above";
        }
        if (fields.is_ca != (i + 1 < all.size()) || !fields.ecdsa_with_sha384) {
            return where + " is of the wrong kind";
        }
        key = certificate->public_key().value();
        above = std::move(fields);
    }
    return chain.bundle.size() == 4 ? "" : "the bundle has not four certificates";
}

}  // namespace casemate::authority
