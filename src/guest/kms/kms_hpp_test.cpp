// casemate/kms.hpp, and so casemate/kms.h beneath it.
#include <gmock/gmock.h>
#include <casemate/kms.hpp>

#include "guest/kms/stand_in_service_for_test.hpp"

namespace casemate {
namespace {

using kms_client::StandInService;

std::string text(std::span<const std::uint8_t> bytes) {
    return {bytes.begin(), bytes.end()};
}

class KmsHeader : public testing::Test {
protected:
    KmsOptions options() const {
        return {
            .address = "unix:" + service_.socket(),
            .ca_file = service_.ca_file(),
            .access_key_id = std::string(kms_client::kCaller),
            .secret_access_key = std::string(kms_client::kCallersSecret),
            .attest =
                [](std::span<const std::uint8_t> key) -> std::optional<std::vector<std::uint8_t>> {
                return kms_client::forged_module()(key).value();
            }};
    }
    KmsClient client() const { return *KmsClient::create(options()); }

    StandInService service_;
    const std::string key_ = std::string(kms_client::kKey);
};

TEST_F(KmsHeader, each_operation_gives_its_secret) {
    // Moved, as callers do: what the library calls back stays where it is.
    KmsClient first = client();
    const KmsClient kms = std::move(first);
    const KmsRequest request{.key_id = key_,
                             .key_spec = "AES_256",
                             .encryption_context = {{"a", "b"}, {"", "c"}},
                             .grant_tokens = {"t"}};
    const auto made = kms.generate_data_key(request);
    ASSERT_TRUE(made.ok()) << made.error().message;
    EXPECT_EQ(made->secret().size(), 32U);
    EXPECT_EQ(made->text("KeyId"), key_);
    EXPECT_EQ(made->request_id(), "0000-1111");
    EXPECT_EQ(made->text("Plaintext"), std::nullopt);
    EXPECT_FALSE(made->bytes("KeyId").has_value());
    EXPECT_THAT(std::string(made->json()), testing::HasSubstr("CiphertextForRecipient"));
    const auto again = kms.decrypt(*made->bytes("CiphertextBlob"), request);
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(text(again->secret()), text(made->secret()));

    EXPECT_EQ(kms.generate_random(9)->secret().size(), 9U);
    const auto pair = kms.generate_data_key_pair({.key_id = key_, .key_spec = "ECC_NIST_P256"});
    ASSERT_TRUE(pair.ok());
    EXPECT_EQ(
        kms.derive_shared_secret(*pair->bytes("PublicKey"), {.key_id = key_})->secret().size(),
        32U);
    const auto sealed = kms.encrypt(as_bytes("text"), {.key_id = key_});
    ASSERT_TRUE(sealed.ok());
    EXPECT_TRUE(sealed->secret().empty());
    EXPECT_EQ(text(kms.decrypt(*sealed->bytes("CiphertextBlob"))->secret()), "text");
    EXPECT_TRUE(kms.call("GetPublicKey", "{}")->bytes("PublicKey").has_value());
}

TEST_F(KmsHeader, errors_have_their_parts) {
    const KmsClient kms = client();
    const auto unknown = kms.generate_data_key({.key_id = "k", .key_spec = "AES_256"});
    ASSERT_FALSE(unknown.ok());
    EXPECT_EQ(unknown.error().type, "NotFoundException");
    EXPECT_EQ(unknown.error().message, "Key 'k' does not exist");
    EXPECT_EQ(unknown.error().status, 400);
    EXPECT_EQ(unknown.error().request_id, "0000-1111");
    EXPECT_FALSE(kms.set_credentials("AKIA", "x", "token").has_value());
    EXPECT_EQ(kms.generate_random(1).error().type, "InvalidSignatureException");
    EXPECT_EQ(kms.set_credentials("", "x", "")->type, "bad_argument");

    for (const auto& edit : std::vector<std::function<void(KmsOptions&)>>{
             [](KmsOptions& given) { given.access_key_id.clear(); },
             [](KmsOptions& given) { given.address = "nowhere"; },
             [](KmsOptions& given) { given.ca_file = "/nowhere"; }}) {
        KmsOptions given = options();
        edit(given);
        const auto refused = KmsClient::create(given);
        ASSERT_FALSE(refused.ok());
        EXPECT_EQ(refused.error().type, "bad_argument");
    }
    KmsOptions given = options();
    given.attest = [](auto) { return std::nullopt; };
    EXPECT_EQ(KmsClient::create(given)->generate_random(1).error().type, "no_module");
    given.attest = [](auto) { return std::vector<std::uint8_t>(100000); };
    EXPECT_EQ(KmsClient::create(given)->generate_random(1).error().type, "no_module");
}

TEST_F(KmsHeader, the_c_interface_takes_no_nonsense) {
    casemate_kms_error* error = nullptr;
    const auto refused = [&](const void* returned) {
        EXPECT_EQ(returned, nullptr);
        EXPECT_STREQ(casemate_kms_error_type(error), "bad_argument");
        casemate_kms_error_free(error);
        error = nullptr;
    };
    casemate_kms_options options = {};
    refused(casemate_kms_client_new(nullptr, &error));
    refused(casemate_kms_client_new(&options, &error));
    EXPECT_EQ(casemate_kms_client_new(&options, nullptr), nullptr);
    options.size = sizeof(options);
    options.access_key_id = "a";
    options.secret_access_key = "b";
    const std::string ca_file = service_.ca_file();
    options.ca_file = ca_file.c_str();
    casemate_kms_client* const client = casemate_kms_client_new(&options, &error);
    ASSERT_NE(client, nullptr);
    EXPECT_EQ(error, nullptr);

    casemate_kms_request request = {};
    refused(casemate_kms_decrypt(client, nullptr, &error));
    refused(casemate_kms_decrypt(client, &request, &error));
    request.size = sizeof(request);
    refused(casemate_kms_decrypt(nullptr, &request, &error));
    request.data_size = 1;
    refused(casemate_kms_decrypt(client, &request, &error));
    request.data_size = 0;
    const char* const half[] = {"name", nullptr};
    request.encryption_context = half;
    refused(casemate_kms_decrypt(client, &request, &error));
    refused(casemate_kms_call(client, nullptr, "{}", 2, &error));
    refused(casemate_kms_call(nullptr, "Sign", "{}", 2, &error));
    EXPECT_FALSE(casemate_kms_client_set_credentials(nullptr, "a", "b", nullptr, &error));
    casemate_kms_error_free(error);
    casemate_kms_client_free(client);
    casemate_kms_client_free(nullptr);
    casemate_kms_answer_free(nullptr);
    casemate_kms_error_free(nullptr);
    EXPECT_STREQ(casemate_kms_error_type(nullptr), "");
    EXPECT_STREQ(casemate_kms_version(), "0.1.0");
}

}  // namespace
}  // namespace casemate
