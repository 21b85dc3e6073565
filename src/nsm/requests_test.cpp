#include "nsm/requests.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "codec/cbor/cbor.hpp"
#include "codec/cose.hpp"
#include "crypto/certificate.hpp"
#include "crypto/digest.hpp"
#include "nsm/forged_chain.hpp"
#include "nsm/forged_requests.hpp"

namespace casemate::nsm {
namespace {

using forged::text_item;

std::string error_item(std::string_view code) {
    return "a1" + text_item("Error") + text_item(code);
}

constexpr TimeMs kRequestTime = 1'665'651'482'136;

bool count_up(MutableBytes out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<std::uint8_t>(i);
    }
    return true;
}

class RequestsTest : public ::testing::Test {
protected:
    static PcrBank bank() {
        std::map<std::uint16_t, PcrValue> measurements;
        measurements[0].fill(0xa0);
        return PcrBank::at_boot(measurements, Load{});
    }

    // ask sends a request in hexadecimal and gives the answer likewise.
    std::string ask(const std::string& digits) {
        return to_hex(requests_.answer(from_hex(digits).value()));
    }
    std::string ask_text(std::string_view name) { return ask(text_item(name)); }
    // ask_map sends {name: fields}.
    std::string ask_map(std::string_view name, const std::string& fields) {
        return ask("a1" + text_item(name) + fields);
    }
    std::string index_field(const std::string& number) { return text_item("index") + number; }

