#include "kms/service/service.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include "http/server_for_test.hpp"
#include "kms/service/service_for_test.hpp"
#include "kms/store/postgresql_for_test.hpp"

namespace casemate::kms::service {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

http::Request get(const std::string& target) {
    return {.method = "GET",
            .target = target,
            .headers = {{"Host", "localhost"}},
            .body = {},
            .peer = {}};
}

std::string create_key(const ServiceForTest& of, const AccessKey& key) {
    return text_of(of.ask(key, "CreateKey", "{}").at("KeyMetadata").as_object(), "KeyId");
}

TEST(KmsService, SignedRequestsAreAnsweredAndAudited) {
    ServiceForTest of;
    of.start();
    const AccessKey alice = add_user(of.data(), "alice");
    const std::string id = create_key(of, alice);
    const auto encrypted = of.ask(alice, "Encrypt",
                                  R"({"KeyId":")" + id +
                                      R"(","Plaintext":"dmVyeSBzZWNyZXQ=",)"
                                      R"("EncryptionContext":{"purpose":"test"}})");
    const http::Response response =
        of.send(request_for(alice, "TrentService.Decrypt",
                            R"({"CiphertextBlob":")" + text_of(encrypted, "CiphertextBlob") +
                                R"(","EncryptionContext":{"purpose":"test"}})"));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(text_of(object_of(response), "Plaintext"), "dmVyeSBzZWNyZXQ=");
    const std::string* request_id = http::find_header(response.headers, "x-amzn-RequestId");
    ASSERT_NE(request_id, nullptr);
    EXPECT_EQ(*http::find_header(response.headers, "Content-Type"), "application/x-amz-json-1.1");
    of.stop();

    const std::string audit = of.audit_text();
    EXPECT_THAT(audit, HasSubstr("\"eventName\":\"Decrypt\""));
    EXPECT_THAT(audit, HasSubstr(*request_id));
    EXPECT_THAT(audit, HasSubstr("\"arn\":\"arn:aws:iam::111122223333:user/alice\""));
    EXPECT_THAT(audit, HasSubstr("\"encryptionContext\":{\"purpose\":\"test\"}"));
    EXPECT_THAT(audit, HasSubstr("\"ARN\":\"arn:aws:kms:us-east-1:111122223333:key/" + id));
    EXPECT_THAT(audit, HasSubstr("\"readOnly\":false"));
    EXPECT_THAT(of.access_log(), HasSubstr("\"operation\":\"Decrypt\""));
    for (const std::string& log : {audit, of.access_log()}) {
        EXPECT_THAT(log, Not(HasSubstr("dmVyeSBzZWNyZXQ")));
        EXPECT_THAT(log, Not(HasSubstr(alice.secret)));
        EXPECT_THAT(log, Not(HasSubstr("Signature=")));
    }
    const auto report = verify_audit(of.data() + "/audit");
    ASSERT_TRUE(report.ok()) << report.error().message();
    EXPECT_EQ(report->head.sequence, 3U);
}

