#include "sigv4/authorization.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sigv4/request.hpp"

namespace casemate::sigv4 {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kDigits = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";

std::string with(std::string_view credential, std::string_view signed_headers = "host;x-amz-date",
                 std::string_view signature = kDigits) {
    std::string text = "AWS4-HMAC-SHA256 Credential=";
    text.append(credential).append(", SignedHeaders=").append(signed_headers);
    return text.append(", Signature=").append(signature);
}

constexpr const char* kCredential = "AKIDEXAMPLE/20150830/us-east-1/kms/aws4_request";

void expect_refused(const std::string& value, std::string_view part) {
    const auto result = parse_authorization(value);
    ASSERT_FALSE(result.ok()) << value;
    EXPECT_TRUE(result.error().is(SigErrc::incomplete_signature));
    EXPECT_THAT(result.error().detail(), HasSubstr(part)) << value;
}

TEST(Authorization, Reads) {
    const auto result = parse_authorization(with(kCredential));
    ASSERT_TRUE(result.ok()) << result.error().message();
    EXPECT_EQ(result->access_key_id, "AKIDEXAMPLE");
    EXPECT_EQ(result->scope, (Scope{"20150830", "us-east-1", "kms"}));
    EXPECT_THAT(result->signed_headers, ElementsAre("host", "x-amz-date"));
    EXPECT_EQ(to_hex(result->signature), kDigits);
    EXPECT_EQ(result->text(), with(kCredential));
}

TEST(Authorization, PartsComeInAnyOrderAndSpacing) {
    const std::string credential = std::string("Credential=") + kCredential;
    const std::string signature = std::string("Signature=") + kDigits;
    std::string tight = "AWS4-HMAC-SHA256 ";
    tight.append(signature).append(",").append(credential).append(",SignedHeaders=host");
    std::string loose = "AWS4-HMAC-SHA256  SignedHeaders=host ,\t";
    loose.append(credential).append(" , ").append(signature).append(" ");
    for (const std::string& value : {tight, loose}) {
        const auto result = parse_authorization(value);
        ASSERT_TRUE(result.ok()) << result.error().message();
        EXPECT_EQ(result->access_key_id, "AKIDEXAMPLE");
        EXPECT_EQ(to_hex(result->signature), kDigits);
    }
}

TEST(Authorization, OtherAlgorithmsAreRefused) {
    for (const char* value :
         {"", " ", "Basic dXNlcjpwYXNz", "Bearer token", "AWS4-ECDSA-P256-SHA256 Credential=x",
          "aws4-hmac-sha256 Credential=x", "AWS AKIDEXAMPLE:signature", "AWS4-HMAC-SHA2567 a=b",
          "Credential=x"}) {
        expect_refused(value, "AWS4-HMAC-SHA256");
    }
}

TEST(Authorization, PartsMustBeThereOnce) {
    const std::string whole = with(kCredential);
    expect_refused("AWS4-HMAC-SHA256", "NAME=VALUE");
    expect_refused("AWS4-HMAC-SHA256 ", "NAME=VALUE");
    expect_refused("AWS4-HMAC-SHA256 ,", "NAME=VALUE");
    expect_refused(whole + ",", "NAME=VALUE");
    expect_refused(whole + ", SignedHeaders=host", "two");
    expect_refused(whole + ", Signature=" + kDigits, "two");
    expect_refused(whole + ", Credential=" + kCredential, "two");
    expect_refused(whole + ", Other=1", "another name");
    expect_refused(whole + ", credential=1", "another name");
    expect_refused(std::string("AWS4-HMAC-SHA256 Credential=") + kCredential, "only some");
    expect_refused(std::string("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=") + kDigits,
                   "only some");
    expect_refused(std::string("AWS4-HMAC-SHA256 SignedHeaders=host, Credential=") + kCredential,
                   "only some");
}

TEST(Authorization, CredentialIsStrict) {
    for (const char* credential :
         {"", "AKIDEXAMPLE", "AKIDEXAMPLE/20150830/us-east-1/kms",
          "AKIDEXAMPLE/20150830/us-east-1/kms/aws4_request/",
          "/20150830/us-east-1/kms/aws4_request", "A/B/20150830/us-east-1/kms/aws4_request",
          "A-B/20150830/us-east-1/kms/aws4_request", "AK ID/20150830/us-east-1/kms/aws4_request",
          "AKIDEXAMPLE/2015083/us-east-1/kms/aws4_request",
          "AKIDEXAMPLE/2015083x/us-east-1/kms/aws4_request",
          "AKIDEXAMPLE/20150830//kms/aws4_request", "AKIDEXAMPLE/20150830/us-east-1//aws4_request",
          "AKIDEXAMPLE/20150830/US-EAST-1/kms/aws4_request",
          "AKIDEXAMPLE/20150830/us-east-1/kms/aws4",
          "AKIDEXAMPLE/20150830/us-east-1/kms/AWS4_REQUEST",
          "AKIDEXAMPLE/20150830/us-east-1/k ms/aws4_request",
          "\xc3\xa9/20150830/a/kms/aws4_request"}) {
        expect_refused(with(credential), "Credential");
    }
    const std::string scope = "/20150830/us-east-1/kms/aws4_request";
    EXPECT_TRUE(parse_authorization(with(std::string(128, 'A') + scope)).ok());
    expect_refused(with(std::string(129, 'A') + scope), "Credential");
    const std::string longest(64, 'r');
    EXPECT_TRUE(parse_authorization(with("A/20150830/" + longest + "/kms/aws4_request")).ok());
    expect_refused(with("A/20150830/" + longest + "r/kms/aws4_request"), "Credential");
}

TEST(Authorization, SignedHeadersAreStrict) {
    for (const char* names :
         {"", ";", "host;", ";host", "host;;x-amz-date", "Host", "host;X-Amz-Date",
          "x-amz-date;host", "host;host", "ho st", "host:", "host;\xc3\xa9"}) {
        expect_refused(with(kCredential, names), "SignedHeaders");
    }
    std::string names;
    for (std::size_t i = 0; i < kMaxHeaders; ++i) {
        names += (names.empty() ? "h" : ";h") + std::to_string(1000 + i);
    }
    EXPECT_TRUE(parse_authorization(with(kCredential, names)).ok());
    expect_refused(with(kCredential, names + ";i"), "SignedHeaders");
}

TEST(Authorization, SignatureIsStrict) {
    const std::string digits = kDigits;
    for (const std::string& signature :
         {std::string(), digits.substr(1), digits.substr(2), digits + "00", digits + " 0",
          "5FA00FA31553B73EBF1942676E86291E8372FF2A2260956D9B8AAE1D763FBF31" + std::string(),
          "g" + digits.substr(1), "0x" + digits.substr(2)}) {
        expect_refused(with(kCredential, "host", signature), "Signature");
    }
}

}  // namespace
}  // namespace casemate::sigv4
