#include "sigv4/canonical.hpp"

#include <gtest/gtest.h>

#include "sigv4/text.hpp"

namespace casemate::sigv4 {
namespace {

std::string path_of(std::string_view target) {
    const auto result = CanonicalTarget::from(target);
    return result ? result->path : result.error().message();
}

std::string query_of(std::string_view query) {
    const auto result = CanonicalTarget::from("/?" + std::string(query));
    return result ? result->query : result.error().message();
}

TEST(CanonicalTarget, PathIsNormalizedAndEncodedAgain) {
    EXPECT_EQ(path_of("/"), "/");
    EXPECT_EQ(path_of("/?a=b"), "/");
    EXPECT_EQ(path_of("/a/b/"), "/a/b/");
    EXPECT_EQ(path_of("/../../a"), "/a");
    EXPECT_EQ(path_of("/a/./b/../c"), "/a/c");
    EXPECT_EQ(path_of("/a//b///c"), "/a/b/c");
    EXPECT_EQ(path_of("/.../a"), "/.../a");
    // What is sent encoded is encoded once more, and is no dot segment.
    EXPECT_EQ(path_of("/a%20b"), "/a%2520b");
    EXPECT_EQ(path_of("/a/%2e%2e/b"), "/a/%252e%252e/b");
    EXPECT_EQ(path_of("/a/%2F/b"), "/a/%252F/b");
    EXPECT_EQ(path_of("/%zz"), "/%25zz");
    EXPECT_EQ(path_of("/a*b:c@d!$&'()+,;="), "/a%2Ab%3Ac%40d%21%24%26%27%28%29%2B%2C%3B%3D");
}

TEST(CanonicalTarget, QueryIsSortedAndEncodedOnce) {
    EXPECT_EQ(query_of(""), "");
    EXPECT_EQ(query_of("b=2&a=1"), "a=1&b=2");
    EXPECT_EQ(query_of("a"), "a=");
    EXPECT_EQ(query_of("=a"), "=a");
    EXPECT_EQ(query_of("a=b=c"), "a=b%3Dc");
    EXPECT_EQ(query_of("&"), "=&=");
    EXPECT_EQ(query_of("a?b=c"), "a%3Fb=c");
    EXPECT_EQ(query_of("a+b=%2B"), "a%2Bb=%2B");
    EXPECT_EQ(query_of("%61=%7e"), "a=~");
    EXPECT_EQ(query_of("a=%c3%a9"), "a=%C3%A9");
    EXPECT_EQ(query_of("a=%00"), "a=%00");
    EXPECT_EQ(query_of("a-=1&a=2&A=3"), "A=3&a=2&a-=1");
}

TEST(CanonicalTarget, Refuses) {
    const std::string many_parameters(kMaxQueryParameters, '&');
    for (const std::string& target :
         {std::string(), std::string("a"), std::string("*"), std::string("https://kms/"),
          std::string("?a=b"), std::string("/a\n"), std::string("/a\r\nb"), std::string("/\t"),
          std::string("/\0", 2), std::string("/?\x7f"), std::string("/?a=%"), std::string("/?a=%4"),
          std::string("/?a=%4g"), std::string("/?%g4"), std::string("/?%+1"), std::string("/?% 1"),
          "/?" + many_parameters, "/" + std::string(kMaxTarget, 'a')}) {
        const auto result = CanonicalTarget::from(target);
        ASSERT_FALSE(result.ok()) << target;
        EXPECT_TRUE(result.error().is(SigErrc::malformed_request));
    }
    EXPECT_TRUE(CanonicalTarget::from("/" + std::string(kMaxTarget - 1, 'a')).ok());
    EXPECT_TRUE(CanonicalTarget::from("/?" + many_parameters.substr(1)).ok());
}

TEST(CanonicalHeaders, SortedTrimmedFoldedAndJoined) {
    const Headers given = {
        {"X-B", " 1\t \t2  3 "}, {"HOST", "a"}, {"x-b", "\t"}, {"X-a", ""}, {"X-B", "4"}};
    const auto headers = CanonicalHeaders::from(given);
    ASSERT_TRUE(headers.ok());
    ASSERT_EQ(headers->all().size(), 3U);
    EXPECT_EQ(headers->all()[0].name, "host");
    EXPECT_EQ(headers->find("host")->value, "a");
    EXPECT_EQ(headers->find("x-a")->value, "");
    EXPECT_EQ(headers->find("x-b")->value, "1 2 3,,4");
    EXPECT_EQ(headers->find("x-b")->count, 3U);
    EXPECT_EQ(headers->find("x-c"), nullptr);
    EXPECT_EQ(headers->find("X-B"), nullptr);
    EXPECT_TRUE(CanonicalHeaders::from({}).ok());
}

void expect_refused(const Headers& headers) {
    const auto result = CanonicalHeaders::from(headers);
    ASSERT_FALSE(result.ok());
    EXPECT_TRUE(result.error().is(SigErrc::malformed_request));
}

TEST(CanonicalHeaders, Refuses) {
    for (const std::string& name :
         {std::string(), std::string("a b"), std::string("a:"), std::string("a\n"),
          std::string("\xc3\xa9"), std::string("a\0", 2), std::string(":authority")}) {
        expect_refused({{name, "value"}});
    }
    for (const std::string& value :
         {std::string("a\nb"), std::string("a\r"), std::string("a\0b", 3), std::string("\x7f")}) {
        expect_refused({{"name", value}});
    }
    expect_refused(Headers(kMaxHeaders + 1, {"a", "b"}));
    EXPECT_TRUE(CanonicalHeaders::from(Headers(kMaxHeaders, {"a", "b"})).ok());
    expect_refused({{"a", std::string(kMaxHeaderBytes, 'a')}});
    EXPECT_TRUE(CanonicalHeaders::from(Headers{{"a", std::string(kMaxHeaderBytes - 1, 'a')}}).ok());
}

TEST(CanonicalHeaders, MethodIsAToken) {
    EXPECT_TRUE(check_method("POST").ok());
    EXPECT_TRUE(check_method(std::string(kMaxMethod, 'A')).ok());
    for (const std::string& method : {std::string(), std::string("PO ST"), std::string("POST\n"),
                                      std::string(kMaxMethod + 1, 'A')}) {
        const auto result = check_method(method);
        ASSERT_FALSE(result.ok());
        EXPECT_TRUE(result.error().is(SigErrc::malformed_request));
    }
}

TEST(Text, PercentRoundTrip) {
    std::string all;
    for (int byte = 0; byte < 256; ++byte) {
        all += static_cast<char>(byte);
    }
    EXPECT_EQ(percent_decode(percent_encode(all)), all);
    EXPECT_EQ(percent_encode("a/b", "/"), "a/b");
    EXPECT_EQ(percent_encode("a/b"), "a%2Fb");
}

}  // namespace
}  // namespace casemate::sigv4
