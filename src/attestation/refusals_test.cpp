// Every way of being refused, and that nothing of it depends on what the verifier has seen before.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "attestation/testing/cases.hpp"
#include "attestation/verifier.hpp"

namespace casemate::attestation {
namespace {

using forger::Case;
using forger::Forged;
using forger::Forgery;
using forger::kMade;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;

Policy ordinary_policy() {
    Policy policy;
    policy.now = kMade + seconds(1);
    return policy;
}

Verifier trusting(std::vector<crypto::Certificate> roots) {
    return forger::must(Verifier::create(std::move(roots)));
}

Verifier trusting_plain() {
    std::vector<crypto::Certificate> roots;
    roots.push_back(forger::forge(forger::plain()).root());
    return trusting(std::move(roots));
}

// Trial: one case, ready to be judged.
struct Trial {
    explicit Trial(const Case& one) : policy(ordinary_policy()) {
        Forgery forgery = forger::plain();
        if (one.alter) {
            one.alter(forgery);
        }
        if (one.expect) {
            one.expect(policy);
        }
        forged = forger::forge(forgery);
        trust_forged = one.trusted;
    }

    [[nodiscard]] Verifier verifier() const {
        std::vector<crypto::Certificate> roots;
        roots.push_back(forger::forge(forger::plain()).root());
        if (trust_forged) {
            roots.push_back(forged.root());
        }
        return trusting(std::move(roots));
    }

