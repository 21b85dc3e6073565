// Verifier: the one place where an UnverifiedDocument becomes a VerifiedDocument.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "attestation/policy.hpp"
#include "crypto/certificate.hpp"

namespace casemate::attestation {

// Step: one line of the check list, for people (`casemate verify --explain`).
struct Step {
    enum class Outcome : std::uint8_t {
        passed,
        failed,
        // Nothing to check: the policy expects nothing here.
        not_asked,
        // An earlier step has failed.
        not_reached,
    };
    // title says what is checked ("certificate 2 of 5: valid at that time").
    std::string title;
    Outcome outcome = Outcome::not_reached;
    // finding is what was found, or, of a failed step, the refusal's sentence.
    std::string finding;
};
using Report = std::vector<Step>;

// Verifier: trusted roots, and a cache of chains that were found good under them. Safe to use from
// several threads.
class Verifier {
public:
    // create takes the roots that chains may end in: self-signed P-384 certificates of a CA that
    // may sign certificates. Their validity is looked at with each document. Errors:
    // AttestationErrc bad_roots.
    [[nodiscard]] static Result<Verifier> create(std::vector<crypto::Certificate> roots);

    Verifier(Verifier&&) noexcept;
    Verifier& operator=(Verifier&&) noexcept;
    ~Verifier();

    // verify goes through the check list of formats.md 2.6 in its order and stops at the first
    // refusal. report, if there is one, gets every step of the list, those not reached too; the
    // cache is not asked then, so that everything told was seen.
    // Errors: AttestationErrc too_large to pcr_mismatch, each with what was expected and found;
    // bad_expectation for a policy whose time is none.
    [[nodiscard]] Result<VerifiedDocument> verify(ByteView document, const Policy& policy,
                                                  Report* report = nullptr) const;

private:
    struct State;
    explicit Verifier(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace casemate::attestation
