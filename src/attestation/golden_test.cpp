// A real document of AWS (tests/golden), judged as it would have been on its day.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

#include "attestation/verifier.hpp"
#include "base/file.hpp"
#include "codec/rfc3339.hpp"
#include "support/paths.hpp"

namespace casemate::attestation {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

Bytes golden(const std::string& name) {
    auto bytes = read_file(test::source_dir() + "/tests/golden/" + name, 1UL << 20U);
    return bytes ? std::move(*bytes) : Bytes();
}

class GoldenDocument : public testing::Test {
protected:
    GoldenDocument()
        : document_(golden("aws-attestation-document.cbor")), verifier_(make_verifier()) {
        policy_.now = *codec::parse_rfc3339("2022-10-13T08:58:02.136Z");
    }

    static Verifier make_verifier() {
        const Bytes pem = golden("aws-nitro-enclaves-root.pem");
        return Verifier::create(crypto::Certificate::all_from_pem(pem).value()).value();
    }

    Bytes document_;
    Verifier verifier_;
    Policy policy_;
};

TEST_F(GoldenDocument, VerifiesAtItsOwnTime) {
    const auto verified = verifier_.verify(document_, policy_);
    ASSERT_TRUE(verified.ok()) << verified.error().message();
    EXPECT_EQ(verified->isolation(), Isolation::nitro);
    EXPECT_FALSE(verified->debug());
    EXPECT_EQ(to_hex(verified->root()),
              "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b");
    const Contents& contents = verified->contents();
    EXPECT_EQ(contents.timestamp, policy_.now);
    EXPECT_EQ(contents.pcrs.size(), 16U);
    EXPECT_THAT(contents.module_id, HasSubstr("-enc"));
}

// The leaf is the certificate of the shortest life: 3 seconds before the slot, 3 hours after.
TEST_F(GoldenDocument, IsValidThroughTheFirstMillisecondOfItsLastSecond) {
    const auto verified = verifier_.verify(document_, policy_);
    ASSERT_TRUE(verified.ok());
    EXPECT_EQ(verified->valid_until() - verified->valid_from(), hours(3) + seconds(3));
    policy_.clock_skew = hours(1);
    for (const bool warm : {false, true}) {
        SCOPED_TRACE(warm);
        const Verifier fresh = make_verifier();
        const Verifier& verifier = warm ? verifier_ : fresh;
        policy_.now = verified->valid_from();
        EXPECT_TRUE(verifier.verify(document_, policy_).ok());
        policy_.now = verified->valid_from() - milliseconds(1);
        EXPECT_TRUE(verifier.verify(document_, policy_).error().is(AttestationErrc::not_yet_valid));
        policy_.now = verified->valid_until();
        EXPECT_TRUE(verifier.verify(document_, policy_).ok());
        policy_.now = verified->valid_until() + milliseconds(1);
        EXPECT_TRUE(verifier.verify(document_, policy_).error().is(AttestationErrc::expired));
    }
}

TEST_F(GoldenDocument, HasExpired) {
    policy_.now = *codec::parse_rfc3339("2026-01-01T00:00:00Z");
    const auto verified = verifier_.verify(document_, policy_);
    ASSERT_FALSE(verified.ok());
    EXPECT_TRUE(verified.error().is(AttestationErrc::expired)) << verified.error().message();
    EXPECT_THAT(verified.error().detail(), HasSubstr("2026-01-01T00:00:00Z"));

    policy_.at_document_time = true;
    policy_.max_age = seconds(1);
    EXPECT_TRUE(verifier_.verify(document_, policy_).ok());
}

TEST_F(GoldenDocument, IsAcceptedWithItsTag) {
    document_.insert(document_.begin(), 0xd2);
    EXPECT_TRUE(verifier_.verify(document_, policy_).ok());
}

TEST_F(GoldenDocument, IsToldStepByStep) {
    Report report;
    ASSERT_TRUE(verifier_.verify(document_, policy_, &report).ok());
    std::size_t certificates = 0;
    for (const Step& step : report) {
        EXPECT_NE(step.outcome, Step::Outcome::failed) << step.title;
        EXPECT_NE(step.outcome, Step::Outcome::not_reached) << step.title;
        EXPECT_FALSE(step.finding.empty()) << step.title;
        certificates += step.title.find("of 5") != std::string::npos ? 1U : 0U;
    }
    EXPECT_EQ(certificates, 2U + 3 * 9 + 7);
    // The same list when it fails half-way, and all behind the failure is not reached.
    policy_.now += hours(24 * 365);
    Report failed;
    ASSERT_FALSE(verifier_.verify(document_, policy_, &failed).ok());
    ASSERT_EQ(failed.size(), report.size());
    std::size_t failures = 0;
    for (std::size_t i = 0; i < report.size(); ++i) {
        EXPECT_EQ(failed[i].title, report[i].title);
        if (failures > 0) {
            EXPECT_EQ(failed[i].outcome, Step::Outcome::not_reached) << failed[i].title;
        }
        failures += failed[i].outcome == Step::Outcome::failed ? 1U : 0U;
    }
    EXPECT_EQ(failures, 1U);
}

// One bit of each byte in turn. Two threads share the verifier and its cache.
TEST_F(GoldenDocument, IsRefusedWithAnyByteChanged) {
    ASSERT_EQ(document_.size(), 4654U);
    ASSERT_TRUE(verifier_.verify(document_, policy_).ok());
    std::atomic<std::size_t> refused = 0;
    const auto flip_half = [&](std::size_t first) {
        for (std::size_t i = first; i < document_.size(); i += 2) {
            Bytes changed = document_;
            changed[i] = static_cast<std::uint8_t>(changed[i] ^ (1U << (i % 8)));
            if (!verifier_.verify(changed, policy_).ok()) {
                ++refused;
            } else {
                ADD_FAILURE() << "byte " << i;
            }
        }
    };
    std::thread other(flip_half, 1);
    flip_half(0);
    other.join();
    EXPECT_EQ(refused, document_.size());
}

}  // namespace
}  // namespace casemate::attestation
