#include "kms/operations/cipher.hpp"
#include "kms/core/grant_token.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kms/operations/operations_for_test.hpp"

namespace casemate::kms {
namespace {

using ::testing::HasSubstr;

constexpr KeyUsage kCipher = KeyUsage::encrypt_decrypt;

class CipherTest : public OperationsTest {
protected:
    Stored symmetric(const std::string& policy = allowing_alice()) {
        return store_key(KeySpec::symmetric_default, kCipher, policy);
    }
    Stored rsa(KeySpec spec = KeySpec::rsa_2048) { return store_key(spec, kCipher); }

    // encrypted is an Encrypt that succeeds, in base64.
    json::value encrypted(const Stored& stored, std::string_view plaintext = "secret",
                          json::object more = {}) {
        more["KeyId"] = stored.key.id;
        more["Plaintext"] = base64(as_bytes(plaintext));
        const auto answer = ask("Encrypt", more);
        EXPECT_TRUE(answer.ok()) << answer.error().message();
        return answer ? answer->at("CiphertextBlob") : json::value("");
    }

    // plaintext_of is a Decrypt that succeeds.
    std::string plaintext_of(const json::object& input) {
        const auto answer = ask("Decrypt", input);
        EXPECT_TRUE(answer.ok()) << answer.error().message();
        return answer ? std::string(as_text(blob_of(*answer, "Plaintext"))) : "";
    }
};

const json::object kContext{{"Project", "Alpha"}, {"Level", "3A"}};
const json::object kRsa256{{"EncryptionAlgorithm", "RSAES_OAEP_SHA_256"}};
constexpr std::string_view kIncorrectKey =
    "The key ID in the request does not identify a CMK that can perform this operation.";

TEST_F(CipherTest, SymmetricKeysEncryptAndDecrypt) {
    const Stored stored = symmetric();
    ASSERT_TRUE(
        service_.repository().create_alias({std::string(kTestAccount), "alias/example",
                                            stored.key.id, service_.now(), service_.now()}));
    const json::object input{
        {"KeyId", "alias/example"},
        {"Plaintext", base64(as_bytes("secret"))},
        {"EncryptionContext", kContext},
        {"GrantTokens", json::array{make_grant_token({stored.key.id, std::string(64, 'a')})}}};
    const auto sealed = ask("Encrypt", input);
    ASSERT_TRUE(sealed.ok()) << sealed.error().message();
    EXPECT_EQ(sealed->size(), 3);
    EXPECT_EQ(text_of(*sealed, "KeyId"), stored.key.arn);
    EXPECT_EQ(text_of(*sealed, "EncryptionAlgorithm"), "SYMMETRIC_DEFAULT");
    EXPECT_EQ(blob_of(*sealed, "CiphertextBlob").size(), 6 + 112);
    EXPECT_EQ(call_.notes.keys, std::vector{stored.key.arn});
    EXPECT_EQ(call_.notes.encryption_context,
              (EncryptionContext{{"Project", "Alpha"}, {"Level", "3A"}}));

    const json::object request{{"CiphertextBlob", sealed->at("CiphertextBlob")},
                               {"EncryptionContext", {{"Level", "3A"}, {"Project", "Alpha"}}}};
    for (const std::string name :
         {"", "alias/example", stored.key.id.c_str(), stored.key.arn.c_str()}) {
        const auto opened =
            ask("Decrypt", name.empty() ? request : with(request, "KeyId", text(name)));
        ASSERT_TRUE(opened.ok()) << opened.error().message();
        EXPECT_EQ(opened->size(), 4);
        EXPECT_EQ(as_text(blob_of(*opened, "Plaintext")), "secret");
        EXPECT_EQ(text_of(*opened, "KeyId"), stored.key.arn);
        EXPECT_EQ(text_of(*opened, "EncryptionAlgorithm"), "SYMMETRIC_DEFAULT");
        EXPECT_EQ(text_of(*opened, "KeyMaterialId"), stored.key.current_material);
    }
}

TEST_F(CipherTest, OldMaterialStillDecrypts) {
    const Stored stored = symmetric();
    const json::value before = encrypted(stored);
    Key key = service_.repository().key(stored.key.id).value();
    const Material second =
        wrap_material(service_.vault(), key.id, generate_secret(key.spec).value(), 2, "ON_DEMAND",
                      key.created)
            .value();
    key.current_material = second.id;
    ASSERT_TRUE(service_.repository().update_key(key, {second}));
    const json::value after = encrypted(stored);
    EXPECT_EQ(plaintext_of({{"CiphertextBlob", before}}), "secret");
    const auto opened = ask("Decrypt", {{"CiphertextBlob", after}});
    ASSERT_TRUE(opened.ok());
    EXPECT_EQ(text_of(*opened, "KeyMaterialId"), second.id);
}

TEST_F(CipherTest, RsaKeysEncryptUpToTheirSize) {
    struct Case {
        KeySpec spec;
        std::string_view algorithm;
        std::size_t most;
    };
    constexpr auto kCases = std::to_array<Case>({
        {KeySpec::rsa_2048, "RSAES_OAEP_SHA_1", 214},
        {KeySpec::rsa_2048, "RSAES_OAEP_SHA_256", 190},
        {KeySpec::rsa_3072, "RSAES_OAEP_SHA_1", 342},
        {KeySpec::rsa_3072, "RSAES_OAEP_SHA_256", 318},
    });
    for (const Case& wanted : kCases) {
        const Stored stored = rsa(wanted.spec);
        const json::object input{{"KeyId", stored.key.id},
                                 {"Plaintext", base64(Bytes(wanted.most, 'x'))},
                                 {"EncryptionAlgorithm", wanted.algorithm}};
        const auto sealed = ask("Encrypt", input);
        ASSERT_TRUE(sealed.ok()) << sealed.error().message();
        EXPECT_EQ(blob_of(*sealed, "CiphertextBlob").size(), rsa_bits(wanted.spec) / 8);
        EXPECT_EQ(text_of(*sealed, "EncryptionAlgorithm"), wanted.algorithm);
        const json::object request{{"KeyId", stored.key.id},
                                   {"CiphertextBlob", sealed->at("CiphertextBlob")},
                                   {"EncryptionAlgorithm", wanted.algorithm}};
        const auto opened = ask("Decrypt", request);
        ASSERT_TRUE(opened.ok()) << opened.error().message();
        EXPECT_EQ(blob_of(*opened, "Plaintext"), Bytes(wanted.most, 'x'));
        EXPECT_FALSE(opened->contains("KeyMaterialId"));
        expect_refused(ask("Encrypt", with(input, "Plaintext", base64(Bytes(wanted.most + 1)))),
                       KmsErrc::validation,
                       "Algorithm " + std::string(wanted.algorithm) + " and key spec " +
                           std::string(name_of(wanted.spec)) + " cannot encrypt data larger than " +
                           std::to_string(wanted.most) + " bytes.");
        const std::string_view other =
            wanted.algorithm == "RSAES_OAEP_SHA_1" ? "RSAES_OAEP_SHA_256" : "RSAES_OAEP_SHA_1";
        expect_refused(ask("Decrypt", with(request, "EncryptionAlgorithm", text(other))),
                       KmsErrc::invalid_ciphertext, "");
        expect_refused(ask("Decrypt", with(request, "CiphertextBlob", base64(Bytes(17, 1)))),
                       KmsErrc::invalid_ciphertext, "");
        // With no algorithm it is a symmetric ciphertext that is expected.
        json::object none = request;
        none.erase("EncryptionAlgorithm");
        expect_refused(ask("Decrypt", none), KmsErrc::invalid_ciphertext, "");
    }
}

TEST_F(CipherTest, RsaTakesNoEncryptionContext) {
    const Stored stored = rsa();
    json::object input = kRsa256;
    input["KeyId"] = stored.key.id;
    input["Plaintext"] = base64(as_bytes("secret"));
    input["EncryptionContext"] = json::object();
    const auto sealed = ask("Encrypt", input);
    ASSERT_TRUE(sealed.ok());
    input["EncryptionContext"] = kContext;
    expect_error(ask("Encrypt", input), KmsErrc::validation);
    input.erase("Plaintext");
    input["CiphertextBlob"] = sealed->at("CiphertextBlob");
    expect_error(ask("Decrypt", input), KmsErrc::validation);
}

TEST_F(CipherTest, EncryptChecksItsMembers) {
    const json::object good{{"KeyId", symmetric().key.id},
                            {"Plaintext", base64(as_bytes("secret"))}};
    struct Case {
        std::string_view member;
        json::value value;
        KmsErrc code;
        std::string_view sentence;
    };
    const std::vector<Case> cases{
        {"KeyId", nullptr, KmsErrc::validation,
         "1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member "
         "must not be null"},
        {"Plaintext", nullptr, KmsErrc::validation,
         "1 validation error detected: Value null at 'plaintext' failed to satisfy constraint: "
         "Member must not be null"},
        {"Plaintext", "", KmsErrc::validation,
         "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member "
         "must have length greater than or equal to 1"},
        {"Plaintext", base64(Bytes(4097)), KmsErrc::validation,
         "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member "
         "must have length less than or equal to 4096"},
        {"EncryptionAlgorithm", "AES", KmsErrc::validation,
         "1 validation error detected: Value 'AES' at 'encryptionAlgorithm' failed to satisfy "
         "constraint: Member must satisfy enum value set: [SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, "
         "RSAES_OAEP_SHA_256, SM2PKE]"},
        {"EncryptionAlgorithm", "RSAES_OAEP_SHA_256", KmsErrc::invalid_key_usage,
         "Algorithm RSAES_OAEP_SHA_256 is incompatible with key spec SYMMETRIC_DEFAULT."},
        {"EncryptionAlgorithm", "SM2PKE", KmsErrc::invalid_key_usage,
         "Algorithm SM2PKE is incompatible with key spec SYMMETRIC_DEFAULT."},
    };
    for (const Case& bad : cases) {
        SCOPED_TRACE(std::string(bad.member) + " " +
                     boost::json::serialize(bad.value).substr(0, 40));
        expect_refused(ask("Encrypt", with(good, bad.member, bad.value)), bad.code, bad.sentence);
    }
    const std::vector<std::pair<std::string_view, json::value>> wrong_kinds{
        {"KeyId", 7},         {"Plaintext", "!"},
        {"Plaintext", 7},     {"EncryptionContext", "a"},
        {"GrantTokens", "a"}, {"EncryptionContext", {{"a", 7}}},
        {"DryRun", "true"},
    };
    for (const auto& [member, value] : wrong_kinds) {
        expect_error(ask("Encrypt", with(good, member, value)), KmsErrc::serialization);
    }
    for (const json::value& tokens :
         {json::value(json::array(11, "token")), json::value(json::array{""}),
          json::value(json::array{std::string(8193, 't')})}) {
        expect_error(ask("Encrypt", with(good, "GrantTokens", tokens)), KmsErrc::validation);
    }
    ASSERT_TRUE(ask("Encrypt", with(good, "Plaintext", base64(Bytes(4096)))).ok());
}

TEST_F(CipherTest, RsaKeysNeedTheirAlgorithm) {
    expect_refused(ask("Encrypt", {{"KeyId", rsa().key.id}, {"Plaintext", "YQ=="}}),
                   KmsErrc::invalid_key_usage,
                   "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048.");
    json::object input = kRsa256;
    input["CiphertextBlob"] = base64(Bytes(256));
    expect_refused(ask("Decrypt", input), KmsErrc::validation,
                   "1 validation error detected: Value null at 'keyId' failed to satisfy "
                   "constraint: Member must not be null");
}

TEST_F(CipherTest, EachByteOfABlobCounts) {
    const Stored stored = symmetric();
    Bytes blob = *codec::decode_base64(std::string_view(encrypted(stored).as_string()));
    const json::object named{{"KeyId", stored.key.id}};
    for (std::size_t at = 0; at < blob.size(); ++at) {
        SCOPED_TRACE(at);
        blob[at] ^= 0x40U;
        const bool names_key = at >= 4 && at < 20;
        const auto refused = ask("Decrypt", with(named, "CiphertextBlob", base64(blob)));
        if (names_key) {
            expect_refused(refused, KmsErrc::incorrect_key, kIncorrectKey);
        } else {
            expect_refused(refused, KmsErrc::invalid_ciphertext, "");
        }
        // With no KeyId, another one is in the blob: of a key that there is not.
        expect_error(ask("Decrypt", {{"CiphertextBlob", base64(blob)}}),
                     names_key ? KmsErrc::access_denied : KmsErrc::invalid_ciphertext);
        blob[at] ^= 0x40U;
    }
    EXPECT_EQ(plaintext_of(with(named, "CiphertextBlob", base64(blob))), "secret");
}

TEST_F(CipherTest, WhatDoesNotOpenIsRefusedAlike) {
    const Stored stored = symmetric();
    const Stored other = symmetric();
    const json::value blob = encrypted(stored, "secret", {{"EncryptionContext", kContext}});
    const Bytes bytes = *codec::decode_base64(std::string_view(blob.as_string()));
    // The same under the other key's id, whose material never saw it.
    Bytes moved = *codec::decode_base64(std::string_view(encrypted(other).as_string()));
    std::copy(bytes.begin() + 52, bytes.end(), moved.begin() + 52);
    const std::vector<json::object> refused{
        {{"CiphertextBlob", blob}},
        {{"CiphertextBlob", blob}, {"EncryptionContext", {{"Project", "Alpha"}}}},
        {{"CiphertextBlob", blob}, {"EncryptionContext", {{"Project", "Alpha"}, {"Level", "3a"}}}},
        {{"CiphertextBlob", base64(moved)}, {"EncryptionContext", kContext}},
        {{"CiphertextBlob", base64(ByteView(bytes).first(bytes.size() - 1))},
         {"EncryptionContext", kContext}},
        {{"CiphertextBlob", base64(ByteView(bytes).first(50))}},
        {{"CiphertextBlob", "AAAA"}},
        {{"CiphertextBlob", base64(Bytes(6144))}},
    };
    for (const json::object& input : refused) {
        expect_refused(ask("Decrypt", input), KmsErrc::invalid_ciphertext, "");
    }
    expect_refused(
        ask("Decrypt",
            {{"CiphertextBlob", blob}, {"KeyId", other.key.id}, {"EncryptionContext", kContext}}),
        KmsErrc::incorrect_key, kIncorrectKey);
    for (const json::value& value : {json::value(nullptr), json::value(""), base64(Bytes(6145))}) {
        expect_error(ask("Decrypt", {{"CiphertextBlob", value}}), KmsErrc::validation);
    }
    EXPECT_EQ(plaintext_of({{"CiphertextBlob", blob}, {"EncryptionContext", kContext}}), "secret");
}

TEST_F(CipherTest, WhoMayNotDecryptLearnsNothingOfACiphertext) {
    const Stored stored = symmetric();
    const Bytes good = *codec::decode_base64(std::string_view(encrypted(stored).as_string()));
    Bytes changed = good;
    changed.back() ^= 1U;
    Bytes nobodys = good;
    nobodys[5] ^= 1U;
    const auto mallory = [] { return CoreForTest::caller("mallory"); };
    const std::string sentence =
        "User: arn:aws:iam::111122223333:user/mallory is not authorized to perform: kms:Decrypt on "
        "the resource associated with this ciphertext because the resource does not exist in this "
        "Region, no resource-based policies allow access, or a resource-based policy explicitly "
        "denies access";
    const auto ask_all = [&] {
        for (const Bytes& blob : {good, changed, nobodys}) {
            const json::object input{{"CiphertextBlob", base64(blob)}};
            expect_refused(ask("Decrypt", input, mallory()), KmsErrc::access_denied, sentence);
            EXPECT_FALSE(call_.notes.refusal.empty());
        }
        for (const Bytes& blob : {good, changed, nobodys, Bytes(10)}) {
            const json::object input{{"CiphertextBlob", base64(blob)}, {"KeyId", stored.key.id}};
            expect_refused(ask("Decrypt", input, mallory()), KmsErrc::access_denied,
                           "User: arn:aws:iam::111122223333:user/mallory is not authorized to "
                           "perform: kms:Decrypt on resource: " +
                               stored.key.arn +
                               " because no resource-based policy allows the kms:Decrypt action");
        }
    };
    ask_all();
    set_state(stored, KeyState::disabled);
    ask_all();
}

TEST_F(CipherTest, KeysThatCannotBeUsedNow) {
    const Stored stored = symmetric();
    const json::value blob = encrypted(stored);
    const Stored other = symmetric();
    const json::value others = encrypted(other);
    struct Case {
        KeyState state;
        KmsErrc code;
        std::string_view sentence;
    };
    constexpr auto kCases = std::to_array<Case>({
        {KeyState::disabled, KmsErrc::disabled, " is disabled."},
        {KeyState::pending_deletion, KmsErrc::kms_invalid_state, " is pending deletion."},
        {KeyState::pending_import, KmsErrc::kms_invalid_state, " is pending import."},
    });
    for (const Case& bad : kCases) {
        set_state(stored, bad.state);
        const std::string sentence = stored.key.arn + std::string(bad.sentence);
        expect_refused(ask("Encrypt", {{"KeyId", stored.key.id}, {"Plaintext", "YQ=="}}), bad.code,
                       sentence);
        expect_refused(ask("Decrypt", {{"CiphertextBlob", blob}}), bad.code, sentence);
        expect_refused(
            ask("ReEncrypt", {{"CiphertextBlob", blob}, {"DestinationKeyId", other.key.id}}),
            bad.code, sentence);
        expect_refused(
            ask("ReEncrypt", {{"CiphertextBlob", others}, {"DestinationKeyId", stored.key.id}}),
            bad.code, sentence);
    }
    set_state(stored, KeyState::enabled);
    EXPECT_EQ(plaintext_of({{"CiphertextBlob", blob}}), "secret");
}

TEST_F(CipherTest, KeysOfAnotherUsage) {
    const Stored signing = store_key(KeySpec::rsa_2048, KeyUsage::sign_verify);
    const Stored mac = store_key(KeySpec::hmac_256, KeyUsage::generate_verify_mac);
    json::object sealing = kRsa256;
    sealing["KeyId"] = signing.key.id;
    sealing["Plaintext"] = "YQ==";
    expect_refused(ask("Encrypt", sealing), KmsErrc::invalid_key_usage,
                   signing.key.arn + " key usage is SIGN_VERIFY which is not valid for Encrypt.");
    sealing["CiphertextBlob"] = base64(Bytes(256));
    expect_refused(ask("Decrypt", sealing), KmsErrc::invalid_key_usage,
                   signing.key.arn + " key usage is SIGN_VERIFY which is not valid for Decrypt.");
    expect_refused(
        ask("Encrypt", {{"KeyId", mac.key.id}, {"Plaintext", "YQ=="}}), KmsErrc::invalid_key_usage,
        mac.key.arn + " key usage is GENERATE_VERIFY_MAC which is not valid for Encrypt.");
    // A blob that names a key which makes none.
    Bytes blob = *codec::decode_base64(std::string_view(encrypted(symmetric()).as_string()));
    std::string digits = mac.key.id;
    std::erase(digits, '-');
    const Bytes id = *from_hex(digits);
    std::copy(id.begin(), id.end(), blob.begin() + 4);
    expect_refused(
        ask("Decrypt", {{"CiphertextBlob", base64(blob)}}), KmsErrc::invalid_key_usage,
        mac.key.arn + " key usage is GENERATE_VERIFY_MAC which is not valid for Decrypt.");
}

TEST_F(CipherTest, PoliciesSeeContextAndAlgorithm) {
    const json::object right{{"EncryptionContext", kContext}};
    const json::object wrong{{"EncryptionContext", {{"Project", "Beta"}, {"Level", "3A"}}}};
    struct Case {
        std::string_view condition;
        json::object allowed;
        json::object denied;
    };
    const std::vector<Case> cases{
        {R"({"StringEquals":{"kms:EncryptionContext:Project":"Alpha"}})", right, wrong},
        {R"({"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["Project","Level"]},)"
         R"("Null":{"kms:EncryptionContextKeys":"false"}})",
         right,
         {{"EncryptionContext", {{"Other", "x"}}}}},
        {R"({"StringEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}})",
         {},
         {{"EncryptionAlgorithm", "RSAES_OAEP_SHA_256"}}},
    };
    for (const Case& wanted : cases) {
        SCOPED_TRACE(wanted.condition);
        const Stored stored = symmetric(allowing_alice(wanted.condition));
        const json::value blob = encrypted(stored, "secret", wanted.allowed);
        json::object input = wanted.denied;
        input["KeyId"] = stored.key.id;
        input["Plaintext"] = "YQ==";
        expect_error(ask("Encrypt", input), KmsErrc::access_denied);
        input = wanted.denied;
        input["KeyId"] = stored.key.id;
        input["CiphertextBlob"] = blob;
        expect_error(ask("Decrypt", input), KmsErrc::access_denied);
        input = wanted.allowed;
        input["CiphertextBlob"] = blob;
        EXPECT_EQ(plaintext_of(input), "secret");
    }
}

