#include "kms/operations/import.hpp"

#include <gmock/gmock.h>

#include "codec/base64.hpp"
#include "crypto/random.hpp"
#include "crypto/wrapping.hpp"
#include "kms/core/material.hpp"
#include "kms/operations/keys_for_test.hpp"

namespace casemate::kms {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kForever = R"("ExpirationModel":"KEY_MATERIAL_DOES_NOT_EXPIRE")";

Bytes blob_of(const Answer& answer, std::string_view member) {
    return codec::decode_base64(text_of(answer, member)).value_or(Bytes());
}

std::string blob(std::string_view name, ByteView bytes) {
    return '"' + std::string(name) + R"(":")" + codec::encode_base64(bytes) + '"';
}

// Parameters: what GetParametersForImport gave.
struct Parameters {
    std::string algorithm;
    Bytes token;
    Bytes public_key;
};

Bytes wrapped(const Parameters& parameters, ByteView secret) {
    const auto key = crypto::RsaPublicKey::from_spki(parameters.public_key).value();
    const auto hash =
        parameters.algorithm.ends_with("SHA_1") ? crypto::OaepHash::sha1 : crypto::OaepHash::sha256;
    return parameters.algorithm.starts_with("RSA_AES") ? crypto::wrap_for(key, hash, secret).value()
                                                       : key.encrypt(hash, secret).value();
}

class ImportTest : public ::testing::Test {
protected:
    Result<Answer> ask(std::string_view operation, std::string_view members = {},
                       Caller who = CoreForTest::caller()) {
        return service_.ask(operation, with_key(key_, members), std::move(who));
    }
    static std::string wanted(std::string_view algorithm, std::string_view spec = "RSA_2048") {
        return R"("WrappingAlgorithm":")" + std::string(algorithm) + R"(","WrappingKeySpec":")" +
               std::string(spec) + '"';
    }
    Parameters parameters(std::string_view algorithm = "RSAES_OAEP_SHA_256",
                          std::string_view spec = "RSA_2048") {
        const Result<Answer> answer = ask("GetParametersForImport", wanted(algorithm, spec));
        EXPECT_TRUE(answer.ok()) << answer.error().message();
        return answer ? Parameters{std::string(algorithm), blob_of(*answer, "ImportToken"),
                                   blob_of(*answer, "PublicKey")}
                      : Parameters();
    }
    static std::string material(const Parameters& of, ByteView secret,
                                std::string_view more = kForever) {
        return blob("ImportToken", of.token) + "," +
               blob("EncryptedKeyMaterial", wrapped(of, secret)) + "," + std::string(more);
    }
    std::string import(const Parameters& of, ByteView secret, std::string_view more = kForever) {
        return message_of(ask("ImportKeyMaterial", material(of, secret, more)));
    }
    std::string encrypted() {
        const Result<Answer> answer = ask("Encrypt", R"("Plaintext":"aGVsbG8=")");
        EXPECT_TRUE(answer.ok()) << answer.error().message();
        return answer ? text_of(*answer, "CiphertextBlob") : "";
    }
    std::string decrypt(const std::string& ciphertext) {
        const Result<Answer> answer = ask("Decrypt", R"("CiphertextBlob":")" + ciphertext + '"');
        return answer ? text_of(*answer, "Plaintext") : answer.error().message();
    }
    static std::string valid_to(Time time) {
        return R"("ValidTo":)" + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(
                                                    time.time_since_epoch())
                                                    .count());
    }
    Key stored() { return service_.repository().key(key_).value(); }

    CoreForTest service_;
    std::string key_ = make_key(service_, R"({"Origin":"EXTERNAL"})");
    SecretBytes secret_ = crypto::random_secret(32);
};