TEST(KmsService, ARolesSessionsUseItsKeys) {
    ServiceForTest of;
    of.start();
    const std::string role = "arn:aws:iam::111122223333:role/builder";
    ASSERT_EQ(
        run_command({"user", "add", "builder", "--arn", role, "--no-policy", "--data", of.data()})
            .status,
        0);
    const AccessKey alice = add_user(of.data(), "alice");
    boost::json::object policy{
        {"Statement",
         {{{"Effect", "Allow"},
           {"Principal", {{"AWS", {role, "arn:aws:iam::111122223333:root"}}}},
           {"Action", "kms:*"},
           {"Resource", "*"}}}}};
    const auto made = of.ask(
        alice, "CreateKey",
        boost::json::serialize(boost::json::object{{"Policy", boost::json::serialize(policy)}}));
    const std::string id = text_of(made.at("KeyMetadata").as_object(), "KeyId");
    const AccessKey session =
        add_session(of.data(), "builder", {"--session-name", "run-1", "--duration", "900"});
    const std::string encrypt = R"({"KeyId":")" + id + R"(","Plaintext":"AAAA"})";
    EXPECT_FALSE(text_of(of.ask(session, "Encrypt", encrypt), "CiphertextBlob").empty());
    // Keys that name nobody are the account's, which lets a caller's own policy decide: he has
    // none.
    const http::Response other = of.send(request_for(
        session, "TrentService.DescribeKey", R"({"KeyId":")" + create_key(of, alice) + "\"}"));
    EXPECT_EQ(other.status, 400);
    EXPECT_THAT(other.body, HasSubstr("User: arn:aws:sts::111122223333:assumed-role/builder/run-1 "
                                      "is not authorized"));
    // A policy of the session narrows.
    const std::string file = of.directory() + "/describe.json";
    ASSERT_TRUE(write_file_atomically(
                    file, as_bytes(R"({"Statement":{"Effect":"Allow","Action":"kms:Describe*",)"
                                   R"("Resource":"*"}})"))
                    .ok());
    const AccessKey narrowed = add_session(of.data(), "builder", {"--policy", file});
    static_cast<void>(of.ask(narrowed, "DescribeKey", R"({"KeyId":")" + id + "\"}"));
    EXPECT_THAT(of.send(request_for(narrowed, "TrentService.Encrypt", encrypt)).body,
                HasSubstr("no session policy allows the kms:Encrypt action"));
    ASSERT_EQ(run_command({"user", "remove", "builder", "--data", of.data()}).status, 0);
    EXPECT_THAT(of.send(request_for(session, "TrentService.Encrypt", encrypt)).body,
                HasSubstr("UnrecognizedClientException"));
    of.stop();
    EXPECT_THAT(of.audit_text(),
                HasSubstr(R"("userIdentity":{"type":"AssumedRole",)"
                          R"("arn":"arn:aws:sts::111122223333:assumed-role/builder/run-1",)"
                          R"("accountId":"111122223333","accessKeyId":")" +
                          session.id +
                          R"(","sessionContext":{"sessionIssuer":{"type":"Role","arn":")" + role +
                          R"(","accountId":"111122223333","userName":"builder"},)"
                          R"("attributes":{"creationDate":")"));
    for (const std::string& log : {of.audit_text(), of.access_log()}) {
        EXPECT_THAT(log, Not(HasSubstr(session.secret)));
        EXPECT_THAT(log, Not(HasSubstr(session.token)));
    }
}

// Refused: a request that is refused, and with what.
struct Refused {
    std::string name;
    http::Request request;
    std::string type;
    int status = 400;
};

std::vector<Refused> refused_requests(const AccessKey& alice) {
    const std::string list = "TrentService.ListKeys";
    std::vector<Refused> all;
    const auto add = [&](std::string name, http::Request request, std::string type,
                         int status = 400) {
        all.push_back({std::move(name), std::move(request), std::move(type), status});
    };
    http::Request none = request_for(alice, list, "{}");
    std::erase_if(none.headers, [](const auto& header) { return header.first == "Authorization"; });
    add("unsigned", none, "MissingAuthenticationTokenException");
    add("unknown access key", request_for({"AKIAAAAAAAAAAAAAAAAA", alice.secret}, list, "{}"),
        "UnrecognizedClientException");
    add("wrong secret", request_for({alice.id, "wrong"}, list, "{}"), "InvalidSignatureException");
    add("region", request_for(alice, list, "{}", {.region = "eu-west-1"}),
        "InvalidSignatureException");
    add("service", request_for(alice, list, "{}", {.service = "s3"}), "InvalidSignatureException");
    add("old", request_for(alice, list, "{}", {.later = seconds(-360)}),
        "InvalidSignatureException");
    add("early", request_for(alice, list, "{}", {.later = seconds(360)}),
        "InvalidSignatureException");
    http::Request changed = request_for(alice, list, R"({"Limit":1})");
    changed.body = R"({"Limit":2})";
    add("changed body", changed, "InvalidSignatureException");
    http::Request other = request_for(alice, list, "{}");
    for (auto& [name, value] : other.headers) {
        value = name == "X-Amz-Target" ? "TrentService.CreateKey" : value;
    }
    add("changed target", other, "InvalidSignatureException");
    add("unknown operation", request_for(alice, "TrentService.Frobnicate", "{}"),
        "UnknownOperationException");
    add("other service", request_for(alice, "Secrets.ListKeys", "{}"), "UnknownOperationException");
    add("no target", request_for(alice, "", "{}"), "UnknownOperationException");
    add("content type", request_for(alice, list, "{}", {.content_type = "text/plain"}),
        "UnknownOperationException");
    add("no JSON", request_for(alice, list, "{\"Limit\":"), "SerializationException");
    add("a list", request_for(alice, list, "[]"), "SerializationException");
    add("a wrong type", request_for(alice, list, R"({"Limit":"many"})"), "SerializationException");
    add("no such key", request_for(alice, "TrentService.DescribeKey", R"({"KeyId":"alias/none"})"),
        "NotFoundException");
    return all;
}