TEST_F(CipherTest, DryRunsCheckAllAndGiveNothing) {
    const Stored stored = symmetric();
    const json::value blob = encrypted(stored);
    const json::object sealing{{"KeyId", stored.key.id}, {"Plaintext", "YQ=="}, {"DryRun", true}};
    const json::object opening{{"CiphertextBlob", blob}, {"DryRun", true}};
    const json::object moving{
        {"CiphertextBlob", blob}, {"DestinationKeyId", stored.key.id}, {"DryRun", true}};
    expect_error(ask("Encrypt", sealing), KmsErrc::dry_run);
    expect_error(ask("Decrypt", opening), KmsErrc::dry_run);
    expect_error(ask("ReEncrypt", moving), KmsErrc::dry_run);
    const json::value garbage = base64(Bytes(200, 'C'));
    expect_error(ask("Decrypt", with(opening, "CiphertextBlob", garbage)),
                 KmsErrc::invalid_ciphertext);
    expect_error(ask("Decrypt", with(opening, "EncryptionContext", kContext)),
                 KmsErrc::invalid_ciphertext);
    expect_error(ask("Encrypt", sealing, CoreForTest::caller("mallory")), KmsErrc::access_denied);

    // Only permissions are of interest: no ciphertext is needed.
    const json::array modifiers{"IGNORE_CIPHERTEXT"};
    const json::object asking{
        {"KeyId", stored.key.id}, {"DryRun", true}, {"DryRunModifiers", modifiers}};
    expect_error(ask("Decrypt", asking), KmsErrc::dry_run);
    expect_error(ask("Decrypt", with(asking, "CiphertextBlob", garbage)), KmsErrc::dry_run);
    expect_error(ask("Decrypt", asking, CoreForTest::caller("mallory")), KmsErrc::access_denied);
    expect_error(ask("Decrypt", with(asking, "DryRun", false)), KmsErrc::validation);
    expect_error(ask("Decrypt", with(asking, "DryRunModifiers", json::array{"OTHER"})),
                 KmsErrc::validation);
    expect_error(ask("Decrypt", with(asking, "KeyId", nullptr)), KmsErrc::validation);
    const json::object moving_nothing{{"SourceKeyId", stored.key.id},
                                      {"DestinationKeyId", stored.key.id},
                                      {"DryRun", true},
                                      {"DryRunModifiers", modifiers}};
    expect_error(ask("ReEncrypt", moving_nothing), KmsErrc::dry_run);
    set_state(stored, KeyState::disabled);
    expect_error(ask("Encrypt", sealing), KmsErrc::disabled);
    expect_error(ask("Decrypt", asking), KmsErrc::disabled);
    expect_error(ask("ReEncrypt", moving_nothing), KmsErrc::disabled);
}

