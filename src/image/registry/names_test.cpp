// The texts around registries: names, URLs, challenges, tokens and credentials.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/temporary_directory.hpp"
#include "codec/base64.hpp"
#include "http/url.hpp"
#include "image/documents.hpp"
#include "image/registry/challenge.hpp"
#include "image/registry/credentials.hpp"
#include "image/registry/hosts.hpp"
#include "image/registry/proxy.hpp"
#include "image/registry/registry_reference.hpp"

namespace casemate::image {
namespace {

const std::string kDigest = "sha256:" + std::string(63, '0') + "a";

std::string full(std::string_view name) {
    const auto parsed = RegistryReference::parse(name);
    return parsed ? parsed->text() : parsed.error().message();
}

TEST(RegistryReference, completes_names_as_docker_does) {
    for (const auto& [name, expected] : std::vector<std::pair<std::string, std::string>>{
             {"alpine", "docker.io/library/alpine:latest"},
             {"alpine:3.19", "docker.io/library/alpine:3.19"},
             {"team/app", "docker.io/team/app:latest"},
             {"docker.io/alpine", "docker.io/library/alpine:latest"},
             {"index.docker.io/team/app:v1", "docker.io/team/app:v1"},
             {"localhost/app", "localhost/app:latest"},
             {"localhost:5000/app", "localhost:5000/app:latest"},
             {"localhost:5000/app:v1", "localhost:5000/app:v1"},
             {"127.0.0.1:5000/team/app__x.y-z---1:V_1.0-rc",
              "127.0.0.1:5000/team/app__x.y-z---1:V_1.0-rc"},
             {"[::1]:5000/app", "[::1]:5000/app:latest"},
             {"Registry/app", "Registry/app:latest"},
             {"public.ecr.aws/aws-nitro-enclaves/hello:v1",
              "public.ecr.aws/aws-nitro-enclaves/hello:v1"},
             {"app@" + kDigest, "docker.io/library/app@" + kDigest},
             {"app:v1@" + kDigest, "docker.io/library/app:v1@" + kDigest}}) {
        EXPECT_EQ(full(name), expected) << name;
        // What is written in full is understood the same.
        EXPECT_EQ(full(full(name)), expected) << name;
    }
    EXPECT_EQ(RegistryReference::parse("app:v1@" + kDigest)->selector(), kDigest);
    EXPECT_EQ(RegistryReference::parse("app:v1")->selector(), "v1");
}

TEST(RegistryReference, refuses_other_names) {
    for (const std::string& name : {std::string(),
                                    std::string("App"),
                                    std::string("team/App"),
                                    std::string("app:"),
                                    std::string("app:-v1"),
                                    "app:" + std::string(129, 'a'),
                                    std::string("/app"),
                                    std::string("team//app"),
                                    std::string("app/"),
                                    std::string("a..b"),
                                    std::string("a___b"),
                                    std::string("-app"),
                                    std::string("app_"),
                                    std::string("host.example:0/app"),
                                    std::string("host.example:70000/app"),
                                    std::string("host.example:/app"),
                                    std::string("-host.example/app"),
                                    std::string("[::1/app"),
                                    std::string("[:::]/app"),
                                    std::string("[::1\0]/app", 10),
                                    std::string("a b"),
                                    std::string("app\0", 4),
                                    std::string("https://host.example/app"),
                                    std::string(64, 'a'),
                                    "a" + std::string(255, 'b'),
                                    std::string("app@sha256:00"),
                                    std::string("app@")}) {
        const auto parsed = RegistryReference::parse(name);
        ASSERT_FALSE(parsed) << name << " is " << parsed->text();
        EXPECT_EQ(parsed.error().message().find(": expected ") != std::string::npos, true)
            << parsed.error().message();
    }
    EXPECT_TRUE(RegistryReference::parse("app@sha512:" + std::string(128, '0'))
                    .error()
                    .is(ImageErrc::unsupported));
}

TEST(Hosts, may_be_plain_where_it_is_this_machine_or_named) {
    const Hosts hosts({"plain.example", "port.example:5000", "[2001:db8::1]:5000"});
    for (const char* plain : {"https://127.0.0.1:5000/", "https://localhost/", "https://[::1]/",
                              "https://plain.example/", "http://plain.example:5000/",
                              "http://port.example:5000/", "http://[2001:db8::1]:5000/"}) {
        EXPECT_TRUE(hosts.may_be_plain(*http::Url::parse(plain))) << plain;
    }
    for (const char* secure : {"http://port.example/", "http://port.example:5001/",
                               "http://a.plain.example/", "http://[2001:db8::1]/"}) {
        EXPECT_FALSE(hosts.may_be_plain(*http::Url::parse(secure))) << secure;
    }
}

class ProxyTest : public ::testing::Test {
protected:
    ProxyTest() {
        for (const char* name : {"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"}) {
            ::unsetenv(name);
        }
    }