TEST_F(ImportTest, MaterialIsImportedDeletedAndImportedAgain) {
    const Parameters given = parameters();
    EXPECT_EQ(stored().state, KeyState::pending_import);
    const Result<Answer> first = ask("ImportKeyMaterial", material(given, secret_.view()));
    ASSERT_TRUE(first.ok()) << first.error().message();
    EXPECT_EQ(text_of(*first, "KeyId"), stored().arn);
    EXPECT_EQ(text_of(*first, "KeyMaterialId"), stored().current_material);
    EXPECT_EQ(stored().state, KeyState::enabled);
    EXPECT_EQ(stored().valid_to, std::nullopt);
    const std::string ciphertext = encrypted();

    ASSERT_TRUE(ask("DeleteImportedKeyMaterial").ok());
    EXPECT_EQ(stored().state, KeyState::pending_import);
    EXPECT_EQ(decrypt(ciphertext),
              "KMSInvalidStateException: " + stored().arn + " is pending import.");
    EXPECT_TRUE(ask("DeleteImportedKeyMaterial").ok());

    // Other material is refused, now and with the material there; the same brings all back.
    const SecretBytes other = crypto::random_secret(32);
    EXPECT_THAT(import(parameters(), other.view()), HasSubstr("IncorrectKeyMaterialException"));
    EXPECT_EQ(stored().state, KeyState::pending_import);
    EXPECT_EQ(import(given, secret_.view()), "");
    EXPECT_EQ(decrypt(ciphertext), "aGVsbG8=");
    EXPECT_THAT(import(given, other.view()), HasSubstr("IncorrectKeyMaterialException"));
    EXPECT_EQ(decrypt(ciphertext), "aGVsbG8=");
}

TEST_F(ImportTest, AllKindsOfMaterialByAllWaysOfWrapping) {
    struct Case {
        KeySpec spec;
        std::string_view usage;
        std::string_view algorithm;
        std::string_view wrapping;
    };
    for (const Case& row :
         {Case{KeySpec::symmetric_default, "ENCRYPT_DECRYPT", "RSAES_OAEP_SHA_1", "RSA_3072"},
          Case{KeySpec::symmetric_default, "ENCRYPT_DECRYPT", "RSA_AES_KEY_WRAP_SHA_256",
               "RSA_4096"},
          Case{KeySpec::hmac_256, "GENERATE_VERIFY_MAC", "RSAES_OAEP_SHA_256", "RSA_2048"},
          Case{KeySpec::hmac_512, "GENERATE_VERIFY_MAC", "RSAES_OAEP_SHA_256", "RSA_2048"},
          Case{KeySpec::rsa_2048, "SIGN_VERIFY", "RSA_AES_KEY_WRAP_SHA_1", "RSA_2048"},
          Case{KeySpec::ecc_nist_p256, "SIGN_VERIFY", "RSAES_OAEP_SHA_256", "RSA_2048"},
          Case{KeySpec::ecc_nist_p384, "SIGN_VERIFY", "RSA_AES_KEY_WRAP_SHA_256", "RSA_2048"},
          Case{KeySpec::ecc_nist_p521, "KEY_AGREEMENT", "RSAES_OAEP_SHA_256", "RSA_3072"}}) {
        key_ = make_key(service_, R"({"Origin":"EXTERNAL","KeySpec":")" +
                                      std::string(name_of(row.spec)) + R"(","KeyUsage":")" +
                                      std::string(row.usage) + "\"}");
        const NewSecret made = generate_secret(row.spec).value();
        const Parameters given = parameters(row.algorithm, row.wrapping);
        EXPECT_EQ(import(given, made.secret.view()), "") << name_of(row.spec);
        EXPECT_EQ(stored().state, KeyState::enabled);
        ASSERT_TRUE(ask("DeleteImportedKeyMaterial").ok());
        EXPECT_THAT(import(given, generate_secret(row.spec)->secret.view()),
                    HasSubstr("IncorrectKeyMaterialException"))
            << name_of(row.spec);
        EXPECT_EQ(import(given, made.secret.view()), "") << name_of(row.spec);
        const auto opened = service_.keyring().current(stored());
        ASSERT_TRUE(opened.ok());
        if (!made.public_key.empty()) {
            EXPECT_EQ(service_.keyring().public_key(stored()).value(), made.public_key);
        } else {
            EXPECT_TRUE(constant_time_equal((*opened)->bytes().view(), made.secret.view()));
        }
    }
}

