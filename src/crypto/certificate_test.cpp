#include "crypto/certificate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509.h>

#include <algorithm>
#include <map>
#include <string>

#include "base/file.hpp"
#include "crypto/certificate_parts.hpp"
#include "crypto/der.hpp"
#include "crypto/golden_for_test.hpp"
#include "crypto/openssl.hpp"
#include "support/paths.hpp"

namespace casemate::crypto {
namespace {

using testing::HasSubstr;

Bytes hex(std::string_view digits) {
    return from_hex(digits).value();
}

Bytes aws_root_pem() {
    auto pem = read_file(test::source_dir() + "/tests/golden/aws-nitro-enclaves-root.pem", 4096);
    EXPECT_TRUE(pem.ok());
    return pem ? std::move(*pem) : Bytes();
}

Certificate aws_root() {
    return Certificate::from_pem(aws_root_pem()).value();
}

Bytes element(std::uint8_t tag, ByteView content) {
    Bytes out;
    ByteWriter writer(out);
    writer.put_u8(tag);
    if (content.size() >= 0x100) {
        writer.put_u8(0x82);
        writer.put_be(static_cast<std::uint16_t>(content.size()));
    } else {
        if (content.size() >= 0x80) {
            writer.put_u8(0x81);
        }
        writer.put_u8(static_cast<std::uint8_t>(content.size()));
    }
    writer.put_bytes(content);
    return out;
}

Bytes joined(const std::vector<Bytes>& parts) {
    Bytes all;
    for (const Bytes& part : parts) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

std::vector<Bytes> elements_of(ByteView content) {
    std::vector<Bytes> elements;
    der::Row row(content);
    while (const auto next = row.next()) {
        elements.emplace_back(next->whole.begin(), next->whole.end());
    }
    return elements;
}

Bytes extension(std::string_view id, std::string_view value, bool critical = false) {
    return element(der::kSequence, joined({hex(id), critical ? hex("0101ff") : Bytes(),
                                           element(der::kOctetString, hex(value))}));
}

constexpr std::string_view kBasicConstraintsId = "0603551d13";
constexpr std::string_view kKeyUsageId = "0603551d0f";
constexpr std::string_view kSubjectKeyIdId = "0603551d0e";
constexpr std::string_view kAuthorityKeyIdId = "0603551d23";

// Forger: AWS's root taken apart, to be put together with other parts. Its signature is worth
// nothing then.
struct Forger {
    // Where the parts of a TBSCertificate are.
    enum Place : std::uint8_t {
        version,
        serial,
        algorithm,
        issuer,
        validity,
        subject,
        key,
        extensions
    };

    Forger() {
        const Bytes der = aws_root().der();
        const auto certificate = der::Row(der).next().value();
        outside = elements_of(certificate.content);
        inside = elements_of(der::Row(outside[0]).next().value().content);
    }

    Forger& with(Place place, const Bytes& part) {
        inside[place] = part;
        return *this;
    }
    Forger& with(Place place, std::string_view digits) { return with(place, hex(digits)); }
    Forger& with_extensions(const std::vector<Bytes>& list) {
        return with(extensions, element(0xa3, element(der::kSequence, joined(list))));
    }

    [[nodiscard]] Bytes der() const {
        std::vector<Bytes> parts = outside;
        parts[0] = element(der::kSequence, joined(inside));
        return element(der::kSequence, joined(parts));
    }
    // decoded is whether from_der takes it; read whether fields does, too.
    [[nodiscard]] bool decoded() const {
        const auto certificate = Certificate::from_der(der());
        if (!certificate) {
            EXPECT_TRUE(certificate.error().is(CryptoErrc::bad_encoding));
        }
        return certificate.ok();
    }
    [[nodiscard]] Result<CertificateFields> fields() const {
        CASEMATE_TRY(const Certificate certificate, Certificate::from_der(der()));
        return certificate.fields();
    }
    [[nodiscard]] bool read() const {
        const auto read = fields();
        if (!read) {
            EXPECT_TRUE(read.error().is(CryptoErrc::bad_encoding));
        }
        return read.ok();
    }

    std::vector<Bytes> outside;
    std::vector<Bytes> inside;
};

TEST(Certificate, ReadsTheFieldsOfTheRootOfAws) {
    const Certificate root = aws_root();
    const auto fields = root.fields();
    ASSERT_TRUE(fields.ok()) << fields.error().message();
    EXPECT_EQ(fields->version, 3);
    EXPECT_EQ(to_hex(fields->serial), "f93175681b90afe11d46ccb4e4e7f856");
    const Name name = {{"C", "US"}, {"O", "Amazon"}, {"OU", "AWS"}, {"CN", "aws.nitro-enclaves"}};
    EXPECT_EQ(fields->issuer, name);
    EXPECT_EQ(fields->subject, name);
    EXPECT_EQ(fields->issuer_der, fields->subject_der);
    // 2019-10-28T13:28:05Z and 2049-10-28T14:28:05Z.
    EXPECT_EQ(fields->not_before.time_since_epoch().count(), 1572269285);
    EXPECT_EQ(fields->not_after.time_since_epoch().count(), 2519044085);
    EXPECT_TRUE(fields->ecdsa_with_sha384);
    EXPECT_TRUE(fields->has_basic_constraints);
    EXPECT_TRUE(fields->basic_constraints_critical);
    EXPECT_TRUE(fields->is_ca);
    EXPECT_EQ(fields->path_length, std::nullopt);
    EXPECT_EQ(fields->key_usage, kDigitalSignature | kKeyCertSign | kCrlSign);
    EXPECT_TRUE(fields->key_usage_critical);
    ASSERT_TRUE(fields->subject_key_id);
    EXPECT_EQ(to_hex(*fields->subject_key_id), "9025b50dd90547e796c396fa729dcf99a9df4b96");
    EXPECT_FALSE(fields->authority_key_id);
    EXPECT_FALSE(fields->unknown_critical);
    const auto key = root.public_key();
    ASSERT_TRUE(key.ok()) << key.error().message();
    EXPECT_TRUE(root.is_signed_by(*key));
}

TEST(Certificate, ReadsTheWholeChainOfAws) {
    std::vector<Certificate> chain;
    for (const Bytes& der : golden_certificates()) {
        auto certificate = Certificate::from_der(der);
        ASSERT_TRUE(certificate.ok()) << certificate.error().message();
        EXPECT_EQ(certificate->der(), der);
        chain.push_back(std::move(*certificate));
    }
    for (std::size_t i = 1; i < chain.size(); ++i) {
        const auto above = chain[i - 1].fields();
        const auto fields = chain[i].fields();
        ASSERT_TRUE(above.ok() && fields.ok());
        EXPECT_EQ(fields->issuer_der, above->subject_der);
        if (fields->authority_key_id) {
            EXPECT_EQ(fields->authority_key_id, above->subject_key_id);
        }
        EXPECT_TRUE(chain[i].is_signed_by(chain[i - 1].public_key().value()));
        EXPECT_FALSE(chain[i].is_signed_by(chain[i].public_key().value()));
        EXPECT_EQ(fields->is_ca, i < 4);
        EXPECT_FALSE(fields->unknown_critical);
    }
    const auto instance = chain[3].fields();
    EXPECT_EQ(instance->path_length, 0U);
    EXPECT_EQ(instance->key_usage, kKeyCertSign);
    EXPECT_FALSE(instance->subject_key_id || instance->authority_key_id);
    const auto leaf = chain[4].fields();
    EXPECT_TRUE(leaf->has_basic_constraints);
    EXPECT_EQ(leaf->key_usage, kDigitalSignature | kNonRepudiation);
    EXPECT_FALSE(leaf->key_usage_critical);
    EXPECT_EQ(leaf->not_after - leaf->not_before, std::chrono::seconds(3 * 3600 + 3));
}

TEST(Certificate, GoesThroughPem) {
    const Certificate root = aws_root();
    const std::string pem = root.to_pem();
    const auto again = Certificate::from_pem(as_bytes(pem));
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(again->der(), root.der());
    EXPECT_EQ(pem, as_text(aws_root_pem()));
}

TEST(Certificate, ReadsAllOfAPemFile) {
    std::string pem = "# a comment before\n";
    for (const Bytes& der : golden_certificates()) {
        pem += Certificate::from_der(der)->to_pem() + "\n";
    }
    const auto all = Certificate::all_from_pem(as_bytes(pem));
    ASSERT_TRUE(all.ok()) << all.error().message();
    std::vector<Bytes> ders;
    for (const Certificate& certificate : *all) {
        ders.push_back(certificate.der());
    }
    EXPECT_EQ(ders, golden_certificates());
    const auto first = Certificate::from_pem(as_bytes(pem));
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(first->der(), ders[0]);
}

TEST(Certificate, DamagedPemIsRefused) {
    const std::string good(as_text(aws_root_pem()));
    const std::string cut = good + good.substr(0, good.size() / 2);
    std::string altered = good;
    altered[good.size() / 2] = '*';
    for (const std::string& pem :
         {std::string(), std::string("hello"), cut, altered, good + altered,
          std::string("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
          good + "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
          std::string("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}) {
        const auto all = Certificate::all_from_pem(as_bytes(pem));
        ASSERT_FALSE(all.ok()) << pem;
        EXPECT_TRUE(all.error().is(CryptoErrc::bad_encoding));
    }
}

TEST(Certificate, IsOneCertificateWithNothingAfterIt) {
    Bytes der = aws_root().der();
    EXPECT_FALSE(Certificate::from_der({}).ok());
    EXPECT_FALSE(Certificate::from_der(ByteView(der).first(der.size() - 1)).ok());
    der.push_back(0);
    EXPECT_FALSE(Certificate::from_der(der).ok());
    EXPECT_FALSE(Certificate::from_der(Bytes(70000, 0x30)).ok());
}

TEST(Certificate, TheForgerChangesNothingByItself) {
    EXPECT_EQ(Forger().der(), aws_root().der());
}

TEST(Certificate, ASignatureIsOnItsOwnBytesOnly) {
    const auto key = aws_root().public_key();
    ASSERT_TRUE(key.ok());
    const Forger other_serial = Forger().with(Forger::serial, "020101");
    EXPECT_FALSE(Certificate::from_der(other_serial.der())->is_signed_by(*key));
    Forger other_signature;
    other_signature.outside[2].back() ^= 1U;
    EXPECT_FALSE(Certificate::from_der(other_signature.der())->is_signed_by(*key));
    Forger no_signature;
    no_signature.outside[2] = hex("030100");
    EXPECT_FALSE(Certificate::from_der(no_signature.der())->is_signed_by(*key));
}

TEST(Certificate, ASignatureHasOneEncoding) {
    const auto key = aws_root().public_key();
    const Bytes good = Forger().outside[2];
    // BIT STRING, no unused bits, SEQUENCE of 0x66 bytes; then the same with a longer length, and
    // with a byte behind it.
    ASSERT_EQ(to_hex(ByteView(good).first(5)), "0369003066");
    const ByteView numbers = ByteView(good).subspan(5);
    Forger longer;
    longer.outside[2] = joined({hex("036a00308166"), Bytes(numbers.begin(), numbers.end())});
    EXPECT_TRUE(longer.decoded());
    EXPECT_FALSE(Certificate::from_der(longer.der())->is_signed_by(*key));
    Forger trailing;
    trailing.outside[2] =
        joined({hex("036a003066"), Bytes(numbers.begin(), numbers.end()), hex("00")});
    EXPECT_TRUE(trailing.decoded());
    EXPECT_FALSE(Certificate::from_der(trailing.der())->is_signed_by(*key));
}

TEST(Certificate, BothAlgorithmsAreToBeEcdsaWithSha384) {
    // ecdsa-with-SHA256; with SHA384 and a NULL; with SHA384.
    const Bytes sha256 = hex("300a06082a8648ce3d040302");
    const Bytes with_null = hex("300c06082a8648ce3d0403030500");
    const auto key = aws_root().public_key();
    for (const Bytes& algorithm : {sha256, with_null}) {
        Forger outer;
        outer.outside[1] = algorithm;
        EXPECT_FALSE(outer.fields()->ecdsa_with_sha384);
        EXPECT_FALSE(Certificate::from_der(outer.der())->is_signed_by(*key));
        const Forger inner = Forger().with(Forger::algorithm, algorithm);
        EXPECT_FALSE(inner.fields()->ecdsa_with_sha384);
        EXPECT_FALSE(Certificate::from_der(inner.der())->is_signed_by(*key));
    }
}

TEST(Certificate, WhatIsNoCertificateIsRefused) {
    for (const auto place : {Forger::serial, Forger::algorithm, Forger::issuer, Forger::validity,
                             Forger::subject, Forger::key}) {
        EXPECT_FALSE(Forger().with(place, Bytes()).decoded()) << int{place};
        EXPECT_FALSE(Forger().with(place, "0500").decoded()) << int{place};
        EXPECT_FALSE(Forger().with(place, "3003020101").decoded()) << int{place};
    }
    EXPECT_FALSE(Forger().with(Forger::extensions, "0500").decoded());
    Forger fourth;
    fourth.outside.push_back(hex("0500"));
    EXPECT_FALSE(fourth.decoded());
    Forger more;
    more.inside.push_back(hex("0500"));
    EXPECT_FALSE(more.decoded());
    Forger odd_bits;
    odd_bits.outside[2][2] = 1;
    odd_bits.outside[2].back() = 0;
    EXPECT_FALSE(odd_bits.decoded()) << "a signature of bits that are no bytes";
}

TEST(Certificate, VersionsAreOneToThree) {
    EXPECT_EQ(Forger().with(Forger::version, "a003020102").fields()->version, 3);
    EXPECT_FALSE(Forger().with(Forger::version, "a003020100").decoded()) << "the default";
    EXPECT_FALSE(Forger().with(Forger::version, "a003020103").decoded());
    EXPECT_FALSE(Forger().with(Forger::version, "a0030201ff").decoded());
    EXPECT_FALSE(Forger().with(Forger::version, "a0050201020500").decoded());
    EXPECT_FALSE(Forger().with(Forger::version, "a003020101").decoded()) << "2 has no extensions";
    EXPECT_FALSE(Forger().with(Forger::version, Bytes()).decoded()) << "1 neither";
    Forger first = Forger().with(Forger::version, Bytes()).with(Forger::extensions, Bytes());
    EXPECT_EQ(first.fields()->version, 1);
    first.inside.push_back(hex("810200ff"));
    EXPECT_FALSE(first.decoded()) << "1 has no unique identifiers";
    first.with(Forger::version, "a003020101");
    EXPECT_EQ(first.fields()->version, 2);
}

TEST(Certificate, SerialNumbersAreNotNegative) {
    EXPECT_EQ(to_hex(Forger().with(Forger::serial, "020200ff").fields()->serial), "ff");
    EXPECT_EQ(to_hex(Forger().with(Forger::serial, "02017f").fields()->serial), "7f");
    EXPECT_EQ(to_hex(Forger().with(Forger::serial, "020100").fields()->serial), "");
    EXPECT_FALSE(Forger().with(Forger::serial, "0201ff").read());
    EXPECT_FALSE(Forger().with(Forger::serial, "0202007f").decoded());
}

TEST(Certificate, TimesAreInSecondsAndUtc) {
    const auto time = [](std::uint8_t tag, std::string_view from, std::uint8_t tag_until,
                         std::string_view until) {
        return Forger().with(
            Forger::validity,
            element(der::kSequence,
                    joined({element(tag, as_bytes(from)), element(tag_until, as_bytes(until))})));
    };
    const auto at = [&](std::uint8_t tag, std::string_view text) {
        return time(tag, text, der::kUtcTime, "491231235959Z");
    };
    EXPECT_EQ(at(der::kUtcTime, "700101000000Z").fields()->not_before.time_since_epoch().count(),
              0);
    EXPECT_EQ(at(der::kUtcTime, "500101000000Z").fields()->not_before.time_since_epoch().count(),
              -631152000);
    EXPECT_EQ(at(der::kUtcTime, "240229120000Z").fields()->not_before.time_since_epoch().count(),
              1709208000);
    const auto late =
        time(der::kUtcTime, "700101000000Z", der::kGeneralizedTime, "99991231235959Z").fields();
    EXPECT_EQ(late->not_after.time_since_epoch().count(), 253402300799);
    for (const auto* text :
         {"7001010000Z", "700101000000", "700101000000+0000", "700101000000z", "701301000000Z",
          "700001000000Z", "700100000000Z", "700132000000Z", "230229000000Z", "700101240000Z",
          "700101006000Z", "700101000060Z", "70010100000 Z", "7001010000-1Z", "700101000000ZZ",
          "19700101000000Z", ""}) {
        EXPECT_FALSE(at(der::kUtcTime, text).read()) << text;
    }
    for (const auto* text : {"20491231235959Z", "19700101000000Z", "20500101000000.5Z",
                             "205001010000Z", "20500101000000", "500101000000Z"}) {
        EXPECT_FALSE(at(der::kGeneralizedTime, text).read()) << text;
    }
    EXPECT_FALSE(at(der::kOctetString, "700101000000Z").decoded());
}

TEST(Certificate, NamesAreText) {
    // commonName (2.5.4.3) of a type and a value.
    const auto named = [](std::string_view value) {
        const Bytes pair = element(der::kSequence, joined({hex("0603550403"), hex(value)}));
        return Forger().with(Forger::subject, element(der::kSequence, element(der::kSet, pair)));
    };
    EXPECT_EQ(named("0c0361c3a4").fields()->subject, (Name{{"CN", "a\xc3\xa4"}}));
    EXPECT_EQ(named("13026162").fields()->subject, (Name{{"CN", "ab"}}));
    EXPECT_EQ(named("16026162").fields()->subject, (Name{{"CN", "ab"}}));
    EXPECT_EQ(named("1e0400610062").fields()->subject, (Name{{"CN", "ab"}}));
    EXPECT_EQ(named("0c03610062").fields()->subject[0].value, std::string("a\0b", 3));
    EXPECT_FALSE(named("0c02c328").read()) << "no UTF-8";
    EXPECT_FALSE(named("1e03006100").read()) << "half a character";
    EXPECT_FALSE(named("020161").read()) << "a number";
    EXPECT_FALSE(named("170d3730303130313030303030305a").read()) << "a time";
    EXPECT_FALSE(named("3000").read());
    EXPECT_FALSE(named("a000").read());
    EXPECT_FALSE(named("").decoded());
    EXPECT_FALSE(Forger().with(Forger::subject, "30023100").decoded()) << "an empty set";
    EXPECT_FALSE(Forger().with(Forger::subject, "3006310430020500").decoded());
    EXPECT_EQ(Forger().with(Forger::subject, "3000").fields()->subject, Name());
    // 1.2.3.4 has no name of its own.
    const auto unknown = Forger().with(
        Forger::issuer,
        element(der::kSequence,
                element(der::kSet, element(der::kSequence, hex("06032a03040c0161")))));
    EXPECT_EQ(unknown.fields()->issuer, (Name{{"1.2.3.4", "a"}}));
}

TEST(Certificate, ExtensionsComeOnce) {
    const Bytes usage = extension(kKeyUsageId, "03020780", true);
    const Bytes unknown = extension("06032a0304", "00");
    EXPECT_TRUE(Forger().with_extensions({usage, unknown}).read());
    EXPECT_FALSE(Forger().with_extensions({usage, usage}).read());
    const auto twice = Forger().with_extensions({unknown, usage, unknown}).fields();
    ASSERT_FALSE(twice.ok());
    EXPECT_THAT(twice.error().message(), HasSubstr("1.2.3.4 twice"));
    EXPECT_FALSE(Forger().with_extensions({}).decoded()) << "an empty list";
    EXPECT_TRUE(Forger().with(Forger::extensions, Bytes()).read()) << "no list";
}

TEST(Certificate, ExtensionsHaveOneForm) {
    const auto list = [](std::string_view digits) {
        return Forger().with_extensions({hex(digits)});
    };
    EXPECT_TRUE(list("300a06032a03040101ff0400").decoded());
    EXPECT_FALSE(list("300a06032a03040101000400").decoded()) << "FALSE is the default";
    EXPECT_FALSE(list("300506032a0304").decoded()) << "no value";
    EXPECT_FALSE(list("300706032a03040500").decoded()) << "no octet string";
    EXPECT_FALSE(list("300906032a030404000500").decoded()) << "more than a value";
    EXPECT_FALSE(list("3100").decoded());
}

TEST(Certificate, BasicConstraintsAreStrict) {
    const auto with = [](std::string_view value) {
        return Forger().with_extensions({extension(kBasicConstraintsId, value)});
    };
    const auto none = with("3000").fields();
    EXPECT_TRUE(none->has_basic_constraints && !none->is_ca && !none->path_length);
    EXPECT_FALSE(none->basic_constraints_critical);
    const auto authority = with("30060101ff020100").fields();
    EXPECT_TRUE(authority->is_ca);
    EXPECT_EQ(authority->path_length, 0U);
    EXPECT_EQ(with("300a0101ff020500ffffffff").fields()->path_length, 0xffffffffU);
    for (const auto* value :
         {"", "0500", "3003010100", "3003010101", "30060101ff0201ff", "300b0101ff0206010000000000",
          "300a0101ff02050100000000", "30060201000101ff", "30080101ff0201000500",
          "30060101ff0101ff", "30000500", "308100", "30070101ff02020001"}) {
        EXPECT_FALSE(with(value).read()) << value;
    }
}

TEST(Certificate, KeyUsageIsStrict) {
    const auto with = [](std::string_view value) {
        return Forger().with_extensions({extension(kKeyUsageId, value)});
    };
    EXPECT_EQ(with("03020780").fields()->key_usage, kDigitalSignature);
    EXPECT_EQ(with("030206c0").fields()->key_usage, kDigitalSignature | kNonRepudiation);
    EXPECT_EQ(with("03020204").fields()->key_usage, kKeyCertSign);
    EXPECT_EQ(with("0303070080").fields()->key_usage, 1U << 8U);
    EXPECT_FALSE(with("03020780").fields()->key_usage_critical);
    for (const auto* value : {"", "0500", "030100", "03020700", "03020680", "030400000001",
                              "030200c100", "040206c0", "0302068000"}) {
        EXPECT_FALSE(with(value).read()) << value;
    }
}

TEST(Certificate, KeyIdentifiersAreStrict) {
    const auto subject = [](std::string_view value) {
        return Forger().with_extensions({extension(kSubjectKeyIdId, value)});
    };
    EXPECT_EQ(subject("0402abcd").fields()->subject_key_id, hex("abcd"));
    for (const auto* value : {"", "3000", "0402abcd00", "0402ab", "048102abcd"}) {
        EXPECT_FALSE(subject(value).read()) << value;
    }
    const auto authority = [](std::string_view value) {
        return Forger().with_extensions({extension(kAuthorityKeyIdId, value)});
    };
    EXPECT_EQ(authority("30048002abcd").fields()->authority_key_id, hex("abcd"));
    EXPECT_EQ(authority("3000").fields()->authority_key_id, std::nullopt);
    EXPECT_EQ(authority("30098002abcda100820101").fields()->authority_key_id, hex("abcd"));
    for (const auto* value : {"", "0402abcd", "3002a100", "3003820101", "30078201018002abcd",
                              "30068002abcd0500", "30080402abcd8002ab00"}) {
        EXPECT_FALSE(authority(value).read()) << value;
    }
}

TEST(Certificate, NamesTheFirstCriticalExtensionThatIsNotUnderstood) {
    const auto fields =
        Forger()
            .with_extensions({extension(kKeyUsageId, "03020780", true),
                              extension("06032a0304", "00"), extension("06032a0305", "00", true),
                              extension("06032a0306", "00", true)})
            .fields();
    ASSERT_TRUE(fields.ok()) << fields.error().message();
    EXPECT_EQ(fields->unknown_critical, "1.2.3.5");
    // Key identifiers must not be critical (RFC 5280 4.2.1.1 and 4.2.1.2).
    const auto id =
        Forger().with_extensions({extension(kSubjectKeyIdId, "0402abcd", true)}).fields();
    EXPECT_EQ(id->unknown_critical, "2.5.29.14");
}

TEST(Certificate, AKeyInAnotherFormIsNotReturned) {
    // The point compressed: x alone, behind 2 or 3.
    const Bytes spki = aws_root().public_key()->spki();
    Bytes point;
    ByteWriter(point).put_be(std::uint16_t{2});
    ByteWriter(point).put_bytes(ByteView(spki).subspan(24, 48));
    const Bytes compressed = element(
        der::kSequence,
        joined({hex("301006072a8648ce3d020106052b81040022"), element(der::kBitString, point)}));
    const auto certificate = Certificate::from_der(Forger().with(Forger::key, compressed).der());
    ASSERT_TRUE(certificate.ok()) << certificate.error().message();
    const auto key = certificate->public_key();
    ASSERT_FALSE(key.ok());
    EXPECT_TRUE(key.error().is(CryptoErrc::bad_encoding));
}

TEST(Certificate, IsShownInTheWordsOfOpenSsl) {
    const auto text = aws_root().text();
    ASSERT_TRUE(text.ok()) << text.error().message();
    EXPECT_EQ(text->signature_algorithm, "ecdsa-with-SHA384");
    EXPECT_EQ(text->not_before, "Oct 28 13:28:05 2019 GMT");
    EXPECT_EQ(text->not_after, "Oct 28 14:28:05 2049 GMT");
    ASSERT_EQ(text->issuer.size(), 4U);
    EXPECT_EQ(text->issuer[3],
              std::pair(std::string("commonName"), std::string("aws.nitro-enclaves")));
    EXPECT_TRUE(text->signature.starts_with("30:66:02:31:00:a3"));
}

// What OpenSSL makes of the same bytes.
struct Oracle {
    explicit Oracle(ByteView der) {
        const unsigned char* in = der.data();
        certificate.reset(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
        whole = in == der.data() + der.size();
        ERR_clear_error();
    }
    [[nodiscard]] Seconds time(const ASN1_TIME* from) const {
        std::tm parts{};
        EXPECT_EQ(ASN1_TIME_to_tm(from, &parts), 1);
        return Seconds(std::chrono::seconds(timegm(&parts)));
    }
    [[nodiscard]] bool agrees(const CertificateFields& fields) const {
        const X509* x = certificate.get();
        unsigned char* again = nullptr;
        const int size = i2d_re_X509_tbs(certificate.get(), &again);
        const Owned<unsigned char, free_openssl> owned(again);
        const Owned<BIGNUM, BN_free> serial(ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), nullptr));
        Bytes number(static_cast<std::size_t>(BN_num_bytes(serial.get())));
        BN_bn2bin(serial.get(), number.data());
        return size > 0 && fields.version == X509_get_version(x) + 1 && fields.serial == number &&
               fields.not_before == time(X509_get0_notBefore(x)) &&
               fields.not_after == time(X509_get0_notAfter(x)) &&
               static_cast<int>(fields.subject.size()) ==
                   X509_NAME_entry_count(X509_get_subject_name(x));
    }
    Owned<X509, X509_free> certificate;
    bool whole = false;
};

// Every bit of a certificate is turned over: whatever the room still reads, OpenSSL reads too, and
// as the same.
TEST(Certificate, ReadsNothingThatOpenSslDoesNot) {
    const Bytes original = golden_certificates()[4];
    unsigned accepted = 0;
    for (std::size_t bit = 0; bit < original.size() * 8; ++bit) {
        Bytes der = original;
        der[bit / 8] = static_cast<std::uint8_t>(der[bit / 8] ^ (1U << (bit % 8)));
        const auto certificate = Certificate::from_der(der);
        const auto fields = certificate ? certificate->fields() : certificate.error();
        if (!fields) {
            continue;
        }
        ++accepted;
        const Oracle oracle(der);
        ASSERT_TRUE(oracle.certificate && oracle.whole) << bit;
        EXPECT_TRUE(oracle.agrees(*fields)) << bit;
    }
    EXPECT_GT(accepted, 1000U);
}

}  // namespace
}  // namespace casemate::crypto
