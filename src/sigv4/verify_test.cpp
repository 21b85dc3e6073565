#include "sigv4/verify.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "crypto/digest.hpp"
#include "crypto/mac.hpp"
#include "sigv4/authorization.hpp"
#include "sigv4/canonical.hpp"
#include "sigv4/request_for_test.hpp"

namespace casemate::sigv4 {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

enum class RoomErrc { store_is_away };

std::string_view describe(RoomErrc /*code*/) {
    return "store is away";
}

OwnedRequest sign_with(OwnedRequest request, const Credential& credential, Signing signing) {
    const auto added = sign(request.view(), credential, signing);
    EXPECT_TRUE(added.ok()) << added.error().message();
    request.headers.insert(request.headers.end(), added->begin(), added->end());
    return request;
}

OwnedRequest signed_request(std::string_view session_token = {}) {
    return sign_with(kms_request(), example_credential(session_token),
                     {kExampleRegion, "kms", example_time(), true});
}

// sign_by_hand signs exactly these headers, whether they are right or not.
void sign_by_hand(OwnedRequest& request, const std::vector<std::string>& names,
                  const Scope& scope = {"20150830", "us-east-1", "kms"}) {
    const auto headers = CanonicalHeaders::from(request.headers);
    const auto target = CanonicalTarget::from(request.target);
    ASSERT_TRUE(headers.ok() && target.ok());
    const std::string to_sign =
        string_to_sign(std::chrono::floor<std::chrono::seconds>(example_time()), scope,
                       canonical_request(request.method, *target, *headers, names,
                                         crypto::sha256(as_bytes(request.body))));
    const SecretBytes key = derive_signing_key(as_bytes(kExampleSecret), scope);
    const SecretBytes code =
        crypto::hmac(crypto::MacAlgorithm::hmac_sha256, key.view(), as_bytes(to_sign));
    const Authorization authorization{std::string(kExampleId), scope, names,
                                      Bytes(code.view().begin(), code.view().end())};
    request.headers.emplace_back("Authorization", authorization.text());
}

Result<SignedBy> verify_example(const OwnedRequest& request, std::string session_token = {},
                                codec::Milliseconds now = example_time(),
                                SigningKeyCache* cache = nullptr) {
    return verify(request.view(), example_lookup(std::move(session_token)), kms_expectations(), now,
                  cache);
}

void expect_refused(const Result<SignedBy>& result, SigErrc code, std::string_view part = {}) {
    ASSERT_FALSE(result.ok());
    EXPECT_TRUE(result.error().is(code)) << result.error().message();
    EXPECT_THAT(result.error().detail(), HasSubstr(part));
}

TEST(Verify, TellsWhoSigned) {
    const auto by = verify_example(signed_request());
    ASSERT_TRUE(by.ok()) << by.error().message();
    EXPECT_EQ(by->access_key_id, kExampleId);
    EXPECT_EQ(by->time, example_time());
    EXPECT_EQ(by->scope, (Scope{"20150830", "us-east-1", "kms"}));
    EXPECT_THAT(by->signed_headers, ElementsAre("content-type", "host", "x-amz-content-sha256",
                                                "x-amz-date", "x-amz-target"));
}

TEST(Verify, HeadersMayComeInAnotherOrderAndCase) {
    OwnedRequest request = signed_request();
    std::reverse(request.headers.begin(), request.headers.end());
    for (auto& [name, value] : request.headers) {
        std::transform(name.begin(), name.end(), name.begin(), [](char c) {
            return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        });
        value.insert(0, " ").append("\t");
    }
    EXPECT_TRUE(verify_example(request).ok());
}

TEST(Verify, UnsignedHeadersMayComeAndGo) {
    OwnedRequest request = signed_request();
    request.remove("User-Agent");
    request.headers.emplace_back("Via", "1.1 proxy");
    request.headers.emplace_back("Content-Length", "24");
    EXPECT_TRUE(verify_example(request).ok());
}

TEST(Verify, WithoutAnySignature) {
    expect_refused(verify_example(kms_request()), SigErrc::missing_authentication_token);
}

TEST(Verify, SignatureInTheQueryIsRefused) {
    OwnedRequest request = kms_request();
    request.target =
        "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE&X-Amz-Signature=00";
    expect_refused(verify_example(request), SigErrc::incomplete_signature, "query");
    // Nor beside a header, in another case, or encoded.
    for (const char* target : {"/?x-amz-signature=00", "/?a=b&X-Amz-Security-Token=token",
                               "/?%58-Amz-Expires=60", "/?X%2DAmz%2DDate=20150830T123600Z"}) {
        request = signed_request();
        request.target = target;
        expect_refused(verify_example(request), SigErrc::incomplete_signature, "query");
    }
}

TEST(Verify, HeadersWithOneMeaningComeOnce) {
    for (const auto& [name, value] : signed_request("token").headers) {
        if (name == "User-Agent") {
            continue;
        }
        OwnedRequest request = signed_request("token");
        request.headers.emplace_back(name, value);
        expect_refused(verify_example(request, "token"), SigErrc::incomplete_signature,
                       "one header");
    }
}

TEST(Verify, AMissingDateOrBadDate) {
    OwnedRequest request = signed_request();
    request.remove("X-Amz-Date");
    expect_refused(verify_example(request), SigErrc::incomplete_signature, "Date");
    for (const char* date : {"", "now", "2015-08-30T12:36:00Z", "Sun, 30 Aug 2015 12:36:00 GMT"}) {
        request = signed_request();
        *request.find("X-Amz-Date") = date;
        expect_refused(verify_example(request), SigErrc::incomplete_signature, "X-Amz-Date");
    }
    request = signed_request();
    request.remove("X-Amz-Date");
    request.headers.emplace_back("Date", "Sunday, 30-Aug-15 12:36:00 GMT");
    expect_refused(verify_example(request), SigErrc::incomplete_signature, "Date");
}

TEST(Verify, DateHeaderInPlaceOfXAmzDate) {
    for (const char* date : {"Sun, 30 Aug 2015 12:36:00 GMT", "20150830T123600Z"}) {
        OwnedRequest request = kms_request();
        request.headers.emplace_back("Date", date);
        OwnedRequest unsigned_date = request;
        sign_by_hand(request, {"content-type", "date", "host", "x-amz-target"});
        const auto by = verify_example(request);
        ASSERT_TRUE(by.ok()) << by.error().message();
        EXPECT_EQ(by->time, example_time());
        // It must be signed.
        sign_by_hand(unsigned_date, {"content-type", "host", "x-amz-target"});
        expect_refused(verify_example(unsigned_date), SigErrc::incomplete_signature,
                       "SignedHeaders");
    }
}

TEST(Verify, XAmzDateIsTheOneThatCounts) {
    OwnedRequest request = signed_request();
    request.headers.emplace_back("Date", "Mon, 31 Aug 2015 23:59:59 GMT");
    EXPECT_TRUE(verify_example(request).ok());
}

TEST(Verify, WhatMustBeSigned) {
    const auto with_date = [] {
        OwnedRequest request = kms_request();
        request.headers.emplace_back("X-Amz-Date", "20150830T123600Z");
        request.headers.emplace_back("X-Amz-Anything", "value");
        return request;
    };
    const std::vector<std::string> all = {"content-type", "host", "x-amz-anything", "x-amz-date",
                                          "x-amz-target"};
    OwnedRequest request = with_date();
    sign_by_hand(request, all);
    EXPECT_TRUE(verify_example(request).ok());
    for (const std::string& left_out : all) {
        request = with_date();
        std::vector<std::string> names = all;
        std::erase(names, left_out);
        sign_by_hand(request, names);
        expect_refused(verify_example(request), SigErrc::incomplete_signature, "SignedHeaders");
    }
}

TEST(Verify, SignedHeadersMustBeThere) {
    for (const auto& [name, value] : kms_request().headers) {
        if (name == "User-Agent") {
            continue;
        }
        OwnedRequest request = signed_request();
        request.remove(name);
        expect_refused(verify_example(request), SigErrc::incomplete_signature, "SignedHeaders");
    }
    OwnedRequest request = signed_request();
    std::string& authorization = *request.find("Authorization");
    authorization.replace(authorization.find("SignedHeaders="), 14, "SignedHeaders=authorization;");
    expect_refused(verify_example(request), SigErrc::incomplete_signature, "SignedHeaders");
}

TEST(Verify, UnknownAccessKey) {
    Credential credential = example_credential();
    credential.access_key_id = "AKIDNOBODY";
    expect_refused(verify_example(sign_with(kms_request(), credential,
                                            {kExampleRegion, "kms", example_time()})),
                   SigErrc::invalid_client_token);
    // Not even by the secret that stands in for the unknown.
    credential.secret = SecretBytes(40);
    SigningKeyCache cache(4);
    expect_refused(verify_example(sign_with(kms_request(), credential,
                                            {kExampleRegion, "kms", example_time()}),
                                  {}, example_time(), &cache),
                   SigErrc::invalid_client_token);
    EXPECT_EQ(cache.size(), 0U);
}

TEST(Verify, WrongSecret) {
    Credential credential = example_credential();
    credential.secret = secret_of("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEZ");
    SigningKeyCache cache(4);
    expect_refused(verify_example(sign_with(kms_request(), credential,
                                            {kExampleRegion, "kms", example_time()}),
                                  {}, example_time(), &cache),
                   SigErrc::signature_does_not_match);
    EXPECT_EQ(cache.size(), 0U);
}

TEST(Verify, SessionTokens) {
    EXPECT_TRUE(verify_example(signed_request("token"), "token").ok());
    // Absent, wrong, and of a key that has none.
    expect_refused(verify_example(signed_request(), "token"), SigErrc::invalid_client_token);
    expect_refused(verify_example(signed_request("tokem"), "token"), SigErrc::invalid_client_token);
    expect_refused(verify_example(signed_request("token1"), "token"),
                   SigErrc::invalid_client_token);
    expect_refused(verify_example(signed_request("token")), SigErrc::invalid_client_token);
    OwnedRequest request = kms_request();
    request.headers.emplace_back("X-Amz-Security-Token", "");
    request = sign_with(std::move(request), example_credential(),
                        {kExampleRegion, "kms", example_time()});
    expect_refused(verify_example(request), SigErrc::invalid_client_token);
}

TEST(Verify, TheWindowIsOpenAtBothEnds) {
    const OwnedRequest request = signed_request();
    const codec::Milliseconds time = example_time();
    const auto window = std::chrono::minutes(5);
    const auto tick = std::chrono::milliseconds(1);
    EXPECT_TRUE(verify_example(request, {}, time + window).ok());
    EXPECT_TRUE(verify_example(request, {}, time - window).ok());
    expect_refused(verify_example(request, {}, time + window + tick), SigErrc::request_expired);
    expect_refused(verify_example(request, {}, time - window - tick), SigErrc::request_expired);
    Expectations narrow = kms_expectations();
    narrow.window = std::chrono::seconds(0);
    EXPECT_TRUE(verify(request.view(), example_lookup(), narrow, time).ok());
    expect_refused(verify(request.view(), example_lookup(), narrow, time + tick),
                   SigErrc::request_expired);
}

TEST(Verify, TheScopesDayIsTheRequests) {
    OwnedRequest request = kms_request();
    request.headers.emplace_back("X-Amz-Date", "20150830T123600Z");
    sign_by_hand(request, {"content-type", "host", "x-amz-date", "x-amz-target"},
                 {"20150831", "us-east-1", "kms"});
    expect_refused(verify_example(request), SigErrc::request_expired, "20150831");
}

TEST(Verify, OtherRegionsAndServices) {
    const auto signed_for = [](std::string_view region, std::string_view service) {
        return sign_with(kms_request(), example_credential(), {region, service, example_time()});
    };
    expect_refused(verify_example(signed_for("us-east-2", "kms")), SigErrc::wrong_scope, "region");
    expect_refused(verify_example(signed_for("us-east-1", "sts")), SigErrc::wrong_scope, "service");
    Expectations any_region = kms_expectations();
    any_region.region.reset();
    const auto by =
        verify(signed_for("us-east-2", "kms").view(), example_lookup(), any_region, example_time());
    ASSERT_TRUE(by.ok());
    EXPECT_EQ(by->scope.region, "us-east-2");
    expect_refused(
        verify(signed_for("us-east-2", "sts").view(), example_lookup(), any_region, example_time()),
        SigErrc::wrong_scope);
}

TEST(Verify, ContentHashes) {
    for (const char* value : {"UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "",
                              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}) {
        OwnedRequest request = kms_request();
        request.headers.emplace_back("X-Amz-Content-Sha256", value);
        request = sign_with(std::move(request), example_credential(),
                            {kExampleRegion, "kms", example_time()});
        expect_refused(verify_example(request), SigErrc::signature_does_not_match,
                       "Content-Sha256");
    }
}

TEST(Verify, MalformedRequests) {
    OwnedRequest request = signed_request();
    request.target = "kms";
    expect_refused(verify_example(request), SigErrc::malformed_request);
    request = signed_request();
    request.method = "";
    expect_refused(verify_example(request), SigErrc::malformed_request);
    request = signed_request();
    request.headers.emplace_back("My-Own", "a\r\nb");
    expect_refused(verify_example(request), SigErrc::malformed_request);
    request = signed_request();
    request.headers.resize(kMaxHeaders + 1, {"My-Own", "a"});
    expect_refused(verify_example(request), SigErrc::malformed_request);
}

TEST(Verify, AStoreThatFailsIsNoRefusal) {
    const Lookup away = [](std::string_view /*id*/) -> Result<std::optional<Known>> {
        return Error(RoomErrc::store_is_away, "");
    };
    const auto result = verify(signed_request().view(), away, kms_expectations(), example_time());
    ASSERT_FALSE(result.ok());
    EXPECT_TRUE(result.error().is(RoomErrc::store_is_away));
}

TEST(Verify, LookupIsNotAskedForWhatIsRefusedAnyway) {
    unsigned asked = 0;
    const Lookup counting = [&](std::string_view id) {
        ++asked;
        return example_lookup()(id);
    };
    EXPECT_FALSE(verify(kms_request().view(), counting, kms_expectations(), example_time()).ok());
    EXPECT_FALSE(verify(signed_request().view(), counting, kms_expectations(),
                        example_time() + std::chrono::hours(1))
                     .ok());
    EXPECT_EQ(asked, 0U);
    EXPECT_TRUE(verify(signed_request().view(), counting, kms_expectations(), example_time()).ok());
    EXPECT_EQ(asked, 1U);
}

TEST(Verify, CacheKeepsVerifiedKeysAndAsksAllTheSame) {
    SigningKeyCache cache(4);
    const OwnedRequest request = signed_request();
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(verify_example(request, {}, example_time(), &cache).ok());
        EXPECT_EQ(cache.size(), 1U);
    }
    // Wrong requests are wrong with a key in the cache as well.
    OwnedRequest wrong = request;
    wrong.body += " ";
    wrong.remove("X-Amz-Content-Sha256");
    EXPECT_FALSE(verify_example(wrong, {}, example_time(), &cache).ok());
    OwnedRequest bent = request;
    std::string& authorization = *bent.find("Authorization");
    authorization.back() = authorization.back() == '0' ? '1' : '0';
    expect_refused(verify_example(bent, {}, example_time(), &cache),
                   SigErrc::signature_does_not_match);
    // A key whose secret was changed, and one that was taken away.
    const Lookup changed = [](std::string_view /*id*/) -> Result<std::optional<Known>> {
        return std::optional<Known>(Known{secret_of("another"), {}});
    };
    expect_refused(verify(request.view(), changed, kms_expectations(), example_time(), &cache),
                   SigErrc::signature_does_not_match);
    const Lookup gone = [](std::string_view /*id*/) -> Result<std::optional<Known>> {
        return std::optional<Known>();
    };
    expect_refused(verify(request.view(), gone, kms_expectations(), example_time(), &cache),
                   SigErrc::invalid_client_token);
    // A token is asked for with each request.
    expect_refused(verify_example(request, "token", example_time(), &cache),
                   SigErrc::invalid_client_token);
}

TEST(Verify, ManyThreadsWithOneCache) {
    SigningKeyCache cache(2);
    const OwnedRequest request = signed_request();
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&] {
            for (int i = 0; i < 200; ++i) {
                ASSERT_TRUE(verify_example(request, {}, example_time(), &cache).ok());
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(cache.size(), 1U);
}

TEST(Verify, ErrorsDontRepeatWhatWasSent) {
    OwnedRequest request = signed_request();
    *request.find("Authorization") += ", <script>=1";
    const auto result = verify_example(request);
    ASSERT_FALSE(result.ok());
    EXPECT_THAT(result.error().message(), testing::Not(HasSubstr("script")));
}

}  // namespace
}  // namespace casemate::sigv4
