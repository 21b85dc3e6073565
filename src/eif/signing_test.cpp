#include "eif/signing.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/os_error.hpp"
#include "codec/cose.hpp"
#include "crypto/token_for_test.hpp"
#include "eif/forger.hpp"
#include "eif/measure.hpp"
#include "eif/reader.hpp"
#include "eif/signature.hpp"
#include "eif/signer_for_test.hpp"

namespace casemate::eif {
namespace {

using crypto::Curve;
using testing::HasSubstr;

crypto::Digest384 some_register(std::uint8_t first = 0x17) {
    crypto::Digest384 value{};
    for (std::size_t i = 0; i < value.size(); ++i) {
        value.at(i) = static_cast<std::uint8_t>(first + i * 5);
    }
    return value;
}

// payload_text is AWS's PcrInfo, written by hand as formats.md 1.8 says.
std::string payload_text(const crypto::Digest384& value, char index = 0) {
    std::string text = "\xa2\x6eregister_index";
    text += index;
    text += "\x6eregister_value\x98\x30";
    for (const std::uint8_t byte : value) {
        text += byte < 24 ? "" : "\x18";
        text += static_cast<char>(byte);
    }
    return text;
}

// section_with is a signature section around any message.
Bytes section_with(const TestSigner& signer, Bytes message) {
    return encode_signature({signer.certificate_file(), std::move(message)});
}

// message_over is a message that the key really signs, whatever it says.
Bytes message_over(const TestSigner& signer, std::int64_t algorithm, std::string_view payload) {
    const auto header = cose::protected_header(algorithm);
    const auto signature = signer.key->sign(cose::sig_structure(header, as_bytes(payload)));
    return cose::encode_sign1(algorithm, as_bytes(payload), signature.value());
}

void expect_refused(const Result<crypto::Certificate>& judged, EifErrc code,
                    const std::string& sentence) {
    ASSERT_FALSE(judged.ok());
    EXPECT_TRUE(judged.error().is(code)) << judged.error().message();
    EXPECT_THAT(judged.error().message(), HasSubstr(sentence));
}

class SigningTest : public testing::TestWithParam<std::pair<Curve, std::string>> {};

TEST_P(SigningTest, SignsAsAwsDoes) {
    const auto& [curve, header] = GetParam();
    const TestSigner signer = TestSigner::make(curve);
    const auto section = signer.image_signer().sign(some_register());
    ASSERT_TRUE(section.ok()) << section.error().message();
    const auto signature = parse_signature(*section);
    ASSERT_TRUE(signature.ok());
    EXPECT_EQ(as_text(signature->certificate_pem), signer.certificate_pem);
    // array(4), protected header, empty map, payload, raw signature: byte by byte.
    const std::string payload = payload_text(some_register());
    const std::size_t raw = crypto::signature_size(curve);
    std::string beginning = "\x84" + header + "\xa0\x58" + static_cast<char>(payload.size());
    beginning += payload + "\x58" + static_cast<char>(raw);
    const std::string_view message = as_text(signature->cose_sign1);
    EXPECT_EQ(message.substr(0, beginning.size()), beginning);
    EXPECT_EQ(message.size(), beginning.size() + raw);
    const auto judged = verify_signature(*section, some_register());
    ASSERT_TRUE(judged.ok()) << judged.error().message();
    EXPECT_EQ(judged->der(), signer.certificate().der());
    EXPECT_EQ(certificate_register(*judged), signer_register(*section).value());
}

TEST_P(SigningTest, ASignatureHoldsForOneImageAndOneKey) {
    const TestSigner signer = TestSigner::make(GetParam().first);
    const Bytes section = signer.image_signer().sign(some_register()).value();
    expect_refused(verify_signature(section, some_register(0x18)), EifErrc::signature_refused,
                   "expected a signature over PCR0 = 181d2227");
    // Another's certificate before the same message.
    const TestSigner other = TestSigner::make(GetParam().first);
    Signature signature = parse_signature(section).value();
    expect_refused(verify_signature(section_with(other, signature.cose_sign1), some_register()),
                   EifErrc::signature_refused, "found one that it did not make");
    // One bit of the signature.
    signature.cose_sign1.back() ^= 1U;
    expect_refused(verify_signature(encode_signature(signature), some_register()),
                   EifErrc::signature_refused, "found one that it did not make");
}

INSTANTIATE_TEST_SUITE_P(
    Curves, SigningTest,
    testing::Values(std::pair(Curve::p256, std::string("\x43\xa1\x01\x26")),
                    std::pair(Curve::p384, std::string("\x44\xa1\x01\x38\x22")),
                    std::pair(Curve::p521, std::string("\x44\xa1\x01\x38\x23"))));

TEST(VerifySignature, TheAlgorithmIsTheKeys) {
    const TestSigner signer = TestSigner::make();
    // Signed well, by the right key, under another algorithm's name.
    const auto section =
        section_with(signer, message_over(signer, cose::kEs256, payload_text(some_register())));
    expect_refused(verify_signature(section, some_register()), EifErrc::signature_refused,
                   "expected COSE algorithm -35 of the signing certificate's key, found -7");
}

TEST(VerifySignature, OnlyRegister0IsSigned) {
    const TestSigner signer = TestSigner::make();
    const auto judge = [&](const std::string& payload) {
        return verify_signature(section_with(signer, message_over(signer, cose::kEs384, payload)),
                                some_register());
    };
    const std::string good = payload_text(some_register());
    ASSERT_TRUE(judge(good).ok());
    for (const std::string& payload :
         {payload_text(some_register(), 1), payload_text(some_register(), 8), good + '\0',
          good.substr(0, good.size() - 1), std::string(), std::string(1, '\xa0'),
          // One byte more than a digest has.
          "\xa2\x6eregister_index" + std::string(1, '\0') + "\x6eregister_value\x98\x31" +
              good.substr(good.size() - 91) + '\0'}) {
        expect_refused(judge(payload), EifErrc::signature_refused, "found one over something else");
    }
}

TEST(VerifySignature, TheMessageHasOneForm) {
    const TestSigner signer = TestSigner::make();
    const Bytes good = message_over(signer, cose::kEs384, payload_text(some_register()));
    Bytes tagged = good;
    tagged.insert(tagged.begin(), 0xd2);
    expect_refused(verify_signature(section_with(signer, tagged), some_register()),
                   EifErrc::signature_refused, "untagged");
    for (const auto& message : {Bytes(), Bytes{0x84}, Bytes(100, 0x9f), Bytes(30000, 0x00)}) {
        EXPECT_FALSE(verify_signature(section_with(signer, message), some_register()).ok());
    }
    for (std::size_t size = 0; size < good.size(); ++size) {
        const Bytes message(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
        const auto judged = verify_signature(section_with(signer, message), some_register());
        ASSERT_FALSE(judged.ok()) << size;
        EXPECT_TRUE(judged.error().is(EifErrc::bad_signature));
    }
}

TEST(VerifySignature, CertificatesOfOtherKeysAreNone) {
    // RSA, as `openssl req -x509 -newkey rsa:1024` makes it.
    const std::string pem =
        "-----BEGIN CERTIFICATE-----\n"
        "MIIB+jCCAWOgAwIBAgIUXyAy/nvRlo8ATPKubBwyR6Z01G0wDQYJKoZIhvcNAQEL\n"
        "BQAwDjEMMAoGA1UEAwwDcnNhMCAXDTI2MTEyMTE3MjY0OVoYDzIxMjYxMDI4MTcy\n"
        "NjQ5WjAOMQwwCgYDVQQDDANyc2EwgZ8wDQYJKoZIhvcNAQEBBQADgY0AMIGJAoGB\n"
        "ANjA7/B8rcsSVb8J29OseWf43uLJ9RdZbZBg3wzn3pJguzRd/LDyKRTpzn1HxOig\n"
        "k4JX6xmKMYE2NaPWZ9JSk7Shwzj2swQa/B4Q8HmNh5Vs6kAb0Uv7rdFkekZ4LgRu\n"
        "QSw0ket1iUvTxtQ7VcFEkCutq2wb+9Oz8cDAcvFNdy21AgMBAAGjUzBRMB0GA1Ud\n"
        "DgQWBBT8OL0ygflSpuYBTPfUOSyDY30OQzAfBgNVHSMEGDAWgBT8OL0ygflSpuYB\n"
        "TPfUOSyDY30OQzAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4GBABtq\n"
        "J7Pe+8xl+CYGRqr0D6SjbqlfvQNOzI8l5IJJspCStc/Rv6lGyhww3hc2bd2/rBGw\n"
        "UPFu8pVtjhb3vP0WF0S1UtSnJR8MG1vHAdTWS7NXrPm/oHxtaz3Z+4PE9EoBexph\n"
        "t1GqWVaJby6Nx4cQ2COpzZzOVcHnkxgJ3WyfEB4v\n"
        "-----END CERTIFICATE-----\n";
    const TestSigner signer = TestSigner::make();
    const Bytes message = message_over(signer, cose::kEs384, payload_text(some_register()));
    const Bytes file(as_bytes(pem).begin(), as_bytes(pem).end());
    expect_refused(verify_signature(encode_signature({file, message}), some_register()),
                   EifErrc::bad_signature, "found one with another kind of key");
    const auto made = ImageSigner::create(file, signer.digest_signer());
    ASSERT_FALSE(made.ok());
    EXPECT_TRUE(made.error().is(EifErrc::bad_signature));
}

TEST(CheckValidity, FromTheFirstSecondToTheLast) {
    const auto certificate = TestSigner::make(Curve::p256, -2, 2).certificate();
    const auto fields = certificate.fields();
    ASSERT_TRUE(fields.ok());
    const std::chrono::seconds second(1);
    EXPECT_TRUE(check_validity(certificate, fields->not_before).ok());
    EXPECT_TRUE(check_validity(certificate, fields->not_after).ok());
    const auto early = check_validity(certificate, fields->not_before - second);
    ASSERT_FALSE(early.ok());
    EXPECT_TRUE(early.error().is(EifErrc::signature_refused));
    EXPECT_THAT(early.error().message(), HasSubstr("found one that begins on "));
    const auto late = check_validity(certificate, fields->not_after + second);
    ASSERT_FALSE(late.ok());
    EXPECT_THAT(late.error().message(), HasSubstr("found one that ended on "));
}

TEST(ImageSignerTest, RefusesWhatWouldMakeAnImageThatNobodyStarts) {
    const TestSigner signer = TestSigner::make();
    const TestSigner other = TestSigner::make();
    const auto strange =
        ImageSigner::create(signer.certificate_file(), other.digest_signer()).value();
    const auto section = strange.sign(some_register());
    ASSERT_FALSE(section.ok());
    EXPECT_TRUE(section.error().is(EifErrc::signature_refused));
    // Whatever stands for the key.
    for (const Bytes& answer : {Bytes(), Bytes(96, 7), Bytes{0x30, 0x06, 2, 1, 1, 2, 1, 1}}) {
        const auto broken = ImageSigner::create(signer.certificate_file(), [&](ByteView) {
                                return answer;
                            }).value();
        EXPECT_FALSE(broken.sign(some_register()).ok());
    }
    const auto failing = ImageSigner::create(signer.certificate_file(), [](ByteView) {
                             return Result<Bytes>(os_error("ask the service", EPIPE));
                         }).value();
    EXPECT_TRUE(failing.sign(some_register()).error().is(Errno{EPIPE}));
}

TEST(ImageSignerTest, RefusesFilesThatAreNoCertificate) {
    const TestSigner signer = TestSigner::make();
    const auto create = [&](const std::string& text) {
        return ImageSigner::create({as_bytes(text).begin(), as_bytes(text).end()},
                                   signer.digest_signer());
    };
    const auto expect_error = [](const Result<ImageSigner>& made, const std::string& sentence) {
        ASSERT_FALSE(made.ok());
        EXPECT_TRUE(made.error().is(EifErrc::bad_signature));
        EXPECT_THAT(made.error().message(), HasSubstr(sentence));
    };
    expect_error(create(""), "expected a certificate in PEM");
    expect_error(create("no PEM"), "expected a certificate in PEM");
    const auto key = signer.key->to_pem();
    ASSERT_TRUE(key.ok());
    const std::string key_pem(as_text(key->view()));
    expect_error(create(signer.certificate_pem + key_pem), "found a private key");
    expect_error(create(signer.certificate_pem + std::string(40000, '\n')), "found one of 4");
    expect_error(create(signer.certificate_pem + std::string(16000, 'x')), "32768 bytes");
    // A chain is taken whole; its first certificate counts.
    const TestSigner issuer = TestSigner::make();
    const auto chain = create(signer.certificate_pem + issuer.certificate_pem);
    ASSERT_TRUE(chain.ok());
    const Bytes section = chain->sign(some_register()).value();
    EXPECT_EQ(verify_signature(section, some_register())->der(), signer.certificate().der());
    EXPECT_EQ(as_text(parse_signature(section)->certificate_pem),
              signer.certificate_pem + issuer.certificate_pem);
}

// The largest section that create lets through fits, whatever PCR0 and the signature are.
TEST(ImageSignerTest, WhatIsTakenFitsTheSection) {
    for (const Curve curve : {Curve::p256, Curve::p384, Curve::p521}) {
        const TestSigner signer = TestSigner::make(curve);
        std::size_t taken = signer.certificate_pem.size();
        std::size_t refused = 32768;
        while (refused - taken > 1) {
            const std::size_t size = (taken + refused) / 2;
            const std::string text =
                signer.certificate_pem + std::string(size - signer.certificate_pem.size(), 'x');
            const auto made = ImageSigner::create({as_bytes(text).begin(), as_bytes(text).end()},
                                                  signer.digest_signer());
            (made.ok() ? taken : refused) = size;
            if (made) {
                crypto::Digest384 value{};
                value.fill(0xff);
                const auto section = made->sign(value);
                ASSERT_TRUE(section.ok()) << section.error().message();
                EXPECT_LE(section->size(), kMaxSignatureSize);
            }
        }
        EXPECT_GT(taken, 15000U);
    }
}

// Signed is an image that copy_signed made, and what it said.
struct Signed {
    UniqueFd file;
    Result<Builder::Built> built;
};

Signed copy(
    const std::string& image, const TestSigner& signer,
    const CopyProgress& progress = [](auto, auto) { return Result<>(); }) {
    UniqueFd out = make_memory_file("signed", 0).value();
    const UniqueFd in = forger::memory_file(image);
    auto built = copy_signed(in.get(), out.get(), signer.image_signer(), progress);
    return {std::move(out), std::move(built)};
}

std::string content_of(int fd) {
    Bytes bytes(file_size(fd).value());
    EXPECT_TRUE(read_exactly_at(fd, 0, bytes).ok());
    return std::string(as_text(bytes));
}

// forged is the same image made independently, around that signature section.
std::string forged(forger::Forgery forgery, int fd) {
    const auto index = read_index(fd).value();
    const auto section =
        read_section(fd, *index.find(SectionType::signature), kMaxSignatureSize).value();
    forgery.sections.push_back({4, std::string(as_text(section)), 0, 0, false});
    return forger::forge(forgery);
}

TEST(CopySigned, AddsASignatureAndChangesNothingElse) {
    forger::Forgery forgery = forger::plain();
    forgery.sections[3].data = std::string(2'500'000, 'r');
    const TestSigner signer = TestSigner::make();
    std::uint64_t last = 0;
    std::uint64_t total = 0;
    const Signed made = copy(forger::forge(forgery), signer, [&](auto done, auto of) {
        last = done;
        total = of;
        return Result<>();
    });
    ASSERT_TRUE(made.built.ok()) << made.built.error().message();
    EXPECT_EQ(last, total);
    EXPECT_GT(total, 2'500'000U);
    EXPECT_EQ(content_of(made.file.get()), forged(forgery, made.file.get()));
    const auto measured = measure(made.file.get());
    ASSERT_TRUE(measured.ok()) << measured.error().message();
    EXPECT_TRUE(measured->crc_matches);
    EXPECT_EQ(measured->measurements, made.built->measurements);
    EXPECT_EQ(measured->measurements.pcr8, certificate_register(signer.certificate()));
    const UniqueFd before = forger::memory_file(forger::forge(forgery));
    EXPECT_EQ(measure(before.get())->measurements.pcr0, measured->measurements.pcr0);
}

// AWS's tool forgets the size of the new signature in the header (formats.md 1.2).
TEST(CopySigned, ReplacesASignatureOfAnotherSize) {
    forger::Forgery forgery = forger::plain();
    const TestSigner small = TestSigner::make(Curve::p256);
    const TestSigner large = TestSigner::make(Curve::p521);
    const Signed first = copy(forger::forge(forgery), small);
    ASSERT_TRUE(first.built.ok());
    const Signed second = copy(content_of(first.file.get()), large);
    ASSERT_TRUE(second.built.ok()) << second.built.error().message();
    EXPECT_EQ(content_of(second.file.get()), forged(forgery, second.file.get()));
    EXPECT_EQ(second.built->measurements.pcr8, certificate_register(large.certificate()));
    const Signed third = copy(content_of(second.file.get()), small);
    ASSERT_TRUE(third.built.ok());
    EXPECT_EQ(content_of(third.file.get()), forged(forgery, third.file.get()));
    EXPECT_LT(file_size(third.file.get()).value(), file_size(second.file.get()).value());
    // One in the middle goes to the end.
    forger::Forgery middle = forgery;
    middle.sections.insert(middle.sections.begin() + 2, {4, "no signature at all", 0, 0, false});
    const Signed moved = copy(forger::forge(middle), small);
    ASSERT_TRUE(moved.built.ok()) << moved.built.error().message();
    EXPECT_EQ(content_of(moved.file.get()), forged(forgery, moved.file.get()));
}

TEST(CopySigned, RefusesWhatIsDamagedOrUnfit) {
    const TestSigner signer = TestSigner::make();
    forger::Forgery forgery = forger::plain();
    forgery.crc_difference = 1;
    EXPECT_TRUE(copy(forger::forge(forgery), signer).built.error().is(EifErrc::wrong_crc));
    forgery = forger::plain();
    forgery.sections.push_back({4, "one", 0, 0, false});
    forgery.sections.push_back({4, "two", 0, 0, false});
    EXPECT_TRUE(copy(forger::forge(forgery), signer).built.error().is(EifErrc::bad_sections));
    // Version 2 knows no signatures.
    forgery = forger::plain();
    forgery.version = 2;
    forgery.sections.erase(forgery.sections.begin() + 2);
    EXPECT_TRUE(copy(forger::forge(forgery), signer).built.error().is(EifErrc::unsupported));
    // Whoever looks on may end it.
    const auto stopped = copy(forger::forge(forger::plain()), signer,
                              [](auto, auto) { return Result<>(os_error("sign", EINTR)); });
    EXPECT_TRUE(stopped.built.error().is(Errno{EINTR}));
}

TEST(ImageSignerTest, AKeyInATokenSigns) {
    if (const std::string missing = crypto::TestToken::missing(); !missing.empty()) {
        GTEST_SKIP() << "SKIPPED: no " << missing;
    }
    const auto token = crypto::TestToken::create();
    ASSERT_TRUE(token.ok()) << token.error().message();
    ASSERT_TRUE(crypto::TestToken::make_key("EC:secp384r1", "images", "07").ok());
    auto key = crypto::PrivateKey::from_token(crypto::TestToken::uri("object=images"));
    ASSERT_TRUE(key.ok()) << key.error().message();
    crypto::CertificateTemplate what;
    what.serial = {9};
    what.subject = {{"CN", "a key in a token"}};
    what.not_before = now_for_test();
    what.not_after = now_for_test() + std::chrono::hours(1);
    const auto certificate = crypto::issue(what, key->public_key(), {what.subject, &*key});
    ASSERT_TRUE(certificate.ok()) << certificate.error().message();
    const std::string pem = certificate->to_pem();
    const auto signer =
        ImageSigner::create({as_bytes(pem).begin(), as_bytes(pem).end()},
                            [&](ByteView digest) { return key->sign_digest_der(digest); });
    ASSERT_TRUE(signer.ok()) << signer.error().message();
    const auto section = signer->sign(some_register());
    ASSERT_TRUE(section.ok()) << section.error().message();
    EXPECT_TRUE(verify_signature(*section, some_register()).ok());
}

}  // namespace
}  // namespace casemate::eif