    LeafKeys keys_ = LeafKeys::make(kRequestTime).value();
    TimeMs now_ = kRequestTime;
    Requests requests_{bank(), "i-1-enc2", keys_, [this] { return now_; }, count_up};
};

TEST_F(RequestsTest, DescribesTheModule) {
    EXPECT_EQ(ask_text("DescribeNSM"),
              "a1"
              "6b44657363726962654e534d"  // DescribeNSM
              "a7"
              "66646967657374"
              "66534841333834"  // digest: SHA384
              "686d61785f70637273"
              "1820"  // max_pcrs: 32
              "696d6f64756c655f6964"
              "68692d312d656e6332"  // module_id
              "6b6c6f636b65645f70637273"
              "90000102030405060708090a0b0c0d0e0f"
              "6d76657273696f6e5f6d616a6f72"
              "01"  // version_major
              "6d76657273696f6e5f6d696e6f72"
              "00"  // version_minor
              "6d76657273696f6e5f7061746368"
              "00");  // version_patch
}

TEST_F(RequestsTest, GivesRandomBytesTheKernelCanParse) {
    const std::string answer = ask_text("GetRandom");
    // Linux drivers/misc/nsm.c, parse_resp_get_random: this very beginning.
    const std::string head = "a16947657452616e646f6da16672616e646f6d590100";
    ASSERT_EQ(answer.substr(0, head.size()), head);
    EXPECT_EQ(answer.size(), head.size() + std::size_t{2} * 256);
    EXPECT_EQ(answer.substr(head.size(), 8), "00010203");
}

TEST_F(RequestsTest, RandomBytesOfTheKernelDiffer) {
    Requests real(bank(), "id", keys_);
    const Bytes request = from_hex(text_item("GetRandom")).value();
    EXPECT_NE(real.answer(request), real.answer(request));
}

TEST_F(RequestsTest, WithoutRandomBytesThereIsAnError) {
    Requests broken(bank(), "id", keys_, wall_clock, [](MutableBytes) { return false; });
    EXPECT_EQ(to_hex(broken.answer(from_hex(text_item("GetRandom")).value())),
              error_item("InternalError"));
}

TEST_F(RequestsTest, DescribesARegister) {
    const std::string head = "a1" + text_item("DescribePCR") + "a2" + text_item("data") + "5830";
    std::string measured;
    for (int i = 0; i < 48; ++i) {
        measured += "a0";
    }
    EXPECT_EQ(ask_map("DescribePCR", "a1" + index_field("00")),
              head + measured + text_item("lock") + "f5");
    EXPECT_EQ(ask_map("DescribePCR", "a1" + index_field("181f")),
              head + std::string(96, '0') + text_item("lock") + "f4");
    EXPECT_EQ(ask_map("DescribePCR", "a1" + index_field("1820")), error_item("InvalidIndex"));
    EXPECT_EQ(ask_map("DescribePCR", "a1" + index_field("1bffffffffffffffff")),
              error_item("InvalidIndex"));
}

TEST_F(RequestsTest, AnyWidthOfAnIntegerIsThatInteger) {
    const std::string plain = ask_map("DescribePCR", "a1" + index_field("10"));
    for (const char* wide : {"1810", "190010", "1a00000010", "1b0000000000000010"}) {
        EXPECT_EQ(ask_map("DescribePCR", "a1" + index_field(wide)), plain) << wide;
    }
}

TEST_F(RequestsTest, ExtendsARegister) {
    const std::string head = "a1" + text_item("ExtendPCR") + "a1" + text_item("data") + "5830";
    const std::string once = to_hex(crypto::extend_zero(as_bytes("abc")));
    EXPECT_EQ(ask_map("ExtendPCR", "a2" + index_field("10") + text_item("data") + "43616263"),
              head + once);
    // Any order of keys, unknown ones between, and text as QEMU takes it.
    EXPECT_EQ(ask_map("ExtendPCR", "a3" + text_item("data") + text_item("abc") + text_item("more") +
                                       "01" + index_field("11")),
              head + once);
    EXPECT_EQ(ask_map("ExtendPCR", "a2" + index_field("0f") + text_item("data") + "40"),
              error_item("ReadOnlyIndex"));
    EXPECT_EQ(ask_map("ExtendPCR", "a2" + index_field("1820") + text_item("data") + "40"),
              error_item("InvalidIndex"));
    EXPECT_EQ(requests_.bank().find(16)->value, crypto::extend_zero(as_bytes("abc")));
}

TEST_F(RequestsTest, LocksARegister) {
    EXPECT_EQ(ask_map("LockPCR", "a1" + index_field("10")), text_item("LockPCR"));
    EXPECT_EQ(ask_map("LockPCR", "a1" + index_field("10")), error_item("ReadOnlyIndex"));
    EXPECT_EQ(ask_map("ExtendPCR", "a2" + index_field("10") + text_item("data") + "40"),
              error_item("ReadOnlyIndex"));
    for (int index = 0; index < 16; ++index) {
        const std::string number = to_hex(Bytes{static_cast<std::uint8_t>(index)});
        EXPECT_EQ(ask_map("LockPCR", "a1" + index_field(number)), error_item("ReadOnlyIndex"));
    }
    EXPECT_EQ(ask_map("LockPCR", "a1" + index_field("1820")), error_item("InvalidIndex"));
}

TEST_F(RequestsTest, LocksRegistersBelowARange) {
    EXPECT_EQ(ask_map("LockPCRs", "a1" + text_item("range") + "1821"), error_item("InvalidIndex"));
    EXPECT_EQ(requests_.bank().locked().size(), 16U);
    EXPECT_EQ(ask_map("LockPCRs", "a1" + text_item("range") + "12"), text_item("LockPCRs"));
    EXPECT_EQ(requests_.bank().locked().size(), 18U);
    for (int twice = 0; twice < 2; ++twice) {
        EXPECT_EQ(ask_map("LockPCRs", "a1" + text_item("range") + "1820"), text_item("LockPCRs"));
    }
    EXPECT_EQ(requests_.bank().locked().size(), 32U);
}

TEST_F(RequestsTest, WithoutACertificateThereIsNoDocument) {
    EXPECT_EQ(ask_map("Attestation", "a0"), error_item("InternalError"));
}

// With certificates for three hours.
class AttestationTest : public RequestsTest {
protected:
    static constexpr TimeMs kEnd = kRequestTime + TimeMs{3} * 3600 * 1000;

    AttestationTest() {
        const auto taken = keys_.certify(chain_.certify(keys_.waiting(), kEnd), kRequestTime);
        EXPECT_TRUE(taken.ok()) << taken.error().message();
    }

