// What the authority certifies and the module signs, the verifier accepts, and calls by its name.
#include "attestation/verifier.hpp"
#include "authority/authority.hpp"
#include "base/temporary_directory.hpp"
#include "crypto/key.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nsm/document.hpp"

namespace casemate {
namespace {

using attestation::AttestationErrc;
using attestation::Isolation;
using attestation::Policy;
using crypto::Seconds;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

const Seconds kNow{seconds(1790000000)};
constexpr const char* kModule = "i-0123456789abcdef0-enc01a0b2c3d4e5f607";

class TrustTest : public testing::Test {
protected:
    TrustTest() : directory_(TemporaryDirectory::create().value()) {}

    // A module's key with its chain, as from some time on.
    authority::IssuedChain certified(Isolation isolation, bool debug, Seconds now) {
        auto issued = authority_.certify(
            {key_.public_key().spki(), kModule, 0x01a0b2c3d4e5f607, isolation, debug}, now);
        EXPECT_TRUE(issued) << issued.error().message();
        return issued ? std::move(issued->chain) : authority::IssuedChain{};
    }

    Bytes document(const authority::IssuedChain& chain, Seconds now) const {
        nsm::Statement statement;
        statement.module_id = kModule;
        statement.timestamp_ms =
            static_cast<std::uint64_t>(milliseconds(now.time_since_epoch()).count());
        for (std::uint16_t i = 0; i < 16; ++i) {
            statement.pcrs[i].fill(static_cast<std::uint8_t>(i + 1));
        }
        statement.certificate = chain.leaf;
        statement.bundle = chain.bundle;
        return nsm::sign_document(statement, key_).value();
    }

    attestation::Verifier verifier() const {
        std::vector<crypto::Certificate> roots;
        roots.push_back(
            crypto::Certificate::from_pem(as_bytes(authority_.root_pem().value())).value());
        return attestation::Verifier::create(std::move(roots)).value();
    }

    static Policy policy(Seconds now) {
        Policy policy;
        policy.now = now;
        return policy;
    }

    TemporaryDirectory directory_;
    authority::Authority authority_{directory_.path() + "/authority",
                                    {"i-0123456789abcdef0", "eu-central-1", ""}};
    crypto::PrivateKey key_ = crypto::PrivateKey::generate(crypto::Curve::p384).value();
};

TEST_F(TrustTest, DocumentsVerifyAsWhatTheyAre) {
    for (const Isolation isolation : {Isolation::kvm, Isolation::software}) {
        for (const bool debug : {false, true}) {
            const auto chain = certified(isolation, debug, kNow);
            Policy wanted = policy(kNow);
            wanted.isolation = {isolation};
            wanted.allow_debug = debug;
            const Bytes bytes = document(chain, kNow);
            const auto verified = verifier().verify(bytes, wanted);
            ASSERT_TRUE(verified) << verified.error().message();
            EXPECT_EQ(verified->isolation(), isolation);
            EXPECT_EQ(verified->debug(), debug);
            EXPECT_EQ(verified->contents().module_id, kModule);
            EXPECT_EQ(verified->root(), crypto::sha256(chain.bundle[0]));
            EXPECT_EQ(verified->valid_until(), chain.valid_until);
            // Registers that are not zero don't hide a debug mode that the certificates tell of.
            wanted.allow_debug = false;
            EXPECT_EQ(verifier().verify(bytes, wanted).ok(), !debug);
            wanted.allow_debug = true;
            wanted.isolation = {isolation == Isolation::kvm ? Isolation::software : Isolation::kvm};
            const auto other = verifier().verify(bytes, wanted);
            ASSERT_FALSE(other);
            EXPECT_TRUE(other.error().is(AttestationErrc::isolation_refused));
        }
    }
}

TEST_F(TrustTest, ALeafIsGoodForItsWholeLifeAndNoLonger) {
    // Certified at odd times, so that renewals of every level fall within a leaf's life.
    for (Seconds start = kNow; start < kNow + days(21); start += hours(7) + seconds(1777)) {
        const auto chain = certified(Isolation::kvm, false, start);
        const auto verify = [&](Seconds at) {
            return verifier().verify(document(chain, at), policy(at));
        };
        for (const Seconds at : {start - seconds(3), start, chain.valid_until}) {
            const auto verified = verify(at);
            ASSERT_TRUE(verified) << verified.error().message();
        }
        const auto early = verify(start - seconds(4));
        ASSERT_FALSE(early);
        EXPECT_TRUE(early.error().is(AttestationErrc::not_yet_valid));
        const auto late = verify(chain.valid_until + seconds(1));
        ASSERT_FALSE(late);
        EXPECT_TRUE(late.error().is(AttestationErrc::expired));
    }
}

TEST_F(TrustTest, ANewRootIsNotTrustedByThoseWhoHaveTheOldOne) {
    const auto before = certified(Isolation::kvm, false, kNow);
    const attestation::Verifier old = verifier();
    ASSERT_TRUE(authority_.rotate(false, {}, kNow));
    const auto between = certified(Isolation::kvm, false, kNow);
    EXPECT_TRUE(old.verify(document(between, kNow), policy(kNow)));
    ASSERT_TRUE(authority_.rotate(true, {}, kNow));
    const auto after = certified(Isolation::kvm, false, kNow);
    const auto refused = old.verify(document(after, kNow), policy(kNow));
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().is(AttestationErrc::untrusted_root));
    EXPECT_TRUE(verifier().verify(document(after, kNow), policy(kNow)));
    EXPECT_TRUE(old.verify(document(before, kNow), policy(kNow)));
}

}  // namespace
}  // namespace casemate
