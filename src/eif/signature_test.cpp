#include "eif/signature.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "base/file.hpp"
#include "base/temporary_directory.hpp"
#include "eif/error.hpp"
#include "eif/forger.hpp"
#include "eif/measure.hpp"

namespace casemate::eif {
namespace {

using testing::HasSubstr;

std::string text_head(std::string_view key) {
    return std::string(1, static_cast<char>(0x60 + key.size())) + std::string(key);
}

// section_of writes the section as formats.md 1.8 says, independently of encode_signature: every
// byte as an integer of its own.
std::string integers(std::string_view bytes) {
    std::string out;
    if (bytes.size() < 24) {
        out += static_cast<char>(0x80 + bytes.size());
    } else if (bytes.size() < 256) {
        out += std::string("\x98") + static_cast<char>(bytes.size());
    } else {
        out += std::string("\x99") + static_cast<char>(bytes.size() >> 8U) +
               static_cast<char>(bytes.size() & 0xffU);
    }
    for (const char character : bytes) {
        if (static_cast<unsigned char>(character) >= 24) {
            out += '\x18';
        }
        out += character;
    }
    return out;
}

std::string section_of(std::string_view pem, std::string_view cose) {
    return "\x81\xa2" + text_head("signing_certificate") + integers(pem) + text_head("signature") +
           integers(cose);
}

const std::string kLong = std::string(300, 'p') + std::string("\0\x17\x18\xff", 4);

TEST(SignatureTest, ReadsAwsShape) {
    const auto signature = parse_signature(as_bytes(section_of(kLong, kLong + "s")));
    ASSERT_TRUE(signature.ok()) << signature.error().message();
    EXPECT_EQ(as_text(signature->certificate_pem), kLong);
    EXPECT_EQ(as_text(signature->cose_sign1), kLong + "s");
}

TEST(SignatureTest, WritesAwsShape) {
    Signature signature;
    signature.certificate_pem = Bytes(as_bytes(kLong).begin(), as_bytes(kLong).end());
    signature.cose_sign1 = signature.certificate_pem;
    EXPECT_EQ(as_text(encode_signature(signature)), section_of(kLong, kLong));
}

TEST(SignatureTest, RefusesEveryTruncation) {
    const std::string section = section_of(kLong, kLong);
    for (std::size_t size = 0; size < section.size(); ++size) {
        const auto parsed = parse_signature(as_bytes(section.substr(0, size)));
        ASSERT_FALSE(parsed.ok()) << size;
        EXPECT_TRUE(parsed.error().is(EifErrc::bad_signature));
    }
}

void expect_refused(const std::string& section, const std::string& sentence) {
    const auto parsed = parse_signature(as_bytes(section));
    ASSERT_FALSE(parsed.ok());
    EXPECT_THAT(parsed.error().message(), HasSubstr(sentence));
}

TEST(SignatureTest, RefusesOtherShapes) {
    const std::string good = section_of("pem", "cose");
    expect_refused(good + "x", "found 1 more bytes");
    expect_refused("\x82" + good.substr(1), "an array of one signature");
    expect_refused("\x9f" + good.substr(1), "an array of one signature");
    expect_refused("\x98\x01" + good.substr(1), "an array of one signature");
    expect_refused("\x81\xa1" + good.substr(2), "a map");
    expect_refused("\x81\xa2" + text_head("certificate"), "signing_certificate");
    expect_refused("\x81\xa2" + text_head("signing_certificatE"), "found another");
    // A CBOR byte string instead of an array of integers.
    expect_refused("\x81\xa2" + text_head("signing_certificate") + "\x43pem", "as an array");
    // 1 encoded in two bytes, 256, and a negative integer are no bytes.
    const std::string start = "\x81\xa2" + text_head("signing_certificate") + "\x81";
    expect_refused(start + "\x18\x01", "integer of 0 to 255");
    expect_refused(start + std::string("\x19\x01\x00", 3), "integer of 0 to 255");
    expect_refused(start + "\x20", "integer of 0 to 255");
    expect_refused("\x81\xa2" + text_head("signing_certificate") + "\x99\xff\xff", "longer than");
}

TEST(SignatureTest, RefusesALongSection) {
    expect_refused(std::string(32769, '\0'), "expected at most 32768 bytes, found 32769");
}

TEST(SignatureTest, SignerRegisterIsOfTheDer) {
    if (std::system("openssl version >/dev/null 2>&1") != 0) {
        GTEST_SKIP() << "no openssl command on this machine";
    }
    const auto directory = TemporaryDirectory::create();
    ASSERT_TRUE(directory.ok());
    const std::string base = directory->path();
    const std::string command =
        "cd " + base +
        " && openssl ecparam -name secp384r1 -genkey -noout -out key 2>/dev/null"
        " && openssl req -new -x509 -key key -sha384 -days 30 -subj /CN=signer -out pem 2>/dev/null"
        " && openssl x509 -in pem -outform DER -out der";
    ASSERT_EQ(std::system(command.c_str()), 0);
    const auto pem = read_file(base + "/pem", 1U << 20U);
    const auto der = read_file(base + "/der", 1U << 20U);
    ASSERT_TRUE(pem.ok() && der.ok());

    forger::Forgery forgery = forger::plain();
    forgery.sections.push_back({4, section_of(as_text(*pem), "cose"), 0, 0, false});
    const UniqueFd fd = forger::memory_file(forger::forge(forgery));
    const auto measured = measure(fd.get());
    ASSERT_TRUE(measured.ok()) << measured.error().message();
    EXPECT_EQ(measured->measurements.pcr8, crypto::extend_zero(crypto::sha384(*der)));
    EXPECT_TRUE(measured->crc_matches);
}

TEST(SignatureTest, MeasureRefusesACertificateThatIsNone) {
    forger::Forgery forgery = forger::plain();
    forgery.sections.push_back({4, section_of("pem", "cose"), 0, 0, false});
    const UniqueFd fd = forger::memory_file(forger::forge(forgery));
    const auto measured = measure(fd.get());
    ASSERT_FALSE(measured.ok());
    EXPECT_TRUE(measured.error().is(EifErrc::bad_signature));
    EXPECT_THAT(measured.error().message(), HasSubstr("expected a certificate in PEM"));
}

}  // namespace
}  // namespace casemate::eif
