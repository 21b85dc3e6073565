// For tests: the ways in which a document is refused, each with one thing altered.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "attestation/policy.hpp"
#include "attestation/testing/forger.hpp"

namespace casemate::attestation::forger {

struct Case {
    std::string name;
    AttestationErrc code{};
    // says is in the refusal's sentence.
    std::string says;
    std::function<void(Forgery&)> alter = {};
    // expect changes the policy.
    std::function<void(Policy&)> expect = {};
    // trusted: the forged root is a trusted one too.
    bool trusted = false;
};

// How gtest shows and names a case.
inline void PrintTo(const Case& one, std::ostream* out) {
    *out << one.name;
}

// What is wrong with the message and its payload, with its certificates, and with what is expected.
[[nodiscard]] std::vector<Case> message_cases();
[[nodiscard]] std::vector<Case> payload_cases();
[[nodiscard]] std::vector<Case> certificate_cases();
[[nodiscard]] std::vector<Case> chain_cases();
[[nodiscard]] std::vector<Case> policy_cases();

}  // namespace casemate::attestation::forger