    // by: the proxy for a URL, or "direct", or what is wrong with it.
    static std::string by(std::string_view url) {
        const auto proxy = proxy_for(*http::Url::parse(url));
        if (!proxy) {
            return proxy.error().message();
        }
        return *proxy ? (**proxy).host + ":" + std::to_string((**proxy).port) +
                            ((**proxy).authorization.empty() ? "" : " with a password")
                      : "direct";
    }
};

TEST_F(ProxyTest, is_the_one_of_the_environment) {
    EXPECT_EQ(by("https://registry.example/"), "direct");
    ::setenv("https_proxy", "proxy.example:3128", 1);
    EXPECT_EQ(by("https://registry.example/"), "proxy.example:3128");
    ::setenv("HTTPS_PROXY", "http://a%40b:c@[2001:db8::1]/", 1);
    EXPECT_EQ(by("https://registry.example/"), "2001:db8::1:80 with a password");
    EXPECT_EQ(by("http://registry.example/"), "direct");
    EXPECT_EQ(by("https://127.0.0.1:5000/"), "direct");
    EXPECT_EQ(by("https://localhost/"), "direct");
    for (const char* bad : {"https://secret@proxy.example", "socks5://secret@proxy.example",
                            "http://secret@", "http://a:secret%zz@proxy.example"}) {
        ::setenv("HTTPS_PROXY", bad, 1);
        const std::string message = by("https://registry.example/");
        EXPECT_EQ(message.find("registry failure: expected the URL of a proxy"), 0U) << message;
        EXPECT_EQ(message.find("secret"), std::string::npos) << message;
    }
}

TEST_F(ProxyTest, is_not_for_whom_no_proxy_names) {
    ::setenv("HTTPS_PROXY", "http://proxy.example:3128", 1);
    ::setenv("NO_PROXY",
             "one.example, .two.example,three.example:5000,192.0.2.7,10.0.0.0/8,2001:db8::/32", 1);
    for (const char* direct :
         {"https://one.example/", "https://a.one.example/", "https://a.two.example/",
          "https://three.example:5000/", "https://192.0.2.7/", "https://10.255.0.1/",
          "https://[2001:db8:7::1]/"}) {
        EXPECT_EQ(by(direct), "direct") << direct;
    }
    for (const char* other :
         {"https://bone.example/", "https://two.example/", "https://three.example/",
          "https://192.0.2.70/", "https://11.0.0.1/", "https://[2001:db9::1]/"}) {
        EXPECT_EQ(by(other), "proxy.example:3128") << other;
    }
    ::setenv("NO_PROXY", "*", 1);
    EXPECT_EQ(by("https://registry.example/"), "direct");
}

TEST(Challenge, is_read_by_the_grammar) {
    const auto one = parse_challenges(
        R"(Bearer realm="https://auth.example/token",service="a \"b\"" , scope="x:y:pull,push")");
    ASSERT_TRUE(one && one->size() == 1);
    EXPECT_EQ(one->front().scheme, "bearer");
    EXPECT_EQ(*one->front().find("realm"), "https://auth.example/token");
    EXPECT_EQ(*one->front().find("service"), "a \"b\"");
    EXPECT_EQ(*one->front().find("scope"), "x:y:pull,push");
    EXPECT_EQ(one->front().find("error"), nullptr);
    const auto two = parse_challenges("Negotiate, BASIC Realm = x, Bearer a=b, c=d");
    ASSERT_TRUE(two && two->size() == 3);
    EXPECT_EQ((*two)[1].scheme, "basic");
    EXPECT_EQ(*(*two)[1].find("realm"), "x");
    EXPECT_EQ((*two)[2].parameters.size(), 2U);
    for (const char* bad :
         {"=", "a=b", "Bearer realm=", "Bearer realm=\"x", "Bearer realm=\"x\\", "Bearer a=b a=c",
          "Bearer a=b, A=c", "Bearer a=b c", "Bearer \"a\"", "Bearer a=\"\x01\""}) {
        EXPECT_FALSE(parse_challenges(bad)) << bad;
    }
}

TEST(Token, is_read_with_its_defaults) {
    const auto token = parse_token(as_bytes(R"({"access_token":"abc","expires_in":300,"x":[]})"));
    ASSERT_TRUE(token);
    EXPECT_EQ(as_text(token->text.view()), "abc");
    EXPECT_EQ(token->seconds, 300U);
    EXPECT_EQ(parse_token(as_bytes(R"({"token":"abc","access_token":"d"})"))->seconds, 60U);
    for (const char* bad :
         {"", "[]", "{}", R"({"token":""})", R"({"token":"a b"})", R"({"token":"a\r\nb"})",
          R"({"token":1})", R"({"token":"a","expires_in":-1})",
          R"({"token":"a","expires_in":"1"})"}) {
        const auto refused = parse_token(as_bytes(bad));
        ASSERT_FALSE(refused) << bad;
        EXPECT_TRUE(refused.error().is(ImageErrc::malformed)) << bad;
    }
}

TEST(RegistryError, is_one_printable_line) {
    EXPECT_EQ(error_text(as_bytes(R"({"errors":[{"code":"DENIED","message":"no\u001b[2J"}]})")),
              "DENIED: no?[2J");
    EXPECT_EQ(error_text(as_bytes(R"({"errors":[{"message":"no"}]})")), "no");
    for (const char* other :
         {"<html>", "{}", R"({"errors":[]})", R"({"errors":[1]})", R"({"errors":[{"code":1}]})"}) {
        EXPECT_EQ(error_text(as_bytes(other)), "") << other;
    }
}

// Credentials are looked for in a home of the test's own.
class CredentialsTest : public ::testing::Test {
protected:
    CredentialsTest() {
        ::setenv("HOME", home_.path().c_str(), 1);
        ::setenv("XDG_RUNTIME_DIR", (home_.path() + "/run").c_str(), 1);
        ::setenv("PATH", (home_.path() + ":/usr/bin:/bin").c_str(), 1);
        for (const char* name : {"DOCKER_CONFIG", "XDG_CONFIG_HOME", "REGISTRY_AUTH_FILE"}) {
            ::unsetenv(name);
        }
    }

    void write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
        const std::filesystem::path path = home_.path() + "/" + name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << text;
        ::chmod(path.c_str(), mode);
    }

    static std::string auths(const std::string& registry, const std::string& pair) {
        return R"({"auths":{")" + registry + R"(":{"auth":")" +
               codec::encode_base64(as_bytes(pair)) + R"("}}})";
    }

    // found: "user:password", or what else there is.
    static std::string found(std::string_view registry) {
        const auto result = credentials_for(registry);
        if (!result) {
            return result.error().message();
        }
        if (!*result) {
            return "nothing";
        }
        const Credentials& credentials = **result;
        return credentials.identity_token.empty()
                   ? credentials.user + ":" + std::string(as_text(credentials.password.view()))
                   : "token " + std::string(as_text(credentials.identity_token.view()));
    }

    TemporaryDirectory home_ = TemporaryDirectory::create().value();
};

