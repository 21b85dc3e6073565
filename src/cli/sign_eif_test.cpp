#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/file.hpp"
#include "base/temporary_directory.hpp"
#include "cli/json_output.hpp"
#include "cli/run_for_test.hpp"
#include "crypto/token_for_test.hpp"
#include "eif/forger.hpp"
#include "eif/reader.hpp"
#include "eif/signature.hpp"
#include "eif/signer_for_test.hpp"

namespace casemate::cli {
namespace {

namespace fs = std::filesystem;
using crypto::Curve;
using eif::TestSigner;
using eif::forger::forge;
using eif::forger::plain;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

void write(const std::string& path, std::string_view text) {
    std::ofstream(path, std::ios::binary) << text;
}

std::string content(const std::string& path) {
    const auto bytes = read_file(path, 1U << 24U);
    return bytes ? std::string(as_text(*bytes)) : "unreadable";
}

class SignEifTest : public testing::Test {
protected:
    void SetUp() override {
        auto directory = TemporaryDirectory::create();
        ASSERT_TRUE(directory.ok());
        directory_.emplace(std::move(*directory));
        const std::string base = directory_->path();
        image_ = base + "/image.eif";
        certificate_ = base + "/certificate.pem";
        key_ = base + "/key.pem";
        write(image_, forge(plain()));
        use(signer_);
    }

    void use(const TestSigner& signer) {
        write(certificate_, signer.certificate_pem);
        write(key_, as_text(signer.key->to_pem()->view()));
    }

    Ran sign() {
        return run_for_test({"sign-eif", "--eif-path", image_, "--signing-certificate",
                             certificate_, "--private-key", key_});
    }

    Json describe() {
        const Ran ran = run_for_test({"describe-eif", "--eif-path", image_});
        EXPECT_EQ(ran.status, 0) << ran.err;
        return Json::parse(ran.out).value();
    }

    // Nothing has changed, and nothing is left beside.
    void expect_refused(const Ran& ran, const std::string& sentence) {
        EXPECT_EQ(ran.status, 60);
        EXPECT_EQ(ran.out, "");
        EXPECT_THAT(ran.err, HasSubstr("[ E60 ] "));
        EXPECT_THAT(ran.err, HasSubstr(sentence));
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(directory_->path())) {
            names.push_back(entry.path().filename().string());
        }
        EXPECT_THAT(names,
                    testing::UnorderedElementsAre("image.eif", "certificate.pem", "key.pem"));
    }

