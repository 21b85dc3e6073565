#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/file.hpp"
#include "base/temporary_directory.hpp"
#include "cli/json_output.hpp"
#include "cli/run_for_test.hpp"
#include "eif/forger.hpp"
#include "eif/signature.hpp"

namespace casemate::cli {
namespace {

using eif::forger::forge;
using eif::forger::Forgery;
using eif::forger::plain;
using testing::HasSubstr;
using testing::StartsWith;

class DescribeEifTest : public testing::Test {
protected:
    void SetUp() override {
        auto directory = TemporaryDirectory::create();
        ASSERT_TRUE(directory.ok());
        directory_.emplace(std::move(*directory));
        path_ = directory_->path() + "/image.eif";
    }

    Ran describe(const std::string& image) {
        std::ofstream(path_, std::ios::binary) << image;
        return run_for_test({"describe-eif", "--eif-path", path_});
    }

    void expect_refused(const std::string& image, const std::string& sentence) {
        const Ran ran = describe(image);
        EXPECT_EQ(ran.status, 35);
        EXPECT_EQ(ran.out, "");
        EXPECT_THAT(ran.err, StartsWith("[ E35 ] "));
        EXPECT_THAT(ran.err, HasSubstr(sentence));
    }

    std::optional<TemporaryDirectory> directory_;
    std::string path_;
};

TEST_F(DescribeEifTest, HasNitroClisKeys) {
    Forgery forgery = plain();
    auto& metadata = forgery.sections[2].data;
    metadata.replace(metadata.find(":null}"), 6, R"(:{"Team":"a","Round":[1]}})");
    const Ran ran = describe(forge(forgery));
    ASSERT_EQ(ran.status, 0) << ran.err;
    const auto json = Json::parse(ran.out);
    ASSERT_TRUE(json.ok());
    std::string keys;
    for (const auto& [key, value] : json->members()) {
        keys += key + " ";
    }
    EXPECT_EQ(keys, "EifVersion Measurements IsSigned CheckCRC ImageName ImageVersion Metadata ");
    EXPECT_EQ(json->find("EifVersion")->compact(), "4");
    EXPECT_EQ(json->find("IsSigned")->compact(), "false");
    EXPECT_EQ(json->find("CheckCRC")->compact(), "true");
    EXPECT_EQ(json->find("Metadata")->compact(),
              R"({"BuildTime":"2024-07-09T17:16:38.424202433+00:00","BuildTool":"nitro-cli",)"
              R"("BuildToolVersion":"1.3.1","OperatingSystem":"Linux","KernelVersion":"4.14.256",)"
              R"("DockerInfo":{"Id":"sha256:00"},"Team":"a","Round":[1]})");
    EXPECT_THAT(json->find("Measurements")->compact(),
                StartsWith(R"({"HashAlgorithm":"Sha384 { ... }","PCR0":")"));
    EXPECT_EQ(json->find("Measurements")->find("PCR8"), nullptr);
}

TEST_F(DescribeEifTest, OlderImagesHaveNoMetadata) {
    Forgery forgery = plain();
    forgery.version = 3;
    forgery.sections.erase(forgery.sections.begin() + 2);
    const Ran ran = describe(forge(forgery));
    EXPECT_EQ(ran.status, 0);
    EXPECT_THAT(ran.out, HasSubstr("\"EifVersion\": 3"));
    EXPECT_THAT(ran.out, testing::Not(HasSubstr("ImageName")));
}

TEST_F(DescribeEifTest, AWrongCrcIsShownNotRefused) {
    Forgery forgery = plain();
    forgery.crc_difference = 4;
    const Ran ran = describe(forge(forgery));
    EXPECT_EQ(ran.status, 0);
    EXPECT_THAT(ran.out, HasSubstr("\"CheckCRC\": false"));
}

TEST_F(DescribeEifTest, ShowsTheSignersCertificate) {
    if (std::system("openssl version >/dev/null 2>&1") != 0) {
        GTEST_SKIP() << "no openssl command on this machine";
    }
    const std::string base = directory_->path();
    ASSERT_EQ(std::system(("cd " + base +
                           " && openssl ecparam -name secp384r1 -genkey -noout -out key"
                           " && openssl req -new -x509 -key key -sha384 -days 30 -subj "
                           "/C=US/CN=signer -out pem 2>/dev/null")
                              .c_str()),
              0);
    const auto pem = read_file(base + "/pem", 65536);
    ASSERT_TRUE(pem.ok());
    eif::Signature signature;
    signature.certificate_pem = *pem;
    Forgery forgery = plain();
    forgery.sections.push_back(
        {4, std::string(as_text(eif::encode_signature(signature))), 0, 0, false});
    const Ran ran = describe(forge(forgery));
    ASSERT_EQ(ran.status, 0) << ran.err;
    const auto json = Json::parse(ran.out);
    ASSERT_TRUE(json.ok());
    EXPECT_EQ(json->find("IsSigned")->compact(), "true");
    const Json* certificate = json->find("SigningCertificate");
    ASSERT_NE(certificate, nullptr);
    EXPECT_EQ(certificate->find("IssuerName")->compact(),
              R"({"commonName":"signer","countryName":"US"})");
    EXPECT_EQ(certificate->find("Algorithm")->compact(), "\"ecdsa-with-SHA384\"");
    EXPECT_THAT(*certificate->find("NotBefore")->text(), testing::EndsWith(" GMT"));
    EXPECT_THAT(*certificate->find("Signature")->text(), StartsWith("30:6"));
    // The certificate's register is the one that pcr computes.
    const Ran pcr = run_for_test({"pcr", "--signing-certificate", base + "/pem"});
    EXPECT_EQ(pcr.status, 0);
    EXPECT_EQ(Json::parse(pcr.out)->find("PCR8")->compact(),
              json->find("Measurements")->find("PCR8")->compact());
}

TEST_F(DescribeEifTest, RefusesWhatIsNoImage) {
    expect_refused("#!/bin/sh\n", "expected the file to begin with 2e656966");
    expect_refused("", "found an empty file");
    const Ran absent = run_for_test({"describe-eif", "--eif-path", "/does/not/exist"});
    EXPECT_EQ(absent.status, 35);
    EXPECT_THAT(absent.err, HasSubstr("/does/not/exist"));
    EXPECT_EQ(run_for_test({"describe-eif", "--eif-path", directory_->path()}).status, 35);
}

TEST_F(DescribeEifTest, RefusesDamage) {
    const std::string image = forge(plain());
    expect_refused(image.substr(0, image.size() - 1), "expected 14 bytes of data, found 13");
    Forgery forgery = plain();
    forgery.edit = [](auto& /*count*/, auto& offsets, auto& /*sizes*/) { offsets[3] = 548; };
    expect_refused(forge(forgery), "overlapping");
    forgery = plain();
    forgery.sections[4].size_lie = ~0ULL;
    forgery.sections[4].lies_about_size = true;
    forgery.edit = [](auto& /*count*/, auto& /*offsets*/, auto& sizes) { sizes[4] = ~0ULL; };
    expect_refused(forge(forgery), "expected 18446744073709551615 bytes of data");
    forgery = plain();
    forgery.sections[2].data = "{}";
    expect_refused(forge(forgery), "expected the text \"ImageName\"");
}

TEST(PcrTest, OfAFile) {
    const Ran ran = run_for_test({"pcr", "--input", "/dev/null"});
    EXPECT_EQ(ran.status, 0);
    EXPECT_EQ(ran.out,
              "{\n  \"PCR\": \"21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c"
              "10edb30948c90ba67310f7b964fc500a\"\n}\n");
}

TEST(PcrTest, Errors) {
    const Ran absent = run_for_test({"pcr", "--input", "/does/not/exist"});
    EXPECT_EQ(absent.status, 19);
    EXPECT_THAT(absent.err, HasSubstr("File: '/does/not/exist', failing operation: 'Open'."));
    EXPECT_EQ(run_for_test({"pcr", "--signing-certificate", "/does/not/exist"}).status, 19);
    EXPECT_EQ(run_for_test({"pcr", "--signing-certificate", "/dev/null"}).status, 57);
}

TEST(ExplainTest, KnowsEachCodeAndNoOther) {
    const Ran known = run_for_test({"explain", "--error-code", "E26"});
    EXPECT_EQ(known.status, 0);
    EXPECT_EQ(known.out, "");
    EXPECT_THAT(known.err, HasSubstr("four times the size of its image"));
    const Ran unknown = run_for_test({"explain", "--error-code", "E99"});
    EXPECT_EQ(unknown.status, 0);
    EXPECT_EQ(unknown.err, "No such error code E99\n");
}

}  // namespace
}  // namespace casemate::cli
