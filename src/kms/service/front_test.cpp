#include "kms/service/front.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kms/core/core_for_test.hpp"
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
