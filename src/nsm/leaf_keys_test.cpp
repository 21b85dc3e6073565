#include "nsm/leaf_keys.hpp"

#include <gtest/gtest.h>

#include "nsm/forged_chain.hpp"

namespace casemate::nsm {
namespace {

constexpr TimeMs kNow = 1'665'651'482'136;
constexpr TimeMs kThreeHours = TimeMs{3} * 3600 * 1000;

class LeafKeysTest : public ::testing::Test {
protected:
    Certified certificates(TimeMs valid_until) {
        return chain_.certify(keys_.waiting(), valid_until);
    }

    // The key that signs, as SubjectPublicKeyInfo; empty when none does.
    Bytes signing(TimeMs now) const {
        const LeafKeys::Signer* signer = keys_.signer(now);
        return signer == nullptr ? Bytes() : signer->key.public_key().spki();
    }

    // The key asked about at that time; empty when none is.
    Bytes asked(TimeMs now) {
        auto request = keys_.request(now);
        EXPECT_TRUE(request.ok());
        return request.ok() && *request ? (*request)->leaf_key : Bytes();
    }

    void expect_refused(const Certified& certified, TimeMs now) {
        const Bytes before = signing(now);
        const Bytes waiting = keys_.waiting();
        const auto taken = keys_.certify(certified, now);
        ASSERT_FALSE(taken.ok());
        EXPECT_TRUE(taken.error().is(NsmErrc::bad_certificate)) << taken.error().message();
        EXPECT_EQ(signing(now), before);
        EXPECT_EQ(keys_.waiting(), waiting);
    }

    forged::Chain chain_{kNow};
    LeafKeys keys_ = LeafKeys::make(kNow).value();
};

TEST_F(LeafKeysTest, TheFirstKeySignsFromItsCertificateToItsEnd) {
    EXPECT_EQ(keys_.signer(kNow), nullptr);
    const Bytes first = keys_.waiting();
    const Certified certified = certificates(kNow + kThreeHours);
    ASSERT_TRUE(keys_.certify(certified, kNow).ok());
    EXPECT_TRUE(keys_.waiting().empty());
    EXPECT_EQ(signing(kNow), first);
    EXPECT_EQ(keys_.signer(kNow)->certified, certified);
    EXPECT_EQ(signing(kNow + kThreeHours - 1), first);
    EXPECT_EQ(keys_.signer(kNow + kThreeHours), nullptr);
}

TEST_F(LeafKeysTest, ANewKeyIsDueWhenTwoThirdsHavePassed) {
    ASSERT_TRUE(keys_.certify(certificates(kNow + kThreeHours), kNow).ok());
    const Bytes first = signing(kNow);
    const TimeMs due = kNow + kThreeHours / 3 * 2;
    EXPECT_EQ(keys_.next_request(), due);
    EXPECT_TRUE(asked(due - 1).empty());
    const Bytes second = asked(due);
    EXPECT_EQ(second, keys_.waiting());
    EXPECT_NE(second, first);
    // The old one signs until the new one has its certificate.
    EXPECT_EQ(signing(due), first);
    ASSERT_TRUE(keys_.certify(certificates(due + kThreeHours), due + 5).ok());
    EXPECT_EQ(signing(due + 5), second);
}

TEST_F(LeafKeysTest, AnUnansweredRequestIsMadeAgainForTheSameKey) {
    const Bytes first = keys_.waiting();
    EXPECT_TRUE(asked(kNow + LeafKeys::kAskAgain - 1).empty());
    EXPECT_EQ(asked(kNow + LeafKeys::kAskAgain), first);
    EXPECT_EQ(keys_.next_request(), kNow + 2 * LeafKeys::kAskAgain);
    EXPECT_TRUE(asked(kNow + LeafKeys::kAskAgain).empty());
    ASSERT_TRUE(keys_.certify(certificates(kNow + kThreeHours), kNow).ok());
    const TimeMs due = keys_.next_request();
    const Bytes second = asked(due);
    EXPECT_EQ(asked(due + LeafKeys::kAskAgain), second);
    // Even when all certificates have ended.
    EXPECT_EQ(asked(kNow + kThreeHours), second);
    EXPECT_EQ(keys_.signer(kNow + kThreeHours), nullptr);
    ASSERT_TRUE(keys_.certify(certificates(kNow + 2 * kThreeHours), kNow + kThreeHours).ok());
    EXPECT_EQ(signing(kNow + kThreeHours), second);
}

TEST_F(LeafKeysTest, AClockThatIsSetBackDoesNotPutARequestOff) {
    EXPECT_EQ(asked(kNow - kThreeHours), keys_.waiting());
    EXPECT_EQ(keys_.next_request(), kNow - kThreeHours + LeafKeys::kAskAgain);
}

TEST_F(LeafKeysTest, CertificatesThatEndAtOnceAreNotRenewedAtOnce) {
    ASSERT_TRUE(keys_.certify(certificates(kNow + 1), kNow).ok());
    EXPECT_EQ(keys_.next_request(), kNow + LeafKeys::kLeastTerm);
}

TEST_F(LeafKeysTest, CertificatesThatHaveEndedAreRefused) {
    expect_refused(certificates(kNow), kNow);
    expect_refused(certificates(kNow - 1), kNow);
}

TEST_F(LeafKeysTest, CertificatesForAnotherKeyAreRefused) {
    const auto other = crypto::PrivateKey::generate(crypto::Curve::p384).value();
    const Certified wrong = chain_.certify(other.public_key().spki(), kNow + kThreeHours);
    expect_refused(wrong, kNow);
    const Certified first = certificates(kNow + kThreeHours);
    ASSERT_TRUE(keys_.certify(first, kNow).ok());
    // Nothing waits now; then another key does.
    expect_refused(first, kNow);
    const TimeMs due = keys_.next_request();
    ASSERT_FALSE(asked(due).empty());
    expect_refused(first, due);
    expect_refused(wrong, due);
}

TEST_F(LeafKeysTest, WhatIsNoCertificateIsRefused) {
    Certified certified = certificates(kNow + kThreeHours);
    certified.leaf.pop_back();
    const auto taken = keys_.certify(certified, kNow);
    ASSERT_FALSE(taken.ok());
    EXPECT_EQ(keys_.signer(kNow), nullptr);
    EXPECT_FALSE(keys_.waiting().empty());
}

TEST(WallClock, IsInThisCentury) {
    EXPECT_GT(wall_clock(), TimeMs{1'577'836'800'000});
    EXPECT_LT(wall_clock(), TimeMs{4'102'444'800'000});
}

}  // namespace
}  // namespace casemate::nsm