TEST_F(ImportTest, ParametersAreCheckedAgainstTheKey) {
    EXPECT_THAT(message_of(ask("GetParametersForImport", wanted("RSAES_PKCS1_V1_5"))),
                HasSubstr("UnsupportedOperationException"));
    EXPECT_THAT(message_of(ask("GetParametersForImport", wanted("SM2PKE"))),
                HasSubstr("Member must satisfy enum value set: [RSAES_PKCS1_V1_5, "));
    EXPECT_THAT(
        message_of(ask("GetParametersForImport", wanted("RSAES_OAEP_SHA_1", "ECC_NIST_P256"))),
        HasSubstr("enum value set: [RSA_2048, RSA_3072, RSA_4096]"));
    EXPECT_THAT(message_of(ask("GetParametersForImport")), HasSubstr("must not be null"));
    EXPECT_THAT(message_of(ask("GetParametersForImport", wanted("RSAES_OAEP_SHA_1"),
                               CoreForTest::caller("bob", ""))),
                HasSubstr("perform: kms:GetParametersForImport"));
    const Caller limited = CoreForTest::caller(
        "eve",
        R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*",)"
        R"("Action":"kms:GetParametersForImport","Condition":{"StringEquals":)"
        R"({"kms:WrappingAlgorithm":"RSAES_OAEP_SHA_256","kms:WrappingKeySpec":"RSA_2048"}}}]})");
    EXPECT_THAT(message_of(ask("GetParametersForImport", wanted("RSAES_OAEP_SHA_1"), limited)),
                HasSubstr("AccessDenied"));
    EXPECT_TRUE(ask("GetParametersForImport", wanted("RSAES_OAEP_SHA_256"), limited).ok());
    ASSERT_TRUE(ask("ScheduleKeyDeletion").ok());
    EXPECT_THAT(message_of(ask("GetParametersForImport", wanted("RSAES_OAEP_SHA_1"))),
                HasSubstr("is pending deletion."));
    key_ = make_key(service_);
    EXPECT_EQ(message_of(ask("GetParametersForImport", wanted("RSAES_OAEP_SHA_1"))),
              "UnsupportedOperationException: " + stored().arn +
                  " origin is AWS_KMS which is not valid for this operation.");
    EXPECT_THAT(message_of(ask("DeleteImportedKeyMaterial")),
                HasSubstr("UnsupportedOperationException"));
    key_ = make_key(service_,
                    R"({"Origin":"EXTERNAL","KeySpec":"RSA_2048","KeyUsage":"SIGN_VERIFY"})");
    EXPECT_THAT(message_of(ask("GetParametersForImport", wanted("RSAES_OAEP_SHA_256"))),
                HasSubstr("cannot wrap"));
    key_ = make_key(service_,
                    R"({"Origin":"EXTERNAL","KeySpec":"ECC_NIST_P521","KeyUsage":"SIGN_VERIFY"})");
    EXPECT_THAT(message_of(ask("GetParametersForImport", wanted("RSAES_OAEP_SHA_256"))),
                HasSubstr("cannot wrap"));
}

TEST_F(ImportTest, OnlyTheKeysOwnLivingTokenIsTaken) {
    const Parameters given = parameters();
    Parameters changed = given;
    changed.token.back() ^= 1U;
    EXPECT_THAT(import(changed, secret_.view()), HasSubstr("InvalidImportTokenException"));
    changed.token = {1, 2, 3};
    EXPECT_THAT(import(changed, secret_.view()), HasSubstr("InvalidImportTokenException"));
    // Another key's.
    const std::string own = key_;
    key_ = make_key(service_, R"({"Origin":"EXTERNAL"})");
    EXPECT_THAT(import(given, secret_.view()), HasSubstr("InvalidImportTokenException"));
    // The token of one answer, the public key of another.
    changed = parameters();
    key_ = own;
    changed.token = given.token;
    EXPECT_THAT(import(changed, secret_.view()), HasSubstr("InvalidCiphertextException"));
    const Time made = service_.now();
    service_.set_now(made + kImportValidity);
    EXPECT_THAT(import(given, secret_.view()), HasSubstr("ExpiredImportTokenException"));
    service_.set_now(made + kImportValidity - std::chrono::seconds(1));
    EXPECT_EQ(import(given, secret_.view()), "");
    // Under another root key of the same vault it still opens.
    ASSERT_TRUE(service_.vault().rotate().ok());
    EXPECT_EQ(import(given, secret_.view()), "");
}

