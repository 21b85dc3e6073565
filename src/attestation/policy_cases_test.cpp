#include "attestation/testing/cases.hpp"

namespace casemate::attestation::forger {

namespace {

using enum AttestationErrc;
using std::chrono::milliseconds;
using std::chrono::seconds;

using Expect = std::function<void(Policy&)>;

std::function<void(Forgery&)> made_at(milliseconds after) {
    return [=](Forgery& forgery) { forgery.contents.timestamp = kMade + after; };
}

Expect max_age(milliseconds age) {
    return [=](Policy& policy) { policy.max_age = age; };
}

Expect nonce(Bytes expected) {
    return [=](Policy& policy) { policy.nonce = expected; };
}

Expect pcr(std::uint16_t index, std::uint8_t byte) {
    return [=](Policy& policy) {
        PcrValue value{};
        value.fill(byte);
        policy.pcrs.require(index, {value});
    };
}

std::function<void(Forgery&)> with_nonce(Bytes nonce) {
    return [=](Forgery& forgery) { forgery.contents.nonce = nonce; };
}

std::function<void(Forgery&)> labelled(std::vector<std::string> labels) {
    return [=](Forgery& forgery) { forgery = plain(labels); };
}

// labelled_one gives the certificate at a position other labels than the rest.
std::function<void(Forgery&)> labelled_one(Position position, std::vector<std::string> labels) {
    return [=](Forgery& forgery) {
        forgery.certificates[position].what.subject =
            plain(labels).certificates[position].what.subject;
    };
}

PcrValue filled(std::uint8_t byte) {
    PcrValue value{};
    value.fill(byte);
    return value;
}

std::vector<Case> measurement_cases() {
    const std::string found_0 = "found " + to_hex(filled(0x10));
    return {
        {"pcr0_other",
         pcr_mismatch,
         "expected PCR0 to be " + to_hex(filled(0x11)) + ", " + found_0,
         {},
         pcr(0, 0x11)},
        {"pcr_missing",
         pcr_missing,
         "expected PCR16 to be " + to_hex(filled(0)) + ", found none",
         {},
         pcr(16, 0)},
        {"pcr_beyond_all", pcr_missing, "PCR40", {}, pcr(40, 0)},
        {"pcr_second_of_two",
         pcr_mismatch,
         "PCR1",
         {},
         [](Policy& policy) {
             policy.pcrs.require(0, {filled(0x10)});
             policy.pcrs.require(1, {filled(0x10)});
         }},
        {"pcr_of_two_values",
         pcr_mismatch,
         to_hex(filled(1)) + " or " + to_hex(filled(2)) + ", " + found_0,
         {},
         [](Policy& policy) {
             policy.pcrs.require(0, {filled(2), filled(1)});
         }},
        {"pcr_of_no_value",
         pcr_mismatch,
         "no value at all",
         {},
         [](Policy& policy) {
             policy.pcrs.require(0, {filled(0x10)});
             policy.pcrs.require(0, {filled(0x11)});
         }},
        // The registers of two releases, each of which has one right.
        {"pcrs_mixed_of_two_releases",
         pcr_mismatch,
         "none of 2 alternatives is met; the closest: expected PCR1",
         {},
         [](Policy& policy) {
             policy.pcrs.add_alternative({{0, {filled(0x10)}}, {1, {filled(0x99)}}});
             policy.pcrs.add_alternative(
                 {{0, {filled(0x99)}}, {1, {filled(0x11)}}, {2, {filled(0x99)}}});
         }},
        {"pcrs_closest_is_the_second",
         pcr_missing,
         "none of 2 alternatives is met; the closest: expected PCR20",
         {},
         [](Policy& policy) {
             policy.pcrs.add_alternative({{0, {filled(0x99)}}, {1, {filled(0x99)}}});
             policy.pcrs.add_alternative({{0, {filled(0x10)}}, {20, {filled(0)}}});
         }},
    };
}

// What the certificates and PCR0 say of the enclave's debug mode and isolation.
std::vector<Case> label_cases() {
    return {
        {"debug_by_pcr0", debug_refused, "PCR0 is zero",
         [](Forgery& forgery) { forgery.contents.pcrs[0].fill(0); }},
        {"debug_by_missing_pcr0", debug_refused, "PCR0 is not in the document",
         [](Forgery& forgery) { forgery.contents.pcrs.erase(0); }},
        {"debug_by_certificates", debug_refused, "certificates say debug",
         labelled({"kvm", "debug"})},
        {"debug_by_the_leaf_alone", debug_refused, "certificates say debug",
         labelled_one(kLeaf, {"kvm", "debug"})},
        {"debug_by_the_zone_alone", debug_refused, "certificates say debug",
         labelled_one(kZone, {"kvm", "debug"})},
        {"software", isolation_refused, "expected the isolation kvm or nitro, found software",
         labelled({"software"})},
        {"software_and_kvm", isolation_refused, "found software", labelled({"kvm", "software"})},
        {"software_zone_alone", isolation_refused, "found software",
         labelled_one(kZone, {"software"})},
        {"software_instance_alone", isolation_refused, "found software",
         labelled_one(kInstance, {"software"})},
        {"software_leaf_alone", isolation_refused, "found software",
         labelled_one(kLeaf, {"software"})},
        {"no_label", isolation_refused, "found unknown", labelled({"Casemate"})},
        {"label_of_another_case", isolation_refused, "found unknown", labelled({"KVM"})},
        {"leaf_alone_has_a_label", isolation_refused, "found unknown",
         [](Forgery& forgery) {
             forgery = plain({"Casemate"});
             labelled_one(kLeaf, {"kvm"})(forgery);
         }},
        {"instance_alone_has_no_label", isolation_refused, "found unknown",
         labelled_one(kInstance, {"Casemate"})},
        {"amazon_under_another_root", isolation_refused, "found unknown",
         [](Forgery& forgery) {
             for (const Position position : {kRegion, kZone, kInstance, kLeaf}) {
                 forgery.certificates[position].what.subject =
                     name_in("Amazon", {"AWS"}, "Amazon " + std::to_string(position));
             }
         }},
        {"aws_software",
         isolation_refused,
         "found software",
         [](Forgery& forgery) {
             forgery = plain({"AWS", "software"}, kMade, "Amazon");
         },
         {},
         true},
    };
}

}  // namespace

std::vector<Case> policy_cases() {
    std::vector<Case> cases = measurement_cases();
    const std::vector<Case> labels = label_cases();
    cases.insert(cases.end(), labels.begin(), labels.end());
    const Bytes long_nonce(1024, 7);
    cases.insert(
        cases.end(),
        {
            {"from_the_future", from_the_future, "found 2026-09-21T14:14:21.001Z",
             made_at(seconds(61) + milliseconds(1))},
            {"from_the_future_at_its_own_time", from_the_future, "at most 60000 ms after",
             made_at(seconds(61) + milliseconds(1)),
             [](Policy& policy) { policy.at_document_time = true; }},
            {"from_the_future_by_any_skew", from_the_future, "at most 0 ms after",
             made_at(seconds(1) + milliseconds(1)),
             [](Policy& policy) { policy.clock_skew = milliseconds(0); }},
            {"too_old", too_old, "at most 999 ms, found 1000 ms", {}, max_age(milliseconds(999))},
            {"nonce_other", nonce_mismatch, "expected the nonce 0102, found 0103",
             with_nonce({1, 3}), nonce({1, 2})},
            {"nonce_longer", nonce_mismatch, "expected the nonce 0102, found 010203",
             with_nonce({1, 2, 3}), nonce({1, 2})},
            {"nonce_shorter", nonce_mismatch, "(1024 bytes), found 07", with_nonce({7}),
             nonce(long_nonce)},
            {"nonce_missing",
             nonce_mismatch,
             "expected the nonce 0102, found no nonce",
             {},
             nonce({1, 2})},
            {"nonce_empty_and_missing",
             nonce_mismatch,
             "expected the nonce nothing",
             {},
             nonce({})},
            {"nobody_accepted",
             isolation_refused,
             "of no kind, found kvm",
             {},
             [](Policy& policy) { policy.isolation.clear(); }},
            {"time_before_1970",
             bad_expectation,
             "found -1 ms",
             {},
             [](Policy& policy) { policy.now = Time(milliseconds(-1)); }},
            {"time_after_9999",
             bad_expectation,
             "253402300800000 ms",
             {},
             [](Policy& policy) { policy.now = kLastTime + milliseconds(1); }},
        });
    return cases;
}

}  // namespace casemate::attestation::forger
