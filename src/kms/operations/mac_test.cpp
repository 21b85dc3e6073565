#include "kms/operations/mac.hpp"

#include <gmock/gmock.h>

#include "kms/operations/operations_for_test.hpp"

namespace casemate::kms {
namespace {

using ::testing::Contains;
using ::testing::Pair;

class MacTest : public OperationsTest {
protected:
    Stored hmac_256() { return store_key(KeySpec::hmac_256, KeyUsage::generate_verify_mac); }
    static json::object request(const Stored& stored, std::string_view algorithm = "HMAC_SHA_256",
                                std::string_view message = "attack at dawn") {
        return {{"KeyId", stored.key.id},
                {"Message", base64(as_bytes(message))},
                {"MacAlgorithm", algorithm}};
    }
};

TEST_F(MacTest, MakesTheCodeThatOthersMake) {
    json::array tasks;
    json::array made;
    for (const auto& [spec, algorithm] : {std::pair(KeySpec::hmac_256, "HMAC_SHA_256"),
                                          std::pair(KeySpec::hmac_384, "HMAC_SHA_384"),
                                          std::pair(KeySpec::hmac_512, "HMAC_SHA_512")}) {
        const Stored stored = store_key(spec, KeyUsage::generate_verify_mac);
        const json::object input = request(stored, algorithm);
        const auto answer = ask("GenerateMac", input);
        ASSERT_TRUE(answer.ok()) << answer.error().message();
        EXPECT_EQ(answer->size(), 3U);
        EXPECT_EQ(text_of(*answer, "KeyId"), stored.key.arn);
        EXPECT_EQ(text_of(*answer, "MacAlgorithm"), algorithm);
        EXPECT_THAT(call_.notes.parameters, Contains(Pair("MacAlgorithm", algorithm)));
        const auto verified = ask("VerifyMac", with(input, "Mac", answer->at("Mac")));
        ASSERT_TRUE(verified.ok());
        EXPECT_EQ(json::value(*verified),
                  (json::value{
                      {"KeyId", stored.key.arn}, {"MacAlgorithm", algorithm}, {"MacValid", true}}));
        made.push_back(answer->at("Mac"));
        tasks.push_back(
            {{"mac", algorithm}, {"key", base64(stored.secret)}, {"message", input.at("Message")}});
    }
    EXPECT_EQ(oracle(tasks), made);
}

TEST_F(MacTest, AnyCodeButTheWholeRightOneIsRefused) {
    const Stored stored = hmac_256();
    const json::object input = request(stored);
    const auto answer = ask("GenerateMac", input);
    ASSERT_TRUE(answer.ok());
    const Bytes good = blob_of(*answer, "Mac");
    std::vector<Bytes> bad(6, good);
    bad[0].front() ^= 0x80U;
    bad[1].back() ^= 1U;
    bad[2].pop_back();
    bad[3].push_back(0);
    bad[4] = {0};
    bad[5].assign(6144, 0);
    for (const Bytes& mac : bad) {
        expect_refused(ask("VerifyMac", with(input, "Mac", base64(mac))), KmsErrc::kms_invalid_mac,
                       "");
    }
    expect_refused(ask("VerifyMac", with(request(stored, "HMAC_SHA_256", "attack at noon"), "Mac",
                                         base64(good))),
                   KmsErrc::kms_invalid_mac, "");
    expect_refused(ask("VerifyMac", with(request(hmac_256()), "Mac", base64(good))),
                   KmsErrc::kms_invalid_mac, "");
}

TEST_F(MacTest, OtherAlgorithmsAndUsagesAreRefused) {
    const Stored stored = hmac_256();
    for (const std::string name : {"HMAC_SHA_224", "HMAC_SHA_384", "HMAC_SHA_512"}) {
        const std::string sentence =
            "Algorithm " + name + " is incompatible with key spec HMAC_256.";
        expect_refused(ask("GenerateMac", request(stored, name)), KmsErrc::invalid_key_usage,
                       sentence);
        expect_refused(ask("VerifyMac", with(request(stored, name), "Mac", "AAAA")),
                       KmsErrc::invalid_key_usage, sentence);
    }
    expect_refused(ask("GenerateMac", request(stored, "INVALID")), KmsErrc::validation,
                   "1 validation error detected: Value 'INVALID' at 'macAlgorithm' failed to "
                   "satisfy constraint: Member must satisfy enum value set: [HMAC_SHA_384, "
                   "HMAC_SHA_256, HMAC_SHA_224, HMAC_SHA_512]");
    const Stored curve = store_key(KeySpec::ecc_nist_p256, KeyUsage::sign_verify);
    const std::string sentence =
        curve.key.arn + " key usage is SIGN_VERIFY which is not valid for ";
    expect_refused(ask("GenerateMac", request(curve)), KmsErrc::invalid_key_usage,
                   sentence + "GenerateMac.");
    expect_refused(ask("VerifyMac", with(request(curve), "Mac", "AAAA")),
                   KmsErrc::invalid_key_usage, sentence + "VerifyMac.");
}

TEST_F(MacTest, BadInputIsRefused) {
    const Stored stored = hmac_256();
    const json::object good = with(request(stored), "Mac", "AAAA");
    const std::vector<BadInput> cases{
        {"KeyId", nullptr, KmsErrc::validation},
        {"KeyId", text("key_id"), KmsErrc::not_found},
        {"Message", nullptr, KmsErrc::validation},
        {"Message", text(""), KmsErrc::validation},
        {"Message", base64(Bytes(4097)), KmsErrc::validation},
        {"Message", text("*"), KmsErrc::serialization},
        {"MacAlgorithm", nullptr, KmsErrc::validation},
        {"MacAlgorithm", json::object(), KmsErrc::serialization},
        {"GrantTokens", json::array(11, text("token")), KmsErrc::validation},
        {"DryRun", true, KmsErrc::dry_run},
    };
    expect_bad({"GenerateMac", "VerifyMac"}, good, cases);
    for (const json::value& value : {json::value(nullptr), text(""), base64(Bytes(6145))}) {
        expect_error(ask("VerifyMac", with(good, "Mac", value)), KmsErrc::validation);
    }
    set_state(stored, KeyState::disabled);
    expect_error(ask("GenerateMac", good), KmsErrc::disabled);
    expect_error(ask("VerifyMac", good), KmsErrc::disabled);
}

TEST_F(MacTest, ConditionsSeeTheAlgorithm) {
    const auto store = [&](const char* algorithm) {
        return store_key(KeySpec::hmac_256, KeyUsage::generate_verify_mac,
                         allowing_alice(R"({"StringEquals":{"kms:MacAlgorithm":")" +
                                        std::string(algorithm) + R"("}})"));
    };
    EXPECT_TRUE(ask("GenerateMac", request(store("HMAC_SHA_256"))).ok());
    expect_error(ask("GenerateMac", request(store("HMAC_SHA_512"))), KmsErrc::access_denied);
    expect_error(ask("VerifyMac", with(request(store("HMAC_SHA_512")), "Mac", "AAAA")),
                 KmsErrc::access_denied);
}

}  // namespace
}  // namespace casemate::kms
