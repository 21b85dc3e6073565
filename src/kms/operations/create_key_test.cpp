#include <gmock/gmock.h>

#include "kms/operations/key_metadata.hpp"
#include "kms/operations/keys_for_test.hpp"
#include "kms/operations/policies.hpp"

namespace casemate::kms {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct SpecCase {
    std::string spec;
    std::string usage;
    std::string list;
    std::vector<std::string> algorithms;
    bool asymmetric = false;
};

std::vector<SpecCase> spec_cases() {
    const std::vector<std::string> encryption{"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"};
    const std::vector<std::string> signing{"RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384",
                                           "RSASSA_PKCS1_V1_5_SHA_512", "RSASSA_PSS_SHA_256",
                                           "RSASSA_PSS_SHA_384",        "RSASSA_PSS_SHA_512"};
    const char* kSigning = "SigningAlgorithms";
    const char* kAgreement = "KeyAgreementAlgorithms";
    return {
        {"SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "EncryptionAlgorithms", {"SYMMETRIC_DEFAULT"}},
        {"RSA_2048", "ENCRYPT_DECRYPT", "EncryptionAlgorithms", encryption, true},
        {"RSA_2048", "SIGN_VERIFY", kSigning, signing, true},
        {"ECC_NIST_P256", "SIGN_VERIFY", kSigning, {"ECDSA_SHA_256"}, true},
        {"ECC_NIST_P384", "SIGN_VERIFY", kSigning, {"ECDSA_SHA_384"}, true},
        {"ECC_NIST_P521", "SIGN_VERIFY", kSigning, {"ECDSA_SHA_512"}, true},
        {"ECC_NIST_P256", "KEY_AGREEMENT", kAgreement, {"ECDH"}, true},
        {"ECC_NIST_P384", "KEY_AGREEMENT", kAgreement, {"ECDH"}, true},
        {"ECC_NIST_P521", "KEY_AGREEMENT", kAgreement, {"ECDH"}, true},
        {"HMAC_256", "GENERATE_VERIFY_MAC", "MacAlgorithms", {"HMAC_SHA_256"}},
        {"HMAC_384", "GENERATE_VERIFY_MAC", "MacAlgorithms", {"HMAC_SHA_384"}},
        {"HMAC_512", "GENERATE_VERIFY_MAC", "MacAlgorithms", {"HMAC_SHA_512"}},
    };
}

TEST(CreateKey, EachSpecHasItsMetadata) {
    CoreForTest service;
    for (const SpecCase& one : spec_cases()) {
        SCOPED_TRACE(one.spec + " " + one.usage);
        const json::object made = metadata_of(service.ask(
            "CreateKey", R"({"KeySpec":")" + one.spec + R"(","KeyUsage":")" + one.usage + "\"}"));
        const std::string id = text_of(made, "KeyId");
        json::object expected{
            {"AWSAccountId", kTestAccount},
            {"KeyId", id},
            {"Arn", "arn:aws:kms:eu-central-1:111122223333:key/" + id},
            {"CreationDate", time_value(service.now())},
            {"Enabled", true},
            {"Description", ""},
            {"KeyUsage", one.usage},
            {"KeyState", "Enabled"},
            {"Origin", "AWS_KMS"},
            {"KeyManager", "CUSTOMER"},
            {"CustomerMasterKeySpec", one.spec},
            {"KeySpec", one.spec},
            {"MultiRegion", false},
        };
        expected[one.list] = json::array(one.algorithms.begin(), one.algorithms.end());
        const Key stored = service.repository().key(id).value();
        if (one.spec == "SYMMETRIC_DEFAULT") {
            expected["CurrentKeyMaterialId"] = stored.current_material;
        }
        EXPECT_EQ(made, expected);
        EXPECT_EQ(metadata_of(service.ask("DescribeKey", with_key(id))), expected);
        // Its material is there, wrapped, and opens.
        const auto opened = service.keyring().current(stored);
        ASSERT_TRUE(opened) << opened.error().message();
        const Material material =
            service.repository().material(id, stored.current_material).value();
        EXPECT_EQ(material.public_key.empty(), !one.asymmetric);
        EXPECT_EQ(material.sequence, 1);
        EXPECT_EQ(material.rotation, "");
    }
}

TEST(CreateKey, LargeRsaKeysHaveTheMetadataOfSmallOnes) {
    for (const auto& [large, name] :
         {std::pair(KeySpec::rsa_3072, "RSA_3072"), std::pair(KeySpec::rsa_4096, "RSA_4096")}) {
        for (const KeyUsage usage : {KeyUsage::encrypt_decrypt, KeyUsage::sign_verify}) {
            Key key;
            key.usage = usage;
            key.spec = KeySpec::rsa_2048;
            json::object expected = key_metadata(key, {});
            expected["KeySpec"] = name;
            expected["CustomerMasterKeySpec"] = name;
            key.spec = large;
            EXPECT_EQ(key_metadata(key, {}), expected);
        }
    }
}

TEST(CreateKey, WithNothingAskedForIsSymmetricUnderTheDefaultPolicy) {
    CoreForTest service;
    Call call = service.call("CreateKey", "{}");
    const json::object made = metadata_of(perform(service.core(), call));
    EXPECT_EQ(text_of(made, "KeySpec"), "SYMMETRIC_DEFAULT");
    const Key key = service.repository().key(text_of(made, "KeyId")).value();
    EXPECT_EQ(key.policy, default_policy(kTestAccount));
    EXPECT_THAT(call.notes.keys, ElementsAre(key.arn));
    EXPECT_THAT(call.notes.parameters, ElementsAre(std::pair("keySpec", "SYMMETRIC_DEFAULT"),
                                                   std::pair("keyUsage", "ENCRYPT_DECRYPT"),
                                                   std::pair("origin", "AWS_KMS")));
    EXPECT_EQ(text_of(*service.ask("GetKeyPolicy", with_key(key.id)), "Policy"),
              R"({
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::111122223333:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
})");
}

