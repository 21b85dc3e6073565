#include "codec/cose.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "base/file.hpp"
#include "support/paths.hpp"

namespace casemate::cose {
namespace {

Bytes hex(std::string_view digits) {
    return from_hex(digits).value();
}

std::optional<CoseErrc> refusal(std::string_view digits) {
    const Bytes message = hex(digits);
    const auto parsed = parse_sign1(message);
    return parsed ? std::nullopt : parsed.error().code_as<CoseErrc>();
}

std::string text(ByteView bytes) {
    return std::string(as_text(bytes));
}

TEST(Cose, TakesAMessageApart) {
    const Bytes message = hex("8444a1013822a0426869430a0b0c");
    const auto parsed = parse_sign1(message);
    ASSERT_TRUE(parsed.ok()) << parsed.error().message();
    EXPECT_FALSE(parsed->tagged);
    EXPECT_EQ(parsed->algorithm, kEs384);
    EXPECT_EQ(to_hex(parsed->protected_header), "a1013822");
    EXPECT_EQ(text(parsed->payload), "hi");
    EXPECT_EQ(to_hex(parsed->signature), "0a0b0c");
}

TEST(Cose, TakesTheTagAway) {
    const Bytes message = hex("d28444a1013822a0426869430a0b0c");
    const auto parsed = parse_sign1(message);
    ASSERT_TRUE(parsed.ok()) << parsed.error().message();
    EXPECT_TRUE(parsed->tagged);
    EXPECT_EQ(text(parsed->payload), "hi");
}

TEST(Cose, ReadsEveryAlgorithmThatIsANumber) {
    for (const auto algorithm : {kEs256, kEs384, kEs512, std::int64_t{5}, INT64_MIN, INT64_MAX}) {
        const Bytes message = encode_sign1(algorithm, as_bytes("p"), as_bytes("s"));
        const auto parsed = parse_sign1(message);
        ASSERT_TRUE(parsed.ok()) << parsed.error().message();
        EXPECT_EQ(parsed->algorithm, algorithm);
    }
}

TEST(Cose, WhatIsNotOneItemOfStrictCborIsNotCbor) {
    // Nothing; cut short; a byte behind; an indefinite array; a length with a byte too many.
    for (const auto* digits :
         {"", "8444a1013822a0426869430a0b", "8444a1013822a0426869430a0b0c00",
          "9f44a1013822a0426869430a0b0cff", "845804a1013822a0426869430a0b0c"}) {
        EXPECT_EQ(refusal(digits), CoseErrc::not_cbor) << digits;
    }
}

TEST(Cose, AnythingElseIsNotSign1) {
    EXPECT_EQ(refusal("d18444a1013822a0426869430a0b0c"), CoseErrc::not_sign1) << "tag 17";
    EXPECT_EQ(refusal("d862"
                      "8444a1013822a0426869430a0b0c"),
              CoseErrc::not_sign1)
        << "tag 98";
    EXPECT_EQ(refusal("d2d28444a1013822a0426869430a0b0c"), CoseErrc::not_sign1) << "two tags";
    EXPECT_EQ(refusal("d2f6"), CoseErrc::not_sign1) << "a tag on null";
    EXPECT_EQ(refusal("a0"), CoseErrc::not_sign1) << "a map";
    EXPECT_EQ(refusal("80"), CoseErrc::not_sign1) << "an empty array";
    EXPECT_EQ(refusal("8344a1013822a0426869"), CoseErrc::not_sign1) << "three elements";
    EXPECT_EQ(refusal("8544a1013822a0426869430a0b0cf6"), CoseErrc::not_sign1) << "five elements";
    EXPECT_EQ(refusal("84a1013822a0426869430a0b0c"), CoseErrc::not_sign1) << "header not wrapped";
    EXPECT_EQ(refusal("8444a101382240426869430a0b0c"), CoseErrc::not_sign1) << "header of bytes";
    EXPECT_EQ(refusal("8444a1013822a0f6430a0b0c"), CoseErrc::not_sign1) << "detached payload";
    EXPECT_EQ(refusal("8444a1013822a0626869430a0b0c"), CoseErrc::not_sign1) << "payload of text";
    EXPECT_EQ(refusal("8444a1013822a0426869f6"), CoseErrc::not_sign1) << "no signature";
}

TEST(Cose, AProtectedHeaderIsTheAlgorithmAlone) {
    constexpr auto kBad = CoseErrc::bad_protected_header;
    EXPECT_EQ(refusal("8440a0426869430a0b0c"), kBad) << "empty, which COSE allows elsewhere";
    EXPECT_EQ(refusal("8441a0a0426869430a0b0c"), kBad) << "an empty map";
    EXPECT_EQ(refusal("8444a1043822a0426869430a0b0c"), kBad) << "label 4";
    EXPECT_EQ(refusal("8447a2013822044101a0426869430a0b0c"), kBad) << "a key identifier too";
    EXPECT_EQ(refusal("8447a2013822013823a0426869430a0b0c"), kBad) << "the algorithm twice";
    EXPECT_EQ(refusal("8448a10165455333383"
                      "4a0426869430a0b0c"),
              kBad)
        << "its name";
    EXPECT_EQ(refusal("8444a1013"
                      "800a0426869430a0b0c"),
              kBad)
        << "wider than needed";
    EXPECT_EQ(refusal("8445bf013822ffa0426869430a0b0c"), kBad) << "an indefinite map";
    EXPECT_EQ(refusal("8445a101382200a0426869430a0b0c"), kBad) << "a byte behind";
    EXPECT_EQ(refusal("844482013822a0426869430a0b0c"), kBad) << "an array";
    EXPECT_EQ(refusal("844ba1013b8000000000000000a0426869430a0b0c"), kBad) << "below int64";
}

TEST(Cose, AnUnprotectedHeaderIsEmpty) {
    EXPECT_EQ(refusal("8444a1013822a1044101426869430a0b0c"), CoseErrc::bad_unprotected_header);
}

TEST(Cose, WritesWhatIsSigned) {
    EXPECT_EQ(to_hex(sig_structure(protected_header(kEs384), as_bytes("hi"))),
              "846a5369676e61747572653144a101382240426869");
}

TEST(Cose, WritesTheMessageAsAwsDoes) {
    EXPECT_EQ(to_hex(protected_header(kEs384)), "a1013822");
    EXPECT_EQ(to_hex(encode_sign1(kEs384, as_bytes("hi"), hex("0a0b0c"))),
              "8444a1013822a0426869430a0b0c");
    EXPECT_EQ(to_hex(encode_sign1(kEs256, {}, {})), "8443a10126a04040");
}

TEST(Cose, ADocumentOfAwsIsWrittenAgainAsItWas) {
    const auto golden =
        read_file(test::source_dir() + "/tests/golden/aws-attestation-document.cbor", 1UL << 20U);
    ASSERT_TRUE(golden.ok());
    const auto parsed = parse_sign1(*golden);
    ASSERT_TRUE(parsed.ok()) << parsed.error().message();
    EXPECT_FALSE(parsed->tagged);
    EXPECT_EQ(parsed->algorithm, kEs384);
    EXPECT_EQ(parsed->signature.size(), 96U);
    EXPECT_EQ(encode_sign1(parsed->algorithm, parsed->payload, parsed->signature), *golden);
}

// Whatever single bit of a message changes, what is still accepted is written again as it came.
TEST(Cose, EveryMessageThatIsAcceptedHasOneEncoding) {
    const Bytes message = encode_sign1(kEs384, as_bytes("payload"), Bytes(96, 7));
    unsigned accepted = 0;
    for (std::size_t bit = 0; bit < message.size() * 8; ++bit) {
        Bytes altered = message;
        altered[bit / 8] = static_cast<std::uint8_t>(altered[bit / 8] ^ (1U << (bit % 8)));
        const auto parsed = parse_sign1(altered);
        if (parsed) {
            ++accepted;
            EXPECT_EQ(encode_sign1(parsed->algorithm, parsed->payload, parsed->signature), altered);
        }
    }
    // The bits of payload, signature and algorithm at least.
    EXPECT_GE(accepted, 103U * 8U);
}

}  // namespace
}  // namespace casemate::cose