TEST_F(CredentialsTest, are_found_where_docker_and_podman_put_them) {
    EXPECT_EQ(found("registry.example"), "nothing");
    write(".config/containers/auth.json", auths("registry.example", "last:1"));
    EXPECT_EQ(found("registry.example"), "last:1");
    write("run/containers/auth.json", auths("registry.example", "third:1"));
    EXPECT_EQ(found("registry.example"), "third:1");
    write(".docker/config.json", auths("https://registry.example/v2/", "second:with:colon"));
    EXPECT_EQ(found("registry.example"), "second:with:colon");
    write("elsewhere/config.json", auths("other.example", "x:y"));
    ::setenv("DOCKER_CONFIG", (home_.path() + "/elsewhere").c_str(), 1);
    EXPECT_EQ(found("registry.example"), "third:1");
    write("first.json", auths("registry.example", "first:1"));
    ::setenv("REGISTRY_AUTH_FILE", (home_.path() + "/first.json").c_str(), 1);
    EXPECT_EQ(found("registry.example"), "first:1");
    EXPECT_EQ(found("registry.example:5000"), "nothing");
}

TEST_F(CredentialsTest, are_those_of_the_longest_name) {
    write("run/containers/auth.json",
          R"({"auths":{"quay.io":{"username":"all","password":"1"},)"
          R"("quay.io/team":{"username":"team","password":"2"},"empty.example":{}}})");
    EXPECT_EQ(found("quay.io/team/app"), "team:2");
    EXPECT_EQ(found("quay.io/teams/app"), "all:1");
    EXPECT_EQ(found("quay.io"), "all:1");
    EXPECT_EQ(found("empty.example/x"), "nothing");
}

TEST_F(CredentialsTest, of_dockers_registry_have_many_names) {
    for (const char* name : {"https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"}) {
        write(".docker/config.json", auths(name, "hub:1"));
        EXPECT_EQ(found("docker.io/library/alpine"), "hub:1") << name;
    }
    write(".docker/config.json", R"({"auths":{"docker.io":{"identitytoken":"refresh"}}})");
    EXPECT_EQ(found("docker.io"), "token refresh");
}

