#include "crypto/token_uri.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "base/temporary_directory.hpp"

namespace casemate::crypto {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kObject = "pkcs11:token=authority;object=root;type=private";

std::string message_of(const std::string& uri) {
    const auto parsed = parse_token_uri(uri);
    EXPECT_FALSE(parsed.ok()) << uri;
    return parsed ? "" : parsed.error().message();
}

std::string pin_of(const Result<TokenUri>& uri) {
    EXPECT_TRUE(uri.ok()) << uri.error().message();
    return uri && uri->pin ? std::string(as_text(uri->pin->view())) : "";
}

TEST(TokenUri, TakesAUriApart) {
    const auto uri = parse_token_uri(std::string(kObject) +
                                     "?pin-value=12%2034%26&module-path=/usr/lib/a%3fb.so");
    ASSERT_TRUE(uri.ok()) << uri.error().message();
    EXPECT_EQ(uri->object, kObject);
    EXPECT_EQ(pin_of(uri), "12 34&");
    EXPECT_EQ(uri->module, "/usr/lib/a?b.so");
}

TEST(TokenUri, AQueryIsNotNeeded) {
    const auto uri = parse_token_uri("pkcs11:id=%01%ff");
    ASSERT_TRUE(uri.ok()) << uri.error().message();
    EXPECT_EQ(uri->object, "pkcs11:id=%01%ff");
    EXPECT_FALSE(uri->pin);
    EXPECT_EQ(uri->module, "");
}

class PinFile : public testing::Test {
protected:
    // write makes the PIN's file and gives a URI with it.
    std::string write(std::string_view content, unsigned mode = 0600) {
        std::string path = directory_->path() + "/pin";
        EXPECT_TRUE(write_file_atomically(path, as_bytes(content), mode).ok());
        EXPECT_EQ(chmod(path.c_str(), mode), 0);
        return path;
    }
    std::string uri(const std::string& source) {
        return std::string(kObject) + "?pin-source=" + source;
    }

    Result<TemporaryDirectory> directory_ = TemporaryDirectory::create();
};

TEST_F(PinFile, IsReadByEachWayOfNamingIt) {
    const std::string path = write("secret\n");
    for (const char* prefix : {"", "file:", "file://", "file%3a", "%2f."}) {
        EXPECT_EQ(pin_of(parse_token_uri(uri(prefix + path))), "secret") << prefix;
    }
}

TEST_F(PinFile, EndsWithItsFirstLine) {
    EXPECT_EQ(pin_of(parse_token_uri(uri(write("secret")))), "secret");
    EXPECT_EQ(pin_of(parse_token_uri(uri(write("secret\r\nmore\n")))), "secret");
    EXPECT_EQ(pin_of(parse_token_uri(uri(write(std::string(255, 'x'))))), std::string(255, 'x'));
}

TEST_F(PinFile, WithoutAPinIsRefused) {
    EXPECT_THAT(message_of(uri(write(""))), HasSubstr("found 0"));
    EXPECT_THAT(message_of(uri(write("\nsecret\n"))), HasSubstr("found 0"));
    EXPECT_THAT(message_of(uri(write(std::string(256, 'x')))), HasSubstr("found 256"));
    EXPECT_THAT(message_of(uri(write(std::string(5000, 'x')))), HasSubstr("expected a PIN of 1"));
}

TEST_F(PinFile, ThatEverybodyCanReadIsRefused) {
    EXPECT_THAT(message_of(uri(write("secret\n", 0644))), HasSubstr("open to all"));
    EXPECT_EQ(pin_of(parse_token_uri(uri(write("secret\n", 0640)))), "secret");
}

TEST_F(PinFile, ThatIsMissingIsRefused) {
    const auto parsed = parse_token_uri(uri("file:/nowhere/pin"));
    ASSERT_FALSE(parsed.ok());
    EXPECT_TRUE(parsed.error().is(Errno(ENOENT))) << parsed.error().message();
}

TEST(TokenUri, OtherSourcesOfAPinAreRefused) {
    for (const char* source : {"|cat pin", "http://host/pin", "pin", "file:pin", "file:"}) {
        EXPECT_THAT(message_of(std::string(kObject) + "?pin-source=" + source),
                    HasSubstr("expected pin-source=file:/path"));
    }
}

TEST(TokenUri, WhatIsNotKnownIsRefused) {
    EXPECT_THAT(message_of(""), HasSubstr("pkcs11:"));
    EXPECT_THAT(message_of("file:/key.pem"), HasSubstr("pkcs11:"));
    EXPECT_THAT(message_of("pkcs11:"), HasSubstr("object= or id="));
    EXPECT_THAT(message_of("pkcs11:token=a"), HasSubstr("object= or id="));
    EXPECT_THAT(message_of("pkcs11:slot-id=1;object=a"), HasSubstr("slot-id"));
    EXPECT_THAT(message_of("pkcs11:object=a;type=cert"), HasSubstr("type=cert"));
    EXPECT_THAT(message_of("pkcs11:object=a?module-name=opensc"), HasSubstr("module-name"));
    EXPECT_THAT(message_of("pkcs11:object=a;pin-value=1234"), HasSubstr("pin-value"));
    EXPECT_THAT(message_of("pkcs11:object"), HasSubstr("NAME=VALUE"));
    EXPECT_THAT(message_of("pkcs11:=a"), HasSubstr("NAME=VALUE"));
    EXPECT_THAT(message_of("pkcs11:object=a;;id=%01"), HasSubstr("NAME=VALUE"));
    EXPECT_THAT(message_of("pkcs11:object=%"), HasSubstr("hexadecimal"));
    EXPECT_THAT(message_of("pkcs11:object=%0"), HasSubstr("hexadecimal"));
    EXPECT_THAT(message_of("pkcs11:object=%zz"), HasSubstr("hexadecimal"));
    EXPECT_THAT(message_of("pkcs11:object="), HasSubstr("zero bytes"));
    EXPECT_THAT(message_of("pkcs11:object=a%00b"), HasSubstr("zero bytes"));
    EXPECT_THAT(message_of("pkcs11:object=a?module-path=/a&module-path=/b"), HasSubstr("twice"));
}

TEST(TokenUri, RefusalsDoNotTellThePin) {
    for (const char* query :
         {"pin-value=9753%2", "pin-value=9753%00", "pin-value=9753&pin-value=97531",
          "pin-value=9753&unknown=1", "9753", "pin-value=9753&97530", "=9753"}) {
        EXPECT_THAT(message_of(std::string(kObject) + "?" + query), Not(HasSubstr("9753")))
            << query;
    }
}

}  // namespace
}  // namespace casemate::crypto