TEST_F(ImportTest, MaterialMustBeOfTheKeysSpec) {
    const Parameters given = parameters();
    const SecretBytes long_secret = crypto::random_secret(33);
    EXPECT_THAT(import(given, long_secret.view()), HasSubstr("IncorrectKeyMaterialException"));
    EXPECT_THAT(import(given, secret_.view().first(31)),
                HasSubstr("IncorrectKeyMaterialException"));
    const std::string garbage = blob("ImportToken", given.token) + "," +
                                blob("EncryptedKeyMaterial", Bytes(256, 7)) + "," +
                                std::string(kForever);
    EXPECT_THAT(message_of(ask("ImportKeyMaterial", garbage)),
                HasSubstr("InvalidCiphertextException"));
    const std::string empty =
        blob("ImportToken", given.token) + R"(,"EncryptedKeyMaterial":"",)" + std::string(kForever);
    EXPECT_THAT(message_of(ask("ImportKeyMaterial", empty)), HasSubstr("ValidationException"));
    EXPECT_EQ(stored().state, KeyState::pending_import);
    key_ = make_key(service_,
                    R"({"Origin":"EXTERNAL","KeySpec":"ECC_NIST_P256","KeyUsage":"SIGN_VERIFY"})");
    EXPECT_THAT(import(parameters("RSA_AES_KEY_WRAP_SHA_256"),
                       generate_secret(KeySpec::ecc_nist_p384)->secret.view()),
                HasSubstr("IncorrectKeyMaterialException"));
}

TEST_F(ImportTest, TheEndOfMaterialIsGivenAsAwsWantsIt) {
    const Parameters given = parameters();
    const Time now = service_.now();
    const std::vector<std::pair<std::string, std::string>> cases{
        {R"("ExpirationModel":"KEY_MATERIAL_EXPIRES")",
         "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"},
        {R"("DryRun":false)", "A validTo date must be set"},
        {std::string(kForever) + "," + valid_to(now + std::chrono::hours(1)), "must not be set"},
        {valid_to(now - std::chrono::hours(1)), "in the future"},
        {valid_to(now + std::chrono::days(366)), "at most 365 days"},
        {R"("ExpirationModel":"NEVER")", "enum value set"},
        {R"("ValidTo":"tomorrow")", "SerializationException"},
    };
    for (const auto& [more, sentence] : cases) {
        EXPECT_THAT(import(given, secret_.view(), more), HasSubstr(sentence)) << more;
    }
    EXPECT_EQ(import(given, secret_.view(), valid_to(now + std::chrono::hours(1))), "");
    const Time end = stored().valid_to.value_or(Time());
    EXPECT_EQ(end, std::chrono::floor<std::chrono::seconds>(now + std::chrono::hours(1)));
    // At its end it is of no use any more, before upkeep has taken it away.
    const std::string ciphertext = encrypted();
    EXPECT_EQ(decrypt(ciphertext), "aGVsbG8=");
    service_.set_now(end);
    EXPECT_THAT(decrypt(ciphertext), HasSubstr("pending import"));
    service_.set_now(now);
    // Imported again, it gets another end, and leaves a disabled key disabled.
    ASSERT_TRUE(ask("DisableKey").ok());
    EXPECT_EQ(import(given, secret_.view()), "");
    EXPECT_EQ(stored().valid_to, std::nullopt);
    EXPECT_EQ(stored().state, KeyState::disabled);
    const Caller limited = CoreForTest::caller(
        "eve",
        R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:ImportKeyMaterial",)"
        R"("Resource":"*","Condition":{"StringEquals":{"kms:ExpirationModel":)"
        R"("KEY_MATERIAL_EXPIRES"},"DateLessThan":{"kms:ValidTo":"2100-01-01T00:00:00Z"}}}]})");
    EXPECT_THAT(message_of(ask("ImportKeyMaterial", material(given, secret_.view()), limited)),
                HasSubstr("AccessDenied"));
    EXPECT_EQ(message_of(ask("ImportKeyMaterial",
                             material(given, secret_.view(), valid_to(now + std::chrono::hours(1))),
                             limited)),
              "");
}

TEST_F(ImportTest, AKeyThatWaitsForDeletionTakesNothing) {
    const Parameters given = parameters();
    EXPECT_EQ(import(given, secret_.view()), "");
    ASSERT_TRUE(ask("ScheduleKeyDeletion").ok());
    EXPECT_THAT(import(given, secret_.view()), HasSubstr("is pending deletion."));
    ASSERT_TRUE(ask("DeleteImportedKeyMaterial").ok());
    EXPECT_EQ(stored().state, KeyState::pending_deletion);
    EXPECT_EQ(stored().current_material, "");
    ASSERT_TRUE(ask("CancelKeyDeletion").ok());
    EXPECT_EQ(stored().state, KeyState::pending_import);
    EXPECT_EQ(import(given, secret_.view()), "");
}

}  // namespace
}  // namespace casemate::kms
