// Path validation (RFC 5280 6, formats.md 2.5 and 2.6), one certificate at a time from the root to
// the leaf, cut into the checks of the list.
//
// Stricter than RFC 5280 where chains of enclaves never need its freedom: one algorithm, one curve,
// names compared as bytes, no certificate issued by itself below the root, key usage and critical
// basic constraints in every CA, no critical extension but these two.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "attestation/document.hpp"
#include "attestation/isolation.hpp"
#include "crypto/certificate.hpp"
#include "crypto/digest.hpp"

namespace casemate::attestation {

// Window: a time with both its ends included (RFC 5280 4.1.2.5): a certificate is good from the
// first millisecond of its notBefore through the first one of its notAfter.
struct Window {
    Time from;
    Time until;
};

// Link: a certificate of a chain that was found good in every way but its time. Immutable and
// shared: chains with the same beginning share it.
struct Link {
    // above is the issuer's link; null for a root, which is its own.
    std::shared_ptr<const Link> above;
    // position in the chain: 0 is the root.
    std::size_t position = 0;
    // name is the CN, printable.
    std::string name;
    Bytes subject_der;
    crypto::PublicKey key;
    // window is the certificate's own; common is that of the chain down to here.
    Window window;
    Window common;
    // cas_below is how many CAs may follow below, if that is limited.
    std::optional<std::uint32_t> cas_below;
    // amazon: the chain's root names itself O=Amazon, OU=AWS.
    bool amazon = false;
    // label is the certificate's own; weakest is that of the chain down to here.
    std::optional<Isolation> label;
    std::optional<Isolation> weakest;
    // debug: this certificate or one above says so.
    bool debug = false;
    // root is the SHA-256 of the root's DER.
    crypto::Digest256 root{};
};
using LinkPointer = std::shared_ptr<const Link>;

// Candidate: a certificate taken apart, of which nothing is known yet.
struct Candidate {
    crypto::Certificate certificate;
    crypto::CertificateFields fields;
    crypto::PublicKey key;
    std::string name;
};

// take_apart decodes a certificate of version 3. Errors: AttestationErrc malformed_certificate.
[[nodiscard]] Result<Candidate> take_apart(ByteView der);
[[nodiscard]] Result<Candidate> take_apart(crypto::Certificate certificate);

// The checks, each for one line of the list. Errors: the AttestationErrc that is named.
// broken_chain.
[[nodiscard]] Result<> check_issuer(const Candidate& candidate, const Link& above);
// wrong_certificate_algorithm.
[[nodiscard]] Result<> check_algorithm(const Candidate& candidate);
// unknown_critical_extension.
[[nodiscard]] Result<> check_extensions(const Candidate& candidate);
// not_a_ca, wrong_certificate_algorithm (the key).
[[nodiscard]] Result<> check_ca(const Candidate& candidate);
// path_too_long.
[[nodiscard]] Result<> check_path_length(const Link& above);
// no_cert_sign.
[[nodiscard]] Result<> check_cert_sign(const Candidate& candidate);
// leaf_is_ca, no_digital_signature, wrong_leaf_key.
[[nodiscard]] Result<> check_leaf(const Candidate& candidate);
// bad_certificate_signature.
[[nodiscard]] Result<> check_signature(const Candidate& candidate, const crypto::PublicKey& issuer);
// not_yet_valid, expired.
[[nodiscard]] Result<> check_time(const Window& window, Time time);

// make_root checks all of a trusted root but its time. Errors: those above.
[[nodiscard]] Result<LinkPointer> make_root(const Candidate& root);
// make_link makes the link of a candidate that has passed every check under the one above.
[[nodiscard]] LinkPointer make_link(const Candidate& candidate, LinkPointer above);

// window_of reads a certificate's own window.
[[nodiscard]] Window window_of(const crypto::CertificateFields& fields);

// isolation_of concludes what a leaf's chain says: the weakest label below the root. A leaf whose
// own issuer carries none is of unknown isolation, whatever it says of itself.
[[nodiscard]] Isolation isolation_of(const Link& leaf);

}  // namespace casemate::attestation
