#include "kms/operations/data_keys.hpp"

#include <gtest/gtest.h>

#include "kms/operations/operations_for_test.hpp"

namespace casemate::kms {
namespace {

constexpr KeyUsage kCipher = KeyUsage::encrypt_decrypt;
constexpr std::string_view kWithoutPlaintext = "GenerateDataKeyWithoutPlaintext";

using DataKeysTest = OperationsTest;

TEST_F(DataKeysTest, AreMadeInEachSize) {
    const Stored stored = store_key(KeySpec::symmetric_default, kCipher);
    const std::vector<std::pair<json::object, std::size_t>> sizes{
        {{{"KeySpec", "AES_256"}}, 32},    {{{"KeySpec", "AES_128"}}, 16},
        {{{"NumberOfBytes", 1}}, 1},       {{{"NumberOfBytes", 64}}, 64},
        {{{"NumberOfBytes", 1024}}, 1024},
    };
    for (auto [input, size] : sizes) {
        input["KeyId"] = stored.key.id;
        input["EncryptionContext"] = {{"a", "b"}};
        const auto made = ask("GenerateDataKey", input);
        ASSERT_TRUE(made.ok()) << made.error().message();
        EXPECT_EQ(made->size(), 4);
        EXPECT_EQ(text_of(*made, "KeyId"), stored.key.arn);
        EXPECT_EQ(text_of(*made, "KeyMaterialId"), stored.key.current_material);
        const Bytes plaintext = blob_of(*made, "Plaintext");
        EXPECT_EQ(plaintext.size(), size);
        const auto opened = ask("Decrypt", {{"CiphertextBlob", made->at("CiphertextBlob")},
                                            {"EncryptionContext", {{"a", "b"}}}});
        ASSERT_TRUE(opened.ok()) << opened.error().message();
        EXPECT_EQ(blob_of(*opened, "Plaintext"), plaintext);

        const auto hidden = ask(kWithoutPlaintext, input);
        ASSERT_TRUE(hidden.ok()) << hidden.error().message();
        EXPECT_EQ(hidden->size(), 3);
        EXPECT_FALSE(hidden->contains("Plaintext"));
        const auto other = ask("Decrypt", {{"CiphertextBlob", hidden->at("CiphertextBlob")},
                                           {"EncryptionContext", {{"a", "b"}}}});
        ASSERT_TRUE(other.ok());
        EXPECT_EQ(blob_of(*other, "Plaintext").size(), size);
        EXPECT_TRUE(size == 1 || blob_of(*other, "Plaintext") != plaintext);
    }
}

TEST_F(DataKeysTest, RefuseWhatAwsRefuses) {
    const Stored stored = store_key(KeySpec::symmetric_default, kCipher);
    const json::object good{{"KeyId", stored.key.id}, {"KeySpec", "AES_256"}};
    const std::string either = "Please specify either number of bytes or key spec.";
    const std::string detected = "1 validation error detected: Value '";
    const std::string number = "at 'numberOfBytes' failed to satisfy constraint: Member must have ";
    struct Case {
        std::string_view member;
        json::value value;
        std::string sentence;
    };
    const std::vector<Case> cases{
        {"KeySpec", nullptr, either},
        {"NumberOfBytes", 32, either},
        {"KeySpec", "AES-256",
         detected +
             "AES-256' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value "
             "set: [AES_256, AES_128]"},
        {"NumberOfBytes", 0, detected + "0' " + number + "value greater than or equal to 1"},
        {"NumberOfBytes", 1025, detected + "1025' " + number + "value less than or equal to 1024"},
    };
    for (const std::string_view operation :
         {std::string_view("GenerateDataKey"), kWithoutPlaintext}) {
        for (const Case& bad : cases) {
            expect_refused(ask(operation, with(good, bad.member, bad.value)), KmsErrc::validation,
                           bad.sentence);
        }
        expect_error(ask(operation, with(good, "DryRun", true)), KmsErrc::dry_run);
        expect_error(ask(operation, with(good, "KeyId", text(new_uuid()))), KmsErrc::not_found);
        expect_error(ask(operation, good, CoreForTest::caller("mallory")), KmsErrc::access_denied);
        expect_refused(
            ask(operation, with(good, "KeyId", text(store_key(KeySpec::rsa_2048, kCipher).key.id))),
            KmsErrc::invalid_key_usage, "You cannot generate a data key with an asymmetric CMK");
        const Stored mac = store_key(KeySpec::hmac_256, KeyUsage::generate_verify_mac);
        expect_refused(ask(operation, with(good, "KeyId", text(mac.key.id))),
                       KmsErrc::invalid_key_usage,
                       mac.key.arn + " key usage is GENERATE_VERIFY_MAC which is not valid for " +
                           std::string(operation) + ".");
    }
    set_state(stored, KeyState::disabled);
    expect_refused(ask("GenerateDataKey", good), KmsErrc::disabled,
                   stored.key.arn + " is disabled.");
}

TEST_F(DataKeysTest, PoliciesSeeContextAndAlgorithm) {
    const Stored stored =
        store_key(KeySpec::symmetric_default, kCipher,
                  allowing_alice(R"({"StringEquals":{"kms:EncryptionContext:Project":"Alpha",)"
                                 R"("kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}})"));
    const json::object input{{"KeyId", stored.key.id}, {"KeySpec", "AES_256"}};
    expect_error(ask("GenerateDataKey", input), KmsErrc::access_denied);
    const json::object context{{"Project", "Alpha"}};
    EXPECT_TRUE(ask("GenerateDataKey", with(input, "EncryptionContext", context)).ok());
    EXPECT_TRUE(ask(kWithoutPlaintext, with(input, "EncryptionContext", context)).ok());
}

}  // namespace
}  // namespace casemate::kms
