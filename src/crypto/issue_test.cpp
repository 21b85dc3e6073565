#include "crypto/issue.hpp"

#include <gtest/gtest.h>

#include <string>

namespace casemate::crypto {
namespace {

using std::chrono::hours;

constexpr Seconds kNow{std::chrono::seconds(1'790'000'000)};

PrivateKey new_key(Curve curve = Curve::p384) {
    auto key = PrivateKey::generate(curve);
    EXPECT_TRUE(key.ok());
    return std::move(key).value();
}

Name name(const std::string& common_name) {
    return {{"C", "ZZ"}, {"O", "Casemate"}, {"OU", "kvm"}, {"CN", common_name}};
}

CertificateTemplate authority_template() {
    CertificateTemplate what;
    what.serial = Bytes(20, 0x5a);
    what.subject = name("root");
    what.not_before = kNow;
    what.not_after = kNow + hours(24);
    what.is_ca = true;
    what.path_length = 2;
    what.key_usage = kDigitalSignature | kKeyCertSign | kCrlSign;
    what.with_subject_key_id = true;
    what.with_authority_key_id = true;
    return what;
}

TEST(Issue, WritesWhatTheTemplateSays) {
    const PrivateKey issuer = new_key();
    const PrivateKey subject = new_key();
    const auto certificate =
        issue(authority_template(), subject.public_key(), {name("issuer"), &issuer});
    ASSERT_TRUE(certificate.ok()) << certificate.error().message();
    const auto fields = certificate->fields();
    ASSERT_TRUE(fields.ok()) << fields.error().message();
    EXPECT_EQ(fields->version, 3);
    EXPECT_EQ(fields->serial, Bytes(20, 0x5a));
    EXPECT_EQ(fields->issuer, name("issuer"));
    EXPECT_EQ(fields->subject, name("root"));
    EXPECT_NE(fields->issuer_der, fields->subject_der);
    EXPECT_EQ(fields->not_before, kNow);
    EXPECT_EQ(fields->not_after, kNow + hours(24));
    EXPECT_TRUE(fields->ecdsa_with_sha384);
    EXPECT_TRUE(fields->has_basic_constraints);
    EXPECT_TRUE(fields->basic_constraints_critical);
    EXPECT_TRUE(fields->is_ca);
    EXPECT_EQ(fields->path_length, 2U);
    EXPECT_EQ(fields->key_usage, kDigitalSignature | kKeyCertSign | kCrlSign);
    EXPECT_TRUE(fields->key_usage_critical);
    ASSERT_TRUE(fields->subject_key_id && fields->authority_key_id);
    EXPECT_EQ(fields->subject_key_id->size(), 20U);
    EXPECT_NE(*fields->subject_key_id, *fields->authority_key_id);
    EXPECT_FALSE(fields->unknown_critical);

    const auto key = certificate->public_key();
    ASSERT_TRUE(key.ok()) << key.error().message();
    EXPECT_EQ(key->spki(), subject.public_key().spki());
    EXPECT_TRUE(certificate->is_signed_by(issuer.public_key()));
    EXPECT_FALSE(certificate->is_signed_by(subject.public_key()));
}

}  // namespace
}  // namespace casemate::crypto
