#include "kms/service/front.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kms/core/core_for_test.hpp"
#include "kms/core/session.hpp"
#include "kms/service/service_for_test.hpp"

namespace casemate::kms::service {
namespace {

using testing::HasSubstr;
using testing::Not;

// FailingLog can be made to fail, as a full disk does.
class FailingLog : public AuditLog {
public:
    Result<> append(std::string_view object) override {
        if (fails) {
            return Error(AuditErrc::unavailable, "no space left");
        }
        lines.emplace_back(object);
        return {};
    }
    Result<> sync() override { return {}; }
    [[nodiscard]] AuditHead head() const override {
        return {.sequence = lines.size(), .hash = std::string(64, '0')};
    }

    bool fails = false;
    std::vector<std::string> lines;
};

class KmsFront : public testing::Test {
protected:
    KmsFront()
        : access_log_(AccessLog::open("none").value()),
          front_(core_.core(), log_, *access_log_, FrontOptions()) {
        User user;
        user.name = "alice";
        user.arn = "arn:aws:iam::111122223333:user/alice";
        user.access_key_id = alice_.id;
        user.policy = CoreForTest::kEverything;
        user.created = wall_now();
        user.wrapped_secret =
            core_.vault().wrap(as_bytes(alice_.secret), access_key_binding(alice_.id)).value();
        EXPECT_TRUE(core_.repository().create_user(user).ok());
    }

    http::Response ask(const std::string& operation, const std::string& body) {
        return front_.handle(request_for(alice_, "TrentService." + operation, body,
                                         {.region = std::string(kTestRegion)}));
    }
    http::Response list(const AccessKey& as,
                        const Signed& how = {.region = std::string(kTestRegion)}) {
        return front_.handle(request_for(as, "TrentService.ListKeys", "{}", how));
    }
    // session makes one of Alice's, as if some time ago.
    AccessKey session(std::chrono::seconds ago = std::chrono::seconds(0)) {
        SessionTerms terms;
        terms.access_key_id = alice_.id;
        terms.name = "build-7";
        terms.issued = std::chrono::floor<std::chrono::seconds>(wall_now()) - ago;
        const auto made = make_session(core_.vault(), terms).value();
        return {made.access_key_id, std::string(as_text(made.secret.view())), made.token};
    }
    void expect_refused(const http::Response& response, std::string_view type,
                        const std::string& what) {
        EXPECT_EQ(response.status, 400) << what;
        EXPECT_THAT(response.body, HasSubstr("\"" + std::string(type) + "\"")) << what;
    }
    std::size_t keys() { return core_.repository().key_page("", 100)->items.size(); }

