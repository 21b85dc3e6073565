#include "attestation/policy_checks.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "attestation/text.hpp"
#include "base/secret.hpp"
#include "codec/rfc3339.hpp"

namespace casemate::attestation {

namespace {

using codec::format_rfc3339;

std::string milliseconds(std::chrono::milliseconds duration) {
    return std::to_string(duration.count()) + " ms";
}

std::string register_name(std::uint16_t index) {
    return "PCR" + std::to_string(index);
}

std::string accepted_values(const std::set<PcrValue>& values) {
    std::string text;
    for (const PcrValue& value : values) {
        text += (text.empty() ? "" : " or ") + to_hex(value);
    }
    return text.empty() ? "no value at all" : text;
}

// Comparison of a document's registers with one alternative.
struct Comparison {
    std::size_t unmet = 0;
    // The first register that is not as expected, by its index.
    std::optional<Error> first;
};

void note(Comparison& comparison, AttestationErrc code, std::uint16_t index,
          const std::set<PcrValue>& accepted, std::string_view found) {
    ++comparison.unmet;
    if (!comparison.first) {
        comparison.first =
            Error(code, "expected " + register_name(index) + " to be " + accepted_values(accepted) +
                            ", found " + std::string(found));
    }
}

Comparison compare(const Pcrs& pcrs, const ExpectedPcrs::Alternative& alternative) {
    Comparison comparison;
    for (const auto& [index, accepted] : alternative) {
        const auto found = pcrs.find(index);
        if (found == pcrs.end()) {
            note(comparison, AttestationErrc::pcr_missing, index, accepted, "none");
        } else if (!accepted.contains(found->second)) {
            note(comparison, AttestationErrc::pcr_mismatch, index, accepted, to_hex(found->second));
        }
    }
    return comparison;
}

std::string registers_of(const ExpectedPcrs::Alternative& alternative) {
    std::string text;
    for (const auto& [index, accepted] : alternative) {
        text += (text.empty() ? "" : ", ") + register_name(index);
    }
    return text.empty() ? "no register" : text;
}

}  // namespace

Result<Finding> check_policy(const Policy& policy) {
    if (policy.now < Time{} || policy.now > kLastTime) {
        return Error(AttestationErrc::bad_expectation,
                     "expected a time of verification from 1970 to " + format_rfc3339(kLastTime) +
                         ", found " + milliseconds(policy.now.time_since_epoch()) + " since 1970");
    }
    return Finding{format_rfc3339(policy.now)};
}

Result<Finding> check_not_future(const Contents& contents, const Policy& policy) {
    const std::chrono::milliseconds ahead = contents.timestamp - policy.now;
    if (ahead > policy.clock_skew) {
        return Error(AttestationErrc::from_the_future,
                     "expected a timestamp of at most " + milliseconds(policy.clock_skew) +
                         " after " + format_rfc3339(policy.now) + ", found " +
                         format_rfc3339(contents.timestamp));
    }
    return Finding{format_rfc3339(contents.timestamp)};
}

Result<Finding> check_age(const Contents& contents, const Policy& policy) {
    const std::chrono::milliseconds age = policy.now - contents.timestamp;
    if (!policy.max_age) {
        return not_asked("made at " + format_rfc3339(contents.timestamp) +
                         "; no maximum age is given");
    }
    if (policy.at_document_time) {
        return not_asked("made at " + format_rfc3339(contents.timestamp) +
                         "; verified at that time, so its age is none");
    }
    if (age > *policy.max_age) {
        return Error(AttestationErrc::too_old,
                     "expected an age of at most " + milliseconds(*policy.max_age) + ", found " +
                         milliseconds(age) + " since " + format_rfc3339(contents.timestamp));
    }
    return Finding{milliseconds(age) + " old"};
}

Result<Finding> check_nonce(const Contents& contents, const Policy& policy) {
    if (!policy.nonce) {
        return not_asked("no nonce is expected");
    }
    const bool same = contents.nonce && constant_time_equal(*contents.nonce, *policy.nonce);
    if (!same) {
        return Error(AttestationErrc::nonce_mismatch,
                     "expected the nonce " + short_hex(*policy.nonce) + ", found " +
                         (contents.nonce ? short_hex(*contents.nonce) : "no nonce"));
    }
    return Finding{short_hex(*contents.nonce)};
}

bool is_debug(const Contents& contents, bool certified_debug) {
    const auto pcr0 = contents.pcrs.find(0);
    return certified_debug || pcr0 == contents.pcrs.end() || pcr0->second == PcrValue{};
}

Result<Finding> check_debug(const Contents& contents, bool certified_debug, const Policy& policy) {
    if (!is_debug(contents, certified_debug)) {
        return Finding{"not in debug mode"};
    }
    std::string_view why = "PCR0 is zero";
    if (certified_debug) {
        why = "the certificates say debug";
    } else if (!contents.pcrs.contains(0)) {
        why = "PCR0 is not in the document";
    }
    if (!policy.allow_debug) {
        return Error(AttestationErrc::debug_refused,
                     "expected an enclave that is not in debug mode, found one that is: " +
                         std::string(why));
    }
    return Finding{"in debug mode, which is allowed: " + std::string(why)};
}

Result<Finding> check_isolation(Isolation isolation, const Policy& policy) {
    if (!policy.isolation.contains(isolation)) {
        std::string accepted;
        for (const Isolation one : policy.isolation) {
            accepted += (accepted.empty() ? "" : " or ") + std::string(name_of(one));
        }
        return Error(AttestationErrc::isolation_refused,
                     "expected the isolation " + (accepted.empty() ? "of no kind" : accepted) +
                         ", found " + std::string(name_of(isolation)));
    }
    return Finding{std::string(name_of(isolation))};
}

Result<Finding> check_pcrs(const Contents& contents, const Policy& policy) {
    const auto& alternatives = policy.pcrs.alternatives();
    if (alternatives.empty()) {
        return not_asked("no measurements are expected");
    }
    std::optional<Comparison> best;
    for (const auto& alternative : alternatives) {
        Comparison comparison = compare(contents.pcrs, alternative);
        if (comparison.unmet == 0) {
            return Finding{registers_of(alternative) + " as expected"};
        }
        if (!best || comparison.unmet < best->unmet) {
            best = std::move(comparison);
        }
    }
    if (alternatives.size() == 1) {
        return *best->first;
    }
    return Error(*best->first)
        .while_doing("none of " + std::to_string(alternatives.size()) +
                     " alternatives is met; the closest");
}

}  // namespace casemate::attestation
