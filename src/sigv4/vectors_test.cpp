// The signatures that AWS documents: its Signature Version 4 test suite, and the examples of the
// IAM User Guide.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "sigv4/authorization.hpp"
#include "sigv4/canonical.hpp"
#include "sigv4/request_for_test.hpp"

namespace casemate::sigv4 {
namespace {

constexpr const char* kUnreserved =
    "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

struct Vector {
    const char* name;
    std::string method;
    std::string target;
    // headers beside Host and X-Amz-Date.
    Headers headers;
    std::string body;
    // added by the signer.
    bool content_sha256;
    const char* signed_headers;
    const char* signature;
};

// A table.
// NOLINTNEXTLINE(readability-function-size)
const std::vector<Vector>& suite() {
    static const char* const kPlain = "host;x-amz-date";
    static const char* const kMine = "host;my-header1;x-amz-date";
    static const char* const kForm =
        "content-length;content-type;host;x-amz-content-sha256;x-amz-date";
    static const char* const kVanilla =
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    static const std::vector<Vector> all = {
        {"get-vanilla", "GET", "/", {}, "", false, kPlain, kVanilla},
        {"get-header-key-duplicate",
         "GET",
         "/",
         {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}},
         "",
         false,
         kMine,
         "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
        {"get-header-value-order",
         "GET",
         "/",
         {{"My-Header1", "value4"},
          {"My-Header1", "value1"},
          {"My-Header1", "value3"},
          {"My-Header1", "value2"}},
         "",
         false,
         kMine,
         "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
        // As an HTTP library hands over a value on several lines (RFC 7230 3.2.4).
        {"get-header-value-multiline",
         "GET",
         "/",
         {{"My-Header1", "value1   value2      value3"}},
         "",
         false,
         kMine,
         "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd"},
        {"get-header-value-trim",
         "GET",
         "/",
         {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}},
         "",
         false,
         "host;my-header1;my-header2;x-amz-date",
         "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
        {"get-unreserved",
         "GET",
         std::string("/") + kUnreserved,
         {},
         "",
         false,
         kPlain,
         "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
        {"get-utf8",
         "GET",
         "/\u1234",
         {},
         "",
         false,
         kPlain,
         "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
        {"get-space",
         "GET",
         "/example space/",
         {},
         "",
         false,
         kPlain,
         "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
        {"get-relative", "GET", "/example/..", {}, "", false, kPlain, kVanilla},
        {"get-relative-relative",
         "GET",
         "/example1/example2/../..",
         {},
         "",
         false,
         kPlain,
         kVanilla},
        {"get-slash-dot-slash", "GET", "/./", {}, "", false, kPlain, kVanilla},
        {"get-slash", "GET", "//", {}, "", false, kPlain, kVanilla},
        {"get-slash-pointless-dot",
         "GET",
         "/./example",
         {},
         "",
         false,
         kPlain,
         "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
        {"get-slashes",
         "GET",
         "//example//",
         {},
         "",
         false,
         kPlain,
         "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
        {"get-vanilla-empty-query-key",
         "GET",
         "/?Param1=value1",
         {},
         "",
         false,
         kPlain,
         "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
        {"get-vanilla-query-order-encoded",
         "GET",
         "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
         {},
         "",
         false,
         kPlain,
         "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
        {"get-vanilla-query-order-key",
         "GET",
         "/?Param1=value2&Param1=Value1",
         {},
         "",
         false,
         kPlain,
         "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1"},
        {"get-vanilla-query-order-value",
         "GET",
         "/?Param1=value2&Param1=value1",
         {},
         "",
         false,
         kPlain,
         "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"},
        {"get-vanilla-query-order-key-case",
         "GET",
         "/?Param2=value2&Param1=value1",
         {},
         "",
         false,
         kPlain,
         "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
        {"get-vanilla-query-unreserved",
         "GET",
         std::string("/?") + kUnreserved + "=" + kUnreserved,
         {},
         "",
         false,
         kPlain,
         "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
        {"get-vanilla-utf8-query",
         "GET",
         "/?\u1234=bar",
         {},
         "",
         false,
         kPlain,
         "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
        {"post-vanilla",
         "POST",
         "/",
         {},
         "",
         false,
         kPlain,
         "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
        {"post-vanilla-query",
         "POST",
         "/?Param1=value1",
         {},
         "",
         false,
         kPlain,
         "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
        {"post-header-key-sort",
         "POST",
         "/",
         {{"My-Header1", "value1"}},
         "",
         false,
         kMine,
         "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
        {"post-header-value-case",
         "POST",
         "/",
         {{"My-Header1", "VALUE1"}},
         "",
         false,
         kMine,
         "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
        {"post-x-www-form-urlencoded",
         "POST",
         "/",
         {{"Content-Type", "application/x-www-form-urlencoded"}, {"Content-Length", "13"}},
         "Param1=value1",
         true,
         kForm,
         "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"},
        {"post-x-www-form-urlencoded-parameters",
         "POST",
         "/",
         {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
          {"Content-Length", "13"}},
         "Param1=value1",
         true,
         kForm,
         "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422"},
    };
    return all;
}

void expect_signature(OwnedRequest request, const Credential& credential, std::string_view service,
                      const Lookup& lookup, bool content_sha256, const std::string& signed_headers,
                      const std::string& signature) {
    const auto added =
        sign(request.view(), credential, {kExampleRegion, service, example_time(), content_sha256});
    ASSERT_TRUE(added.ok()) << added.error().message();
    const auto authorization = parse_authorization(added->back().second);
    ASSERT_TRUE(authorization.ok()) << authorization.error().message();
    EXPECT_EQ(join_signed_headers(authorization->signed_headers), signed_headers);
    EXPECT_EQ(to_hex(authorization->signature), signature);

    request.headers.insert(request.headers.end(), added->begin(), added->end());
    const auto by = verify(request.view(), lookup,
                           {std::string(service), std::string(kExampleRegion)}, example_time());
    ASSERT_TRUE(by.ok()) << by.error().message();
    EXPECT_EQ(by->access_key_id, credential.access_key_id);
}

TEST(Vectors, TestSuite) {
    for (const Vector& vector : suite()) {
        SCOPED_TRACE(vector.name);
        OwnedRequest request{vector.method, vector.target, vector.headers, vector.body};
        request.headers.emplace_back("Host", "example.amazonaws.com");
        expect_signature(request, example_credential(), "service", example_lookup(),
                         vector.content_sha256, vector.signed_headers, vector.signature);
    }
}

TEST(Vectors, TestSuiteWithSessionTokens) {
    struct WithToken {
        std::string method;
        std::string token;
        const char* signature;
    };
    const std::vector<WithToken> all = {
        // get-vanilla-with-session-token
        {"GET", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
         "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"},
        // post-sts-header-before
        {"POST",
         "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxf"
         "pSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPk"
         "yQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+"
         "xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz"
         "+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==",
         "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
    };
    for (const WithToken& vector : all) {
        OwnedRequest request{vector.method, "/", {{"Host", "example.amazonaws.com"}}, ""};
        expect_signature(request, example_credential(vector.token), "service",
                         example_lookup(vector.token), false,
                         "host;x-amz-date;x-amz-security-token", vector.signature);
    }
}

// post-sts-header-after adds the session token behind the signature. Services of AWS that take that
// are few; KMS is none, and whoever stands between could change the token.
TEST(Vectors, TokenBehindTheSignatureIsRefused) {
    OwnedRequest request{"POST", "/", {{"Host", "example.amazonaws.com"}}, ""};
    const auto added =
        sign(request.view(), example_credential(), {kExampleRegion, "service", example_time()});
    ASSERT_TRUE(added.ok());
    request.headers.insert(request.headers.end(), added->begin(), added->end());
    request.headers.emplace_back("X-Amz-Security-Token", "token");
    const auto by =
        verify(request.view(), example_lookup("token"), {"service", {}}, example_time());
    ASSERT_FALSE(by.ok());
    EXPECT_TRUE(by.error().is(SigErrc::incomplete_signature)) << by.error().message();
}

// "Create a signed AWS API request": GET iam.amazonaws.com/?Action=ListUsers.
TEST(Vectors, IamListUsers) {
    OwnedRequest request{"GET",
                         "/?Action=ListUsers&Version=2010-05-08",
                         {{"Host", "iam.amazonaws.com"},
                          {"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}},
                         ""};
    expect_signature(request, example_credential(), "iam", example_lookup(), false,
                     "content-type;host;x-amz-date",
                     "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

TEST(Vectors, IamCanonicalRequest) {
    const Headers given = {{"Host", "iam.amazonaws.com"},
                           {"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
                           {"X-Amz-Date", "20150830T123600Z"}};
    const auto headers = CanonicalHeaders::from(given);
    const auto target = CanonicalTarget::from("/?Action=ListUsers&Version=2010-05-08");
    ASSERT_TRUE(headers.ok() && target.ok());
    const std::string canonical = canonical_request(
        "GET", *target, *headers, {"content-type", "host", "x-amz-date"}, crypto::sha256({}));
    EXPECT_EQ(canonical,
              "GET\n"
              "/\n"
              "Action=ListUsers&Version=2010-05-08\n"
              "content-type:application/x-www-form-urlencoded; charset=utf-8\n"
              "host:iam.amazonaws.com\n"
              "x-amz-date:20150830T123600Z\n"
              "\n"
              "content-type;host;x-amz-date\n"
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(string_to_sign(std::chrono::floor<std::chrono::seconds>(example_time()),
                             {"20150830", "us-east-1", "iam"}, canonical),
              "AWS4-HMAC-SHA256\n"
              "20150830T123600Z\n"
              "20150830/us-east-1/iam/aws4_request\n"
              "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59");
}

// "Examples of how to derive a signing key".
TEST(Vectors, IamSigningKey) {
    EXPECT_EQ(
        to_hex(
            derive_signing_key(as_bytes(kExampleSecret), {"20150830", "us-east-1", "iam"}).view()),
        "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
}

}  // namespace
}  // namespace casemate::sigv4
