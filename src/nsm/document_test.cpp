#include "nsm/document.hpp"

#include <gtest/gtest.h>

#include "base/file.hpp"
#include "codec/cbor/cbor.hpp"
#include "codec/cose.hpp"
#include "crypto/certificate.hpp"
#include "support/paths.hpp"

namespace casemate::nsm {
namespace {

Bytes aws_document() {
    return read_file(test::source_dir() + "/tests/golden/aws-attestation-document.cbor", 1U << 20U)
        .value();
}

// Parsed: a statement and what it views.
struct Parsed {
    Statement statement;
    std::vector<Bytes> bundle;
};

std::optional<ByteView> optional_field(const cbor::Map& fields, std::string_view key) {
    auto field = fields.get(key).value();
    if (field.peek() == cbor::Kind::null) {
        return std::nullopt;
    }
    return field.read_bytes().value();
}

Parsed parse(ByteView payload) {
    Parsed parsed;
    const auto fields = cbor::Reader::open(payload)->read_map().value();
    Statement& statement = parsed.statement;
    statement.module_id = fields.get("module_id")->read_text().value();
    statement.timestamp_ms = fields.get("timestamp")->read_uint().value();
    const auto registers = fields.get("pcrs")->read_map().value();
    auto pairs = registers.pairs();
    for (std::uint64_t i = 0; i < registers.size(); ++i) {
        const auto index = static_cast<std::uint16_t>(pairs.read_uint().value());
        const ByteView value = pairs.read_bytes().value();
        EXPECT_EQ(value.size(), 48U);
        std::copy(value.begin(), value.end(), statement.pcrs[index].begin());
    }
    statement.certificate = fields.get("certificate")->read_bytes().value();
    auto bundle = fields.get("cabundle")->read_array().value();
    while (bundle.remaining() > 0) {
        const ByteView one = bundle.read_bytes().value();
        parsed.bundle.emplace_back(one.begin(), one.end());
    }
    statement.bundle = parsed.bundle;
    statement.public_key = optional_field(fields, "public_key");
    statement.user_data = optional_field(fields, "user_data");
    statement.nonce = optional_field(fields, "nonce");
    return parsed;
}

TEST(Document, IsWrittenAsAwsWritesIt) {
    const Bytes document = aws_document();
    const auto message = cose::parse_sign1(document);
    ASSERT_TRUE(message.ok()) << message.error().message();
    const Parsed parsed = parse(message->payload);
    EXPECT_EQ(parsed.bundle.size(), 4U);
    EXPECT_EQ(parsed.statement.pcrs.size(), 16U);
    EXPECT_EQ(to_hex(encode_statement(parsed.statement)), to_hex(message->payload));
    EXPECT_EQ(to_hex(cose::encode_sign1(cose::kEs384, message->payload, message->signature)),
              to_hex(document));
}

TEST(Document, AwsSignedWhatItsLeafKeyVerifies) {
    const Bytes document = aws_document();
    const auto message = cose::parse_sign1(document);
    ASSERT_TRUE(message.ok()) << message.error().message();
    const Parsed parsed = parse(message->payload);
    const auto key =
        crypto::Certificate::from_der(parsed.statement.certificate)->public_key().value();
    const Bytes ours = cose::sig_structure(cose::protected_header(cose::kEs384),
                                           encode_statement(parsed.statement));
    EXPECT_TRUE(key.verifies(ours, message->signature));
}

TEST(Document, IsSignedByTheKeyAndUntagged) {
    const auto key = crypto::PrivateKey::generate(crypto::Curve::p384).value();
    Statement statement;
    statement.module_id = "i-1-enc0000000000000002";
    statement.timestamp_ms = 5;
    const auto document = sign_document(statement, key);
    ASSERT_TRUE(document.ok()) << document.error().message();
    EXPECT_EQ(document->front(), 0x84);
    const auto message = cose::parse_sign1(*document);
    ASSERT_TRUE(message.ok()) << message.error().message();
    EXPECT_EQ(message->algorithm, cose::kEs384);
    EXPECT_EQ(to_hex(message->payload), to_hex(encode_statement(statement)));
    const Bytes signed_bytes = cose::sig_structure(message->protected_header, message->payload);
    EXPECT_TRUE(key.public_key().verifies(signed_bytes, message->signature));
}

TEST(Document, WhatIsAbsentIsNullAndWhatIsEmptyIsThere) {
    Statement statement;
    statement.module_id = "m";
    statement.timestamp_ms = 24;
    statement.pcrs[23].fill(0x17);
    statement.pcrs[24].fill(0x18);
    const Bytes leaf{1};
    const std::vector<Bytes> bundle{Bytes{2}, Bytes{3}};
    statement.certificate = leaf;
    statement.bundle = bundle;
    const Bytes nothing;
    const Bytes nonce{0xaa};
    statement.user_data = nothing;
    statement.nonce = nonce;
    const auto repeated = [](std::string_view digits) {
        std::string all;
        for (int i = 0; i < 48; ++i) {
            all += digits;
        }
        return all;
    };
    EXPECT_EQ(to_hex(encode_statement(statement)),
              "a9"
              "696d6f64756c655f6964616d"      // module_id: m
              "6664696765737466534841333834"  // digest: SHA384
              "6974696d657374616d701818"      // timestamp: 24
              "6470637273a2"                  // pcrs
              "175830" +
                  repeated("17") + "18185830" + repeated("18") +
                  "6b63657274696669636174654101"  // certificate
                  "68636162756e646c658241024103"  // cabundle
                  "6a7075626c69635f6b6579f6"      // public_key: null
                  "69757365725f6461746140"        // user_data: empty
                  "656e6f6e636541aa");            // nonce
}

}  // namespace
}  // namespace casemate::nsm