// --- ReEncrypt ---

TEST_F(CipherTest, ReEncryptChangesKeyContextAndAlgorithm) {
    const Stored first = symmetric();
    const Stored second = symmetric();
    const Stored third = rsa();
    const json::value blob = encrypted(first, "secret", {{"EncryptionContext", kContext}});
    const json::object input{{"CiphertextBlob", blob},
                             {"SourceEncryptionContext", kContext},
                             {"DestinationKeyId", second.key.id},
                             {"DestinationEncryptionContext", {{"a", "b"}}}};
    const auto moved = ask("ReEncrypt", input);
    ASSERT_TRUE(moved.ok()) << moved.error().message();
    EXPECT_EQ(moved->size(), 7);
    EXPECT_EQ(text_of(*moved, "SourceKeyId"), first.key.arn);
    EXPECT_EQ(text_of(*moved, "KeyId"), second.key.arn);
    EXPECT_EQ(text_of(*moved, "SourceEncryptionAlgorithm"), "SYMMETRIC_DEFAULT");
    EXPECT_EQ(text_of(*moved, "DestinationEncryptionAlgorithm"), "SYMMETRIC_DEFAULT");
    EXPECT_EQ(text_of(*moved, "SourceKeyMaterialId"), first.key.current_material);
    EXPECT_EQ(text_of(*moved, "DestinationKeyMaterialId"), second.key.current_material);
    EXPECT_EQ(call_.notes.keys, (std::vector{first.key.arn, second.key.arn}));
    EXPECT_EQ(call_.notes.encryption_context,
              (EncryptionContext{{"Project", "Alpha"}, {"Level", "3A"}}));
    EXPECT_THAT(call_.notes.parameters, ::testing::Contains(std::pair<std::string, std::string>(
                                            "DestinationEncryptionContext", R"({"a":"b"})")));
    const json::value second_blob = moved->at("CiphertextBlob");
    EXPECT_EQ(plaintext_of({{"CiphertextBlob", second_blob}, {"EncryptionContext", {{"a", "b"}}}}),
              "secret");

    const auto to_rsa =
        ask("ReEncrypt", {{"CiphertextBlob", second_blob},
                          {"SourceKeyId", second.key.arn},
                          {"SourceEncryptionContext", {{"a", "b"}}},
                          {"DestinationKeyId", third.key.id},
                          {"DestinationEncryptionAlgorithm", "RSAES_OAEP_SHA_256"}});
    ASSERT_TRUE(to_rsa.ok()) << to_rsa.error().message();
    EXPECT_EQ(blob_of(*to_rsa, "CiphertextBlob").size(), 256);
    EXPECT_FALSE(to_rsa->contains("DestinationKeyMaterialId"));
    const auto back = ask("ReEncrypt", {{"CiphertextBlob", to_rsa->at("CiphertextBlob")},
                                        {"SourceKeyId", third.key.id},
                                        {"SourceEncryptionAlgorithm", "RSAES_OAEP_SHA_256"},
                                        {"DestinationKeyId", first.key.id}});
    ASSERT_TRUE(back.ok()) << back.error().message();
    EXPECT_FALSE(back->contains("SourceKeyMaterialId"));
    EXPECT_EQ(plaintext_of({{"CiphertextBlob", back->at("CiphertextBlob")}}), "secret");
}

