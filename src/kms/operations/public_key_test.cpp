#include "kms/operations/public_key.hpp"

#include "kms/core/algorithms.hpp"
#include "kms/operations/operations_for_test.hpp"

namespace casemate::kms {
namespace {

class PublicKeyTest : public OperationsTest {
protected:
    Result<Answer> get(const Stored& stored) {
        return ask("GetPublicKey", {{"KeyId", stored.key.id}});
    }
};

TEST_F(PublicKeyTest, TellsThePublicHalfAndWhatItIsFor) {
    json::array tasks;
    for (const auto& [spec, usage] : {std::pair(KeySpec::rsa_2048, KeyUsage::encrypt_decrypt),
                                      std::pair(KeySpec::rsa_3072, KeyUsage::sign_verify),
                                      std::pair(KeySpec::ecc_nist_p256, KeyUsage::sign_verify),
                                      std::pair(KeySpec::ecc_nist_p384, KeyUsage::key_agreement),
                                      std::pair(KeySpec::ecc_nist_p521, KeyUsage::sign_verify)}) {
        const Stored stored = store_key(spec, usage);
        const auto answer = get(stored);
        ASSERT_TRUE(answer.ok()) << answer.error().message();
        Answer expected{{"KeyId", stored.key.arn},
                        {"PublicKey", base64(service_.keyring().public_key(stored.key).value())},
                        {"KeySpec", name_of(spec)},
                        {"CustomerMasterKeySpec", name_of(spec)},
                        {"KeyUsage", name_of(usage)}};
        put_algorithms(expected, stored.key);
        EXPECT_EQ(json::value(*answer), json::value(expected));
        tasks.push_back({{"pair", name_of(spec)},
                         {"private", base64(stored.secret)},
                         {"public", answer->at("PublicKey")}});
    }
    EXPECT_EQ(oracle(tasks), json::array(tasks.size(), true));
}

TEST_F(PublicKeyTest, AKeyWithoutOneIsRefused) {
    for (const auto& [spec, usage] :
         {std::pair(KeySpec::symmetric_default, KeyUsage::encrypt_decrypt),
          std::pair(KeySpec::hmac_256, KeyUsage::generate_verify_mac)}) {
        expect_error(get(store_key(spec, usage)), KmsErrc::unsupported_operation);
    }
}

TEST_F(PublicKeyTest, IsForThoseWhoMay) {
    const Stored stored = store_key(KeySpec::ecc_nist_p256, KeyUsage::sign_verify);
    expect_error(ask("GetPublicKey", {{"KeyId", stored.key.id}}, CoreForTest::caller("eve", "")),
                 KmsErrc::access_denied);
    expect_error(ask("GetPublicKey", {{"KeyId", new_uuid()}}), KmsErrc::not_found);
    expect_error(ask("GetPublicKey", {}), KmsErrc::validation);
    set_state(stored, KeyState::disabled);
    expect_error(get(stored), KmsErrc::disabled);
    set_state(stored, KeyState::pending_deletion);
    expect_error(get(stored), KmsErrc::kms_invalid_state);
}

}  // namespace
}  // namespace casemate::kms
