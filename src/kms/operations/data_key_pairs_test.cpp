#include "kms/operations/data_key_pairs.hpp"

#include "crypto/cms.hpp"
#include "kms/operations/ciphertext.hpp"
#include "kms/operations/operations_for_test.hpp"

namespace casemate::kms {
namespace {

constexpr const char* kWith = "GenerateDataKeyPair";
constexpr const char* kWithout = "GenerateDataKeyPairWithoutPlaintext";

class DataKeyPairsTest : public OperationsTest {
protected:
    Stored symmetric(const std::string& policy = allowing_alice()) {
        return store_key(KeySpec::symmetric_default, KeyUsage::encrypt_decrypt, policy);
    }
    static json::object request(const Stored& stored, std::string_view spec = "ECC_NIST_P256") {
        return {{"KeyId", stored.key.id},
                {"KeyPairSpec", spec},
                {"EncryptionContext", {{"purpose", "test"}}}};
    }
    // open gives what Decrypt would of PrivateKeyCiphertextBlob.
    Result<SecretBytes> open(const Stored& stored, const Answer& answer,
                             const EncryptionContext& context = {{"purpose", "test"}}) {
        const Bytes blob = blob_of(answer, "PrivateKeyCiphertextBlob");
        const auto read = read_ciphertext(blob);
        EXPECT_TRUE(read.ok());
        EXPECT_EQ(read->key_id, stored.key.id);
        EXPECT_EQ(read->material_id, text_of(answer, "KeyMaterialId"));
        const auto material = service_.keyring().current(stored.key).value();
        return open_ciphertext(*read, material->bytes(), context);
    }
};

TEST_F(DataKeyPairsTest, MakesPairsOfEverySpec) {
    const Stored stored = symmetric();
    json::array tasks;
    for (const char* spec :
         {"RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"}) {
        const auto answer = ask(kWith, request(stored, spec));
        ASSERT_TRUE(answer.ok()) << answer.error().message();
        EXPECT_EQ(answer->size(), 6U);
        EXPECT_EQ(text_of(*answer, "KeyId"), stored.key.arn);
        EXPECT_EQ(text_of(*answer, "KeyPairSpec"), spec);
        EXPECT_EQ(text_of(*answer, "KeyMaterialId"), stored.key.current_material);
        const Bytes private_key = blob_of(*answer, "PrivateKeyPlaintext");
        const auto opened = open(stored, *answer);
        ASSERT_TRUE(opened.ok());
        EXPECT_TRUE(constant_time_equal(opened->view(), private_key));
        tasks.push_back({{"pair", spec},
                         {"private", answer->at("PrivateKeyPlaintext")},
                         {"public", answer->at("PublicKey")}});
    }
    EXPECT_EQ(oracle(tasks), json::array(tasks.size(), true));
}

TEST_F(DataKeyPairsTest, EachPairIsNew) {
    const Stored stored = symmetric();
    const auto one = ask(kWith, request(stored));
    const auto two = ask(kWith, request(stored));
    ASSERT_TRUE(one.ok() && two.ok());
    EXPECT_NE(one->at("PublicKey"), two->at("PublicKey"));
}

TEST_F(DataKeyPairsTest, TheContextIsBoundAndNoted) {
    const Stored stored = symmetric();
    const auto answer = ask(kWith, request(stored));
    ASSERT_TRUE(answer.ok());
    EXPECT_EQ(call_.notes.encryption_context, (EncryptionContext{{"purpose", "test"}}));
    EXPECT_FALSE(open(stored, *answer, {}).ok());
    EXPECT_FALSE(open(stored, *answer, {{"purpose", "other"}}).ok());
    const auto none = ask(kWith, with(request(stored), "EncryptionContext", nullptr));
    ASSERT_TRUE(none.ok());
    EXPECT_TRUE(open(stored, *none, {}).ok());
}

TEST_F(DataKeyPairsTest, WithoutPlaintextTheKeyIsOnlyInTheCiphertext) {
    const Stored stored = symmetric();
    const auto answer = ask(kWithout, request(stored));
    ASSERT_TRUE(answer.ok()) << answer.error().message();
    EXPECT_EQ(answer->size(), 5U);
    EXPECT_FALSE(answer->contains("PrivateKeyPlaintext"));
    const auto opened = open(stored, *answer);
    ASSERT_TRUE(opened.ok());
    const json::array tasks{{{"pair", "ECC_NIST_P256"},
                             {"private", base64(opened->view())},
                             {"public", answer->at("PublicKey")}}};
    EXPECT_EQ(oracle(tasks), json::array{true});
    // It has no Recipient: what AWS does not know is ignored.
    EXPECT_TRUE(ask(kWithout, with(request(stored), "Recipient", "enclave")).ok());
}

TEST_F(DataKeyPairsTest, ARecipientAloneReadsTheKey) {
    const std::string image = to_hex(attestation::forger::plain().contents.pcrs.at(0));
    const Stored stored = symmetric(
        allowing_alice(R"({"StringEquals":{"kms:RecipientAttestation:PCR0":")" + image + R"("}})"));
    const crypto::RsaPrivateKey& enclave = crypto::rsa_key_for_test();
    const json::object recipient = recipient_for(enclave.public_key().spki());
    expect_error(ask(kWith, request(stored)), KmsErrc::access_denied);
    // The longest private key there is.
    const auto answer = ask(kWith, with(request(stored, "RSA_4096"), "Recipient", recipient));
    ASSERT_TRUE(answer.ok()) << answer.error().message();
    EXPECT_FALSE(answer->contains("PrivateKeyPlaintext"));
    EXPECT_TRUE(call_.notes.recipient.has_value());
    const auto opened = crypto::cms::open_with(enclave, blob_of(*answer, "CiphertextForRecipient"));
    const auto kept = open(stored, *answer);
    ASSERT_TRUE(opened.ok() && kept.ok());
    EXPECT_TRUE(constant_time_equal(opened->view(), kept->view()));
    json::object forged = recipient;
    forged["AttestationDocument"] = base64(Bytes(100));
    expect_error(ask(kWith, with(request(stored), "Recipient", forged)), KmsErrc::validation);
}

TEST_F(DataKeyPairsTest, OtherSpecsAreRefused) {
    const Stored stored = symmetric();
    for (const std::string spec : {"ECC_SECG_P256K1", "SM2", "ECC_NIST_EDWARDS25519"}) {
        for (const char* operation : {kWith, kWithout}) {
            expect_refused(ask(operation, request(stored, spec)), KmsErrc::unsupported_operation,
                           "KeyPairSpec " + spec + " is not supported");
        }
    }
    for (const char* spec : {"RSA_1024", "HMAC_256", "rsa_2048"}) {
        expect_error(ask(kWith, request(stored, spec)), KmsErrc::validation);
    }
}

TEST_F(DataKeyPairsTest, KeysThatDoNotEncryptSymmetricallyAreRefused) {
    const Stored mac = store_key(KeySpec::hmac_256, KeyUsage::generate_verify_mac);
    expect_refused(ask(kWith, request(mac)), KmsErrc::invalid_key_usage,
                   mac.key.arn +
                       " key usage is GENERATE_VERIFY_MAC which is not valid for "
                       "GenerateDataKeyPair.");
    const Stored rsa = store_key(KeySpec::rsa_2048, KeyUsage::encrypt_decrypt);
    expect_refused(ask(kWithout, request(rsa)), KmsErrc::invalid_key_usage,
                   "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048.");
}

TEST_F(DataKeyPairsTest, BadInputIsRefused) {
    const Stored stored = symmetric();
    const std::vector<BadInput> cases{
        {"KeyId", nullptr, KmsErrc::validation},
        {"KeyId", text("alias/none"), KmsErrc::not_found},
        {"KeyPairSpec", nullptr, KmsErrc::validation},
        {"KeyPairSpec", 2048, KmsErrc::serialization},
        {"EncryptionContext", text("purpose"), KmsErrc::serialization},
        {"EncryptionContext", {{"purpose", 1}}, KmsErrc::serialization},
        {"EncryptionContext", {{"purpose", text(std::string(8192, 'a'))}}, KmsErrc::validation},
        {"GrantTokens", json::array(11, text("token")), KmsErrc::validation},
        {"DryRun", true, KmsErrc::dry_run},
    };
    expect_bad({kWith, kWithout}, request(stored), cases);
    set_state(stored, KeyState::pending_deletion);
    expect_error(ask(kWith, request(stored)), KmsErrc::kms_invalid_state);
    expect_error(ask(kWithout, request(stored)), KmsErrc::kms_invalid_state);
}

TEST_F(DataKeyPairsTest, ConditionsSeeTheSpecAndTheContext) {
    const Stored stored = symmetric(allowing_alice(
        R"({"StringEquals":{"kms:DataKeyPairSpec":"ECC_NIST_P384",)"
        R"("kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT","kms:EncryptionContext:purpose":"test"}})"));
    for (const char* operation : {kWith, kWithout}) {
        const json::object good = request(stored, "ECC_NIST_P384");
        EXPECT_TRUE(ask(operation, good).ok());
        expect_error(ask(operation, request(stored)), KmsErrc::access_denied);
        expect_error(ask(operation, with(good, "EncryptionContext", nullptr)),
                     KmsErrc::access_denied);
    }
}

}  // namespace
}  // namespace casemate::kms
