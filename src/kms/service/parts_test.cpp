#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <filesystem>
#include <sstream>
#include <thread>
#include <vector>

#include "base/file.hpp"
#include "base/temporary_directory.hpp"
#include "kms/service/access_log.hpp"
#include "kms/service/json_line.hpp"
#include "kms/service/listen.hpp"
#include "kms/service/metrics.hpp"
#include "kms/service/throttle.hpp"
#include "kms/service/tls_files.hpp"

namespace casemate::kms::service {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::HasSubstr;

TEST(KmsListen, ReadsAddresses) {
    struct Case {
        const char* text;
        const char* endpoint;
        bool tls;
        bool local;
    };
    for (const Case& one :
         {Case{"127.0.0.1:8443", "127.0.0.1 8443", true, true},
          Case{"localhost:1", "127.0.0.1 1", true, true},
          Case{"[::1]:8443", "::1 8443", true, true}, Case{"0.0.0.0:0", "0.0.0.0 0", true, false},
          Case{"[2001:db8::1]:443", "2001:db8::1 443", true, false},
          Case{"http:127.0.0.1:80", "127.0.0.1 80", false, true},
          Case{"unix:/run/kms", "/run/kms", true, true},
          Case{"http:unix:/run/kms", "/run/kms", false, true},
          Case{"vsock:8000", "/parent/8000", true, true}}) {
        const auto address = parse_listen_address(one.text, "/parent");
        ASSERT_TRUE(address.ok()) << one.text << ": " << address.error().message();
        std::string endpoint;
        if (const auto* tcp = std::get_if<http::TcpEndpoint>(&address->endpoint)) {
            endpoint = tcp->address + " " + std::to_string(tcp->port);
        } else {
            endpoint = std::get_if<http::UnixEndpoint>(&address->endpoint)->path;
        }
        EXPECT_EQ(endpoint, one.endpoint);
        EXPECT_EQ(address->tls, one.tls) << one.text;
        EXPECT_EQ(address->local, one.local) << one.text;
        EXPECT_EQ(address->text, one.text);
    }
}

TEST(KmsListen, RefusesOthers) {
    for (const char* text : {"",
                             "8443",
                             "127.0.0.1",
                             "127.0.0.1:",
                             "127.0.0.1:65536",
                             "127.0.0.1:-1",
                             "host:80",
                             "::1:8443",
                             "[::1]",
                             "[::1:8443",
                             "1.2.3:80",
                             "http:0.0.0.0:80",
                             "http:10.0.0.1:80",
                             "unix:",
                             "vsock:",
                             "vsock:0",
                             "vsock:4294967295",
                             "vsock:16:8000",
                             "http:vsock:8000",
                             "127.0.0.1:80 ",
                             "http:http:127.0.0.1:80"}) {
        const auto address = parse_listen_address(text, "/parent");
        ASSERT_FALSE(address.ok()) << text;
        EXPECT_TRUE(address.error().is(ServiceErrc::bad_option));
    }
    EXPECT_FALSE(parse_listen_address("unix:/" + std::string(107, 'a'), "").ok());
    EXPECT_TRUE(parse_listen_address("unix:/" + std::string(106, 'a'), "").ok());
}

TEST(KmsJsonLine, IsWhatBoostReads) {
    std::string every;
    for (char letter = 1; letter < 0x7f; ++letter) {
        every += letter;
    }
    every += std::string("\0", 1) + "\x7f\xc3\xa4";
    JsonLine line;
    line.text("plain", "").text(every, every).number("number", -5).truth("truth", true);
    line.begin("object").truth("no", false).begin("empty").end().end();
    line.begin_list("list").begin_element().text("a", "b").end().begin_element().end().end_list();
    line.value("given", "[1,2]").begin_list("none").end_list();
    const std::string text = std::move(line).take();
    const boost::json::value wanted = {
        {"plain", ""},
        {every, every},
        {"number", -5},
        {"truth", true},
        {"object", {{"no", false}, {"empty", boost::json::object()}}},
        {"list", {boost::json::object{{"a", "b"}}, boost::json::object()}},
        {"given", {1, 2}},
        {"none", boost::json::array()}};
    EXPECT_EQ(boost::json::parse(text), wanted);
    EXPECT_EQ(text, boost::json::serialize(wanted));
}

TEST(KmsAccessLog, WritesEachLineInItsOrder) {
    const auto directory = TemporaryDirectory::create();
    ASSERT_TRUE(directory.ok());
    const std::string path = directory->path() + "/access.log";
    constexpr int kThreads = 4;
    constexpr int kLines = 500;
    {
        auto log = AccessLog::open(path).value();
        std::vector<std::thread> threads;
        for (int thread = 0; thread < kThreads; ++thread) {
            threads.emplace_back([&, thread] {
                for (int i = 0; i < kLines; ++i) {
                    AccessEntry entry;
                    entry.operation = std::to_string(thread);
                    entry.status = i;
                    log->write(entry);
                }
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        // What is said is there at once, and so is what came before it.
        log->say(Time(), "done");
        const std::string text(as_text(read_file(path, 1U << 24U).value()));
        EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), kThreads * kLines + 1);
        EXPECT_TRUE(text.ends_with("\"message\":\"done\"}\n"));
        AccessEntry last;
        last.operation = "last";
        log->write(last);
    }
    std::istringstream lines(std::string(as_text(read_file(path, 1U << 24U).value())));
    std::array<int, kThreads> next{};
    std::string line;
    bool has_last = false;
    while (std::getline(lines, line)) {
        const boost::json::value entry = boost::json::parse(line);
        const auto* operation = entry.as_object().if_contains("operation");
        has_last = operation != nullptr && operation->as_string() == "last";
        if (operation != nullptr && !has_last) {
            int& wanted = next.at(static_cast<std::size_t>(operation->as_string().front() - '0'));
            EXPECT_EQ(entry.at("status").as_int64(), wanted++);
        }
    }
    EXPECT_TRUE(has_last);
    EXPECT_THAT(next, testing::Each(kLines));
}

TEST(KmsAccessLog, WritesWithoutBeingAsked) {
    const auto directory = TemporaryDirectory::create();
    ASSERT_TRUE(directory.ok());
    const std::string path = directory->path() + "/access.log";
    const auto log = AccessLog::open(path).value();
    log->write({});
    while (read_file(path, 1U << 24U).value().empty()) {
        std::this_thread::sleep_for(milliseconds(5));
    }
}

TEST(KmsThrottle, FillsWithTime) {
    Throttle throttle(2, 3);
    Throttle::Clock::time_point now{};
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(throttle.admit("a", now));
    }
    EXPECT_FALSE(throttle.admit("a", now));
    EXPECT_TRUE(throttle.admit("b", now));
    now += milliseconds(500);
    EXPECT_TRUE(throttle.admit("a", now));
    EXPECT_FALSE(throttle.admit("a", now));
    now += hours(1);
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(throttle.admit("a", now));
    }
    EXPECT_FALSE(throttle.admit("a", now));
    // A clock that goes back gives nothing.
    EXPECT_FALSE(throttle.admit("a", now - hours(1)));
    Throttle off(0, 1);
    for (int i = 0; i < 100; ++i) {
        EXPECT_TRUE(off.admit("a", now));
    }
}