TEST(CreateKey, TheOldNameOfKeySpecCounts) {
    CoreForTest service;
    const json::object made = metadata_of(service.ask(
        "CreateKey", R"({"CustomerMasterKeySpec":"HMAC_384","KeyUsage":"GENERATE_VERIFY_MAC"})"));
    EXPECT_EQ(text_of(made, "KeySpec"), "HMAC_384");
}

TEST(CreateKey, ForImportedMaterialAwaitsIt) {
    CoreForTest service;
    const json::object made =
        metadata_of(service.ask("CreateKey", R"({"Origin":"EXTERNAL","Description":"Schlüssel"})"));
    EXPECT_EQ(text_of(made, "KeyState"), "PendingImport");
    EXPECT_EQ(made.at("Enabled"), false);
    EXPECT_EQ(text_of(made, "Origin"), "EXTERNAL");
    EXPECT_EQ(text_of(made, "Description"), "Schlüssel");
    for (const char* member : {"CurrentKeyMaterialId", "ExpirationModel", "ValidTo"}) {
        EXPECT_FALSE(made.contains(member)) << member;
    }
    // With material, as an import leaves it.
    Key key = service.repository().key(text_of(made, "KeyId")).value();
    key.state = KeyState::enabled;
    key.current_material = std::string(64, 'a');
    ASSERT_TRUE(service.repository().update_key(key));
    json::object described = metadata_of(service.ask("DescribeKey", with_key(key.id)));
    EXPECT_EQ(text_of(described, "ExpirationModel"), "KEY_MATERIAL_DOES_NOT_EXPIRE");
    EXPECT_EQ(text_of(described, "CurrentKeyMaterialId"), key.current_material);
    EXPECT_FALSE(described.contains("ValidTo"));
    key.valid_to = Time(std::chrono::milliseconds(1'800'000'000'500));
    ASSERT_TRUE(service.repository().update_key(key));
    described = metadata_of(service.ask("DescribeKey", with_key(key.id)));
    EXPECT_EQ(text_of(described, "ExpirationModel"), "KEY_MATERIAL_EXPIRES");
    EXPECT_EQ(described.at("ValidTo").as_double(), 1'800'000'000.5);
}

struct Refused {
    std::string input;
    std::string message;
};

TEST(CreateKey, WhatIsNotWellIsRefusedAndNothingIsMade) {
    const std::string validation = "ValidationException: ";
    const std::string unsupported = "UnsupportedOperationException: ";
    const std::vector<Refused> cases = {
        {R"({"KeySpec":"RSA_2048"})",
         validation + "You must specify a KeyUsage value for all KMS keys except for symmetric "
                      "encryption keys."},
        {R"({"KeySpec":"RSA_2048","KeyUsage":"KEY_AGREEMENT"})",
         validation + "KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048"},
        {R"({"KeySpec":"ECC_NIST_P256","KeyUsage":"ENCRYPT_DECRYPT"})",
         validation + "KeyUsage ENCRYPT_DECRYPT is not compatible with KeySpec ECC_NIST_P256"},
        {R"({"KeySpec":"HMAC_256","KeyUsage":"SIGN_VERIFY"})",
         validation + "KeyUsage SIGN_VERIFY is not compatible with KeySpec HMAC_256"},
        {R"({"KeyUsage":"SIGN_VERIFY"})",
         validation + "KeyUsage SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT"},
        {R"({"KeyUsage":"SIGN"})",
         validation + "1 validation error detected: Value 'SIGN' at 'keyUsage' failed to satisfy "
                      "constraint: Member must satisfy enum value set: [SIGN_VERIFY, "
                      "ENCRYPT_DECRYPT, GENERATE_VERIFY_MAC, KEY_AGREEMENT]"},
        {R"({"KeySpec":"RSA_2048","CustomerMasterKeySpec":"RSA_2048","KeyUsage":"SIGN_VERIFY"})",
         validation + "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. "
                      "CustomerMasterKeySpec is deprecated."},
        {R"({"KeySpec":"HMAC_224","KeyUsage":"GENERATE_VERIFY_MAC"})",
         unsupported + "KeySpec HMAC_224 is not supported by this service."},
        {R"({"KeySpec":"ECC_SECG_P256K1","KeyUsage":"SIGN_VERIFY"})",
         unsupported + "KeySpec ECC_SECG_P256K1 is not supported by this service."},
        {R"({"Origin":"AWS_CLOUDHSM"})",
         unsupported + "Origin AWS_CLOUDHSM is not supported by this service."},
        {R"({"CustomKeyStoreId":"cks-1"})",
         unsupported + "CustomKeyStoreId is not supported by this service."},
        {R"({"XksKeyId":"k"})", unsupported + "XksKeyId is not supported by this service."},
        {R"({"MultiRegion":true})",
         unsupported + "MultiRegion true is not supported by this service."},
        {R"({"Origin":"MARS"})",
         validation + "1 validation error detected: Value 'MARS' at 'origin' failed to satisfy "
                      "constraint: Member must satisfy enum value set: [AWS_KMS, EXTERNAL, "
                      "AWS_CLOUDHSM, EXTERNAL_KEY_STORE]"},
        {R"({"Tags":[{"TagKey":"a","TagValue":"1"},{"TagKey":"a","TagValue":"2"}]})",
         "TagException: Duplicate tag keys"},
        {R"({"Tags":[{"TagKey":"AWS:a","TagValue":"1"}]})",
         "TagException: Tags beginning with aws: are reserved"},
        {R"({"Policy":""})",
         validation + "1 validation error detected: Value '' at 'policy' failed to satisfy "
                      "constraint: Member must have length greater than or equal to 1"},
        {R"({"Policy":"日"})",
         validation + "1 validation error detected: Value '日' at 'policy' failed to satisfy "
                      "constraint: Member must satisfy regular expression pattern: "
                      "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+"},
        {R"({"Policy":")" + std::string(32769, ' ') + "\"}",
         "LimitExceededException: The key policy is longer than 32768 bytes."},
    };
    CoreForTest service;
    for (const Refused& one : cases) {
        EXPECT_EQ(message_of(service.ask("CreateKey", one.input)), one.message);
    }
    for (const char* input : {R"({"Description":1})", R"({"MultiRegion":"true"})", R"({"Tags":{}})",
                              R"({"KeySpec":[]})", R"({"Tags":["a"]})",
                              R"({"BypassPolicyLockoutSafetyCheck":1})", R"({"Policy":{}})"}) {
        expect_error(service.ask("CreateKey", input), KmsErrc::serialization);
    }
    expect_error(service.ask("CreateKey", R"({"Description":")" + std::string(8193, 'x') + "\"}"),
                 KmsErrc::validation);
    expect_error(service.ask("CreateKey", R"({"KeySpec":"RSA_1024","KeyUsage":"SIGN_VERIFY"})"),
                 KmsErrc::validation);
    expect_error(service.ask("CreateKey", R"({"Policy":"{}"})"), KmsErrc::malformed_policy);
    EXPECT_TRUE(service.repository().key_page("", 1)->items.empty());
}