TEST_F(CipherTest, ReEncryptRefuses) {
    const Stored first = symmetric();
    const Stored second = symmetric();
    const Stored small = rsa();
    const json::value blob = encrypted(first, std::string(200, 'x'));
    const json::object good{{"CiphertextBlob", blob}, {"DestinationKeyId", second.key.id}};
    ASSERT_TRUE(ask("ReEncrypt", good).ok());
    expect_error(ask("ReEncrypt", with(good, "DestinationKeyId", nullptr)), KmsErrc::validation);
    expect_error(ask("ReEncrypt", with(good, "CiphertextBlob", nullptr)), KmsErrc::validation);
    expect_refused(ask("ReEncrypt", with(good, "SourceKeyId", text(second.key.id))),
                   KmsErrc::incorrect_key, kIncorrectKey);
    expect_refused(ask("ReEncrypt", with(good, "SourceEncryptionContext", kContext)),
                   KmsErrc::invalid_ciphertext, "");
    expect_refused(ask("ReEncrypt", with(good, "CiphertextBlob", base64(Bytes(200)))),
                   KmsErrc::invalid_ciphertext, "");
    expect_error(ask("ReEncrypt", with(good, "DestinationKeyId", text(new_uuid()))),
                 KmsErrc::not_found);
    json::object to_rsa = with(good, "DestinationKeyId", text(small.key.id));
    expect_refused(ask("ReEncrypt", to_rsa), KmsErrc::invalid_key_usage,
                   "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048.");
    to_rsa["DestinationEncryptionAlgorithm"] = "RSAES_OAEP_SHA_256";
    expect_refused(ask("ReEncrypt", to_rsa), KmsErrc::validation,
                   "Algorithm RSAES_OAEP_SHA_256 and key spec RSA_2048 cannot encrypt data larger "
                   "than 190 bytes.");
    expect_error(ask("ReEncrypt", with(to_rsa, "DestinationEncryptionContext", kContext)),
                 KmsErrc::validation);
}

