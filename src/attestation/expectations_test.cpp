#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attestation/policy.hpp"
#include "crypto/issue.hpp"
#include "eif/error.hpp"
#include "eif/forger.hpp"
#include "eif/measure.hpp"
#include "eif/signature.hpp"

namespace casemate::attestation {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

PcrValue value_of(std::uint8_t byte) {
    PcrValue value{};
    value.fill(byte);
    return value;
}

// hex is the same value as JSON has it, without quotes.
std::string hex(std::uint8_t byte) {
    return to_hex(value_of(byte));
}

// filled replaces $1, $a, … in a text by a value of that byte.
std::string filled(std::string text) {
    for (std::size_t at = text.find('$'); at != std::string::npos; at = text.find('$')) {
        const auto digit = from_hex(std::string("0") + text[at + 1]);
        text.replace(at, 2, hex(digit->front()));
    }
    return text;
}

ExpectedPcrs read(const std::string& json) {
    auto expected = ExpectedPcrs::from_json(filled(json));
    EXPECT_TRUE(expected.ok()) << json;
    if (!expected) {
        ADD_FAILURE() << expected.error().message();
        return {};
    }
    return *std::move(expected);
}

TEST(ExpectedPcrsJsonTest, OneObject) {
    const auto expected = read(R"({"PCR0": "$1", "PCR31": ["$2", "$3", "$2"]})");
    EXPECT_THAT(expected.alternatives(),
                ElementsAre(ExpectedPcrs::Alternative{{0, {value_of(1)}},
                                                      {31, {value_of(2), value_of(3)}}}));
}

TEST(ExpectedPcrsJsonTest, HexadecimalOfEitherCase) {
    std::string upper = hex(0xab);
    for (std::size_t i = 0; i < upper.size() / 2; ++i) {
        upper[i] = static_cast<char>(std::toupper(upper[i]));
    }
    const auto expected = ExpectedPcrs::from_json("{\"PCR4\": \"" + upper + "\"}");
    ASSERT_TRUE(expected.ok());
    EXPECT_THAT(expected->alternatives(),
                ElementsAre(ExpectedPcrs::Alternative{{4, {value_of(0xab)}}}));
}

TEST(ExpectedPcrsJsonTest, Alternatives) {
    const auto expected = read(R"([{"PCR0": "$1", "PCR1": "$2"}, {"PCR0": "$3"},
                                   {"Measurements": {"PCR0": "$4"}}])");
    EXPECT_THAT(expected.alternatives(),
                ElementsAre(ExpectedPcrs::Alternative{{0, {value_of(1)}}, {1, {value_of(2)}}},
                            ExpectedPcrs::Alternative{{0, {value_of(3)}}},
                            ExpectedPcrs::Alternative{{0, {value_of(4)}}}));
}

TEST(ExpectedPcrsJsonTest, WhatTheVerbsPrint) {
    const ExpectedPcrs::Alternative measured{
        {0, {value_of(0)}}, {1, {value_of(1)}}, {2, {value_of(2)}}, {8, {value_of(8)}}};
    const std::string measurements =
        R"({"HashAlgorithm": "Sha384 { ... }", "PCR0": "$0", "PCR1": "$1", "PCR2": "$2",
            "PCR8": "$8"})";
    EXPECT_THAT(read("{\"Measurements\": " + measurements + "}").alternatives(),
                ElementsAre(measured));
    EXPECT_THAT(read(measurements).alternatives(), ElementsAre(measured));
    EXPECT_THAT(read(R"({"EifVersion": 4, "Measurements": )" + measurements +
                     R"(, "IsSigned": true, "SigningCertificate": {"IssuerName": {"a": "b"}},
                        "CheckCRC": true, "ImageName": "x", "ImageVersion": "1",
                        "Metadata": {"DockerInfo": [1, {"a": null}]}})")
                    .alternatives(),
                ElementsAre(measured));
}

struct Refused {
    const char* json;
    const char* sentence;
};

class ExpectedPcrsRefusalTest : public testing::TestWithParam<Refused> {};

TEST_P(ExpectedPcrsRefusalTest, IsRefused) {
    const auto expected = ExpectedPcrs::from_json(filled(GetParam().json));
    ASSERT_FALSE(expected.ok()) << GetParam().json;
    EXPECT_TRUE(expected.error().is(AttestationErrc::bad_expectation));
    EXPECT_THAT(expected.error().detail(), HasSubstr(GetParam().sentence));
}