    Policy policy;
    Forged forged;
    bool trust_forged = false;
};

class Refusal : public testing::TestWithParam<Case> {
protected:
    static void expect_sentence(const Trial& trial);
    static void expect_same_when_warm(const Trial& trial);
    static void expect_report(const Trial& trial);
};

TEST_P(Refusal, IsToldTheSameInEveryWay) {
    const Trial trial(GetParam());
    expect_sentence(trial);
    expect_same_when_warm(trial);
    expect_report(trial);
}

void Refusal::expect_sentence(const Trial& trial) {
    const Verifier verifier = trial.verifier();
    const auto verified = verifier.verify(trial.forged.document, trial.policy);
    ASSERT_FALSE(verified.ok());
    EXPECT_TRUE(verified.error().is(GetParam().code)) << verified.error().message();
    EXPECT_THAT(verified.error().detail(),
                AllOf(HasSubstr("expected"), HasSubstr("found"), HasSubstr(GetParam().says)));
}

void Refusal::expect_same_when_warm(const Trial& trial) {
    const auto cold = trial.verifier().verify(trial.forged.document, trial.policy);
    ASSERT_FALSE(cold.ok());

    const Verifier verifier = trial.verifier();
    ASSERT_TRUE(verifier.verify(forger::forge(forger::plain()).document, ordinary_policy()).ok());
    for (int round = 0; round < 2; ++round) {
        const auto warm = verifier.verify(trial.forged.document, trial.policy);
        ASSERT_FALSE(warm.ok());
        EXPECT_EQ(warm.error().message(), cold.error().message());
    }
}

// The refusal is the one failed step of the report, and the last that was done.
void Refusal::expect_report(const Trial& trial) {
    const Verifier verifier = trial.verifier();
    const auto plain = verifier.verify(trial.forged.document, trial.policy);
    Report report{{"left over", Step::Outcome::failed, ""}};
    const auto told = verifier.verify(trial.forged.document, trial.policy, &report);
    ASSERT_FALSE(told.ok());
    EXPECT_EQ(told.error().message(), plain.error().message());
    bool failed = false;
    for (const Step& step : report) {
        if (failed) {
            EXPECT_EQ(step.outcome, Step::Outcome::not_reached) << step.title;
            EXPECT_EQ(step.finding, "");
        } else if (step.outcome == Step::Outcome::failed) {
            failed = true;
            EXPECT_EQ(step.finding, told.error().message());
        } else {
            EXPECT_NE(step.outcome, Step::Outcome::not_reached) << step.title;
        }
        for (const char c : step.title + step.finding) {
            EXPECT_TRUE(c >= ' ' && c <= '~') << step.title;
        }
    }
    EXPECT_TRUE(failed);
    EXPECT_EQ(report.back().title, "measurements");
}

std::string name_of_case(const testing::TestParamInfo<Case>& info) {
    return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Message, Refusal, testing::ValuesIn(forger::message_cases()),
                         name_of_case);
INSTANTIATE_TEST_SUITE_P(Payload, Refusal, testing::ValuesIn(forger::payload_cases()),
                         name_of_case);
INSTANTIATE_TEST_SUITE_P(Certificate, Refusal, testing::ValuesIn(forger::certificate_cases()),
                         name_of_case);
INSTANTIATE_TEST_SUITE_P(Chain, Refusal, testing::ValuesIn(forger::chain_cases()), name_of_case);
INSTANTIATE_TEST_SUITE_P(Policy, Refusal, testing::ValuesIn(forger::policy_cases()), name_of_case);

TEST(Refusals, AllHaveACase) {
    std::set<AttestationErrc> seen;
    for (const auto& cases :
         {forger::message_cases(), forger::payload_cases(), forger::certificate_cases(),
          forger::chain_cases(), forger::policy_cases()}) {
        for (const Case& one : cases) {
            seen.insert(one.code);
        }
    }
    for (int code = 0; code <= static_cast<int>(AttestationErrc::bad_expectation); ++code) {
        const auto errc = static_cast<AttestationErrc>(code);
        if (errc != AttestationErrc::bad_roots) {
            EXPECT_TRUE(seen.contains(errc)) << identifier(errc);
        }
    }
}

TEST(Refusals, OfTheFormComeFromTheParserToo) {
    for (const auto& cases : {forger::message_cases(), forger::payload_cases()}) {
        for (const Case& one : cases) {
            const Trial trial(one);
            const auto parsed = parse_document(trial.forged.document);
            if (one.code == AttestationErrc::bad_signature) {
                EXPECT_TRUE(parsed.ok()) << one.name;
            } else {
                ASSERT_FALSE(parsed.ok()) << one.name;
                EXPECT_TRUE(parsed.error().is(one.code)) << one.name;
            }
        }
    }
}

// With two things wrong the earlier one of the list is told, whatever the cache knows.
TEST(Refusals, AreToldInTheOrderOfTheChain) {
    const std::vector<Case> all = forger::certificate_cases();
    std::vector<Case> faults;
    for (const Case& one : all) {
        for (const auto* kind : {"_expired", "_cut", "_unknown_critical", "_signature_bit"}) {
            if (one.name.ends_with(kind) && !one.trusted) {
                faults.push_back(one);
            }
        }
    }
    ASSERT_EQ(faults.size(), 16U);
    const Verifier warm = trusting_plain();
    for (const Case& first : faults) {
        for (const Case& second : faults) {
            Forgery forgery = forger::plain();
            first.alter(forgery);
            second.alter(forgery);
            const Bytes document = forger::forge(forgery).document;
            // At a time at which nothing has expired yet, what is good of it is remembered.
            Policy before = ordinary_policy();
            before.now = kMade - seconds(2);
            (void)warm.verify(document, before);
            const auto cold = trusting_plain().verify(document, ordinary_policy());
            const auto again = warm.verify(document, ordinary_policy());
            ASSERT_FALSE(cold.ok());
            ASSERT_FALSE(again.ok());
            EXPECT_EQ(again.error().message(), cold.error().message());
        }
    }
}

TEST(Refusals, OfAnExpiredChainFollowItsBeingAccepted) {
    for (const Case& one : forger::certificate_cases()) {
        if (one.code != AttestationErrc::expired) {
            continue;
        }
        const Trial trial(one);
        const Verifier verifier = trial.verifier();
        Policy before = trial.policy;
        before.now = kMade - seconds(2);
        EXPECT_TRUE(verifier.verify(trial.forged.document, before).ok()) << one.name;
        const auto warm = verifier.verify(trial.forged.document, trial.policy);
        const auto cold = trial.verifier().verify(trial.forged.document, trial.policy);
        ASSERT_FALSE(warm.ok()) << one.name;
        EXPECT_TRUE(warm.error().is(AttestationErrc::expired)) << one.name;
        EXPECT_EQ(warm.error().message(), cold.error().message());
        EXPECT_TRUE(verifier.verify(trial.forged.document, before).ok()) << one.name;
    }
}

}  // namespace
}  // namespace casemate::attestation