TEST(KmsMetrics, BucketsAreCumulative) {
    Metrics metrics;
    const Operation* sign = find_operation("Sign");
    ASSERT_NE(sign, nullptr);
    metrics.count_request(sign, std::nullopt, milliseconds(1));
    metrics.count_request(sign, KmsErrc::disabled, milliseconds(7));
    metrics.count_request(sign, std::nullopt, hours(1));
    metrics.count_request(nullptr, KmsErrc::unknown_operation, milliseconds(1));
    metrics.count_recipient(Metrics::RecipientOutcome::refused);
    const std::string text = metrics.text({});
    const std::string of = "casemate_kms_request_duration_seconds";
    for (const char* line :
         {"casemate_kms_requests_total{operation=\"Sign\",error=\"\"} 2\n",
          "casemate_kms_requests_total{operation=\"Sign\",error=\"DisabledException\"} 1\n",
          "casemate_kms_requests_total{operation=\"none\",error=\"UnknownOperationException\"} "
          "1\n",
          "casemate_kms_recipients_total{outcome=\"refused\"} 1\n"}) {
        EXPECT_THAT(text, HasSubstr(line));
    }
    for (const auto& [bound, count] :
         {std::pair("0.0005", 0), std::pair("0.001", 1), std::pair("0.005", 1),
          std::pair("0.01", 2), std::pair("10", 2), std::pair("+Inf", 3)}) {
        EXPECT_THAT(text, HasSubstr(of + "_bucket{operation=\"Sign\",le=\"" + bound + "\"} " +
                                    std::to_string(count) + "\n"));
    }
    EXPECT_THAT(text, HasSubstr(of + "_sum{operation=\"Sign\"} 3600.008\n"));
    EXPECT_THAT(text, HasSubstr(of + "_count{operation=\"Sign\"} 3\n"));
}