INSTANTIATE_TEST_SUITE_P(
    Texts, ExpectedPcrsRefusalTest,
    testing::Values(
        Refused{"", "expected JSON"}, Refused{"{", "expected JSON"},
        Refused{"{} {}", "expected JSON"}, Refused{"null", "expected an object"},
        Refused{"\"$1\"", "expected an object"}, Refused{"{}", "at least one register"},
        Refused{"[]", "1 to 1024 alternatives, found 0"},
        Refused{R"([{"PCR0": "$1"}, {}])", "alternative 2: expected at least one register"},
        Refused{R"([["PCR0"]])", "alternative 1: expected an object"},
        Refused{R"({"HashAlgorithm": "Sha384 { ... }"})", "at least one register"},
        Refused{R"({"HashAlgorithm": "Sha256", "PCR0": "$1"})", "found \"Sha256\""},
        Refused{R"({"HashAlgorithm": 384, "PCR0": "$1"})", "found 384"},
        Refused{R"({"Measurements": {}})", "at least one register"},
        Refused{R"({"Measurements": [{"PCR0": "$1"}]})", "expected an object of registers"},
        Refused{R"({"Measurements": {"PCR0": "$1"}, "PCR1": "$1"})", "found the key \"PCR1\""},
        Refused{R"({"PCR0": "$1", "IsSigned": false})", "found \"IsSigned\""},
        Refused{R"({"PCR32": "$1"})", "expected keys PCR0 to PCR31, found \"PCR32\""},
        Refused{R"({"PCR-1": "$1"})", "expected keys"},
        Refused{R"({"PCR": "$1"})", "expected keys"},
        Refused{R"({"PCR00": "$1"})", "expected keys"},
        Refused{R"({"PCR01": "$1"})", "expected keys"},
        Refused{R"({"PCR1 ": "$1"})", "expected keys"},
        Refused{R"({"PCR65536": "$1"})", "expected keys"},
        Refused{R"({"pcr0": "$1"})", "expected keys"}, Refused{R"({"": "$1"})", "expected keys"},
        Refused{R"({"XXX0": "$1"})", "expected keys"},
        Refused{R"({"PCR0": "$1", "PCR0": "$2"})", "found \"PCR0\" twice"},
        Refused{R"({"PCR0": "$1", "\u0050CR0": "$2"})", "found \"PCR0\" twice"},
        Refused{R"({"PCR0": "$1", "": 1, "": 2})", "found \"\" twice"},
        Refused{R"({"äääääääääääääääääääääääääääää": "$1"})", "ä…"},
        Refused{R"([{"PCR0": "$1", "PCR1": "$2", "PCR0": "$1"}])", "twice"},
        Refused{R"({"PCR0": []})", "PCR0: expected 1 to 1024 values, found 0"},
        Refused{R"({"PCR0": null})", "PCR0: expected a value in hexadecimal"},
        Refused{R"({"PCR0": 1})", "expected a value in hexadecimal"},
        Refused{R"({"PCR0": ["$1", 1]})", "expected a value in hexadecimal"},
        Refused{R"({"PCR0": [["$1"]]})", "expected a value in hexadecimal"},
        Refused{R"({"PCR0": ""})", "expected 96 hexadecimal digits, found 0"},
        Refused{R"({"PCR0": "$1 "})", "found 97 characters"},
        Refused{R"({"PCR0": "0x$1"})", "found 98 characters"},
        Refused{R"({"PCR7": "00"})", "PCR7: expected 96 hexadecimal digits, found 2 characters"},
        Refused{R"({"PCR0": "$1$1"})", "found 192 characters"},
        Refused{R"({"PCR0": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx)"
                R"(xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"})",
                "found 96 characters: \"xxx"}));

TEST(ExpectedPcrsJsonTest, HasLimits) {
    const auto long_text = ExpectedPcrs::from_json(std::string((1UL << 20U) + 1, ' '));
    ASSERT_FALSE(long_text.ok());
    EXPECT_THAT(long_text.error().detail(), HasSubstr("at most 1048576 bytes"));
    const auto deep = ExpectedPcrs::from_json(std::string(100000, '['));
    ASSERT_FALSE(deep.ok());
    EXPECT_THAT(deep.error().detail(), HasSubstr("expected JSON"));
    std::string many = "[";
    for (std::size_t i = 0; i < ExpectedPcrs::kMaxAlternatives; ++i) {
        many += "{\"PCR0\":\"$1\"},";
    }
    EXPECT_TRUE(ExpectedPcrs::from_json(filled(many.substr(0, many.size() - 1) + "]")).ok());
    const auto too_many = ExpectedPcrs::from_json(filled(many + "{\"PCR0\":\"$1\"}]"));
    ASSERT_FALSE(too_many.ok());
    EXPECT_THAT(too_many.error().detail(), HasSubstr("1 to 1024 alternatives, found 1025"));
}