    AccessKey alice_{"AKIAEXAMPLEEXAMPLEAA", "secret"};
    CoreForTest core_;
    FailingLog log_;
    std::unique_ptr<AccessLog> access_log_;
    Front front_;
};

TEST_F(KmsFront, FailsClosedWithoutItsAuditLog) {
    ASSERT_EQ(ask("CreateKey", "{}").status, 200);
    log_.fails = true;
    const http::Response random = ask("GenerateRandom", R"({"NumberOfBytes":32})");
    EXPECT_EQ(random.status, 500);
    EXPECT_THAT(random.body, HasSubstr("KMSInternalException"));
    EXPECT_THAT(random.body, Not(HasSubstr("Plaintext")));
    // From then on nothing is done, even if the log seems to work again.
    log_.fails = false;
    EXPECT_EQ(ask("CreateKey", "{}").status, 500);
    EXPECT_EQ(keys(), 1U);
    http::Request health;
    health.method = "GET";
    health.target = "/health";
    EXPECT_EQ(front_.handle(health).status, 503);
}

TEST_F(KmsFront, LinesOfTheUnauthenticatedAreBounded) {
    http::Request request =
        request_for(alice_, std::string(8000, '"'), "{}", {.region = std::string(kTestRegion)});
    request.headers.emplace_back("User-Agent", std::string(8000, '\\'));
    request.body = "changed";
    EXPECT_EQ(front_.handle(request).status, 400);
    ASSERT_EQ(log_.lines.size(), 1U);
    EXPECT_LT(log_.lines.front().size(), 4096U);
    EXPECT_THAT(log_.lines.front(), HasSubstr("InvalidSignatureException"));
}

TEST_F(KmsFront, TextOfOthersIsMadePrintable) {
    http::Request request;
    request.method = "POST";
    request.target = "/";
    request.headers = {{"Host", "h"}, {"User-Agent", "a\xff\x01\xe2\x82z"}};
    EXPECT_EQ(front_.handle(request).status, 400);
    ASSERT_EQ(log_.lines.size(), 1U);
    EXPECT_THAT(log_.lines.front(), HasSubstr("\"userAgent\":\"a????z\""));
}

TEST_F(KmsFront, SessionsAreTakenUntilTheyEnd) {
    const AccessKey good = session();
    const http::Response response = list(good);
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_THAT(log_.lines.back(), HasSubstr("\"type\":\"IAMUser\""));
    EXPECT_THAT(log_.lines.back(), HasSubstr("\"accessKeyId\":\"" + good.id + "\""));
    EXPECT_THAT(log_.lines.back(),
                HasSubstr("\"sessionContext\":{\"attributes\":{\"creationDate\":"));
    EXPECT_THAT(log_.lines.back(), Not(HasSubstr(good.token.substr(0, 40))));
    EXPECT_EQ(list(session(std::chrono::minutes(59))).status, 200);
    const AccessKey old = session(std::chrono::hours(1));
    expect_refused(list(old), "ExpiredTokenException", "at its end");
    EXPECT_THAT(log_.lines.back(), HasSubstr("\"type\":\"Unknown\""));
    // Whoever has not its secret does not learn that it has ended.
    expect_refused(list({old.id, "wrong", old.token}), "InvalidSignatureException", "ended");
}

TEST_F(KmsFront, WrongSessionsAreRefused) {
    const AccessKey good = session();
    const AccessKey other = session();
    ASSERT_EQ(list(good).status, 200);
    const std::string invalid = "UnrecognizedClientException";
    expect_refused(list({good.id, good.secret}), invalid, "without its token");
    expect_refused(list({other.id, other.secret, good.token}), invalid, "another's token");
    expect_refused(list({good.id, good.secret, other.token}), invalid, "another token");
    expect_refused(list({alice_.id, alice_.secret, good.token}), invalid, "permanent key");
    expect_refused(list({alice_.id, good.secret, good.token}), invalid, "permanent key's id");
    expect_refused(list({good.id, good.secret, "x"}), invalid, "garbage");
    expect_refused(list({good.id, good.secret, std::string(20'000, 'A')}), invalid, "long");
    expect_refused(list({good.id, other.secret, good.token}), "InvalidSignatureException",
                   "another's secret");
    expect_refused(list({good.id, alice_.secret, good.token}), "InvalidSignatureException",
                   "the user's secret");
    expect_refused(list(good, {.region = "us-west-2"}), "InvalidSignatureException", "region");
    for (std::size_t i = 0; i < good.token.size(); i += 7) {
        std::string changed = good.token;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        expect_refused(list({good.id, good.secret, changed}), invalid, std::to_string(i));
    }
    // A token that is not signed, and one that was put in after the signature.
    http::Request added = request_for({good.id, good.secret}, "TrentService.ListKeys", "{}",
                                      {.region = std::string(kTestRegion)});
    added.headers.emplace_back("X-Amz-Security-Token", good.token);
    expect_refused(front_.handle(added), "IncompleteSignatureException", "not signed");
    http::Request twice =
        request_for(good, "TrentService.ListKeys", "{}", {.region = std::string(kTestRegion)});
    twice.headers.emplace_back("X-Amz-Security-Token", other.token);
    expect_refused(front_.handle(twice), "IncompleteSignatureException", "two tokens");
    EXPECT_EQ(list(good).status, 200);
}

TEST_F(KmsFront, SessionsEndWithTheirUser) {
    const AccessKey good = session();
    ASSERT_EQ(list(good).status, 200);
    ASSERT_TRUE(core_.repository().put_user_policy(alice_.id, "").ok());
    expect_refused(list(good), "AccessDeniedException", "his policy was taken away");
    ASSERT_TRUE(core_.repository().delete_user(alice_.id).ok());
    expect_refused(list(good), "UnrecognizedClientException", "removed");
}

TEST(KmsServiceError, SignaturesAreRefusedByAwssNames) {
    using sigv4::SigErrc;
    for (const auto& [code, type] :
         {std::pair(SigErrc::malformed_request, "ValidationException"),
          std::pair(SigErrc::missing_authentication_token, "MissingAuthenticationTokenException"),
          std::pair(SigErrc::incomplete_signature, "IncompleteSignatureException"),
          std::pair(SigErrc::invalid_client_token, "UnrecognizedClientException"),
          std::pair(SigErrc::signature_does_not_match, "InvalidSignatureException"),
          std::pair(SigErrc::wrong_scope, "InvalidSignatureException"),
          std::pair(SigErrc::request_expired, "InvalidSignatureException")}) {
        EXPECT_EQ(type_of(fault_of_signature(Error(code, "why")).code), type);
    }
    // A store that does not answer is no wrong signature.
    EXPECT_EQ(fault_of_signature(Error(StoreErrc::unavailable, "secret path")).code,
              KmsErrc::dependency_timeout);
    EXPECT_THAT(fault_of(Error(StoreErrc::damaged, "secret path")).message,
                Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace casemate::kms::service
