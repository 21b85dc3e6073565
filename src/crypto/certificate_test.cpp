#include "crypto/certificate.hpp"

#include <gtest/gtest.h>

#include "base/file.hpp"
#include "support/paths.hpp"

namespace casemate::crypto {
namespace {

Certificate aws_root() {
    const auto pem =
        read_file(test::source_dir() + "/tests/golden/aws-nitro-enclaves-root.pem", 4096);
    EXPECT_TRUE(pem.ok());
    auto certificate = Certificate::from_pem(*pem);
    EXPECT_TRUE(certificate.ok()) << certificate.error().message();
    return std::move(certificate).value();
}

TEST(Certificate, ReadsTheFieldsOfTheRootOfAws) {
    const Certificate root = aws_root();
    const auto fields = root.fields();
    ASSERT_TRUE(fields.ok()) << fields.error().message();
    EXPECT_EQ(fields->version, 3);
    EXPECT_EQ(to_hex(fields->serial), "f93175681b90afe11d46ccb4e4e7f856");
    const Name name = {{"C", "US"}, {"O", "Amazon"}, {"OU", "AWS"}, {"CN", "aws.nitro-enclaves"}};
    EXPECT_EQ(fields->issuer, name);
    EXPECT_EQ(fields->subject, name);
    EXPECT_EQ(fields->issuer_der, fields->subject_der);
    // 2019-10-28T13:28:05Z and 2049-10-28T14:28:05Z.
    EXPECT_EQ(fields->not_before.time_since_epoch().count(), 1572269285);
    EXPECT_EQ(fields->not_after.time_since_epoch().count(), 2519044085);
    EXPECT_TRUE(fields->ecdsa_with_sha384);
    EXPECT_TRUE(fields->has_basic_constraints);
    EXPECT_TRUE(fields->basic_constraints_critical);
    EXPECT_TRUE(fields->is_ca);
    EXPECT_EQ(fields->path_length, std::nullopt);
    EXPECT_EQ(fields->key_usage, kDigitalSignature | kKeyCertSign | kCrlSign);
    EXPECT_TRUE(fields->key_usage_critical);
    ASSERT_TRUE(fields->subject_key_id);
    EXPECT_EQ(to_hex(*fields->subject_key_id), "9025b50dd90547e796c396fa729dcf99a9df4b96");
    EXPECT_FALSE(fields->authority_key_id);
    EXPECT_FALSE(fields->unknown_critical);
    const auto key = root.public_key();
    ASSERT_TRUE(key.ok()) << key.error().message();
    EXPECT_TRUE(root.is_signed_by(*key));
}

TEST(Certificate, RefusesAnEmptyFile) {
    EXPECT_FALSE(Certificate::from_pem({}).ok());
    EXPECT_FALSE(Certificate::all_from_pem({}).ok());
}

}  // namespace
}  // namespace casemate::crypto