TEST(ExpectedPcrsTest, CombineAsksForBoth) {
    ExpectedPcrs expected;
    ASSERT_TRUE(expected.combine(ExpectedPcrs()).ok());
    EXPECT_TRUE(expected.empty());
    ASSERT_TRUE(expected.combine(read(R"([{"PCR0": "$1"}, {"PCR0": "$2"}])")).ok());
    ASSERT_TRUE(expected.combine(ExpectedPcrs()).ok());
    EXPECT_EQ(expected.alternatives().size(), 2U);
    // The second release goes: its PCR0 is not among these.
    ASSERT_TRUE(expected.combine(read(R"({"PCR0": ["$1", "$3"], "PCR4": "$4"})")).ok());
    EXPECT_THAT(expected.alternatives(),
                ElementsAre(ExpectedPcrs::Alternative{{0, {value_of(1)}}, {4, {value_of(4)}}}));
}

TEST(ExpectedPcrsTest, CombineRefusesContradictionsAndTooMuch) {
    ExpectedPcrs expected = read(R"([{"PCR0": "$1"}, {"PCR0": "$2"}])");
    const auto contradiction = expected.combine(read(R"({"PCR0": "$3"})"));
    ASSERT_FALSE(contradiction.ok());
    EXPECT_TRUE(contradiction.error().is(AttestationErrc::bad_expectation));
    EXPECT_EQ(expected.alternatives().size(), 2U);
    ExpectedPcrs many;
    for (std::size_t i = 0; i < ExpectedPcrs::kMaxAlternatives / 2; ++i) {
        many.add_alternative({{1, {value_of(1)}}});
    }
    ASSERT_TRUE(expected.combine(many).ok());
    EXPECT_EQ(expected.alternatives().size(), ExpectedPcrs::kMaxAlternatives);
    EXPECT_FALSE(expected.combine(many).ok());
    EXPECT_EQ(expected.alternatives().size(), ExpectedPcrs::kMaxAlternatives);
}

TEST(ExpectedPcrsImageTest, MeasuresTheImage) {
    const UniqueFd image = eif::forger::memory_file(eif::forger::forge(eif::forger::plain()));
    const auto measured = eif::measure(image.get());
    ASSERT_TRUE(measured.ok());
    const auto expected = ExpectedPcrs::from_eif(image.get());
    ASSERT_TRUE(expected.ok()) << expected.error().message();
    const eif::Measurements& found = measured->measurements;
    EXPECT_THAT(expected->alternatives(),
                ElementsAre(UnorderedElementsAre(Pair(0, ElementsAre(found.pcr0)),
                                                 Pair(1, ElementsAre(found.pcr1)),
                                                 Pair(2, ElementsAre(found.pcr2)))));
}

TEST(ExpectedPcrsImageTest, ExpectsTheSignerOfASignedImage) {
    const auto key = crypto::PrivateKey::generate(crypto::Curve::p384);
    ASSERT_TRUE(key.ok());
    crypto::CertificateTemplate what;
    what.serial = {1};
    what.subject = {{"CN", "signer"}};
    what.not_after = crypto::Seconds(std::chrono::seconds(1000));
    const auto certificate = crypto::issue(what, key->public_key(), {what.subject, &*key});
    ASSERT_TRUE(certificate.ok()) << certificate.error().message();
    eif::Signature signature;
    const std::string pem = certificate->to_pem();
    signature.certificate_pem.assign(pem.begin(), pem.end());
    eif::forger::Forgery forgery = eif::forger::plain();
    forgery.sections.push_back(
        {4, std::string(as_text(eif::encode_signature(signature))), 0, 0, false});
    const auto expected =
        ExpectedPcrs::from_eif(eif::forger::memory_file(eif::forger::forge(forgery)).get());
    ASSERT_TRUE(expected.ok()) << expected.error().message();
    ASSERT_EQ(expected->alternatives().size(), 1U);
    EXPECT_THAT(expected->alternatives().front(),
                testing::Contains(
                    Pair(8, ElementsAre(crypto::extend_zero(crypto::sha384(certificate->der()))))));
}

TEST(ExpectedPcrsImageTest, RefusesDamage) {
    eif::forger::Forgery forgery = eif::forger::plain();
    forgery.crc_difference = 1;
    const auto damaged =
        ExpectedPcrs::from_eif(eif::forger::memory_file(eif::forger::forge(forgery)).get());
    ASSERT_FALSE(damaged.ok());
    EXPECT_TRUE(damaged.error().is(eif::EifErrc::wrong_crc));
    EXPECT_FALSE(ExpectedPcrs::from_eif(eif::forger::memory_file("no image").get()).ok());
}

}  // namespace
}  // namespace casemate::attestation