    // The statement that a document must carry now.
    Statement expected() {
        Statement statement;
        statement.module_id = "i-1-enc2";
        statement.timestamp_ms = static_cast<std::uint64_t>(now_);
        statement.pcrs = requests_.bank().locked_values();
        statement.certificate = keys_.signer(now_)->certified.leaf;
        statement.bundle = chain_.bundle();
        return statement;
    }

    // Asks, and expects a document of this statement, signed by the certified key.
    void expect_document(const std::string& request, const Statement& statement) {
        const Bytes response = requests_.answer(from_hex(request).value());
        EXPECT_LE(response.size(), kMaxResponseSize);
        const auto document = forged::document_of(response);
        ASSERT_TRUE(document.has_value()) << to_hex(response);
        const auto message = cose::parse_sign1(*document);
        ASSERT_TRUE(message.ok()) << message.error().message();
        EXPECT_FALSE(message->tagged);
        EXPECT_EQ(to_hex(message->payload), to_hex(encode_statement(statement)));
        const auto leaf = crypto::Certificate::from_der(statement.certificate);
        ASSERT_TRUE(leaf.ok());
        EXPECT_TRUE(leaf->is_signed_by(chain_.issuer()));
        EXPECT_TRUE(leaf->public_key()->verifies(
            cose::sig_structure(message->protected_header, message->payload), message->signature));
    }

    std::string attest(const std::string& fields) {
        return "a1" + text_item("Attestation") + fields;
    }