TEST_F(CredentialsTest, come_from_helpers) {
    const std::string helper =
        "#!/bin/sh\nread server\n[ \"$1\" = get ] || exit 9\ncase $server in\n"
        "own.example) echo '{\"ServerURL\":\"x\",\"Username\":\"u\",\"Secret\":\"s\"}';;\n"
        "token.example) echo '{\"Username\":\"<token>\",\"Secret\":\"t\"}';;\n"
        "https://index.docker.io/v1/) echo '{\"Username\":\"hub\",\"Secret\":\"h\"}';;\n"
        "broken.example) echo secret; exit 0;;\n"
        "failing.example) echo no >/dev/null; exit 3;;\n"
        "*) echo 'credentials not found in native keychain'; exit 1;;\nesac\n";
    write("docker-credential-test", helper, 0700);
    write(".docker/config.json",
          R"({"credsStore":"test","credHelpers":{"gone.example":"is-gone","bad.example":"../x"},)"
          R"("auths":{"file.example":{"username":"f","password":"1"}}})");
    EXPECT_EQ(found("own.example/app"), "u:s");
    EXPECT_EQ(found("token.example"), "token t");
    EXPECT_EQ(found("docker.io"), "hub:h");
    EXPECT_EQ(found("file.example"), "f:1");
    EXPECT_EQ(found("unknown.example"), "nothing");
    const std::string sentence = "credentials can't be read: expected credentials from ";
    const std::string named =
        ", which is named in a file that `docker login` or `podman login` keeps; found ";
    EXPECT_EQ(found("failing.example"),
              sentence + "docker-credential-test" + named + "exit status 3");
    EXPECT_EQ(found("gone.example"),
              sentence + "docker-credential-is-gone" + named + "no such program in PATH");
    EXPECT_EQ(found("bad.example"),
              sentence + "docker-credential-../x" + named + "a name that no program has");
    EXPECT_EQ(found("broken.example").find("secret"), std::string::npos);
}

TEST_F(CredentialsTest, are_not_waited_for_without_end) {
    write("docker-credential-slow", "#!/bin/sh\nexec sleep 1000\n", 0700);
    const auto answer = ask_helper("slow", "x", std::chrono::milliseconds(50));
    ASSERT_FALSE(answer);
    EXPECT_TRUE(answer.error().detail().ends_with("no answer in time"));
    write("docker-credential-endless", "#!/bin/sh\nexec yes\n", 0700);
    const auto endless = ask_helper("endless", "x");
    ASSERT_FALSE(endless);
    EXPECT_TRUE(endless.error().detail().ends_with("an answer without end"));
}

TEST_F(CredentialsTest, of_a_bad_file_are_an_error_without_secrets) {
    for (const char* bad :
         {"{", "[]", R"({"auths":[]})", R"({"auths":{"a":"secret"}})",
          R"({"auths":{"a":{"auth":"secret!"}}})", R"({"auths":{"a":{"auth":"c2VjcmV0"}}})",
          R"({"auths":{"a":{"username":"secret\n","password":"x"}}})", R"({"credsStore":1})",
          R"({"credHelpers":{"a":1}})"}) {
        write(".docker/config.json", bad);
        const std::string message = found("a");
        EXPECT_EQ(message.find("malformed image: read the credentials in " + home_.path() +
                               "/.docker/config.json: expected "),
                  0U)
            << message;
        EXPECT_EQ(message.find("secret"), std::string::npos) << message;
    }
}

TEST(RegistryAuth, is_what_the_docker_api_wants) {
    Credentials credentials;
    credentials.user = "a\"b";
    credentials.password = SecretBytes(Bytes{'\n', 0xff, 0xfe});
    const SecretBytes made = registry_auth(credentials, "docker.io");
    std::string text(as_text(made.view()));
    EXPECT_EQ(text.find_first_of("+/"), std::string::npos);
    std::replace(text.begin(), text.end(), '-', '+');
    std::replace(text.begin(), text.end(), '_', '/');
    const auto plain = codec::decode_base64(text);
    ASSERT_TRUE(plain);
    EXPECT_EQ(as_text(*plain),
              "{\"username\":\"a\\\"b\",\"password\":\"\\u000a\xff\xfe\","
              "\"serveraddress\":\"https://index.docker.io/v1/\"}");
    credentials.identity_token = SecretBytes(Bytes{'t'});
    const SecretBytes token = registry_auth(credentials, "quay.io");
    EXPECT_EQ(as_text(*codec::decode_base64(as_text(token.view()))),
              R"({"identitytoken":"t","serveraddress":"quay.io"})");
}

}  // namespace
}  // namespace casemate::image
