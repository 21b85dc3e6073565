#include "sigv4/sign.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sigv4/authorization.hpp"
#include "sigv4/request_for_test.hpp"

namespace casemate::sigv4 {
namespace {

using testing::ElementsAre;

const Signing kSigning{kExampleRegion, "kms", example_time()};

std::vector<std::string> names_of(const Headers& headers) {
    std::vector<std::string> names;
    for (const auto& [name, value] : headers) {
        names.push_back(name);
    }
    return names;
}

TEST(Sign, AddsWhatIsAskedFor) {
    const OwnedRequest request = kms_request();
    auto added = sign(request.view(), example_credential(), kSigning);
    ASSERT_TRUE(added.ok());
    EXPECT_THAT(names_of(*added), ElementsAre("X-Amz-Date", "Authorization"));
    EXPECT_EQ((*added)[0].second, "20150830T123600Z");
    Signing with_hash = kSigning;
    with_hash.content_sha256 = true;
    // Fractions of a second are cut.
    with_hash.time += std::chrono::milliseconds(999);
    added = sign(request.view(), example_credential("token"), with_hash);
    ASSERT_TRUE(added.ok());
    EXPECT_THAT(names_of(*added), ElementsAre("X-Amz-Date", "X-Amz-Security-Token",
                                              "X-Amz-Content-Sha256", "Authorization"));
    EXPECT_EQ((*added)[0].second, "20150830T123600Z");
    EXPECT_EQ((*added)[1].second, "token");
}

TEST(Sign, LeavesOutWhatChangesOnTheWay) {
    OwnedRequest request = kms_request();
    for (const char* name : {"Connection", "Expect", "Transfer-Encoding", "X-Amzn-Trace-Id", "Via",
                             "TE", "Proxy-Authorization", "Sec-WebSocket-Key", "X-Forwarded-For"}) {
        request.headers.emplace_back(name, "value");
    }
    request.headers.emplace_back("My-Own", "value");
    const auto added = sign(request.view(), example_credential(), kSigning);
    ASSERT_TRUE(added.ok());
    EXPECT_THAT(parse_authorization(added->back().second)->signed_headers,
                ElementsAre("content-type", "host", "my-own", "x-amz-date", "x-amz-target"));
}

void expect_refused(const OwnedRequest& request, SigErrc code, const Credential& credential,
                    const Signing& signing = kSigning) {
    const auto added = sign(request.view(), credential, signing);
    ASSERT_FALSE(added.ok());
    EXPECT_TRUE(added.error().is(code)) << added.error().message();
}

TEST(Sign, RefusesRequestsThatVerifyWould) {
    for (const char* name : {"Authorization", "X-Amz-Date", "x-amz-security-token"}) {
        OwnedRequest request = kms_request();
        request.headers.emplace_back(name, "value");
        expect_refused(request, SigErrc::malformed_request, example_credential("token"));
    }
    OwnedRequest request = kms_request();
    request.remove("Host");
    expect_refused(request, SigErrc::malformed_request, example_credential());
    request = kms_request();
    request.headers.emplace_back("x-amz-target", "TrentService.Encrypt");
    expect_refused(request, SigErrc::malformed_request, example_credential());
    request = kms_request();
    request.headers.emplace_back("My-Own", "a\r\nX-Amz-Target: TrentService.Encrypt");
    expect_refused(request, SigErrc::malformed_request, example_credential());
    request = kms_request();
    request.target = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256";
    expect_refused(request, SigErrc::malformed_request, example_credential());
    request = kms_request();
    request.target = "kms";
    expect_refused(request, SigErrc::malformed_request, example_credential());
    request = kms_request();
    request.method = "PO ST";
    expect_refused(request, SigErrc::malformed_request, example_credential());
}

TEST(Sign, RefusesTimesWithoutFourDigitsOfAYear) {
    Signing signing = kSigning;
    signing.time += std::chrono::years(8000);
    expect_refused(kms_request(), SigErrc::malformed_request, example_credential(), signing);
    signing.time = kSigning.time - std::chrono::years(2100);
    expect_refused(kms_request(), SigErrc::malformed_request, example_credential(), signing);
}

TEST(Sign, RefusesNamesThatVerifyWould) {
    for (const char* id : {"", "A/B", "A, Signature=0", "A B"}) {
        Credential credential = example_credential();
        credential.access_key_id = id;
        expect_refused(kms_request(), SigErrc::incomplete_signature, credential);
    }
    for (const char* region : {"", "us/east", "US-EAST-1", "a,Signature=0"}) {
        Signing signing = kSigning;
        signing.region = region;
        expect_refused(kms_request(), SigErrc::incomplete_signature, example_credential(), signing);
    }
    // A line break in a token would be a header of its own.
    expect_refused(kms_request(), SigErrc::malformed_request,
                   example_credential("token\r\nX-Amz-Target: a"));
}

}  // namespace
}  // namespace casemate::sigv4