class KmsTlsFiles : public testing::Test {
protected:
    [[nodiscard]] std::string server() const {
        return std::string(as_text(read_file(place_ + "/server.pem", 65536).value()));
    }

    TemporaryDirectory directory_ = TemporaryDirectory::create().value();
    std::string place_ = directory_.path() + "/tls";
    crypto::Seconds now_{hours(24 * 20000)};
};

TEST_F(KmsTlsFiles, AreMadeOnceAndRenewedInTime) {
    const auto first = own_server(place_, {"localhost", "127.0.0.1"}, now_);
    ASSERT_TRUE(first.ok()) << first.error().message();
    const std::string authority = authority_pem(place_, now_).value();
    const std::string made = server();
    const auto days = [](int number) { return hours(24 * number); };
    // The same until a third of its time is left; anew from then on, of the same authority.
    ASSERT_TRUE(own_server(place_, {"localhost", "127.0.0.1"}, now_ + days(59)).ok());
    EXPECT_EQ(server(), made);
    const auto later = own_server(place_, {"localhost", "127.0.0.1"}, now_ + days(61));
    ASSERT_TRUE(later.ok());
    EXPECT_NE(server(), made);
    EXPECT_GT(later->not_after, first->not_after);
    EXPECT_NE(later->not_before, first->not_before);
    EXPECT_EQ(authority_pem(place_, now_ + days(61)).value(), authority);
    // Other names need another certificate.
    const std::string before = server();
    ASSERT_TRUE(own_server(place_, {"localhost"}, now_ + days(61)).ok());
    EXPECT_NE(server(), before);
    // No certificate outlives its authority, and after that there is none.
    const auto last = own_server(place_, {"localhost"}, now_ + days(3600));
    ASSERT_TRUE(last.ok());
    EXPECT_EQ(last->not_after, now_ + days(3650));
    const auto over = own_server(place_, {"localhost"}, now_ + days(3650));
    ASSERT_FALSE(over.ok());
    EXPECT_TRUE(over.error().is(ServiceErrc::bad_tls_file));
}

TEST_F(KmsTlsFiles, AreTheirOwnersAlone) {
    ASSERT_TRUE(own_server(place_, {"localhost"}, now_).ok());
    using std::filesystem::perms;
    EXPECT_EQ(std::filesystem::status(place_).permissions(), perms(0700));
    for (const char* name : {"/authority.pem", "/server.pem"}) {
        EXPECT_EQ(std::filesystem::status(place_ + name).permissions(), perms(0600)) << name;
    }
    std::filesystem::permissions(place_ + "/authority.pem", perms(0644));
    EXPECT_FALSE(own_server(place_, {"localhost"}, now_).ok());
}

TEST_F(KmsTlsFiles, DamagedOnesAreRefused) {
    ASSERT_TRUE(own_server(place_, {"localhost"}, now_).ok());
    // A stranger's key beside the authority's certificate.
    const auto key = crypto::PrivateKey::generate(crypto::Curve::p384);
    const SecretBytes stranger = key->to_pem().value();
    const std::string mixed =
        authority_pem(place_, now_).value() + std::string(as_text(stranger.view()));
    for (const std::string& content : {std::string(), std::string("no PEM"), mixed}) {
        ASSERT_TRUE(write_file_atomically(place_ + "/authority.pem", as_bytes(content)).ok());
        const auto found = own_server(place_, {"localhost"}, now_);
        ASSERT_FALSE(found.ok());
        EXPECT_TRUE(found.error().is(ServiceErrc::bad_tls_file)) << found.error().message();
    }
}

}  // namespace
}  // namespace casemate::kms::service
