#include "kms/operations/rotation.hpp"

#include <gmock/gmock.h>

#include "kms/operations/keys_for_test.hpp"

namespace casemate::kms {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RotationTest : public ::testing::Test {
protected:
    Answer get(std::string_view operation, std::string_view members = {}) {
        Result<Answer> answer = service_.ask(operation, with_key(key_, members));
        EXPECT_TRUE(answer.ok()) << operation << answer.error().message();
        return answer ? *std::move(answer) : Answer();
    }
    std::string refusal(std::string_view operation, std::string_view members = {},
                        Caller who = CoreForTest::caller()) {
        return message_of(service_.ask(operation, with_key(key_, members), std::move(who)));
    }
    Key stored() { return service_.repository().key(key_).value(); }

    CoreForTest service_;
    std::string key_ = make_key(service_);
};

TEST_F(RotationTest, AutomaticRotationIsTurnedOnAndOff) {
    Answer status = get("GetKeyRotationStatus");
    EXPECT_FALSE(status.at("KeyRotationEnabled").as_bool());
    EXPECT_FALSE(status.contains("NextRotationDate"));
    EXPECT_FALSE(status.contains("RotationPeriodInDays"));

    get("EnableKeyRotation");
    EXPECT_EQ(stored().next_rotation, service_.now() + std::chrono::days(365));
    get("EnableKeyRotation", R"("RotationPeriodInDays":90)");
    status = get("GetKeyRotationStatus");
    EXPECT_EQ(text_of(status, "KeyId"), stored().arn);
    EXPECT_TRUE(status.at("KeyRotationEnabled").as_bool());
    EXPECT_EQ(status.at("RotationPeriodInDays").to_number<int>(), 90);
    EXPECT_EQ(status.at("NextRotationDate"), time_value(service_.now() + std::chrono::days(90)));

    // The same period again leaves the date alone.
    service_.set_now(service_.now() + std::chrono::days(10));
    get("EnableKeyRotation", R"("RotationPeriodInDays":90)");
    EXPECT_EQ(stored().next_rotation, service_.now() + std::chrono::days(80));

    get("ScheduleKeyDeletion");
    EXPECT_FALSE(get("GetKeyRotationStatus").at("KeyRotationEnabled").as_bool());
    get("CancelKeyDeletion");
    EXPECT_TRUE(get("GetKeyRotationStatus").at("KeyRotationEnabled").as_bool());
    get("EnableKey");
    get("DisableKeyRotation");
    EXPECT_FALSE(get("GetKeyRotationStatus").at("KeyRotationEnabled").as_bool());
    EXPECT_EQ(stored().next_rotation, std::nullopt);
    get("DisableKeyRotation");
}

TEST_F(RotationTest, RefusesWhatDoesNotRotate) {
    EXPECT_THAT(refusal("EnableKeyRotation", R"("RotationPeriodInDays":89)"),
                HasSubstr("greater than or equal to 90"));
    EXPECT_THAT(refusal("EnableKeyRotation", R"("RotationPeriodInDays":2561)"),
                HasSubstr("less than or equal to 2560"));
    EXPECT_THAT(message_of(service_.ask("EnableKeyRotation", with_key("alias/x"))),
                HasSubstr("InvalidArnException"));
    const std::vector<std::string> changing{"EnableKeyRotation", "DisableKeyRotation",
                                            "RotateKeyOnDemand"};
    get("DisableKey");
    for (const std::string& operation : changing) {
        EXPECT_EQ(refusal(operation), "DisabledException: " + stored().arn + " is disabled.");
    }
    get("ScheduleKeyDeletion");
    for (const std::string& operation : changing) {
        EXPECT_EQ(refusal(operation),
                  "KMSInvalidStateException: " + stored().arn + " is pending deletion.");
    }
    const std::vector<std::string> all{"EnableKeyRotation", "DisableKeyRotation",
                                       "RotateKeyOnDemand", "GetKeyRotationStatus",
                                       "ListKeyRotations"};
    key_ = make_key(service_, R"({"KeySpec":"HMAC_256","KeyUsage":"GENERATE_VERIFY_MAC"})");
    for (const std::string& operation : all) {
        EXPECT_THAT(refusal(operation), HasSubstr("UnsupportedOperationException")) << operation;
    }
    key_ = make_key(service_, R"({"Origin":"EXTERNAL"})");
    for (const std::string& operation : changing) {
        EXPECT_EQ(refusal(operation),
                  "KMSInvalidStateException: " + stored().arn + " is pending import.");
    }
    EXPECT_EQ(refusal("GetKeyRotationStatus"),
              "UnsupportedOperationException: " + stored().arn +
                  " origin is EXTERNAL which is not valid for this operation.");
}

TEST_F(RotationTest, EveryOperationAsksForItsPermission) {
    const Caller nobody = CoreForTest::caller("bob", "");
    for (const char* operation : {"EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand",
                                  "GetKeyRotationStatus", "ListKeyRotations"}) {
        EXPECT_THAT(refusal(operation, "", nobody),
                    HasSubstr("perform: kms:" + std::string(operation)));
    }
    const Caller limited = CoreForTest::caller(
        "eve",
        R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:EnableKeyRotation",)"
        R"("Resource":"*","Condition":{"NumericLessThanEquals":{"kms:RotationPeriodInDays":"180"}}}]})");
    EXPECT_THAT(refusal("EnableKeyRotation", "", limited), HasSubstr("AccessDenied"));
    EXPECT_EQ(refusal("EnableKeyRotation", R"("RotationPeriodInDays":180)", limited), "");
}

TEST_F(RotationTest, WhatWasEncryptedBeforeStillDecrypts) {
    std::vector<std::string> ciphertexts;
    std::vector<std::string> materials{stored().current_material};
    for (int i = 0; i < 3; ++i) {
        ciphertexts.push_back(
            text_of(get("Encrypt", R"("Plaintext":"aGVsbG8=")"), "CiphertextBlob"));
        EXPECT_EQ(text_of(get("RotateKeyOnDemand"), "KeyId"), stored().arn);
        EXPECT_THAT(materials, ::testing::Not(::testing::Contains(stored().current_material)));
        materials.push_back(stored().current_material);
    }
    for (const std::string& ciphertext : ciphertexts) {
        EXPECT_EQ(text_of(get("Decrypt", R"("CiphertextBlob":")" + ciphertext + '"'), "Plaintext"),
                  "aGVsbG8=");
    }
    // A rotation on demand leaves the schedule alone.
    EXPECT_EQ(stored().next_rotation, std::nullopt);
}

TEST_F(RotationTest, RotationsAreListedInPages) {
    EXPECT_THAT(get("ListKeyRotations").at("Rotations").as_array(), IsEmpty());
    std::vector<std::string> materials{stored().current_material};
    for (int i = 0; i < 3; ++i) {
        get("RotateKeyOnDemand");
        materials.push_back(stored().current_material);
    }
    Answer page = get("ListKeyRotations", R"("Limit":2)");
    EXPECT_THAT(names_of(page, "Rotations", "KeyMaterialId"),
                ElementsAre(materials[1], materials[2]));
    EXPECT_THAT(names_of(page, "Rotations", "RotationType"), ElementsAre("ON_DEMAND", "ON_DEMAND"));
    EXPECT_THAT(names_of(page, "Rotations", "KeyId"), ElementsAre(key_, key_));
    EXPECT_EQ(page.at("Rotations").as_array()[0].as_object().at("RotationDate"),
              time_value(service_.now()));
    EXPECT_TRUE(page.at("Truncated").as_bool());
    page = get("ListKeyRotations", R"("Marker":")" + text_of(page, "NextMarker") + '"');
    EXPECT_THAT(names_of(page, "Rotations", "KeyMaterialId"), ElementsAre(materials[3]));
    EXPECT_FALSE(page.at("Truncated").as_bool());

    page = get("ListKeyRotations", R"("IncludeKeyMaterial":"ALL_KEY_MATERIAL")");
    EXPECT_EQ(names_of(page, "Rotations", "KeyMaterialId"), materials);
    EXPECT_THAT(names_of(page, "Rotations", "KeyMaterialState"),
                ElementsAre("NON_CURRENT", "NON_CURRENT", "NON_CURRENT", "CURRENT"));
    EXPECT_FALSE(page.at("Rotations").as_array()[0].as_object().contains("RotationDate"));
    EXPECT_THAT(refusal("ListKeyRotations", R"("Marker":"eA==")"),
                HasSubstr("InvalidMarkerException"));
    EXPECT_THAT(refusal("ListKeyRotations", R"("Limit":1001)"), HasSubstr("1000"));
}

TEST_F(RotationTest, OnDemandRotationsAreLimited) {
    for (std::size_t i = 0; i < kMaxOnDemandRotations; ++i) {
        get("RotateKeyOnDemand");
    }
    EXPECT_EQ(refusal("RotateKeyOnDemand"),
              "LimitExceededException: The on-demand rotations limit has been reached for the "
              "given keyId. No more on-demand rotations can be performed for this key: " +
                  stored().arn);
    EXPECT_THAT(get("ListKeyRotations").at("Rotations").as_array(), SizeIs(kMaxOnDemandRotations));
}

}  // namespace
}  // namespace casemate::kms
