// Recipient, through the operations that take it: whose documents count, that nothing is decrypted
// for others, and that policies see what is in them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/cms.hpp"
#include "crypto/key.hpp"
#include "kms/operations/ciphertext.hpp"
#include "kms/operations/operations_for_test.hpp"

namespace casemate::kms {
namespace {

namespace forger = attestation::forger;
using ::testing::HasSubstr;

const crypto::RsaPrivateKey& enclave_key() {
    return crypto::rsa_key_for_test();
}

// rsa_spki is a key that nobody has the private half of: an odd modulus of a size.
Bytes rsa_spki(std::size_t modulus_size, const Bytes& exponent) {
    Bytes modulus(modulus_size + 1, 0xc5);
    modulus[0] = 0;
    const Bytes algorithm{0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                          0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
    Bytes bits =
        forger::tlv(0x30, forger::join({forger::tlv(0x02, modulus), forger::tlv(0x02, exponent)}));
    bits.insert(bits.begin(), 0);
    return forger::tlv(0x30, forger::join({algorithm, forger::tlv(0x03, bits)}));
}

class RecipientTest : public OperationsTest {
protected:
    static json::object recipient_of(const forger::Forgery& forgery) {
        return {{"KeyEncryptionAlgorithm", "RSAES_OAEP_SHA_256"},
                {"AttestationDocument", base64(forger::forge(forgery).document)}};
    }
    static forger::Forgery with_key(forger::Forgery forgery = forger::plain()) {
        forgery.contents.public_key = enclave_key().public_key().spki();
        return forgery;
    }

    // opened is what the enclave finds in an answer that has no plaintext.
    static Bytes opened(const Result<Answer>& answer) {
        EXPECT_TRUE(answer.ok()) << answer.error().message();
        if (!answer) {
            return {};
        }
        EXPECT_FALSE(answer->contains("Plaintext"));
        const auto secret =
            crypto::cms::open_with(enclave_key(), blob_of(*answer, "CiphertextForRecipient"));
        EXPECT_TRUE(secret.ok());
        return secret ? Bytes(secret->view().begin(), secret->view().end()) : Bytes();
    }

    json::value sealed(const Stored& stored) {
        // Through the store: the policies of these keys don't let everybody encrypt.
        const EncryptionContext none;
        const auto material = service_.keyring().current(stored.key).value();
        return base64(seal_ciphertext(stored.key.id, stored.key.current_material, material->bytes(),
                                      none, as_bytes("secret"))
                          .value());
    }
};

TEST_F(RecipientTest, OnlyTheEnclaveReadsTheAnswer) {
    const Stored stored = store_key(KeySpec::symmetric_default, KeyUsage::encrypt_decrypt);
    const json::object recipient = recipient_of(with_key());
    const auto decrypted =
        ask("Decrypt", {{"CiphertextBlob", sealed(stored)}, {"Recipient", recipient}});
    EXPECT_EQ(opened(decrypted), Bytes({'s', 'e', 'c', 'r', 'e', 't'}));
    EXPECT_EQ(text_of(*decrypted, "KeyId"), stored.key.arn);
    EXPECT_EQ(text_of(*decrypted, "KeyMaterialId"), stored.key.current_material);
    EXPECT_EQ(text_of(*decrypted, "EncryptionAlgorithm"), "SYMMETRIC_DEFAULT");
    ASSERT_TRUE(call_.notes.recipient.has_value());
    EXPECT_EQ(call_.notes.recipient->at("attestationDocumentModuleId"),
              json::value(with_key().contents.module_id));

    const auto made =
        ask("GenerateDataKey",
            {{"KeyId", stored.key.id}, {"KeySpec", "AES_256"}, {"Recipient", recipient}});
    const Bytes data_key = opened(made);
    EXPECT_EQ(data_key.size(), 32);
    const auto again = ask("Decrypt", {{"CiphertextBlob", made->at("CiphertextBlob")}});
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(blob_of(*again, "Plaintext"), data_key);

    const auto random = ask("GenerateRandom", {{"NumberOfBytes", 77}, {"Recipient", recipient}},
                            CoreForTest::caller());
    EXPECT_EQ(opened(random).size(), 77);

    // An RSA key's plaintext goes the same way.
    const Stored rsa = store_key(KeySpec::rsa_2048, KeyUsage::encrypt_decrypt);
    json::object input{{"KeyId", rsa.key.id},
                       {"Plaintext", base64(as_bytes("by RSA"))},
                       {"EncryptionAlgorithm", "RSAES_OAEP_SHA_256"}};
    const auto encrypted = ask("Encrypt", input);
    ASSERT_TRUE(encrypted.ok());
    input.erase("Plaintext");
    input["CiphertextBlob"] = encrypted->at("CiphertextBlob");
    input["Recipient"] = recipient;
    EXPECT_EQ(as_text(opened(ask("Decrypt", input))), "by RSA");
}

TEST_F(RecipientTest, PoliciesPinWhatRuns) {
    forger::Forgery right = with_key();
    forger::Forgery wrong = with_key();
    wrong.contents.pcrs[0][47] ^= 1U;
    forger::Forgery no_pcr3 = with_key();
    no_pcr3.contents.pcrs.erase(3);
    const std::string pcr0 = to_hex(right.contents.pcrs[0]);
    std::string capitals = pcr0;
    std::transform(capitals.begin(), capitals.end(), capitals.begin(),
                   [](char letter) { return letter >= 'a' ? char(letter - 32) : letter; });
    const std::string zeros(96, '0');
    struct Case {
        std::string condition;
        const forger::Forgery* denied;
    };
    const std::vector<Case> cases{
        {R"({"StringEquals":{"kms:RecipientAttestation:ImageSha384":")" + pcr0 + R"("}})", &wrong},
        {R"({"StringEqualsIgnoreCase":{"kms:RecipientAttestation:ImageSha384":")" + capitals +
             R"("}})",
         &wrong},
        {R"({"StringEquals":{"kms:RecipientAttestation:PCR0":")" + pcr0 + R"("}})", &wrong},
        {R"({"StringEquals":{"kms:RecipientAttestation:PCR3":")" + zeros + R"("}})", &no_pcr3},
    };
    for (const Case& wanted : cases) {
        SCOPED_TRACE(wanted.condition);
        const Stored stored = store_key(KeySpec::symmetric_default, KeyUsage::encrypt_decrypt,
                                        allowing_alice(wanted.condition));
        const json::object plain{{"CiphertextBlob", sealed(stored)}};
        const json::object making{{"KeyId", stored.key.id}, {"KeySpec", "AES_128"}};
        const json::value good = recipient_of(right);
        const json::value bad = recipient_of(*wanted.denied);
        EXPECT_EQ(opened(ask("Decrypt", with(plain, "Recipient", good))).size(), 6);
        EXPECT_EQ(opened(ask("GenerateDataKey", with(making, "Recipient", good))).size(), 16);
        for (const json::value& recipient : {bad, json::value(nullptr)}) {
            expect_error(ask("Decrypt", with(plain, "Recipient", recipient)),
                         KmsErrc::access_denied);
            expect_error(ask("GenerateDataKey", with(making, "Recipient", recipient)),
                         KmsErrc::access_denied);
        }
        // An operation without Recipient never has what the policy wants.
        expect_error(ask("GenerateDataKeyWithoutPlaintext", with(making, "Recipient", good)),
                     KmsErrc::access_denied);
    }
    const std::string own = R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":)"
                            R"("kms:GenerateRandom","Resource":"*","Condition":{"StringEquals":)"
                            R"({"kms:RecipientAttestation:PCR0":")" +
                            pcr0 + R"("}}}]})";
    const json::object random{{"NumberOfBytes", 16}};
    const auto alice = [&] { return CoreForTest::caller("alice", own); };
    EXPECT_EQ(opened(ask("GenerateRandom", with(random, "Recipient", recipient_of(right)), alice()))
                  .size(),
              16);
    expect_error(ask("GenerateRandom", with(random, "Recipient", recipient_of(wrong)), alice()),
                 KmsErrc::access_denied);
    expect_error(ask("GenerateRandom", random, alice()), KmsErrc::access_denied);
}

