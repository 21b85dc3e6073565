// What is accepted, and what a verified document says.
#include "attestation/verifier.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "attestation/testing/forger.hpp"

namespace casemate::attestation {
namespace {

using forger::bytes_item;
using forger::forge;
using forger::Forged;
using forger::Forgery;
using forger::kMade;
using forger::must;
using forger::Pair;
using forger::plain;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

Policy ordinary_policy() {
    Policy policy;
    policy.now = kMade + seconds(1);
    return policy;
}

Verifier trusting(const Forged& forged) {
    std::vector<crypto::Certificate> roots;
    roots.push_back(forged.root());
    return must(Verifier::create(std::move(roots)));
}

// verify judges a forgery under its own root.
Result<VerifiedDocument> verify(const Forgery& forgery, const Policy& policy = ordinary_policy()) {
    const Forged forged = forge(forgery);
    return trusting(forged).verify(forged.document, policy);
}

void expect_accepted(const Forgery& forgery, const Policy& policy = ordinary_policy()) {
    const auto verified = verify(forgery, policy);
    EXPECT_TRUE(verified.ok()) << verified.error().message();
}

PcrValue filled(std::uint8_t byte) {
    PcrValue value{};
    value.fill(byte);
    return value;
}

TEST(VerifiedDocument, SaysWhatTheDocumentAndItsChainSay) {
    Forgery forgery = plain();
    forgery.contents.public_key = Bytes(1024, 1);
    forgery.contents.user_data = Bytes();
    forgery.contents.nonce = Bytes{7};
    const Forged forged = forge(forgery);
    const auto verified = trusting(forged).verify(forged.document, ordinary_policy());
    ASSERT_TRUE(verified.ok()) << verified.error().message();
    const Contents& contents = verified->contents();
    EXPECT_EQ(contents.module_id, "i-0123456789abcdef0-enc018aa8b8e2285d13");
    EXPECT_EQ(contents.timestamp, Time(kMade));
    EXPECT_EQ(contents.pcrs, forgery.contents.pcrs);
    EXPECT_EQ(contents.public_key, Bytes(1024, 1));
    EXPECT_EQ(contents.user_data, Bytes());
    EXPECT_EQ(contents.nonce, Bytes{7});
    EXPECT_EQ(verified->isolation(), Isolation::kvm);
    EXPECT_FALSE(verified->debug());
    EXPECT_EQ(verified->root(), crypto::sha256(forged.chain.front()));
    EXPECT_EQ(verified->valid_from(), Time(kMade - seconds(3)));
    EXPECT_EQ(verified->valid_until(), Time(kMade + hours(3)));
}

// The chain is valid only while all of it is.
TEST(VerifiedDocument, IsValidWhileEachCertificateIs) {
    Forgery forgery = plain();
    forgery.certificates[forger::kRegion].what.not_after = kMade + hours(1);
    forgery.certificates[forger::kZone].what.not_before = kMade - seconds(1);
    const auto verified = verify(forgery);
    ASSERT_TRUE(verified.ok()) << verified.error().message();
    EXPECT_EQ(verified->valid_from(), Time(kMade - seconds(1)));
    EXPECT_EQ(verified->valid_until(), Time(kMade + hours(1)));
}

TEST(Accepted, KeysOfThePayloadInAnyOrder) {
    Forgery forgery = plain();
    forgery.edit_pairs = [](std::vector<Pair>& pairs) {
        std::reverse(pairs.begin(), pairs.end());
        Bytes& pcrs = forger::value_of(pairs, "pcrs");
        pcrs = forger::map_item({{forger::uint_item(31), bytes_item(filled(1))},
                                 {forger::uint_item(0), bytes_item(filled(2))}});
    };
    expect_accepted(forgery);
    forgery.edit_pairs = [](std::vector<Pair>& pairs) { std::sort(pairs.begin(), pairs.end()); };
    expect_accepted(forgery);
}

TEST(Accepted, FieldsNobodyKnows) {
    Forgery forgery = plain();
    forgery.edit_pairs = [](std::vector<Pair>& pairs) {
        pairs.emplace_back(forger::text_item("more"), forger::array_item({forger::null_item()}));
    };
    expect_accepted(forgery);
}

TEST(Accepted, OptionalFieldsLeftOut) {
    Forgery forgery = plain();
    forgery.edit_pairs = [](std::vector<Pair>& pairs) { pairs.resize(6); };
    const auto verified = verify(forgery);
    ASSERT_TRUE(verified.ok()) << verified.error().message();
    EXPECT_FALSE(verified->contents().public_key);
    EXPECT_FALSE(verified->contents().user_data);
    EXPECT_FALSE(verified->contents().nonce);
}

TEST(Accepted, AllRegistersAndTheTag) {
    Forgery forgery = plain();
    for (std::uint16_t index = 0; index < kPcrCount; ++index) {
        forgery.contents.pcrs[index] = filled(static_cast<std::uint8_t>(index + 1));
    }
    forgery.edit_message = [](Bytes& message) { message.insert(message.begin(), 0xd2); };
    const auto verified = verify(forgery);
    ASSERT_TRUE(verified.ok()) << verified.error().message();
    EXPECT_EQ(verified->contents().pcrs, forgery.contents.pcrs);
}

TEST(Accepted, CertificatesWithMoreExtensionsThatAreNotCritical) {
    for (std::size_t position = forger::kRegion; position < forger::kPositions; ++position) {
        Forgery forgery = plain();
        forgery.certificates[position].edit_signed_part = [](Bytes& part) {
            forger::edit_extensions(part, [](forger::Extensions& all) {
                all.push_back(
                    forger::extension(forger::kPolicyConstraints, false, Bytes{0x30, 0x00}));
            });
        };
        expect_accepted(forgery);
    }
}

TEST(Accepted, ALeafWithoutBasicConstraints) {
    Forgery forgery = plain();
    forgery.certificates[forger::kLeaf].edit_signed_part = [](Bytes& part) {
        forger::edit_extensions(part, [](forger::Extensions& all) { all.erase(all.begin()); });
    };
    expect_accepted(forgery);
}

TEST(Accepted, PathLengthsThatAreJustLongEnough) {
    Forgery forgery = plain();
    forgery.certificates[forger::kRoot].what.path_length = 3;
    expect_accepted(forgery);
    for (const auto position : {forger::kRegion, forger::kZone, forger::kInstance}) {
        forgery.certificates[position].what.path_length.reset();
    }
    expect_accepted(forgery);
}

// Both ends of each limit.
TEST(Accepted, TimesUpToTheirLimits) {
    Policy policy = ordinary_policy();
    policy.max_age = seconds(1);
    expect_accepted(plain(), policy);
    policy.clock_skew = seconds(2);
    Forgery ahead = plain();
    ahead.contents.timestamp = kMade + seconds(3);
    expect_accepted(ahead, policy);
    policy = ordinary_policy();
    policy.now = kMade - seconds(3);
    expect_accepted(plain(), policy);
    policy.now = kMade + hours(3);
    expect_accepted(plain(), policy);
}

TEST(Accepted, OldDocumentsAtTheirOwnTime) {
    Policy policy;
    policy.now = kMade + hours(24 * 365);
    policy.max_age = seconds(1);
    EXPECT_TRUE(verify(plain(), policy).error().is(AttestationErrc::expired));
    policy.at_document_time = true;
    expect_accepted(plain(), policy);
}

TEST(Accepted, TheExpectedNonce) {
    Policy policy = ordinary_policy();
    for (const Bytes& nonce : {Bytes{}, Bytes{1}, Bytes(1024, 2)}) {
        policy.nonce = nonce;
        Forgery forgery = plain();
        forgery.contents.nonce = nonce;
        expect_accepted(forgery, policy);
    }
}

TEST(Accepted, TheExpectedRegisters) {
    Policy policy = ordinary_policy();
    policy.pcrs.require(0, {filled(0x10), filled(0x20)});
    policy.pcrs.require(15, {filled(0)});
    expect_accepted(plain(), policy);
    policy.pcrs = {};
    policy.pcrs.add_alternative({{0, {filled(0x99)}}});
    policy.pcrs.add_alternative({{0, {filled(0x10)}}, {1, {filled(0x11)}}});
    expect_accepted(plain(), policy);
    // What every alternative requires is required of the one that is met.
    policy.pcrs.require(2, {filled(0x12)});
    expect_accepted(plain(), policy);
    policy.pcrs.require(2, {filled(0x13)});
    EXPECT_TRUE(verify(plain(), policy).error().is(AttestationErrc::pcr_mismatch));
}

TEST(Accepted, DebugModeWhenItIsAllowed) {
    Policy policy = ordinary_policy();
    policy.allow_debug = true;
    Forgery zero = plain();
    zero.contents.pcrs[0].fill(0);
    Forgery missing = plain();
    missing.contents.pcrs.erase(0);
    for (const Forgery& forgery : {plain({"kvm", "debug"}), zero, missing}) {
        const auto verified = verify(forgery, policy);
        ASSERT_TRUE(verified.ok()) << verified.error().message();
        EXPECT_TRUE(verified->debug());
    }
    EXPECT_FALSE(must(verify(plain(), policy)).debug());
}

TEST(Accepted, IsolationAsThePolicySays) {
    Policy policy = ordinary_policy();
    policy.isolation = {Isolation::unknown, Isolation::software, Isolation::kvm, Isolation::nitro};
    EXPECT_EQ(must(verify(plain({"kvm"}), policy)).isolation(), Isolation::kvm);
    EXPECT_EQ(must(verify(plain({"software"}), policy)).isolation(), Isolation::software);
    EXPECT_EQ(must(verify(plain({"something"}), policy)).isolation(), Isolation::unknown);
    EXPECT_EQ(must(verify(plain({"AWS"}), policy)).isolation(), Isolation::unknown);
    EXPECT_EQ(must(verify(plain({"AWS"}, kMade, "Amazon"), policy)).isolation(), Isolation::nitro);
    EXPECT_EQ(must(verify(plain({"AWS", "kvm"}, kMade, "Amazon"), policy)).isolation(),
              Isolation::kvm);
    // A leaf without a label is what the instance says that signs it.
    Forgery silent = plain();
    silent.certificates[forger::kLeaf].what.subject =
        plain({"Casemate"}).certificates[forger::kLeaf].what.subject;
    EXPECT_EQ(must(verify(silent, policy)).isolation(), Isolation::kvm);
}

TEST(Accepted, AnyOfSeveralRoots) {
    const Forged ours = forge(plain());
    const Forged theirs = forge(plain({"AWS"}, kMade, "Amazon"));
    std::vector<crypto::Certificate> roots;
    roots.push_back(ours.root());
    roots.push_back(theirs.root());
    const Verifier verifier = must(Verifier::create(std::move(roots)));
    EXPECT_EQ(must(verifier.verify(ours.document, ordinary_policy())).isolation(), Isolation::kvm);
    EXPECT_EQ(must(verifier.verify(theirs.document, ordinary_policy())).isolation(),
              Isolation::nitro);
}

// The same certificate may stand in a chain as an issuer and end another as a leaf only if it is
// fit for both: the cache must not take one for the other.
TEST(Accepted, DocumentsOfOneVerifierDoNotHelpEachOther) {
    const Forged forged = forge(plain());
    const Verifier verifier = trusting(forged);
    ASSERT_TRUE(verifier.verify(forged.document, ordinary_policy()).ok());
    Forgery instance_signs = plain();
    instance_signs.signer = forger::kInstance;
    instance_signs.rearrange = [](std::vector<Bytes>& bundle, Bytes& leaf) {
        leaf = bundle.back();
        bundle.pop_back();
    };
    EXPECT_TRUE(verifier.verify(forge(instance_signs).document, ordinary_policy())
                    .error()
                    .is(AttestationErrc::leaf_is_ca));
    Forgery leaf_as_ca = plain();
    leaf_as_ca.rearrange = [](std::vector<Bytes>& bundle, Bytes& leaf) { bundle.push_back(leaf); };
    EXPECT_TRUE(verifier.verify(forge(leaf_as_ca).document, ordinary_policy())
                    .error()
                    .is(AttestationErrc::not_a_ca));
}

TEST(Accepted, FromSeveralThreads) {
    const Forged good = forge(plain());
    Forgery bad = plain();
    bad.certificates[forger::kZone].signer = forger::kStranger;
    const Bytes refused = forge(bad).document;
    const Verifier verifier = trusting(good);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int round = 0; round < 20; ++round) {
                EXPECT_TRUE(verifier.verify(good.document, ordinary_policy()).ok());
                EXPECT_TRUE(verifier.verify(refused, ordinary_policy())
                                .error()
                                .is(AttestationErrc::bad_certificate_signature));
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

// --- the trusted roots ---

void expect_bad_root(Forgery forgery, const std::string& says) {
    std::vector<crypto::Certificate> roots;
    roots.push_back(forge(plain()).root());
    roots.push_back(
        must(crypto::Certificate::from_der(forger::forge_certificate(forgery, forger::kRoot))));
    const auto verifier = Verifier::create(std::move(roots));
    ASSERT_FALSE(verifier.ok()) << says;
    EXPECT_TRUE(verifier.error().is(AttestationErrc::bad_roots));
    EXPECT_THAT(verifier.error().detail(), HasSubstr("trusted root 2"));
    EXPECT_THAT(verifier.error().detail(), HasSubstr(says));
}

TEST(Roots, AreNeeded) {
    const auto verifier = Verifier::create({});
    ASSERT_FALSE(verifier.ok());
    EXPECT_TRUE(verifier.error().is(AttestationErrc::bad_roots));
}

TEST(Roots, AreSelfSignedCertificatesOfCas) {
    const auto altered = [](auto alter) {
        Forgery forgery = plain();
        alter(forgery.certificates[forger::kRoot]);
        return forgery;
    };
    using One = forger::ForgedCertificate;
    expect_bad_root(altered([](One& one) {
                        one.issuer = crypto::Name{{"CN", "another"}};
                    }),
                    "its own issuer, found the issuer CN=another");
    expect_bad_root(altered([](One& one) { one.signer = forger::kStranger; }),
                    "expected a signature by the key of");
    expect_bad_root(altered([](One& one) { one.what.is_ca = false; }), "found CA:FALSE");
    expect_bad_root(altered([](One& one) { one.what.key_usage = crypto::kDigitalSignature; }),
                    "expected keyCertSign");
    expect_bad_root(altered([](One& one) { one.curve = crypto::Curve::p256; }),
                    "found ecdsa-with-SHA256");
    expect_bad_root(altered([](One& one) {
                        one.edit_signed_part = [](Bytes& part) {
                            forger::edit_extensions(part, [](forger::Extensions& all) {
                                all.push_back(forger::extension(forger::kPolicyConstraints, true,
                                                                Bytes{0x30, 0x00}));
                            });
                        };
                    }),
                    "found 2.5.29.36");
    expect_bad_root(altered([](One& one) { one.edit_signed_part = forger::make_version_2; }),
                    "expected version 3, found 2");
}

}  // namespace
}  // namespace casemate::attestation