std::string own_policy(std::string_view statement) {
    return R"({"Version":"2012-10-17","Statement":[)" + std::string(statement) + "]}";
}

TEST(CreateKey, TheCallersOwnPolicySeesWhatIsAskedFor) {
    CoreForTest service;
    const auto ask = [&](std::string_view condition, std::string_view input) {
        const Caller who = CoreForTest::caller(
            "bob", own_policy(R"({"Effect":"Allow","Action":["kms:CreateKey","kms:TagResource"],)"
                              R"("Resource":"*","Condition":)" +
                              std::string(condition) + "}"));
        const auto answer = service.ask("CreateKey", input, who);
        EXPECT_TRUE(answer.ok() || answer.error().is(KmsErrc::access_denied));
        return answer.ok();
    };
    const char* spec = R"({"StringEquals":{"kms:KeySpec":"HMAC_256"}})";
    EXPECT_TRUE(ask(spec, R"({"KeySpec":"HMAC_256","KeyUsage":"GENERATE_VERIFY_MAC"})"));
    EXPECT_FALSE(ask(spec, "{}"));
    const char* usage = R"({"StringEquals":{"kms:KeyUsage":"ENCRYPT_DECRYPT"}})";
    EXPECT_TRUE(ask(usage, "{}"));
    EXPECT_FALSE(ask(usage, R"({"KeySpec":"HMAC_256","KeyUsage":"GENERATE_VERIFY_MAC"})"));
    const char* origin = R"({"StringEquals":{"kms:KeyOrigin":"EXTERNAL"}})";
    EXPECT_TRUE(ask(origin, R"({"Origin":"EXTERNAL"})"));
    EXPECT_FALSE(ask(origin, "{}"));
    const char* bypass = R"({"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"false"}})";
    EXPECT_TRUE(ask(bypass, "{}"));
    EXPECT_FALSE(ask(bypass, R"({"BypassPolicyLockoutSafetyCheck":true})"));
    const char* tag = R"({"StringEquals":{"aws:RequestTag/team":"blue"}})";
    EXPECT_TRUE(ask(tag, R"({"Tags":[{"TagKey":"team","TagValue":"blue"}]})"));
    EXPECT_FALSE(ask(tag, R"({"Tags":[{"TagKey":"team","TagValue":"red"}]})"));
    EXPECT_FALSE(ask(tag, "{}"));
    const char* keys = R"({"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}})";
    EXPECT_TRUE(ask(keys, R"({"Tags":[{"TagKey":"team","TagValue":"x"}]})"));
    EXPECT_FALSE(
        ask(keys, R"({"Tags":[{"TagKey":"team","TagValue":"x"},{"TagKey":"b","TagValue":""}]})"));
}

