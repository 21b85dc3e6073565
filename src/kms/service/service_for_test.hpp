// A whole service in a directory of its own and signed requests to it, for tests.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "base/socket.hpp"
#include "base/temporary_directory.hpp"
#include "http/client.hpp"
#include "kms/cli/main.hpp"
#include "kms/service/service.hpp"
#include "sigv4/sign.hpp"

namespace casemate::kms::service {

inline Time wall_now() {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

inline SecretBytes secret_text(std::string_view text) {
    return SecretBytes(Bytes(text.begin(), text.end()));
}

// Ran: what a command of casemate-kms did.
struct Ran {
    int status = 0;
    std::string out;
    std::string err;
};
inline Ran run_command(std::vector<std::string> arguments, const cli::Places& places = {}) {
    std::ostringstream out;
    std::ostringstream err;
    arguments.insert(arguments.begin(), "casemate-kms");
    const int status = cli::run(arguments, places, out, err);
    return {status, out.str(), err.str()};
}

// AccessKey: of a caller that user add made.
struct AccessKey {
    std::string id;
    std::string secret;
    // token of a session; empty: it is none.
    std::string token = {};
};
inline AccessKey add_user(const std::string& data, const std::string& name,
                          const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"user",         "add",    name, "--account",
                                       "111122223333", "--data", data};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ran ran = run_command(arguments);
    EXPECT_EQ(ran.status, 0) << ran.err;
    const boost::json::object key = boost::json::parse(ran.out).as_object();
    return {std::string(key.at("AccessKeyId").as_string()),
            std::string(key.at("SecretAccessKey").as_string())};
}

inline AccessKey read_session(const std::string& text) {
    const boost::json::object key = boost::json::parse(text).as_object();
    return {std::string(key.at("AccessKeyId").as_string()),
            std::string(key.at("SecretAccessKey").as_string()),
            std::string(key.at("SessionToken").as_string())};
}
// add_session makes temporary credentials of a caller.
inline AccessKey add_session(const std::string& data, const std::string& name,
                             const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"user", "session", name, "--data", data};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ran ran = run_command(arguments);
    EXPECT_EQ(ran.status, 0) << ran.err;
    return read_session(ran.out);
}

// Signed: what is different about a request.
struct Signed {
    std::string region = "us-east-1";
    std::string service = "kms";
    std::chrono::seconds later{0};
    std::string content_type = "application/x-amz-json-1.1";
};

// request_for makes a signed request; target is whole ("TrentService.ListKeys").
inline http::Request request_for(const AccessKey& key, const std::string& target, std::string body,
                                 const Signed& how = {}) {
    http::Request request;
    request.method = "POST";
    request.target = "/";
    request.body = std::move(body);
    request.headers = {{"Host", "localhost"}, {"Content-Type", how.content_type}};
    if (!target.empty()) {
        request.headers.emplace_back("X-Amz-Target", target);
    }
    const sigv4::RequestView view{.method = request.method,
                                  .target = request.target,
                                  .headers = request.headers,
                                  .body = as_bytes(request.body)};
    const sigv4::Credential credential{.access_key_id = key.id,
                                       .secret = secret_text(key.secret),
                                       .session_token = secret_text(key.token)};
    const auto added =
        sigv4::sign(view, credential,
                    {.region = how.region, .service = how.service, .time = wall_now() + how.later});
    EXPECT_TRUE(added.ok());
    request.headers.insert(request.headers.end(), added->begin(), added->end());
    return request;
}

inline boost::json::object object_of(const http::Response& response) {
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(response.body, error);
    EXPECT_FALSE(error) << response.body;
    return value.is_object() ? value.as_object() : boost::json::object();
}

// text_of gives a member that is text; empty where it is none.
inline std::string text_of(const boost::json::object& object, const char* name) {
    const auto* found = object.if_contains(name);
    return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
}

// ServiceForTest: SQLite or another store, one plain unix socket and what else the test adds.
class ServiceForTest {
    // First: it goes last.
    TemporaryDirectory directory_;

public:
    ServiceForTest() : directory_(TemporaryDirectory::create().value()) {
        options.data = data();
        options.access_log = directory_.path() + "/access.log";
        options.listeners.push_back(parse_listen_address("http:unix:" + socket_path(), "").value());
        options.tls.directory = data() + "/tls";
        options.tls.names = default_names(options.region);
        options.threads = 4;
        options.audit.sync = AuditSync::each_second;
    }

    ServiceOptions options;

    void start() {
        ServiceOptions copy;
        copy.data = options.data;
        copy.store = options.store;
        copy.listeners = options.listeners;
        copy.metrics_listeners = options.metrics_listeners;
        copy.tls = options.tls;
        copy.audit = options.audit;
        copy.access_log = options.access_log;
        copy.limits = options.limits;
        copy.threads = options.threads;
        copy.front = options.front;
        auto started = Service::start(std::move(copy));
        ASSERT_TRUE(started.ok()) << started.error().message();
        service = std::move(*started);
    }
    void stop() {
        service->stop(std::chrono::seconds(30));
        service.reset();
    }

    std::unique_ptr<Service> service;

    [[nodiscard]] const std::string& directory() const { return directory_.path(); }
    [[nodiscard]] std::string data() const { return directory_.path() + "/kms"; }
    [[nodiscard]] std::string socket_path() const { return directory_.path() + "/socket"; }
    [[nodiscard]] std::string access_log() const {
        return std::string(as_text(read_file(options.access_log, 1U << 24U).value()));
    }
    [[nodiscard]] std::string audit_text() const {
        return std::string(as_text(
            read_file(data() + "/audit/audit-00000000000000000001.jsonl", 1U << 24U).value()));
    }

    [[nodiscard]] http::Connection connect() const {
        return http::Connection::over(connect_unix(socket_path(), SOCK_STREAM).value(),
                                      std::nullopt)
            .value();
    }
    [[nodiscard]] http::Response send(const http::Request& request) const {
        http::Connection connection = connect();
        auto response = connection.exchange(request);
        EXPECT_TRUE(response.ok()) << response.error().message();
        return response ? *response : http::Response{.status = 0, .headers = {}, .body = {}};
    }
    // ask sends one operation and expects it to succeed.
    [[nodiscard]] boost::json::object ask(const AccessKey& key, const std::string& operation,
                                          const std::string& body) const {
        const http::Response response = send(request_for(key, "TrentService." + operation, body));
        EXPECT_EQ(response.status, 200) << operation << ": " << response.body;
        return object_of(response);
    }
};

}  // namespace casemate::kms::service