// A bad document is refused before anything else is looked at: neither the ciphertext, which is
// none, nor the caller, who may nothing, changes the answer.
TEST_F(RecipientTest, BadDocumentsAreRefusedFirst) {
    const Stored stored = store_key(KeySpec::symmetric_default, KeyUsage::encrypt_decrypt);
    const std::string no_key = "no RSA public key of 2048 to 4096 bits";
    struct Case {
        std::string_view name;
        json::object recipient;
        std::string sentence;
        std::chrono::minutes later{0};
    };
    std::vector<Case> cases;
    const auto add = [&](std::string_view name, const forger::Forgery& forgery,
                         std::string_view sentence, std::chrono::minutes later = {}) {
        cases.push_back({name, recipient_of(forgery), std::string(sentence), later});
    };
    const auto key = [](const Bytes& spki) {
        forger::Forgery forgery = forger::plain();
        forgery.contents.public_key = spki;
        return forgery;
    };
    using std::chrono::minutes;
    add("too old", with_key(), "too old", minutes(6));
    add("expired", with_key(), "expired", minutes(300));
    add("from the future", with_key(), "not yet valid", minutes(-10));
    add("another root", with_key(forger::plain({"kvm"}, forger::kMade, "Other")), "root");
    add("unknown isolation", with_key(forger::plain({"something"})), "isolation");
    add("debug", with_key(forger::plain({"kvm", "debug"})), "debug");
    forger::Forgery forged = with_key();
    forged.edit_signature = [](Bytes& signature) { signature[5] ^= 1U; };
    add("signature", forged, "signature");
    forged = with_key();
    forged.edit_payload = [](Bytes& payload) { payload.back() ^= 1U; };
    add("payload", forged, "");
    add("no key", forger::plain(), no_key);
    const auto curve = crypto::PrivateKey::generate(crypto::Curve::p256);
    ASSERT_TRUE(curve.ok());
    add("a curve's key", key(curve->public_key().spki()), no_key);
    add("RSA of 1024 bits", key(rsa_spki(128, {1, 0, 1})), no_key);
    add("RSA of 2040 bits", key(rsa_spki(255, {1, 0, 1})), no_key);
    add("RSA of 4104 bits", key(rsa_spki(513, {1, 0, 1})), no_key);
    add("exponent 3", key(rsa_spki(256, {3})), no_key);
    add("exponent 1", key(rsa_spki(256, {1})), no_key);
    add("an even exponent", key(rsa_spki(256, {1, 0, 2})), no_key);
    Bytes longer = enclave_key().public_key().spki();
    longer.push_back(0);
    add("bytes after the key", key(longer), no_key);
    add("no DER", key(Bytes(300, 'x')), no_key);
    cases.push_back({"no document", recipient_for(Bytes()), ""});
    cases.back().recipient["AttestationDocument"] = "AAAA";
    cases.push_back({"a document that is missing", recipient_for(Bytes()), "not be null"});
    cases.back().recipient.erase("AttestationDocument");
    cases.push_back({"another algorithm", recipient_of(with_key()), "enum value set"});
    cases.back().recipient["KeyEncryptionAlgorithm"] = "RSAES_OAEP_SHA_1";

    const Time now = service_.now();
    for (const Case& bad : cases) {
        SCOPED_TRACE(bad.name);
        service_.set_now(now + bad.later);
        const std::vector<std::pair<std::string_view, json::object>> requests{
            {"Decrypt", {{"CiphertextBlob", sealed(stored)}, {"Recipient", bad.recipient}}},
            {"Decrypt", {{"CiphertextBlob", "AAAA"}, {"Recipient", bad.recipient}}},
            {"GenerateDataKey",
             {{"KeyId", stored.key.id}, {"KeySpec", "AES_256"}, {"Recipient", bad.recipient}}},
            {"GenerateRandom", {{"NumberOfBytes", 8}, {"Recipient", bad.recipient}}},
        };
        for (const auto& [operation, input] : requests) {
            for (const std::string_view who : {"alice", "mallory"}) {
                const auto answer = ask(operation, input, CoreForTest::caller(who));
                ASSERT_FALSE(answer.ok());
                EXPECT_TRUE(answer.error().is(KmsErrc::validation)) << answer.error().message();
                EXPECT_THAT(answer.error().detail(), HasSubstr(bad.sentence));
            }
        }
    }
    service_.set_now(now);
    EXPECT_TRUE(ask("Decrypt",
                    {{"CiphertextBlob", sealed(stored)}, {"Recipient", recipient_of(with_key())}})
                    .ok());
}

TEST_F(RecipientTest, IsNoObjectOfAnotherKind) {
    const json::object input{{"NumberOfBytes", 8}};
    for (const json::value& recipient :
         {json::value("text"), json::value(json::array()), json::value(7)}) {
        expect_error(
            ask("GenerateRandom", with(input, "Recipient", recipient), CoreForTest::caller()),
            KmsErrc::serialization);
    }
}

}  // namespace
}  // namespace casemate::kms