TEST(CreateKey, NeedsThePermissionAndForTagsThatOfTagging) {
    CoreForTest service;
    const Caller nobody = CoreForTest::caller("bob", "");
    EXPECT_THAT(message_of(service.ask("CreateKey", "{}", nobody)),
                HasSubstr("AccessDeniedException: User: arn:aws:iam::111122223333:user/bob is not "
                          "authorized to perform: kms:CreateKey on resource: *"));
    const Caller maker = CoreForTest::caller(
        "bob", own_policy(R"({"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"})"));
    EXPECT_TRUE(service.ask("CreateKey", "{}", maker).ok());
    EXPECT_THAT(
        message_of(service.ask("CreateKey", R"({"Tags":[{"TagKey":"a","TagValue":"b"}]})", maker)),
        HasSubstr("kms:TagResource"));
}

TEST(CreateKey, APolicyThatLocksItsMakerOutIsRefusedUnlessHeInsists) {
    CoreForTest service;
    const std::string policy =
        R"("Policy":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",)"
        R"(\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:user/carol\"},)"
        R"(\"Action\":\"kms:*\",\"Resource\":\"*\"}]}")";
    EXPECT_EQ(message_of(service.ask("CreateKey", "{" + policy + "}")),
              "MalformedPolicyDocumentException: The new key policy will not allow you to update "
              "the key policy in the future.");
    EXPECT_TRUE(service.repository().key_page("", 1)->items.empty());
    const std::string id =
        make_key(service, "{" + policy + R"(,"BypassPolicyLockoutSafetyCheck":true})");
    expect_error(service.ask("DescribeKey", with_key(id)), KmsErrc::access_denied);
    EXPECT_TRUE(service.ask("DescribeKey", with_key(id), CoreForTest::caller("carol", "")).ok());
    // She may make it herself.
    EXPECT_TRUE(service.ask("CreateKey", "{" + policy + "}", CoreForTest::caller("carol")).ok());
}

}  // namespace
}  // namespace casemate::kms
