#include "kms/model.hpp"

#include <gtest/gtest.h>

#include <set>

#include "kms/error.hpp"

namespace casemate::kms {
namespace {

// Each enumerator from first to last is read back from its own name, and no two share one.
template <class E, class Parse>
void expect_names_both_ways(E last, Parse parse) {
    std::set<std::string_view> seen;
    for (int i = 0; i <= static_cast<int>(last); ++i) {
        const auto value = static_cast<E>(i);
        EXPECT_TRUE(seen.insert(name_of(value)).second) << name_of(value);
        EXPECT_EQ(parse(name_of(value)), value) << name_of(value);
    }
    EXPECT_EQ(parse(""), std::nullopt);
    EXPECT_EQ(parse("enabled"), std::nullopt);
    EXPECT_EQ(parse(std::string(name_of(last)) + " "), std::nullopt);
}

TEST(Model, NamesAreReadBack) {
    expect_names_both_ways(KeySpec::hmac_512, parse_key_spec);
    expect_names_both_ways(KeyUsage::key_agreement, parse_key_usage);
    expect_names_both_ways(KeyState::pending_import, parse_key_state);
    expect_names_both_ways(Origin::external, parse_origin);
}

TEST(Model, NamesAreAwss) {
    EXPECT_EQ(name_of(KeySpec::symmetric_default), "SYMMETRIC_DEFAULT");
    EXPECT_EQ(name_of(KeySpec::rsa_4096), "RSA_4096");
    EXPECT_EQ(name_of(KeySpec::ecc_nist_p521), "ECC_NIST_P521");
    EXPECT_EQ(name_of(KeySpec::hmac_256), "HMAC_256");
    EXPECT_EQ(name_of(KeyUsage::sign_verify), "SIGN_VERIFY");
    EXPECT_EQ(name_of(KeyUsage::generate_verify_mac), "GENERATE_VERIFY_MAC");
    EXPECT_EQ(name_of(KeyState::pending_deletion), "PendingDeletion");
    EXPECT_EQ(name_of(Origin::external), "EXTERNAL");
}

TEST(KmsError, EachHasANameOfItsOwn) {
    std::set<std::string_view> seen;
    for (int i = 0; i <= static_cast<int>(KmsErrc::unsupported_operation); ++i) {
        const auto code = static_cast<KmsErrc>(i);
        // KMS has one name for a wrong signature and an old one.
        EXPECT_EQ(seen.insert(type_of(code)).second, code != KmsErrc::request_expired)
            << type_of(code);
        EXPECT_EQ(describe(code), type_of(code));
    }
}

TEST(KmsError, FaultsOfTheServiceAreNotTheCallers) {
    EXPECT_EQ(status_of(KmsErrc::internal), 500);
    EXPECT_EQ(status_of(KmsErrc::dependency_timeout), 503);
    EXPECT_EQ(status_of(KmsErrc::not_found), 400);
    EXPECT_EQ(status_of(KmsErrc::access_denied), 400);
    EXPECT_EQ(type_of(KmsErrc::kms_invalid_state), "KMSInvalidStateException");
    EXPECT_EQ(type_of(KmsErrc::invalid_arn), "InvalidArnException");
    EXPECT_EQ(type_of(KmsErrc::internal), "KMSInternalException");
}

}  // namespace
}  // namespace casemate::kms