    forged::Chain chain_{kRequestTime};
};

TEST_F(AttestationTest, ADocumentCarriesWhatWasAsked) {
    const Bytes user_data{1, 2};
    const Bytes nonce{3};
    const Bytes public_key{4, 5, 6};
    Statement statement = expected();
    statement.user_data = user_data;
    statement.nonce = nonce;
    statement.public_key = public_key;
    expect_document(to_hex(forged::attestation({user_data, nonce, public_key})), statement);
    // Any order of keys, unknown ones between.
    expect_document(attest("a4" + text_item("public_key") + "43040506" + text_item("x") + "80" +
                           text_item("nonce") + "4103" + text_item("user_data") + "420102"),
                    statement);
}

TEST_F(AttestationTest, FieldsMayBeNullAbsentEmptyOrText) {
    Statement statement = expected();
    expect_document(attest("a0"), statement);
    expect_document(to_hex(forged::attestation({})), statement);
    const Bytes nothing;
    statement.nonce = nothing;
    expect_document(attest("a1" + text_item("nonce") + "40"), statement);
    statement.nonce = as_bytes("abc");
    expect_document(attest("a1" + text_item("nonce") + text_item("abc")), statement);
}

TEST_F(AttestationTest, EachFieldMayHave1024Bytes) {
    const Bytes longest(kMaxDocumentField, 0x5a);
    Statement statement = expected();
    statement.user_data = longest;
    statement.nonce = longest;
    statement.public_key = longest;
    expect_document(to_hex(forged::attestation({longest, longest, longest})), statement);
}

TEST_F(AttestationTest, ADocumentCarriesTheLockedRegistersOnly) {
    ASSERT_EQ(ask_map("ExtendPCR", "a2" + index_field("181f") + text_item("data") + "43616263")
                  .substr(0, 2),
              "a1");
    EXPECT_EQ(expected().pcrs.size(), 16U);
    expect_document(attest("a0"), expected());
    ASSERT_EQ(ask_map("LockPCR", "a1" + index_field("181f")), text_item("LockPCR"));
    const Statement statement = expected();
    EXPECT_EQ(statement.pcrs.size(), 17U);
    EXPECT_EQ(statement.pcrs.at(31), crypto::extend_zero(as_bytes("abc")));
    expect_document(attest("a0"), statement);
}

TEST_F(AttestationTest, AfterTheEndOfTheCertificatesThereIsNoDocument) {
    now_ = kEnd - 1;
    expect_document(attest("a0"), expected());
    now_ = kEnd;
    EXPECT_EQ(ask(attest("a0")), error_item("InternalError"));
    EXPECT_EQ(ask_text("GetRandom").substr(0, 2), "a1");
}

TEST_F(AttestationTest, ATimeBefore1970IsInNoDocument) {
    now_ = 0;
    EXPECT_EQ(ask(attest("a0")), error_item("InternalError"));
    now_ = -1;
    EXPECT_EQ(ask(attest("a0")), error_item("InternalError"));
}

// Renews the keys with a bundle of that many certificates of 1,024 bytes.
void certify_with_bundle(LeafKeys& keys, const forged::Chain& chain, std::size_t count) {
    const TimeMs due = keys.next_request();
    ASSERT_TRUE(keys.request(due).ok());
    Certified certified = chain.certify(keys.waiting(), due + 3'600'000);
    certified.bundle.assign(count, Bytes(kMaxCertificate, 1));
    ASSERT_TRUE(keys.certify(certified, due).ok());
}

TEST_F(AttestationTest, TheLargestChainOfFiveFitsAndALongerOneMayNot) {
    const Bytes longest(kMaxDocumentField, 0x5a);
    const Bytes request = forged::attestation({longest, longest, longest});
    ASSERT_EQ(ask_map("LockPCRs", "a1" + text_item("range") + "1820"), text_item("LockPCRs"));
    // The leaf is smaller than 1,024 bytes, so the bundle has one more.
    certify_with_bundle(keys_, chain_, 5);
    const Bytes response = requests_.answer(request);
    EXPECT_TRUE(forged::document_of(response).has_value());
    EXPECT_LE(response.size(), kMaxResponseSize);
    certify_with_bundle(keys_, chain_, kMaxBundle);
    EXPECT_EQ(to_hex(requests_.answer(request)), error_item("BufferTooSmall"));
    // It is only the document's size.
    EXPECT_TRUE(forged::document_of(requests_.answer(forged::attestation({}))).has_value());
}

TEST_F(AttestationTest, BadRequestsGetTheirErrorsAndChangeNothing) {
    const auto before = requests_.bank().locked_values();
    for (const forged::BadRequest& bad : forged::bad_requests()) {
        EXPECT_EQ(to_hex(requests_.answer(bad.request)), to_hex(error_response(bad.answer)))
            << bad.what;
        EXPECT_EQ(requests_.bank().locked_values(), before) << bad.what;
        expect_document(attest("a0"), expected());
    }
}

TEST_F(RequestsTest, RequestsOverTheLimitAreTooLarge) {
    Bytes request =
        from_hex("a1" + text_item("ExtendPCR") + "a2" + index_field("10") + text_item("data"))
            .value();
    const std::size_t rest = kMaxRequestSize - request.size() - 3;
    request.push_back(0x59);
    request.push_back(static_cast<std::uint8_t>(rest >> 8U));
    request.push_back(static_cast<std::uint8_t>(rest));
    request.resize(kMaxRequestSize);
    EXPECT_EQ(to_hex(requests_.answer(request)).substr(0, 22), "a1" + text_item("ExtendPCR"));
    request.push_back(0);
    EXPECT_EQ(to_hex(requests_.answer(request)), error_item("InputTooLarge"));
}

TEST(NsmErrors, AreTheProtocolsNames) {
    const std::vector<std::pair<ErrorCode, const char*>> names{
        {ErrorCode::invalid_argument, "InvalidArgument"},
        {ErrorCode::invalid_index, "InvalidIndex"},
        {ErrorCode::invalid_response, "InvalidResponse"},
        {ErrorCode::read_only_index, "ReadOnlyIndex"},
        {ErrorCode::invalid_operation, "InvalidOperation"},
        {ErrorCode::buffer_too_small, "BufferTooSmall"},
        {ErrorCode::input_too_large, "InputTooLarge"},
        {ErrorCode::internal_error, "InternalError"},
    };
    for (const auto& [code, name] : names) {
        EXPECT_EQ(to_hex(error_response(code)), error_item(name));
    }
}

}  // namespace
}  // namespace casemate::nsm
