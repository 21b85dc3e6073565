#include "kms/operations/signing.hpp"
#include "kms/core/grant_token.hpp"

#include <gmock/gmock.h>

#include <thread>

#include "crypto/digest.hpp"
#include "crypto/random.hpp"
#include "kms/core/algorithms.hpp"
#include "kms/operations/operations_for_test.hpp"

namespace casemate::kms {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr std::string_view kText = "attack at dawn";

class SigningTest : public OperationsTest {
protected:
    Stored p256() { return store_key(KeySpec::ecc_nist_p256, KeyUsage::sign_verify); }
    static json::object request(const Stored& stored, std::string_view algorithm = "ECDSA_SHA_256",
                                ByteView message = as_bytes(kText)) {
        return {{"KeyId", stored.key.id},
                {"Message", base64(message)},
                {"SigningAlgorithm", algorithm}};
    }
    Bytes signature_of(const json::object& input) {
        const auto answer = ask("Sign", input);
        EXPECT_TRUE(answer.ok()) << answer.error().message();
        return answer ? blob_of(*answer, "Signature") : Bytes();
    }
};

// Every algorithm of every spec, on a message and on a digest: what is signed here is verified here
// and by another's implementation, and the other way round.
TEST_F(SigningTest, SignsAndVerifiesAsOthersDo) {
    json::array tasks;
    std::vector<json::object> requests;
    for (const KeySpec spec : {KeySpec::rsa_2048, KeySpec::rsa_3072, KeySpec::ecc_nist_p256,
                               KeySpec::ecc_nist_p384, KeySpec::ecc_nist_p521}) {
        const Stored stored = store_key(spec, KeyUsage::sign_verify);
        const Bytes spki = service_.keyring().public_key(stored.key).value();
        for (const std::string_view name : algorithms_of(spec, KeyUsage::sign_verify).names) {
            for (const bool digest : {false, true}) {
                Bytes message(crypto::digest_size(parse_signing_algorithm(name)->hash));
                crypto::random_bytes(message);
                json::object input = request(stored, name, message);
                if (digest) {
                    input["MessageType"] = "DIGEST";
                }
                const Bytes signature = signature_of(input);
                tasks.push_back({{"verify", name},
                                 {"public", base64(spki)},
                                 {"message", base64(message)},
                                 {"signature", base64(signature)},
                                 {"digest", digest}});
                tasks.push_back({{"sign", name},
                                 {"private", base64(stored.secret)},
                                 {"message", base64(message)},
                                 {"digest", digest}});
                requests.push_back(std::move(input));
            }
        }
    }
    const json::array answers = oracle(tasks);
    ASSERT_EQ(answers.size(), 2 * requests.size());
    for (std::size_t i = 0; i < requests.size(); ++i) {
        EXPECT_EQ(answers[2 * i], json::value(true));
        for (const json::value& signature : {tasks[2 * i].at("signature"), answers[2 * i + 1]}) {
            const auto answer = ask("Verify", with(requests[i], "Signature", signature));
            ASSERT_TRUE(answer.ok()) << json::serialize(requests[i]);
            EXPECT_EQ(answer->at("SignatureValid"), json::value(true));
        }
    }
}

TEST_F(SigningTest, AnswersAsAwsDoes) {
    const Stored stored = p256();
    const auto made = ask("Sign", request(stored));
    ASSERT_TRUE(made.ok());
    EXPECT_EQ(made->size(), 3U);
    EXPECT_EQ(text_of(*made, "KeyId"), stored.key.arn);
    EXPECT_EQ(text_of(*made, "SigningAlgorithm"), "ECDSA_SHA_256");
    EXPECT_EQ(call_.notes.keys, std::vector<std::string>{stored.key.arn});
    EXPECT_THAT(call_.notes.parameters, Contains(Pair("SigningAlgorithm", "ECDSA_SHA_256")));
    EXPECT_THAT(call_.notes.parameters, Contains(Pair("MessageType", "RAW")));
    const auto verified = ask("Verify", with(request(stored), "Signature", made->at("Signature")));
    ASSERT_TRUE(verified.ok());
    EXPECT_EQ(json::value(*verified), (json::value{{"KeyId", stored.key.arn},
                                                   {"SignatureValid", true},
                                                   {"SigningAlgorithm", "ECDSA_SHA_256"}}));
}

// A message and its digest are one and the same.
TEST_F(SigningTest, ADigestStandsForItsMessage) {
    const Stored stored = p256();
    json::object input = request(stored, "ECDSA_SHA_256", crypto::sha256(as_bytes(kText)));
    input["MessageType"] = "DIGEST";
    const Bytes signature = signature_of(input);
    EXPECT_TRUE(ask("Verify", with(request(stored), "Signature", base64(signature))).ok());
    input["MessageType"] = "RAW";
    expect_refused(ask("Verify", with(input, "Signature", base64(signature))),
                   KmsErrc::kms_invalid_signature, "");
}

TEST_F(SigningTest, AnySignatureButTheKeysIsRefused) {
    for (const auto& [spec, algorithm] : {std::pair(KeySpec::ecc_nist_p256, "ECDSA_SHA_256"),
                                          std::pair(KeySpec::rsa_2048, "RSASSA_PSS_SHA_256")}) {
        const Stored stored = store_key(spec, KeyUsage::sign_verify);
        const json::object input = request(stored, algorithm);
        const Bytes good = signature_of(input);
        std::vector<Bytes> bad(5, good);
        bad[0][good.size() / 2] ^= 1U;
        bad[1].pop_back();
        bad[2].push_back(0);
        bad[3] = {0};
        bad[4].assign(6144, 0xff);
        for (const Bytes& signature : bad) {
            expect_refused(ask("Verify", with(input, "Signature", base64(signature))),
                           KmsErrc::kms_invalid_signature, "");
        }
        json::object other = with(input, "Signature", base64(good));
        EXPECT_TRUE(ask("Verify", other).ok());
        other["Message"] = base64(as_bytes("attack at noon"));
        expect_refused(ask("Verify", other), KmsErrc::kms_invalid_signature, "");
    }
    const Stored one = p256();
    const Stored two = p256();
    expect_refused(
        ask("Verify", with(request(two), "Signature", base64(signature_of(request(one))))),
        KmsErrc::kms_invalid_signature, "");
}

TEST_F(SigningTest, AlgorithmsOfOtherKeysAreRefused) {
    const Stored curve = p256();
    for (const std::string name :
         {"ECDSA_SHA_384", "RSASSA_PSS_SHA_256", "SM2DSA", "ML_DSA_SHAKE_256", "ED25519_SHA_512"}) {
        const std::string sentence =
            "Algorithm " + name + " is incompatible with key spec ECC_NIST_P256.";
        expect_refused(ask("Sign", request(curve, name)), KmsErrc::invalid_key_usage, sentence);
        expect_refused(ask("Verify", with(request(curve, name), "Signature", "AAAA")),
                       KmsErrc::invalid_key_usage, sentence);
    }
    const Stored rsa = store_key(KeySpec::rsa_2048, KeyUsage::sign_verify);
    expect_refused(ask("Sign", request(rsa, "ECDSA_SHA_256")), KmsErrc::invalid_key_usage,
                   "Algorithm ECDSA_SHA_256 is incompatible with key spec RSA_2048.");
    const auto unknown = ask("Sign", request(rsa, "RSASSA_PSS_SHA_1"));
    ASSERT_FALSE(unknown.ok());
    EXPECT_TRUE(unknown.error().is(KmsErrc::validation));
    EXPECT_THAT(unknown.error().detail(),
                HasSubstr("Value 'RSASSA_PSS_SHA_1' at 'signingAlgorithm' failed to satisfy "
                          "constraint: Member must satisfy enum value set: [RSASSA_PSS_SHA_256, "));
}

TEST_F(SigningTest, KeysOfOtherUsagesAreRefused) {
    for (const auto& [spec, usage] :
         {std::pair(KeySpec::symmetric_default, KeyUsage::encrypt_decrypt),
          std::pair(KeySpec::ecc_nist_p256, KeyUsage::key_agreement),
          std::pair(KeySpec::hmac_256, KeyUsage::generate_verify_mac),
          std::pair(KeySpec::rsa_2048, KeyUsage::encrypt_decrypt)}) {
        const Stored stored = store_key(spec, usage);
        const std::string sentence = stored.key.arn + " key usage is " +
                                     std::string(name_of(usage)) + " which is not valid for ";
        expect_refused(ask("Sign", request(stored)), KmsErrc::invalid_key_usage,
                       sentence + "Sign.");
        expect_refused(ask("Verify", with(request(stored), "Signature", "AAAA")),
                       KmsErrc::invalid_key_usage, sentence + "Verify.");
    }
}

TEST_F(SigningTest, ADigestHasTheAlgorithmsSize) {
    for (const auto& [spec, algorithm, size] :
         {std::tuple(KeySpec::ecc_nist_p256, "ECDSA_SHA_256", 32U),
          std::tuple(KeySpec::ecc_nist_p384, "ECDSA_SHA_384", 48U),
          std::tuple(KeySpec::ecc_nist_p521, "ECDSA_SHA_512", 64U),
          std::tuple(KeySpec::rsa_2048, "RSASSA_PKCS1_V1_5_SHA_512", 64U)}) {
        const Stored stored = store_key(spec, KeyUsage::sign_verify);
        for (const std::size_t wrong : {size - 1, size + 1, 1U, 4096U}) {
            json::object input = request(stored, algorithm, Bytes(wrong));
            input["MessageType"] = "DIGEST";
            const std::string sentence =
                "Digest is invalid length for algorithm " + std::string(algorithm) + ".";
            expect_refused(ask("Sign", input), KmsErrc::validation, sentence);
            expect_refused(ask("Verify", with(input, "Signature", "AAAA")), KmsErrc::validation,
                           sentence);
        }
    }
}

TEST_F(SigningTest, MessageTypesAreAws) {
    const Stored stored = p256();
    expect_refused(ask("Sign", with(request(stored), "MessageType", "EXTERNAL_MU")),
                   KmsErrc::validation,
                   "Message type EXTERNAL_MU is incompatible with key spec ECC_NIST_P256.");
    expect_refused(ask("Sign", with(request(stored), "MessageType", "raw")), KmsErrc::validation,
                   "1 validation error detected: Value 'raw' at 'messageType' failed to satisfy "
                   "constraint: Member must satisfy enum value set: [RAW, DIGEST, EXTERNAL_MU]");
    EXPECT_TRUE(ask("Sign", with(request(stored), "MessageType", nullptr)).ok());
}

TEST_F(SigningTest, BadInputIsRefused) {
    const Stored stored = p256();
    const json::object good = with(request(stored), "Signature", "AAAA");
    const std::vector<BadInput> cases{
        {"KeyId", nullptr, KmsErrc::validation},
        {"KeyId", text(""), KmsErrc::validation},
        {"KeyId", text(std::string(2049, 'a')), KmsErrc::validation},
        {"KeyId", 7, KmsErrc::serialization},
        {"KeyId", text("key_id"), KmsErrc::not_found},
        {"KeyId", text(new_uuid()), KmsErrc::not_found},
        {"Message", nullptr, KmsErrc::validation},
        {"Message", text(""), KmsErrc::validation},
        {"Message", base64(Bytes(4097)), KmsErrc::validation},
        {"Message", text("not base64"), KmsErrc::serialization},
        {"Message", json::array(), KmsErrc::serialization},
        {"SigningAlgorithm", nullptr, KmsErrc::validation},
        {"SigningAlgorithm", text(""), KmsErrc::validation},
        {"MessageType", true, KmsErrc::serialization},
        {"DryRun", text("true"), KmsErrc::serialization},
        {"GrantTokens", text("token"), KmsErrc::serialization},
        {"GrantTokens", json::array(11, text("token")), KmsErrc::validation},
        {"GrantTokens", json::array{text("")}, KmsErrc::validation},
        {"GrantTokens", json::array{text(std::string(8193, 'a'))}, KmsErrc::validation},
    };
    expect_bad({"Sign", "Verify"}, good, cases);
    for (const auto& [value, code] :
         {std::pair(json::value(nullptr), KmsErrc::validation),
          std::pair(json::value(""), KmsErrc::validation),
          std::pair(json::value(base64(Bytes(6145))), KmsErrc::validation)}) {
        expect_error(ask("Verify", with(good, "Signature", value)), code);
    }
    EXPECT_TRUE(ask("Sign", request(stored, "ECDSA_SHA_256", Bytes(4096))).ok());
    const std::string token = make_grant_token({stored.key.id, std::string(64, 'a')});
    EXPECT_TRUE(ask("Sign", with(request(stored), "GrantTokens", json::array{text(token)})).ok());
}

TEST_F(SigningTest, AKeyThatIsNotEnabledDoesNothing) {
    const Stored stored = p256();
    const json::object both = with(request(stored), "Signature", "AAAA");
    for (const auto& [state, code, sentence] :
         {std::tuple(KeyState::disabled, KmsErrc::disabled, " is disabled."),
          std::tuple(KeyState::pending_deletion, KmsErrc::kms_invalid_state,
                     " is pending deletion."),
          std::tuple(KeyState::pending_import, KmsErrc::kms_invalid_state,
                     " is pending import.")}) {
        set_state(stored, state);
        expect_refused(ask("Sign", both), code, stored.key.arn + sentence);
        expect_refused(ask("Verify", both), code, stored.key.arn + sentence);
    }
    set_state(stored, KeyState::enabled);
    EXPECT_TRUE(ask("Sign", both).ok());
}

TEST_F(SigningTest, DryRunStopsAfterAllChecks) {
    const Stored stored = p256();
    const json::object input = with(with(request(stored), "DryRun", true), "Signature", "AAAA");
    for (const char* operation : {"Sign", "Verify"}) {
        expect_refused(ask(operation, input), KmsErrc::dry_run,
                       "The request would have succeeded, but the DryRun option is set.");
        expect_error(ask(operation, with(input, "SigningAlgorithm", "ECDSA_SHA_512")),
                     KmsErrc::invalid_key_usage);
        expect_error(ask(operation, input, CoreForTest::caller("eve", "")), KmsErrc::access_denied);
    }
}

TEST_F(SigningTest, ConditionsSeeTheAlgorithmAndTheMessagesType) {
    const Stored stored =
        store_key(KeySpec::rsa_2048, KeyUsage::sign_verify,
                  allowing_alice(R"({"StringEquals":{"kms:SigningAlgorithm":"RSASSA_PSS_SHA_256",)"
                                 R"("kms:MessageType":"RAW"}})"));
    const json::object good = request(stored, "RSASSA_PSS_SHA_256");
    EXPECT_TRUE(ask("Sign", good).ok());
    expect_error(ask("Sign", request(stored, "RSASSA_PSS_SHA_384")), KmsErrc::access_denied);
    expect_error(ask("Sign", with(good, "MessageType", "DIGEST")), KmsErrc::access_denied);
    // Who may not use a key is not told what else is wrong.
    expect_error(ask("Sign", request(stored, "ECDSA_SHA_256")), KmsErrc::access_denied);
}

TEST_F(SigningTest, PermissionIsAskedByTheOperationsName) {
    const Stored stored = store_key(
        KeySpec::ecc_nist_p256, KeyUsage::sign_verify,
        R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":)"
        R"("arn:aws:iam::111122223333:user/alice"},"Action":"kms:Verify","Resource":"*"}]})");
    expect_error(ask("Sign", request(stored)), KmsErrc::access_denied);
    expect_error(ask("Verify", with(request(stored), "Signature", "AAAA")),
                 KmsErrc::kms_invalid_signature);
}

// One key is used by all of the service's threads at once.
TEST_F(SigningTest, ThreadsSignWithOneKey) {
    const Stored curve = p256();
    const Stored rsa = store_key(KeySpec::rsa_2048, KeyUsage::sign_verify);
    const auto work = [&](const Stored& stored, const char* algorithm, int rounds) {
        for (int i = 0; i < rounds; ++i) {
            const std::string message = "message " + std::to_string(i);
            const json::object input = request(stored, algorithm, as_bytes(message));
            Call call =
                service_.call("Sign", json::serialize(input), CoreForTest::caller("alice", ""));
            const auto made = perform(service_.core(), call);
            ASSERT_TRUE(made.ok());
            Call check = service_.call(
                "Verify", json::serialize(with(input, "Signature", made->at("Signature"))),
                CoreForTest::caller("alice", ""));
            ASSERT_TRUE(perform(service_.core(), check).ok());
        }
    };
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back(work, curve, "ECDSA_SHA_256", 50);
        threads.emplace_back(work, rsa, "RSASSA_PSS_SHA_256", 10);
    }
}

}  // namespace
}  // namespace casemate::kms