TEST(KmsService, RefusalsHaveTheNamesThatClientsKnow) {
    ServiceForTest of;
    of.start();
    const AccessKey alice = add_user(of.data(), "alice");
    const auto all = refused_requests(alice);
    for (const Refused& refused : all) {
        const http::Response response = of.send(refused.request);
        EXPECT_EQ(response.status, refused.status) << refused.name;
        const auto body = object_of(response);
        EXPECT_EQ(text_of(body, "__type"), refused.type) << refused.name << response.body;
        EXPECT_TRUE(body.contains("message")) << refused.name;
        EXPECT_NE(http::find_header(response.headers, "x-amzn-RequestId"), nullptr);
    }
    // Each was audited, and nothing else.
    const auto report = verify_audit(of.data() + "/audit");
    ASSERT_TRUE(report.ok()) << report.error().message();
    of.stop();
    EXPECT_EQ(verify_audit(of.data() + "/audit")->head.sequence, all.size());
    EXPECT_THAT(of.audit_text(), HasSubstr("\"errorCode\":\"InvalidSignatureException\""));
    EXPECT_THAT(of.audit_text(), HasSubstr("\"accessKeyId\":\"AKIAAAAAAAAAAAAAAAAA\""));
}

TEST(KmsService, WhatIsNotTheProtocolIsNotFound) {
    ServiceForTest of;
    of.start();
    for (const char* target : {"/", "/healthy", "/metrics/", "//"}) {
        EXPECT_EQ(of.send(get(target)).status, 404) << target;
    }
    http::Request put = get("/");
    put.method = "PUT";
    EXPECT_EQ(of.send(put).status, 404);
}

