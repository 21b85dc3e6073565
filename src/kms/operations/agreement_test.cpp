#include "kms/operations/agreement.hpp"

#include "crypto/agreement.hpp"
#include "crypto/cms.hpp"
#include "kms/operations/operations_for_test.hpp"

namespace casemate::kms {
namespace {

class AgreementTest : public OperationsTest {
protected:
    Stored key(KeySpec spec = KeySpec::ecc_nist_p256) {
        return store_key(spec, KeyUsage::key_agreement);
    }
    static json::object request(const Stored& stored, ByteView peer) {
        return {{"KeyId", stored.key.id},
                {"KeyAgreementAlgorithm", "ECDH"},
                {"PublicKey", base64(peer)}};
    }
    static crypto::PrivateKey peer_on(crypto::Curve curve = crypto::Curve::p256) {
        return crypto::PrivateKey::generate(curve).value();
    }
};

TEST_F(AgreementTest, BothSidesGetOneSecret) {
    json::array tasks;
    json::array made;
    for (const KeySpec spec :
         {KeySpec::ecc_nist_p256, KeySpec::ecc_nist_p384, KeySpec::ecc_nist_p521}) {
        const Stored stored = key(spec);
        const crypto::PrivateKey peer = peer_on(curve_of(spec));
        const auto answer = ask("DeriveSharedSecret", request(stored, peer.public_key().spki()));
        ASSERT_TRUE(answer.ok()) << answer.error().message();
        EXPECT_EQ(json::value(*answer), (json::value{{"KeyId", stored.key.arn},
                                                     {"SharedSecret", answer->at("SharedSecret")},
                                                     {"KeyAgreementAlgorithm", "ECDH"},
                                                     {"KeyOrigin", "AWS_KMS"}}));
        made.push_back(answer->at("SharedSecret"));
        tasks.push_back({{"agree", "ECDH"},
                         {"private", base64(peer.to_pkcs8().value().view())},
                         {"public", base64(service_.keyring().public_key(stored.key).value())}});
    }
    EXPECT_EQ(oracle(tasks), made);
}

TEST_F(AgreementTest, TwoKeysOfTheServiceAgree) {
    const Stored one = key();
    const Stored two = key();
    const auto spki = [&](const Stored& stored) {
        return service_.keyring().public_key(stored.key).value();
    };
    const auto first = ask("DeriveSharedSecret", request(one, spki(two)));
    const auto second = ask("DeriveSharedSecret", request(two, spki(one)));
    ASSERT_TRUE(first.ok() && second.ok());
    EXPECT_EQ(first->at("SharedSecret"), second->at("SharedSecret"));
}

TEST_F(AgreementTest, WhatIsNoPublicKeyOfTheCurveIsRefused) {
    const Stored stored = key();
    const Bytes good = peer_on().public_key().spki();
    std::vector<Bytes> bad(3, good);
    // The point is off its curve.
    bad[0].back() ^= 1U;
    bad[1].pop_back();
    bad[2].push_back(0);
    bad.push_back(peer_on(crypto::Curve::p384).public_key().spki());
    bad.push_back(crypto::rsa_key_for_test().public_key().spki());
    bad.emplace_back(8192, 0x30);
    const std::string_view none = "InvalidPublicKey";
    bad.emplace_back(none.begin(), none.end());
    // The point at infinity, and the private key itself.
    Bytes infinity(good.begin(), good.end() - 65);
    infinity.push_back(0);
    bad.push_back(infinity);
    bad.push_back(stored.secret);
    for (const Bytes& peer : bad) {
        expect_refused(ask("DeriveSharedSecret", request(stored, peer)), KmsErrc::validation, "");
    }
    EXPECT_TRUE(ask("DeriveSharedSecret", request(stored, good)).ok());
}

TEST_F(AgreementTest, KeysOfOtherUsagesAreRefused) {
    const Bytes peer = peer_on().public_key().spki();
    for (const auto& [spec, usage] :
         {std::pair(KeySpec::ecc_nist_p256, KeyUsage::sign_verify),
          std::pair(KeySpec::symmetric_default, KeyUsage::encrypt_decrypt)}) {
        const Stored stored = store_key(spec, usage);
        expect_refused(ask("DeriveSharedSecret", request(stored, peer)), KmsErrc::invalid_key_usage,
                       stored.key.arn + " key usage is " + std::string(name_of(usage)) +
                           " which is not valid for DeriveSharedSecret.");
    }
}

TEST_F(AgreementTest, BadInputIsRefused) {
    const Stored stored = key();
    const json::object good = request(stored, peer_on().public_key().spki());
    const std::vector<BadInput> cases{
        {"KeyId", nullptr, KmsErrc::validation},
        {"PublicKey", nullptr, KmsErrc::validation},
        {"PublicKey", text(""), KmsErrc::validation},
        {"PublicKey", base64(Bytes(8193)), KmsErrc::validation},
        {"PublicKey", 1, KmsErrc::serialization},
        {"KeyAgreementAlgorithm", nullptr, KmsErrc::validation},
        {"GrantTokens", json::array(11, text("token")), KmsErrc::validation},
        {"Recipient", text("enclave"), KmsErrc::serialization},
        {"Recipient", json::object(), KmsErrc::validation},
        {"DryRun", true, KmsErrc::dry_run},
    };
    expect_bad({"DeriveSharedSecret"}, good, cases);
    expect_refused(ask("DeriveSharedSecret", with(good, "KeyAgreementAlgorithm", "INVALID")),
                   KmsErrc::validation,
                   "1 validation error detected: Value 'INVALID' at 'keyAgreementAlgorithm' failed "
                   "to satisfy constraint: Member must satisfy enum value set: [ECDH]");
    expect_error(ask("DeriveSharedSecret", good, CoreForTest::caller("eve", "")),
                 KmsErrc::access_denied);
    set_state(stored, KeyState::disabled);
    expect_error(ask("DeriveSharedSecret", good), KmsErrc::disabled);
}

TEST_F(AgreementTest, ARecipientAloneReadsTheSecret) {
    const Stored stored = key();
    const crypto::PrivateKey peer = peer_on();
    const crypto::RsaPrivateKey& enclave = crypto::rsa_key_for_test();
    const json::object good = request(stored, peer.public_key().spki());
    const auto answer = ask("DeriveSharedSecret",
                            with(good, "Recipient", recipient_for(enclave.public_key().spki())));
    ASSERT_TRUE(answer.ok()) << answer.error().message();
    EXPECT_FALSE(answer->contains("SharedSecret"));
    EXPECT_TRUE(call_.notes.recipient.has_value());
    const auto opened = crypto::cms::open_with(enclave, blob_of(*answer, "CiphertextForRecipient"));
    ASSERT_TRUE(opened.ok());
    const auto expected = crypto::agree(peer, service_.keyring().public_key(stored.key).value());
    EXPECT_TRUE(constant_time_equal(opened->view(), expected->view()));
    // A document that does not verify, or has no key to encrypt to, gets nothing.
    json::object changed = recipient_for(enclave.public_key().spki());
    changed["AttestationDocument"] = base64(as_bytes("no document"));
    expect_error(ask("DeriveSharedSecret", with(good, "Recipient", changed)), KmsErrc::validation);
    expect_error(
        ask("DeriveSharedSecret", with(good, "Recipient", recipient_for(peer.public_key().spki()))),
        KmsErrc::validation);
}

TEST_F(AgreementTest, AKeyCanBeTheRecipientsAlone) {
    const std::string image = to_hex(attestation::forger::plain().contents.pcrs.at(0));
    const Stored stored =
        store_key(KeySpec::ecc_nist_p256, KeyUsage::key_agreement,
                  allowing_alice(R"({"StringEquals":{"kms:RecipientAttestation:ImageSha384":")" +
                                 image + R"(","kms:KeyAgreementAlgorithm":"ECDH"}})"));
    const json::object good = request(stored, peer_on().public_key().spki());
    expect_error(ask("DeriveSharedSecret", good), KmsErrc::access_denied);
    const json::object recipient = recipient_for(crypto::rsa_key_for_test().public_key().spki());
    EXPECT_TRUE(ask("DeriveSharedSecret", with(good, "Recipient", recipient)).ok());
}

}  // namespace
}  // namespace casemate::kms
