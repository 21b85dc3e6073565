#include "crypto/issue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/temporary_directory.hpp"
#include "crypto/certificate_parts.hpp"
#include "crypto/golden_for_test.hpp"

namespace casemate::crypto {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr Seconds kNow{seconds(1'790'000'000)};

PrivateKey issuing_key(Curve curve = Curve::p384) {
    auto key = PrivateKey::generate(curve);
    EXPECT_TRUE(key.ok());
    return std::move(key).value();
}

Name name(const std::string& common_name) {
    return {{"C", "ZZ"}, {"O", "Casemate"}, {"OU", "kvm"}, {"CN", common_name}};
}

CertificateTemplate authority_template() {
    CertificateTemplate what;
    what.serial = Bytes(20, 0x5a);
    what.subject = name("root");
    what.not_before = kNow;
    what.not_after = kNow + hours(24);
    what.is_ca = true;
    what.path_length = 2;
    what.key_usage = kDigitalSignature | kKeyCertSign | kCrlSign;
    what.with_subject_key_id = true;
    what.with_authority_key_id = true;
    return what;
}

// Level: a key with its certificate.
struct Level {
    PrivateKey key;
    Certificate certificate;
};

Level make_level(const CertificateTemplate& what, const Level* above) {
    PrivateKey key = issuing_key();
    const Issuer issuer = above == nullptr
                              ? Issuer{what.subject, &key}
                              : Issuer{above->certificate.fields()->subject, &above->key};
    auto certificate = issue(what, key.public_key(), issuer);
    EXPECT_TRUE(certificate.ok()) << certificate.error().message();
    return Level{std::move(key), std::move(certificate).value()};
}

// template_of says what a certificate of AWS says.
CertificateTemplate template_of(const CertificateFields& fields) {
    CertificateTemplate what;
    what.serial = fields.serial;
    // Of AWS's random 20 bytes half have the first bit set, which makes 21 of them (RFC
    // 5280 4.1.2.2 has at most 20).
    what.serial.resize(std::min<std::size_t>(what.serial.size(), 19));
    what.subject = fields.subject;
    what.not_before = fields.not_before;
    what.not_after = fields.not_after;
    what.is_ca = fields.is_ca;
    what.path_length = fields.path_length;
    what.key_usage = fields.key_usage.value_or(0);
    what.key_usage_critical = fields.key_usage_critical;
    what.with_subject_key_id = fields.subject_key_id.has_value();
    what.with_authority_key_id = fields.authority_key_id.has_value();
    return what;
}

std::vector<Level> make_chain(const std::vector<CertificateTemplate>& templates) {
    std::vector<Level> chain;
    chain.reserve(templates.size());
    for (const CertificateTemplate& what : templates) {
        chain.push_back(make_level(what, chain.empty() ? nullptr : &chain.back()));
    }
    return chain;
}

std::vector<CertificateTemplate> templates_of_aws() {
    std::vector<CertificateTemplate> templates;
    for (const Bytes& der : golden_certificates()) {
        templates.push_back(template_of(Certificate::from_der(der)->fields().value()));
    }
    return templates;
}

TEST(Issue, WritesWhatTheTemplateSays) {
    const PrivateKey issuer = issuing_key();
    const PrivateKey subject = issuing_key();
    const auto certificate =
        issue(authority_template(), subject.public_key(), {name("issuer"), &issuer});
    ASSERT_TRUE(certificate.ok()) << certificate.error().message();
    const auto fields = certificate->fields();
    ASSERT_TRUE(fields.ok()) << fields.error().message();
    EXPECT_EQ(fields->version, 3);
    EXPECT_EQ(fields->serial, Bytes(20, 0x5a));
    EXPECT_EQ(fields->issuer, name("issuer"));
    EXPECT_EQ(fields->subject, name("root"));
    EXPECT_NE(fields->issuer_der, fields->subject_der);
    EXPECT_EQ(fields->not_before, kNow);
    EXPECT_EQ(fields->not_after, kNow + hours(24));
    EXPECT_TRUE(fields->ecdsa_with_sha384);
    EXPECT_TRUE(fields->has_basic_constraints);
    EXPECT_TRUE(fields->basic_constraints_critical);
    EXPECT_TRUE(fields->is_ca);
    EXPECT_EQ(fields->path_length, 2U);
    EXPECT_EQ(fields->key_usage, kDigitalSignature | kKeyCertSign | kCrlSign);
    EXPECT_TRUE(fields->key_usage_critical);
    ASSERT_TRUE(fields->subject_key_id && fields->authority_key_id);
    EXPECT_EQ(fields->subject_key_id->size(), 20U);
    EXPECT_NE(*fields->subject_key_id, *fields->authority_key_id);
    EXPECT_FALSE(fields->unknown_critical);

    const auto key = certificate->public_key();
    ASSERT_TRUE(key.ok()) << key.error().message();
    EXPECT_EQ(key->spki(), subject.public_key().spki());
    EXPECT_TRUE(certificate->is_signed_by(issuer.public_key()));
    EXPECT_FALSE(certificate->is_signed_by(subject.public_key()));
}

// AWS's certificates, written again with other keys: what depends on no key is the same, byte for
// byte. Their distribution point of revocation lists is left out.
TEST(Issue, WritesCertificatesOfTheShapeOfAws) {
    const auto golden = golden_certificates();
    const auto ours = make_chain(templates_of_aws());
    for (std::size_t i = 0; i < golden.size(); ++i) {
        const auto theirs = read_parts(golden[i]).value();
        const Bytes& der = ours[i].certificate.der();
        const auto parts = read_parts(der).value();
        const auto same = [](ByteView a, ByteView b) { return std::ranges::equal(a, b); };
        EXPECT_TRUE(same(theirs.signed_algorithm, parts.signed_algorithm)) << i;
        EXPECT_TRUE(same(theirs.algorithm, parts.algorithm)) << i;
        EXPECT_TRUE(same(theirs.not_before.whole, parts.not_before.whole)) << i;
        EXPECT_TRUE(same(theirs.not_after.whole, parts.not_after.whole)) << i;
        EXPECT_EQ(to_hex(theirs.issuer), to_hex(parts.issuer)) << i;
        EXPECT_EQ(to_hex(theirs.subject), to_hex(parts.subject)) << i;
        auto extension = parts.extensions.begin();
        for (const ExtensionParts& theirs_one : theirs.extensions) {
            // id-ce-cRLDistributionPoints.
            if (to_hex(theirs_one.id.whole) == "0603551d1f") {
                continue;
            }
            ASSERT_NE(extension, parts.extensions.end());
            EXPECT_EQ(to_hex(theirs_one.id.whole), to_hex(extension->id.whole)) << i;
            EXPECT_EQ(theirs_one.critical, extension->critical) << i;
            EXPECT_EQ(theirs_one.value.size(), extension->value.size()) << i;
            ++extension;
        }
        EXPECT_EQ(extension, parts.extensions.end()) << i;
    }
}

// AWS's key identifiers are made as ours are: from its public keys come its identifiers.
TEST(Issue, MakesKeyIdentifiersAsAwsDoes) {
    const auto root = Certificate::from_der(golden_certificates()[0]);
    const auto region = Certificate::from_der(golden_certificates()[1]);
    const PrivateKey key = issuing_key();
    const auto certificate =
        issue(authority_template(), root->public_key().value(), {name("issuer"), &key});
    ASSERT_TRUE(certificate.ok()) << certificate.error().message();
    EXPECT_EQ(certificate->fields()->subject_key_id, root->fields()->subject_key_id);
    const auto self = make_level(authority_template(), nullptr);
    EXPECT_EQ(self.certificate.fields()->subject_key_id,
              self.certificate.fields()->authority_key_id);
}

TEST(Issue, LeavesOutWhatTheTemplateDoesNotAskFor) {
    CertificateTemplate what;
    what.serial = {1};
    what.subject = name("leaf");
    what.not_before = kNow;
    what.not_after = kNow;
    const Level leaf = make_level(what, nullptr);
    const auto fields = leaf.certificate.fields();
    ASSERT_TRUE(fields.ok()) << fields.error().message();
    EXPECT_TRUE(fields->has_basic_constraints);
    EXPECT_FALSE(fields->is_ca || fields->path_length || fields->key_usage ||
                 fields->subject_key_id || fields->authority_key_id);
    EXPECT_EQ(to_hex(read_parts(leaf.certificate.der())->extensions[0].value), "3000");
}

TEST(Issue, WritesTimesOnBothSidesOf2050) {
    CertificateTemplate what = authority_template();
    // The last second of 2049 and 9999.
    what.not_before = Seconds(seconds(2'524'607'999));
    what.not_after = Seconds(seconds(253'402'300'799));
    const Level level = make_level(what, nullptr);
    const auto fields = level.certificate.fields();
    ASSERT_TRUE(fields.ok()) << fields.error().message();
    EXPECT_EQ(fields->not_before, what.not_before);
    EXPECT_EQ(fields->not_after, what.not_after);
    const auto parts = read_parts(level.certificate.der());
    EXPECT_EQ(as_text(parts->not_before.content), "491231235959Z");
    EXPECT_EQ(as_text(parts->not_after.content), "99991231235959Z");
}

TEST(Issue, KeepsTextInNames) {
    CertificateTemplate what = authority_template();
    what.subject = {{"CN", "\xc3\xa4, \"b\"=c"}, {"ST", "Local"}, {"L", "Local"}, {"O", "x"}};
    const Level level = make_level(what, nullptr);
    EXPECT_EQ(level.certificate.fields()->subject, what.subject);
}

TEST(Issue, RefusesATemplateThatCanNotBeEncoded) {
    const PrivateKey key = issuing_key();
    const auto refused = [&](const CertificateTemplate& what) {
        const auto certificate = issue(what, key.public_key(), {name("issuer"), &key});
        EXPECT_TRUE(certificate.ok() || certificate.error().is(CryptoErrc::bad_encoding));
        return certificate ? "" : certificate.error().message();
    };
    auto what = authority_template();
    for (const Bytes& serial : {Bytes(), Bytes(21, 1), Bytes(20, 0x80), Bytes(4, 0)}) {
        what.serial = serial;
        EXPECT_THAT(refused(what), HasSubstr("serial number")) << to_hex(serial);
    }
    what = authority_template();
    what.not_after = what.not_before - seconds(1);
    EXPECT_THAT(refused(what), HasSubstr("validity"));
    what.not_after = Seconds(seconds(253'402'300'800));
    EXPECT_THAT(refused(what), HasSubstr("validity"));
    what = authority_template();
    what.not_before = Seconds(seconds(-631'152'001));
    EXPECT_THAT(refused(what), HasSubstr("validity"));
    for (const NameAttribute& attribute :
         {NameAttribute{"CN", std::string(65, 'x')}, NameAttribute{"C", "Germany"},
          NameAttribute{"XYZ", "x"}, NameAttribute{"CN", "\xff"}, NameAttribute{"CN", ""}}) {
        what = authority_template();
        what.subject = {attribute};
        EXPECT_THAT(refused(what), HasSubstr(attribute.type)) << attribute.value;
    }
}

TEST(Issue, WritesTheGivenSerialNumber) {
    auto what = authority_template();
    for (const auto& [serial, read] : std::vector<std::pair<Bytes, std::string>>{
             {{0x01}, "01"}, {{0xff}, "ff"}, {{0x00, 0x01}, "01"}, {Bytes(20, 0x7f), ""}}) {
        what.serial = serial;
        const auto fields = make_level(what, nullptr).certificate.fields();
        EXPECT_EQ(to_hex(fields->serial), read.empty() ? to_hex(serial) : read);
    }
}

// openssl runs the program of that name and gives whether it succeeded, with what it printed.
std::pair<bool, std::string> openssl(const std::vector<std::string>& arguments) {
    auto pipe = make_pipe();
    EXPECT_TRUE(pipe.ok());
    SpawnOptions options;
    options.program = "/usr/bin/openssl";
    options.arguments = arguments;
    options.standard_output = pipe->second.get();
    options.standard_error = pipe->second.get();
    auto process = Process::spawn(options);
    EXPECT_TRUE(process.ok());
    pipe->second.reset();
    std::string said;
    Bytes buffer(4096);
    while (const auto size = read_some(pipe->first.get(), buffer).value()) {
        said += as_text(ByteView(buffer).first(size));
    }
    return {process->wait()->exit_code == 0, said};
}

class OpenSslProgram : public testing::Test {
protected:
    void SetUp() override {
        if (!std::filesystem::exists("/usr/bin/openssl")) {
            GTEST_SKIP() << "the program openssl is not installed";
        }
    }

    std::string write(const std::string& file, const std::vector<Level>& levels, std::size_t from,
                      std::size_t to) {
        std::string pem;
        for (std::size_t i = from; i < to; ++i) {
            pem += levels[i].certificate.to_pem();
        }
        std::string path = directory_->path() + "/" + file;
        EXPECT_TRUE(write_file_atomically(path, as_bytes(pem)).ok());
        return path;
    }
    // verify checks a chain of five, root first, at a time.
    std::pair<bool, std::string> verify(const std::vector<Level>& chain, Seconds time) {
        return openssl({"verify", "-x509_strict", "-attime",
                        std::to_string(time.time_since_epoch().count()), "-CAfile",
                        write("root.pem", chain, 0, 1), "-untrusted",
                        write("bundle.pem", chain, 1, 4), write("leaf.pem", chain, 4, 5)});
    }

    Result<TemporaryDirectory> directory_ = TemporaryDirectory::create();
};

// The shape of Casemate's own chain (formats.md 2.5), but for names that are other rooms'.
std::vector<CertificateTemplate> own_templates() {
    std::vector<CertificateTemplate> templates = templates_of_aws();
    for (std::size_t i = 0; i < templates.size(); ++i) {
        templates[i].subject = name("level " + std::to_string(i));
    }
    return templates;
}

TEST_F(OpenSslProgram, VerifiesAChain) {
    const auto templates = own_templates();
    const auto chain = make_chain(templates);
    // -x509_strict wants key identifiers everywhere, which AWS's instance and leaf don't have.
    const auto [verified, said] =
        openssl({"verify", "-attime",
                 std::to_string(templates[4].not_before.time_since_epoch().count() + 5), "-CAfile",
                 write("root.pem", chain, 0, 1), "-untrusted", write("bundle.pem", chain, 1, 4),
                 write("leaf.pem", chain, 4, 5)});
    EXPECT_TRUE(verified) << said;
}

TEST_F(OpenSslProgram, VerifiesAChainWithKeyIdentifiersStrictly) {
    auto templates = own_templates();
    for (std::size_t i = 1; i < templates.size(); ++i) {
        templates[i].with_subject_key_id = true;
        templates[i].with_authority_key_id = true;
    }
    const Seconds time = templates[4].not_before + seconds(5);
    const auto [verified, said] = verify(make_chain(templates), time);
    EXPECT_TRUE(verified) << said;
    const auto [late, reason] = verify(make_chain(templates), templates[4].not_after + seconds(5));
    EXPECT_FALSE(late);
    EXPECT_THAT(reason, HasSubstr("expired"));
    templates[2].path_length = 0;
    const auto [too_long, why] = verify(make_chain(templates), time);
    EXPECT_FALSE(too_long);
    EXPECT_THAT(why, HasSubstr("path length"));
}

TEST_F(OpenSslProgram, ShowsWhatTheTemplateSays) {
    std::vector<Level> levels;
    levels.push_back(make_level(authority_template(), nullptr));
    const auto [shown, text] =
        openssl({"x509", "-noout", "-text", "-in", write("root.pem", levels, 0, 1)});
    ASSERT_TRUE(shown) << text;
    for (const auto* line :
         {"Version: 3 (0x2)", "Signature Algorithm: ecdsa-with-SHA384",
          "Issuer: C = ZZ, O = Casemate, OU = kvm, CN = root",
          "Not Before: Sep 21 14:13:20 2026 GMT", "NIST CURVE: P-384",
          "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:2",
          "X509v3 Key Usage: critical\n                Digital Signature, Certificate Sign, CRL",
          "X509v3 Authority Key Identifier: ", "X509v3 Subject Key Identifier: "}) {
        EXPECT_THAT(text, HasSubstr(line));
    }
}

TEST(Issue, AnotherCurveSignsWithItsOwnDigest) {
    const PrivateKey key = issuing_key(Curve::p256);
    const auto certificate = issue(authority_template(), key.public_key(), {name("root"), &key});
    ASSERT_TRUE(certificate.ok()) << certificate.error().message();
    EXPECT_EQ(certificate->text()->signature_algorithm, "ecdsa-with-SHA256");
    EXPECT_FALSE(certificate->fields()->ecdsa_with_sha384);
    EXPECT_FALSE(certificate->is_signed_by(key.public_key()));
}

}  // namespace
}  // namespace casemate::crypto
