#include "http/url.hpp"

#include <gtest/gtest.h>

namespace casemate::http {
namespace {

TEST(Url, reads_writes_and_resolves) {
    const auto url = Url::parse("HTTPS://Registry.Example/v2/a?b=c#d");
    ASSERT_TRUE(url);
    EXPECT_EQ(url->text(), "https://registry.example/v2/a?b=c");
    EXPECT_EQ(url->resolve("/other?x")->text(), "https://registry.example/other?x");
    EXPECT_EQ(url->resolve("//cdn.example:8443/x")->text(), "https://cdn.example:8443/x");
    EXPECT_EQ(url->resolve("http://cdn.example")->text(), "http://cdn.example/");
    EXPECT_EQ(Url::parse("http://[::1]:5000?q")->text(), "http://[::1]:5000/?q");
    EXPECT_TRUE(url->same_origin(*Url::parse("https://registry.example:443/")));
    EXPECT_FALSE(url->same_origin(*Url::parse("http://registry.example:443/")));
    EXPECT_FALSE(url->same_origin(*Url::parse("https://registry.example:444/")));
    for (const char* bad :
         {"", "ftp://a/", "https://", "https:///x", "https://user@host/", "https://host:0/",
          "https://host:99999/", "https://[::1/", "https://[x]/", "https://ho st/",
          "https://host/\r\nA: b", "https://host/\x7f", "relative"}) {
        const auto refused = Url::parse(bad);
        ASSERT_FALSE(refused) << bad;
        EXPECT_TRUE(refused.error().is(HttpErrc::bad_url)) << refused.error().message();
    }
    // Passwords are not shown, control characters neither.
    for (const char* bad : {"https://user:secret@host/", "https://user:secr/secret@host/"}) {
        EXPECT_EQ(Url::parse(bad).error().message().find("sec"), std::string::npos) << bad;
    }
    EXPECT_EQ(Url::parse("\x1b[2J").error().detail(),
              "expected a URL that begins with https:// or http://, found '?[2J'");
    EXPECT_EQ(escape_query("a b/c:ü~"), "a%20b%2Fc%3A%C3%BC~");
}

TEST(Url, knows_the_machine_itself) {
    for (const char* host : {"localhost", "a.localhost", "127.0.0.1", "127.255.0.9", "::1"}) {
        EXPECT_TRUE(is_loopback(host)) << host;
    }
    for (const char* host : {"localhost.example", "128.0.0.1", "127.0.0.1.example", "::2",
                             "0.0.0.0", "127.1", "2130706433", ""}) {
        EXPECT_FALSE(is_loopback(host)) << host;
    }
}

// Where there is no scheme, as in Docker's tcp://HOST:PORT, the caller knows the port.
TEST(Authority, IsAHostAndPerhapsAPort) {
    for (const auto& [text, host, port] :
         {std::tuple("Host.Example", "host.example", 7), std::tuple("host:65535", "host", 65535),
          std::tuple("[2001:DB8::1]", "2001:db8::1", 7), std::tuple("[::1]:80", "::1", 80)}) {
        const auto found = Authority::parse(text, 7);
        ASSERT_TRUE(found) << text;
        EXPECT_EQ(found->host, host);
        EXPECT_EQ(found->port, port);
    }
    for (const std::string& bad :
         {std::string(), std::string("host:"), std::string("host:0"), std::string("host:65536"),
          std::string("::1"), std::string("[::1]80"), std::string("[host]:80"),
          std::string("host/path"), std::string("user@host"), std::string("a\0b", 3),
          std::string("[::1\0]", 6)}) {
        EXPECT_FALSE(Authority::parse(bad, 7)) << bad;
    }
    EXPECT_EQ(bracketed("::1"), "[::1]");
    EXPECT_EQ(bracketed("127.0.0.1"), "127.0.0.1");
}

}  // namespace
}  // namespace casemate::http