std::string allowing(std::string_view actions, std::string_view condition = "{}") {
    return R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":)" +
           std::string(actions) + R"(,"Resource":"*","Condition":)" + std::string(condition) +
           "}]}";
}

TEST_F(CipherTest, ReEncryptNeedsBothPermissions) {
    const Stored from = symmetric(allowing(R"(["kms:Encrypt","kms:ReEncryptFrom"])"));
    const Stored to = symmetric(allowing(R"(["kms:Encrypt","kms:ReEncryptTo"])"));
    const json::value from_blob = encrypted(from);
    const json::value to_blob = encrypted(to);
    const auto moved = [&](const json::value& blob, const Stored& target) {
        return ask("ReEncrypt", {{"CiphertextBlob", blob}, {"DestinationKeyId", target.key.id}});
    };
    EXPECT_TRUE(moved(from_blob, to).ok());
    expect_refused(moved(from_blob, from), KmsErrc::access_denied,
                   "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: "
                   "kms:ReEncryptTo on resource: " +
                       from.key.arn +
                       " because no resource-based policy allows the kms:ReEncryptTo action");
    const auto refused = moved(to_blob, to);
    expect_error(refused, KmsErrc::access_denied);
    EXPECT_THAT(refused.error().detail(),
                HasSubstr("kms:ReEncryptFrom on the resource associated with this ciphertext"));
}

TEST_F(CipherTest, PoliciesSeeWhetherReEncryptStaysOnItsKey) {
    constexpr std::string_view kActions = R"(["kms:Encrypt","kms:ReEncrypt*"])";
    const std::string same = R"({"BoolIfExists":{"kms:ReEncryptOnSameKey":"true"}})";
    const Stored first = symmetric(allowing(kActions, same));
    const Stored second = symmetric(allowing(kActions, same));
    const json::value blob = encrypted(first);
    EXPECT_TRUE(
        ask("ReEncrypt", {{"CiphertextBlob", blob}, {"DestinationKeyId", first.key.arn}}).ok());
    expect_error(ask("ReEncrypt", {{"CiphertextBlob", blob}, {"DestinationKeyId", second.key.id}}),
                 KmsErrc::access_denied);
}

}  // namespace
}  // namespace casemate::kms
