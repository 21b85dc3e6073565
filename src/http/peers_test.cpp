// Clients of others: curl and OpenSSL's s_client.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/process.hpp"
#include "base/temporary_directory.hpp"
#include "http/server_for_test.hpp"

namespace casemate::http {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Output {
    int exit_code = -1;
    std::string text;
};

// run gives what a program says to both its outputs.
Output run(const std::string& program, std::vector<std::string> arguments,
           std::string_view input = "") {
    FdPair in = make_pipe().value();
    FdPair out = make_pipe().value();
    SpawnOptions options;
    options.program = program;
    options.arguments = std::move(arguments);
    options.environment = {"PATH=/usr/bin:/bin", "OPENSSL_CONF=/dev/null"};
    options.standard_input = in.first.get();
    options.standard_output = out.second.get();
    options.standard_error = out.second.get();
    auto process = Process::spawn(options);
    EXPECT_TRUE(process.ok()) << process.error().message();
    in.first.reset();
    out.second.reset();
    EXPECT_TRUE(write_all(in.second.get(), as_bytes(input)).ok());
    in.second.reset();
    Output output;
    Bytes bytes(65536);
    while (true) {
        const auto got = read_some(out.first.get(), bytes);
        if (!got || *got == 0) {
            break;
        }
        output.text.append(as_text(ByteView(bytes).first(*got)));
    }
    output.exit_code = process->wait()->exit_code.value_or(-1);
    return output;
}

constexpr const char* kCurl = "/usr/bin/curl";
constexpr const char* kOpenssl = "/usr/bin/openssl";

class HttpPeers : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(write_file_atomically(ca_, as_bytes(authority().pem)).ok());
        server_ = start_server({.listeners = {tcp_listener(), tls_listener()}});
    }

    [[nodiscard]] std::string url(const std::string& path) const {
        return "https://localhost:" + std::to_string(*server_->bound_port("tls")) + path;
    }
    [[nodiscard]] Output curl(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), {"--silent", "--show-error", "--max-time", "60",
                                             "--noproxy", "*", "--cacert", ca_});
        return run(kCurl, std::move(arguments));
    }
    // s_client says a request and prints what comes until the server ends.
    [[nodiscard]] Output s_client(const std::vector<std::string>& more) const {
        std::vector<std::string> arguments = {
            "s_client", "-connect", "127.0.0.1:" + std::to_string(*server_->bound_port("tls")),
            "-CAfile",  ca_,        "-verify_return_error",
            "-ign_eof"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return run(kOpenssl, std::move(arguments),
                   "GET /s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    }

    TemporaryDirectory directory_ = TemporaryDirectory::create().value();
    std::string ca_ = directory_.path() + "/ca.pem";
    std::unique_ptr<Server> server_;
};

class HttpCurl : public HttpPeers {
protected:
    void SetUp() override {
        if (::access(kCurl, X_OK) != 0) {
            GTEST_SKIP() << "there is no " << kCurl;
        }
        HttpPeers::SetUp();
    }
};

class HttpOpenssl : public HttpPeers {
protected:
    void SetUp() override {
        if (::access(kOpenssl, X_OK) != 0) {
            GTEST_SKIP() << "there is no " << kOpenssl;
        }
        HttpPeers::SetUp();
    }
};

TEST_F(HttpCurl, KeepsItsConnection) {
    const Output output = curl({"--data-binary", "hello", url("/1"), url("/2"), url("/3")});
    EXPECT_EQ(output.exit_code, 0) << output.text;
    EXPECT_EQ(output.text, "POST /1 helloPOST /2 helloPOST /3 hello");
    EXPECT_EQ(server_->statistics().accepted, 1U);
}

TEST_F(HttpCurl, SpeaksEveryVersion) {
    for (const char* version : {"--http1.0", "--http1.1", "--http2"}) {
        const Output output = curl({version, url("/v")});
        EXPECT_EQ(output.text, "GET /v ") << version;
    }
    EXPECT_EQ(curl({"--tls-max", "1.2", "--tlsv1.2", url("/2")}).text, "GET /2 ");
    EXPECT_EQ(curl({"--tlsv1.3", url("/3")}).text, "GET /3 ");
    EXPECT_EQ(curl({"--head", url("/head")}).exit_code, 0);
}

TEST_F(HttpCurl, WaitsForContinueAndSendsChunks) {
    const std::string path = directory_.path() + "/body";
    ASSERT_TRUE(write_file_atomically(path, as_bytes(std::string(900000, 'b'))).ok());
    for (const char* header : {"Expect: 100-continue", "Expect:"}) {
        for (const char* coding : {"Transfer-Encoding: chunked", "X: y"}) {
            const Output output = curl({"--data-binary", "@" + path, "--header", header, "--header",
                                        coding, "--verbose", url("/")});
            EXPECT_EQ(output.exit_code, 0) << output.text;
            EXPECT_THAT(output.text, HasSubstr("POST / bbbbb"));
            if (header[7] != '\0') {
                EXPECT_THAT(output.text, HasSubstr("HTTP/1.1 100 Continue"));
            }
        }
    }
    ASSERT_TRUE(write_file_atomically(path, as_bytes(std::string(9000000, 'b'))).ok());
    for (const char* header : {"Expect: 100-continue", "Expect:"}) {
        const Output output = curl({"--data-binary", "@" + path, "--header", header, "--output",
                                    "/dev/null", "--write-out", "%{http_code}", url("/")});
        EXPECT_THAT(output.text, HasSubstr("413")) << header;
    }
}

TEST_F(HttpCurl, DoesNotTrustAnother) {
    const TestAuthority other;
    ASSERT_TRUE(server_->replace_tls("tls", *other.server).ok());
    EXPECT_EQ(curl({url("/")}).exit_code, 60);
    EXPECT_TRUE(eventually([&] { return server_->statistics().handshake_failures == 1; }));
    ASSERT_TRUE(server_->replace_tls("tls", *authority().server).ok());
    EXPECT_EQ(curl({url("/")}).exit_code, 0);
}

TEST_F(HttpOpenssl, SpeaksNewVersionsOnly) {
    for (const char* version : {"-tls1_2", "-tls1_3"}) {
        const Output output = s_client({version});
        EXPECT_EQ(output.exit_code, 0) << output.text;
        EXPECT_THAT(output.text, HasSubstr("HTTP/1.1 200 OK")) << version;
        EXPECT_THAT(output.text, HasSubstr("Verify return code: 0 (ok)"));
    }
    for (const char* version : {"-tls1", "-tls1_1"}) {
        const Output output = s_client({version, "-cipher", "ALL:@SECLEVEL=0"});
        EXPECT_NE(output.exit_code, 0) << version;
        EXPECT_THAT(output.text, HasSubstr("alert protocol version")) << version;
        EXPECT_THAT(output.text, Not(HasSubstr("HTTP/1.1")));
    }
    EXPECT_TRUE(eventually([&] { return server_->statistics().handshake_failures == 2; }));
    EXPECT_EQ(server_->statistics().requests, 2U);
}

TEST_F(HttpOpenssl, WhoIsSlowIsToldThroughTls) {
    Options options;
    options.limits.request = std::chrono::milliseconds(300);
    options.listeners.push_back(tls_listener());
    server_ = start_server(std::move(options));
    const Output output =
        run(kOpenssl,
            {"s_client", "-connect", "127.0.0.1:" + std::to_string(*server_->bound_port("tls")),
             "-CAfile", ca_, "-quiet", "-ign_eof"},
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
    EXPECT_THAT(output.text, HasSubstr("HTTP/1.1 408 Request Timeout"));
    EXPECT_EQ(server_->statistics().request_timeouts, 1U);
}

}  // namespace
}  // namespace casemate::http