TEST(KmsService, LimitsEndWhatIsTooMuchOrTooSlow) {
    ServiceForTest of;
    of.options.limits.body_bytes = 4096;
    of.options.limits.header_bytes = 4096;
    of.options.limits.request = std::chrono::milliseconds(500);
    of.start();
    const AccessKey alice = add_user(of.data(), "alice");
    const http::Response large =
        of.send(request_for(alice, "TrentService.ListKeys", std::string(5000, ' ') + "{}"));
    EXPECT_EQ(large.status, 413);
    EXPECT_EQ(text_of(object_of(large), "__type"), "SerializationException");
    http::Raw slow(connect_unix(of.socket_path(), SOCK_STREAM).value());
    ASSERT_TRUE(slow.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345"));
    EXPECT_EQ(http::status_of(slow.receive_all()), 408);
    http::Raw headers(connect_unix(of.socket_path(), SOCK_STREAM).value());
    ASSERT_TRUE(headers.send("POST / HTTP/1.1\r\nHost: h\r\nA: " + std::string(5000, 'a')));
    EXPECT_EQ(http::status_of(headers.receive_all()), 431);
    of.stop();
    EXPECT_THAT(of.access_log(), HasSubstr("\"status\":413"));
    EXPECT_THAT(of.access_log(), HasSubstr("\"status\":408"));
}

TEST(KmsService, TellsHealthAndMetrics) {
    ServiceForTest of;
    const std::string metrics = of.directory() + "/metrics";
    of.options.metrics_listeners.push_back(
        parse_listen_address("http:unix:" + metrics, "").value());
    of.start();
    const AccessKey alice = add_user(of.data(), "alice");
    static_cast<void>(create_key(of, alice));
    EXPECT_EQ(of.send(get("/health")).body,
              "{\"status\":\"ok\",\"store\":\"ok\",\"vault\":\"ok\",\"audit\":\"ok\"}\n");
    // Connections that have ended may be open on the service's side for a moment more.
    std::string text = of.send(get("/metrics")).body;
    for (int i = 0; i < 500 && text.find("casemate_kms_connections 1\n") == std::string::npos;
         ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        text = of.send(get("/metrics")).body;
    }
    EXPECT_THAT(text, HasSubstr("casemate_kms_requests_total{operation=\"CreateKey\",error=\"\"} "
                                "1\n"));
    EXPECT_THAT(text, HasSubstr("casemate_kms_request_duration_seconds_bucket{operation="
                                "\"CreateKey\",le=\"+Inf\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("casemate_kms_healthy{part=\"store\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("casemate_kms_connections 1\n"));
    auto alone = http::Connection::over(connect_unix(metrics, SOCK_STREAM).value(), std::nullopt);
    EXPECT_EQ(alone->exchange(get("/metrics"))->status, 200);
    EXPECT_EQ(alone->exchange(request_for(alice, "TrentService.ListKeys", "{}"))->status, 404);
}

TEST(KmsService, SpeaksTlsWithItsOwnCertificate) {
    ServiceForTest of;
    of.options.listeners.push_back(parse_listen_address("127.0.0.1:0", "").value());
    of.start();
    const AccessKey alice = add_user(of.data(), "alice");
    const Ran exported = run_command({"export-ca", "--data", of.data()});
    ASSERT_EQ(exported.status, 0) << exported.err;
    const std::string url = of.service->addresses().back();
    const auto port = static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
    for (const auto& [host, good] : {std::pair("localhost", true), std::pair("127.0.0.1", true),
                                     std::pair("kms.us-east-1.amazonaws.com", true),
                                     std::pair("kms.eu-west-1.amazonaws.com", false)}) {
        const auto context = crypto::TlsClientContext::from_pem(as_bytes(exported.out));
        ASSERT_TRUE(context.ok());
        auto connection =
            http::Connection::over(http::connect_tcp(port), http::TlsClient{*context, host});
        ASSERT_EQ(connection.ok(), good) << host;
        if (good) {
            EXPECT_EQ(
                connection->exchange(request_for(alice, "TrentService.ListKeys", "{}"))->status,
                200);
        }
    }
    EXPECT_EQ(std::filesystem::status(of.data() + "/tls/server.pem").permissions(),
              std::filesystem::perms(0600));
}

TEST(KmsService, ARemovedCallerIsRefusedAtOnce) {
    ServiceForTest of;
    of.start();
    const AccessKey alice = add_user(of.data(), "alice");
    static_cast<void>(of.ask(alice, "ListKeys", "{}"));
    ASSERT_EQ(run_command({"user", "policy", "alice", "--no-policy", "--data", of.data()}).status,
              0);
    EXPECT_EQ(
        text_of(object_of(of.send(request_for(alice, "TrentService.ListKeys", "{}"))), "__type"),
        "AccessDeniedException");
    ASSERT_EQ(run_command({"user", "remove", "alice", "--data", of.data()}).status, 0);
    EXPECT_EQ(
        text_of(object_of(of.send(request_for(alice, "TrentService.ListKeys", "{}"))), "__type"),
        "UnrecognizedClientException");
}

TEST(KmsService, CallersAreThrottled) {
    ServiceForTest of;
    of.options.front.requests_per_second = 0.001;
    of.options.front.burst = 2;
    of.start();
    const AccessKey alice = add_user(of.data(), "alice");
    const AccessKey bob = add_user(of.data(), "bob");
    for (int i = 0; i < 2; ++i) {
        static_cast<void>(of.ask(alice, "ListKeys", "{}"));
    }
    const http::Response third = of.send(request_for(alice, "TrentService.ListKeys", "{}"));
    EXPECT_EQ(third.status, 400);
    EXPECT_EQ(text_of(object_of(third), "__type"), "ThrottlingException");
    static_cast<void>(of.ask(bob, "ListKeys", "{}"));
}

TEST(KmsService, OtherRootKeysAreRefused) {
    ServiceForTest of;
    of.start();
    static_cast<void>(add_user(of.data(), "alice"));
    of.stop();
    std::filesystem::remove(of.data() + "/root-keys");
    const auto opened = open_data(of.data(), "", Unprotected());
    ASSERT_FALSE(opened.ok());
    EXPECT_TRUE(opened.error().is(ServiceErrc::wrong_root_keys)) << opened.error().message();
}

TEST(KmsService, TheAuditLogIsOneServicesOwn) {
    ServiceForTest of;
    of.start();
    ServiceForTest second;
    second.options.data = of.data();
    auto started = Service::start(std::move(second.options));
    ASSERT_FALSE(started.ok());
    EXPECT_TRUE(started.error().is(AuditErrc::unavailable)) << started.error().message();
}

// make_keys makes keys until the service goes, and gives those that were answered for.
std::vector<std::string> make_keys(const ServiceForTest& of, const AccessKey& key,
                                   std::atomic<std::size_t>& made) {
    std::vector<std::string> ids;
    auto connection =
        http::Connection::over(connect_unix(of.socket_path(), SOCK_STREAM).value(), std::nullopt);
    while (connection->is_open()) {
        const auto response =
            connection->exchange(request_for(key, "TrentService.CreateKey", "{}"));
        if (!response) {
            break;
        }
        EXPECT_EQ(response->status, 200) << response->body;
        ids.push_back(text_of(object_of(*response).at("KeyMetadata").as_object(), "KeyId"));
        ++made;
    }
    return ids;
}

TEST(KmsService, StoppedUnderLoadLosesNothing) {
    ServiceForTest of;
    of.start();
    const AccessKey alice = add_user(of.data(), "alice");
    constexpr std::size_t kClients = 4;
    std::atomic<std::size_t> made{0};
    std::vector<std::vector<std::string>> ids(kClients);
    std::vector<std::thread> clients;
    for (std::size_t i = 0; i < kClients; ++i) {
        clients.emplace_back([&, i] { ids[i] = make_keys(of, alice, made); });
    }
    ASSERT_TRUE(http::eventually([&] { return made >= 20; }));
    of.stop();
    for (std::thread& client : clients) {
        client.join();
    }
    const auto repository = Repository::open(of.data()).value();
    std::size_t answered = 0;
    for (const auto& list : ids) {
        answered += list.size();
        for (const std::string& id : list) {
            EXPECT_TRUE(repository->key(id).ok()) << id;
        }
    }
    const auto report = verify_audit(of.data() + "/audit");
    ASSERT_TRUE(report.ok()) << report.error().message();
    EXPECT_GE(report->head.sequence, answered);
    // What was not answered for may have been made: one of each client at most.
    EXPECT_LE(report->head.sequence, answered + kClients);
}

TEST(KmsService, TwoServicesShareOnePostgresql) {
    if (!PostgresqlForTest::binaries()) {
        GTEST_SKIP() << "PostgreSQL is not installed";
    }
    const auto postgresql = PostgresqlForTest::start();
    ASSERT_TRUE(postgresql.ok()) << postgresql.error().message();
    ServiceForTest first;
    ServiceForTest second;
    first.options.store = (*postgresql)->url();
    second.options.store = (*postgresql)->url();
    first.start();
    const AccessKey alice = add_user(first.data(), "alice", {"--store", (*postgresql)->url()});
    // Root keys of its own open nothing of this store.
    auto refused = open_data(second.data(), second.options.store, Unprotected());
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(ServiceErrc::wrong_root_keys));
    std::filesystem::copy_file(first.data() + "/root-keys", second.data() + "/root-keys",
                               std::filesystem::copy_options::overwrite_existing);
    second.start();
    const std::string id = create_key(first, alice);
    const std::string named = R"({"KeyId":")" + id + "\"";
    const auto encrypted = second.ask(alice, "Encrypt", named + R"(,"Plaintext":"aGk="})");
    const std::string blob =
        R"({"CiphertextBlob":")" + text_of(encrypted, "CiphertextBlob") + "\"}";
    EXPECT_EQ(text_of(first.ask(alice, "Decrypt", blob), "Plaintext"), "aGk=");
    static_cast<void>(first.ask(alice, "DisableKey", named + "}"));
    EXPECT_EQ(
        text_of(object_of(second.send(request_for(alice, "TrentService.Decrypt", blob))), "__type"),
        "DisabledException");
    first.stop();
    second.stop();
    EXPECT_EQ(verify_audit(first.data() + "/audit")->head.sequence, 3U);
    EXPECT_EQ(verify_audit(second.data() + "/audit")->head.sequence, 2U);
}

}  // namespace
}  // namespace casemate::kms::service