    std::optional<TemporaryDirectory> directory_;
    TestSigner signer_ = TestSigner::make();
    std::string image_;
    std::string certificate_;
    std::string key_;
};

TEST_F(SignEifTest, SignsInPlace) {
    const std::string before = describe().find("Measurements")->compact();
    ASSERT_EQ(::chmod(image_.c_str(), 0640), 0);
    const Ran ran = sign();
    ASSERT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(ran.err, "Enclave Image successfully signed.\n");
    const std::string pcr8 = to_hex(eif::certificate_register(signer_.certificate()));
    const Json described = describe();
    const std::string measurements = described.find("Measurements")->compact();
    EXPECT_EQ(measurements, before.substr(0, before.size() - 1) + R"(,"PCR8":")" + pcr8 + "\"}");
    EXPECT_EQ(ran.out,
              Json::object().add("Measurements", *described.find("Measurements")).pretty() + "\n");
    std::vector<std::string> keys;
    for (const auto& [key, value] : described.members()) {
        keys.push_back(key);
    }
    EXPECT_THAT(keys,
                ElementsAre("EifVersion", "Measurements", "IsSigned", "SigningCertificate",
                            "CheckCRC", "SignatureCheck", "ImageName", "ImageVersion", "Metadata"));
    for (const char* key : {"IsSigned", "CheckCRC", "SignatureCheck"}) {
        EXPECT_EQ(described.find(key)->compact(), "true") << key;
    }
    EXPECT_EQ(described.find("SigningCertificate")->find("IssuerName")->compact(),
              R"({"commonName":"signer","countryName":"US"})");
    const Ran pcr = run_for_test({"pcr", "--signing-certificate", certificate_});
    EXPECT_EQ(pcr.out, "{\n  \"PCR8\": \"" + pcr8 + "\"\n}\n");
    struct stat status {};
    ASSERT_EQ(::stat(image_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0640U);
}

TEST_F(SignEifTest, ReplacesASignature) {
    ASSERT_EQ(sign().status, 0);
    const auto small = fs::file_size(image_);
    const TestSigner other = TestSigner::make(Curve::p521);
    use(other);
    ASSERT_EQ(sign().status, 0);
    EXPECT_GT(fs::file_size(image_), small);
    const Json described = describe();
    EXPECT_EQ(described.find("SignatureCheck")->compact(), "true");
    EXPECT_EQ(described.find("CheckCRC")->compact(), "true");
    EXPECT_EQ(*described.find("Measurements")->find("PCR8")->text(),
              to_hex(eif::certificate_register(other.certificate())));
    use(signer_);
    ASSERT_EQ(sign().status, 0);
    EXPECT_EQ(describe().find("SignatureCheck")->compact(), "true");
}

TEST_F(SignEifTest, ALinkStaysALink) {
    const std::string link = directory_->path() + "/link.eif";
    ASSERT_EQ(::symlink("image.eif", link.c_str()), 0);
    const Ran ran = run_for_test({"sign-eif", "--eif-path", link, "--signing-certificate",
                                  certificate_, "--private-key", key_});
    ASSERT_EQ(ran.status, 0) << ran.err;
    EXPECT_TRUE(fs::is_symlink(link));
    EXPECT_EQ(describe().find("IsSigned")->compact(), "true");
}

// Each file that describe-eif is to call signed badly, and why.
TEST_F(SignEifTest, DescribeTellsBadSignatures) {
    const auto check = [&](const crypto::Digest384& pcr0) {
        auto forgery = plain();
        const auto section = signer_.image_signer().sign(pcr0).value();
        forgery.sections.push_back({4, std::string(as_text(section)), 0, 0, false});
        write(image_, forge(forgery));
        return describe().find("SignatureCheck")->compact();
    };
    const auto pcr0 = from_hex(*describe().find("Measurements")->find("PCR0")->text());
    ASSERT_TRUE(pcr0);
    crypto::Digest384 digest{};
    std::ranges::copy(*pcr0, digest.begin());
    EXPECT_EQ(check(digest), "true");
    digest[47] ^= 1U;
    EXPECT_EQ(check(digest), "false");
}

TEST_F(SignEifTest, ExpiredCertificatesSignWithANote) {
    use(TestSigner::make(Curve::p256, -10, -1));
    const Ran ran = sign();
    EXPECT_EQ(ran.status, 0);
    EXPECT_THAT(ran.err, StartsWith("Note: this image would not start now: "));
    // As with AWS's tool, it is not what describe-eif asks.
    EXPECT_EQ(describe().find("SignatureCheck")->compact(), "true");
}

TEST_F(SignEifTest, RefusesAndLeavesTheImageAsItWas) {
    const std::string before = content(image_);
    const std::string key = content(key_);
    const TestSigner other = TestSigner::make();
    write(key_, as_text(other.key->to_pem()->view()));
    expect_refused(sign(), "expected the private key of the signing certificate");
    write(key_, "no key");
    expect_refused(sign(), "expected an unencrypted private key in PEM");
    write(key_, "");
    expect_refused(sign(), "expected an unencrypted private key in PEM");
    write(key_, key);
    write(certificate_, signer_.certificate_pem + key);
    expect_refused(sign(), "found a private key");
    write(certificate_, "no certificate");
    expect_refused(sign(), "expected a certificate in PEM");
    write(certificate_, std::string(70000, ' '));
    expect_refused(sign(), "larger than 65536 bytes");
    EXPECT_EQ(content(image_), before);
    use(signer_);
    auto damaged = plain();
    damaged.crc_difference = 1;
    write(image_, forge(damaged));
    expect_refused(sign(), "the image is damaged");
    EXPECT_EQ(content(image_), forge(damaged));
    write(image_, "no image");
    expect_refused(sign(), "expected the file to begin with");
    const Ran absent = run_for_test({"sign-eif", "--eif-path", directory_->path() + "/none",
                                     "--signing-certificate", certificate_, "--private-key", key_});
    expect_refused(absent, "/none");
}

TEST_F(SignEifTest, RefusesKeysThatItCannotReach) {
    const auto with = [&](const std::string& key) {
        return run_for_test({"sign-eif", "--eif-path", image_, "--signing-certificate",
                             certificate_, "--private-key", key});
    };
    // Keys in KMS: tests/eif/kms_key_test.py.
    expect_refused(with("arn:aws:kms:eu-west-1:123456789012:alias/a"),
                   "arn:aws:kms:REGION:ACCOUNT:key/ID");
    expect_refused(with("pkcs11:color=blue"), "has the attribute color");
    expect_refused(with(directory_->path() + "/no-key"), "no-key");
}

TEST_F(SignEifTest, MissingArguments) {
    const Ran path = run_for_test({"sign-eif"});
    EXPECT_EQ(path.status, 1);
    EXPECT_THAT(
        path.err,
        HasSubstr(
            "[ E01 ] Missing mandatory argument. User did not provide the `eif-path` argument."));
    expect_refused(run_for_test({"sign-eif", "--eif-path", image_}),
                   "Expected --signing-certificate and --private-key, found neither");
}

TEST_F(SignEifTest, AKeyInATokenSigns) {
    if (const std::string missing = crypto::TestToken::missing(); !missing.empty()) {
        GTEST_SKIP() << "SKIPPED: no " << missing;
    }
    const auto token = crypto::TestToken::create();
    ASSERT_TRUE(token.ok()) << token.error().message();
    ASSERT_TRUE(crypto::TestToken::make_key("EC:prime256v1", "images", "07").ok());
    const std::string uri = crypto::TestToken::uri("object=images");
    const auto key = crypto::PrivateKey::from_token(uri);
    ASSERT_TRUE(key.ok()) << key.error().message();
    crypto::CertificateTemplate what;
    what.serial = {9};
    what.subject = {{"CN", "a key in a token"}};
    what.not_before = eif::now_for_test();
    what.not_after = eif::now_for_test() + std::chrono::hours(1);
    const auto certificate = crypto::issue(what, key->public_key(), {what.subject, &*key});
    ASSERT_TRUE(certificate.ok()) << certificate.error().message();
    write(certificate_, certificate->to_pem());
    const Ran ran = run_for_test({"sign-eif", "--eif-path", image_, "--signing-certificate",
                                  certificate_, "--private-key", uri});
    ASSERT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(describe().find("SignatureCheck")->compact(), "true");
    // The PIN is nobody's business.
    const Ran wrong =
        run_for_test({"sign-eif", "--eif-path", image_, "--signing-certificate", certificate_,
                      "--private-key", crypto::TestToken::uri("object=absent", "135790")});
    expect_refused(wrong, "[ E60 ] ");
    EXPECT_THAT(wrong.err, testing::Not(HasSubstr("135790")));
}

}  // namespace
}  // namespace casemate::cli
