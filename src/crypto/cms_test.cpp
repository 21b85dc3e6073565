#include "crypto/cms.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>

#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/temporary_directory.hpp"
#include "crypto/der_writer.hpp"
#include "crypto/digest.hpp"
#include "crypto/random.hpp"
#include "crypto/rsa_for_test.hpp"

namespace casemate::crypto::cms {
namespace {

using testing::HasSubstr;

Bytes joined(std::initializer_list<ByteView> parts) {
    Bytes all;
    for (const ByteView part : parts) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

Bytes hex(std::string_view digits) {
    return from_hex(digits).value();
}

// element has a definite length.
Bytes element(std::uint8_t tag, ByteView content) {
    Bytes out;
    der::append_element(out, tag, content);
    return out;
}

Bytes indefinite(std::uint8_t tag, ByteView content) {
    return joined({Bytes{tag, 0x80}, content, Bytes{0, 0}});
}

constexpr const char* kOaep =
    "303c06092a864886f70d010107302fa00f300d06096086480165030402010500a11c301a06092a864886f70d010108"
    "300d06096086480165030402010500";

// Form: how an envelope is encoded; what changes is named.
struct Form {
    Bytes (*outer)(std::uint8_t, ByteView) = indefinite;
    Bytes info_type = hex("06092a864886f70d010703");
    Bytes version = hex("020102");
    Bytes recipient_version = hex("020102");
    Bytes recipient_id = element(0x80, Bytes(32, 0x11));
    Bytes key_algorithm = hex(kOaep);
    Bytes encrypted_key = element(0x04, Bytes(256, 0x22));
    Bytes more_recipients;
    Bytes data_type = hex("06092a864886f70d010701");
    Bytes content_algorithm = joined({hex("301d060960864801650304012a0410"), Bytes(16, 0x33)});
    Bytes content = element(0x80, Bytes(48, 0x44));
    Bytes attributes;

    [[nodiscard]] Bytes made() const {
        const Bytes recipient =
            element(0x30, joined({recipient_version, recipient_id, key_algorithm, encrypted_key}));
        const Bytes recipients = element(0x31, joined({recipient, more_recipients}));
        const Bytes encrypted = outer(0x30, joined({data_type, content_algorithm, content}));
        const Bytes enveloped = outer(0x30, joined({version, recipients, encrypted, attributes}));
        return outer(0x30, joined({info_type, outer(0xa0, enveloped)}));
    }
};

TEST(Cms, OpensWhatItSeals) {
    for (const std::size_t bits : {2048U, 3072U, 4096U}) {
        const RsaPrivateKey& key = rsa_key_for_test(bits);
        for (const std::size_t size : {0U, 1U, 16U, 32U, 983U, 984U, 1000U, 2400U, 65536U}) {
            const SecretBytes plaintext = random_secret(size);
            const auto sealed = seal_for(key.public_key(), plaintext.view());
            ASSERT_TRUE(sealed.ok()) << sealed.error().message();
            const auto opened = open_with(key, *sealed);
            ASSERT_TRUE(opened.ok()) << opened.error().message();
            EXPECT_TRUE(std::ranges::equal(opened->view(), plaintext.view()));
        }
    }
    EXPECT_TRUE(seal_for(rsa_key_for_test().public_key(), Bytes(kMaxPlaintext + 1))
                    .error()
                    .is(CryptoErrc::out_of_range));
}

TEST(Cms, NoTwoEnvelopesShareAnything) {
    const RsaPublicKey& key = rsa_key_for_test().public_key();
    const auto one = read(*seal_for(key, as_bytes("secret")));
    const auto two = read(*seal_for(key, as_bytes("secret")));
    ASSERT_TRUE(one.ok() && two.ok());
    EXPECT_NE(one->iv, two->iv);
    EXPECT_NE(one->encrypted_key, two->encrypted_key);
    EXPECT_NE(one->ciphertext, two->ciphertext);
    const Digest256 id = sha256(key.spki());
    EXPECT_TRUE(std::ranges::equal(one->recipient_id, id));
    EXPECT_TRUE(std::ranges::equal(two->recipient_id, id));
}

// What AWS's own test data have up to their values (formats.md 8.2).
TEST(Cms, HasTheFormOfKms) {
    const Envelope envelope{.recipient_id = Bytes(32, 0x11),
                            .encrypted_key = Bytes(256, 0x22),
                            .iv = {},
                            .ciphertext = Bytes(48, 0x44)};
    EXPECT_EQ(to_hex(write(envelope)),
              "308006092a864886f70d010703a0803080020102"
              "3182016b308201670201028020" +
                  to_hex(Bytes(32, 0x11)) + kOaep + "04820100" + to_hex(Bytes(256, 0x22)) +
                  "308006092a864886f70d010701301d060960864801650304012a0410" + to_hex(Bytes(16)) +
                  "8030" + to_hex(Bytes(48, 0x44)) + "0000000000000000");
}

TEST(Cms, LongContentComesInPieces) {
    Envelope envelope{.recipient_id = Bytes(32, 0x11),
                      .encrypted_key = Bytes(256, 0x22),
                      .iv = {},
                      .ciphertext = Bytes(992, 0x44)};
    EXPECT_THAT(to_hex(write(envelope)), HasSubstr("808203e044"));
    envelope.ciphertext.resize(2000 + 16, 0x44);
    const std::string tail = "a080048203e8" + to_hex(Bytes(1000, 0x44)) + "048203e8" +
                             to_hex(Bytes(1000, 0x44)) + "0410" + to_hex(Bytes(16, 0x44)) +
                             "00000000000000000000";
    EXPECT_THAT(to_hex(write(envelope)), testing::EndsWith(tail));
    const auto again = read(write(envelope));
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(*again, envelope);
}

TEST(Cms, ReadsEveryFormOfOneEnvelope) {
    Form form;
    const auto primitive = read(form.made());
    ASSERT_TRUE(primitive.ok()) << primitive.error().message();
    EXPECT_EQ(primitive->ciphertext, Bytes(48, 0x44));
    EXPECT_EQ(write(*primitive), form.made());
    const Bytes pieces =
        joined({element(0x04, Bytes(40, 0x44)), element(0x04, {}), element(0x04, Bytes(8, 0x44))});
    for (const Bytes& content : {form.content, indefinite(0xa0, pieces), element(0xa0, pieces),
                                 indefinite(0xa0, element(0x04, Bytes(48, 0x44)))}) {
        for (Bytes (*outer)(std::uint8_t, ByteView) : {indefinite, element}) {
            form.content = content;
            form.outer = outer;
            const auto envelope = read(form.made());
            ASSERT_TRUE(envelope.ok()) << envelope.error().message();
            EXPECT_EQ(*envelope, *primitive);
        }
    }
}

void expect_bad(ByteView ber, std::string_view why) {
    const auto envelope = read(ber);
    ASSERT_FALSE(envelope.ok()) << why;
    EXPECT_TRUE(envelope.error().is(CryptoErrc::bad_encoding));
    EXPECT_THAT(envelope.error().detail(), HasSubstr(why));
}

template <class Change>
Bytes changed(Change change) {
    Form form;
    change(form);
    return form.made();
}

TEST(Cms, OtherAlgorithmsAndVersionsAreRefused) {
    expect_bad(changed([](Form& f) { f.info_type.back() = 2; }), "type");
    expect_bad(changed([](Form& f) { f.version.back() = 0; }), "version");
    expect_bad(changed([](Form& f) { f.recipient_version.back() = 0; }), "recipient's version");
    // OAEP with its default parameters, which are SHA-1, and PKCS #1 v1.5.
    expect_bad(changed([](Form& f) { f.key_algorithm = hex("300d06092a864886f70d0101073000"); }),
               "RSAES-OAEP");
    expect_bad(changed([](Form& f) { f.key_algorithm = hex("300d06092a864886f70d0101010500"); }),
               "RSAES-OAEP");
    for (std::size_t i = 0; i < hex(kOaep).size(); ++i) {
        EXPECT_FALSE(read(changed([&](Form& f) { f.key_algorithm[i] ^= 0x01; })).ok()) << i;
    }
    // AES-128-CBC.
    expect_bad(changed([](Form& f) { f.content_algorithm[12] = 0x02; }), "AES-256-CBC");
    expect_bad(changed([](Form& f) { f.data_type.back() = 2; }), "content type");
}

TEST(Cms, OtherPartsAreRefused) {
    expect_bad(changed([](Form& f) { f.recipient_id = element(0x80, {}); }), "identifier");
    expect_bad(changed([](Form& f) { f.recipient_id = element(0x80, Bytes(65)); }), "identifier");
    expect_bad(changed([](Form& f) { f.recipient_id = element(0x30, Bytes(32)); }), "identifier");
    for (const std::size_t size : {0U, 255U, 513U}) {
        expect_bad(changed([&](Form& f) { f.encrypted_key = element(0x04, Bytes(size)); }),
                   "encrypted key");
    }
    expect_bad(changed([](Form& f) {
                   f.encrypted_key.insert(f.encrypted_key.end(), {5, 0});
               }),
               "encrypted key");
    expect_bad(changed([](Form& f) { f.more_recipients = hex("3000"); }), "only recipient");
    for (const std::size_t size : {0U, 1U, 15U, 17U}) {
        expect_bad(changed([&](Form& f) { f.content = element(0x80, Bytes(size)); }), "blocks");
    }
    expect_bad(changed([](Form& f) { f.content = {}; }), "blocks");
    expect_bad(changed([](Form& f) { f.content = element(0x81, Bytes(16)); }), "blocks");
    expect_bad(changed([](Form& f) { f.content = element(0xa0, element(0x02, Bytes(16))); }),
               "blocks");
    expect_bad(changed([](Form& f) { f.content = joined({f.content, f.content}); }), "blocks");
    expect_bad(changed([](Form& f) { f.attributes = hex("a1023000"); }), "end");
}

TEST(Cms, WhatIsCutLongerOrTooDeepIsRefused) {
    const Bytes whole = Form().made();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_FALSE(read(ByteView(whole).first(size)).ok()) << size;
    }
    expect_bad(joined({whole, Bytes{0}}), "type");
    expect_bad(joined({whole, Bytes{0, 0}}), "type");
    Bytes deep(60000, 0x30);
    for (std::size_t i = 1; i < deep.size(); i += 2) {
        deep[i] = 0x80;
    }
    expect_bad(deep, "type");
    expect_bad(Bytes(kMaxEnvelope + 1, 0x30), "at most");
}

void expect_closed(const Result<SecretBytes>& opened) {
    ASSERT_FALSE(opened.ok());
    EXPECT_TRUE(opened.error().is(CryptoErrc::not_opened)) << opened.error().message();
    EXPECT_EQ(opened.error().detail(), "the ciphertext does not open with this key");
}

TEST(Cms, WhatIsForAnotherOrChangedDoesNotOpen) {
    const RsaPrivateKey& key = rsa_key_for_test();
    const auto sealed = seal_for(key.public_key(), Bytes(32, 0x55));
    ASSERT_TRUE(sealed.ok());
    expect_closed(open_with(other_rsa_key_for_test(), *sealed));
    expect_closed(open_with(rsa_key_for_test(3072), *sealed));
    Envelope envelope = *read(*sealed);
    envelope.encrypted_key[100] ^= 0x01;
    expect_closed(open_with(key, write(envelope)));
    // A content key of another size.
    envelope.encrypted_key = key.public_key().encrypt(OaepHash::sha256, Bytes(16)).value();
    expect_closed(open_with(key, write(envelope)));
    // The key's hash is SHA-256: SHA-1 is another.
    envelope.encrypted_key = key.public_key().encrypt(OaepHash::sha1, Bytes(32)).value();
    expect_closed(open_with(key, write(envelope)));
    // The last byte of padding becomes 0x10 ^ 0x20, which is too long.
    envelope = *read(*sealed);
    envelope.ciphertext[envelope.ciphertext.size() - 17] ^= 0x20;
    expect_closed(open_with(key, write(envelope)));
}

// The OpenSSL program, which has its own reader of CMS.
class CmsByOpenSsl : public testing::Test {
protected:
    void SetUp() override {
        if (!std::filesystem::exists("/usr/bin/openssl")) {
            GTEST_SKIP() << "the program openssl is not installed";
        }
        ASSERT_TRUE(directory_.ok());
        ASSERT_TRUE(put("key", rsa_key_for_test().to_pkcs8().view()));
    }
    [[nodiscard]] std::string path(const std::string& name) const {
        return directory_->path() + "/" + name;
    }
    [[nodiscard]] bool put(const std::string& name, ByteView bytes) const {
        return write_file_atomically(path(name), bytes).ok();
    }
    // openssl runs the program and gives whether it succeeded, with what it printed.
    static std::pair<bool, std::string> openssl(std::vector<std::string> arguments) {
        auto pipe = make_pipe();
        EXPECT_TRUE(pipe.ok());
        SpawnOptions options;
        options.program = "/usr/bin/openssl";
        options.arguments = std::move(arguments);
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

    Result<TemporaryDirectory> directory_ = TemporaryDirectory::create();
};

TEST_F(CmsByOpenSsl, OpensBothForms) {
    for (const std::size_t size : {32U, 2400U}) {
        const SecretBytes plaintext = random_secret(size);
        const auto sealed = seal_for(rsa_key_for_test().public_key(), plaintext.view());
        ASSERT_TRUE(put("sealed", *sealed));
        const auto [opened, said] =
            openssl({"cms", "-decrypt", "-binary", "-inform", "DER", "-in", path("sealed"),
                     "-inkey", path("key"), "-keyform", "DER", "-out", path("opened")});
        ASSERT_TRUE(opened) << said;
        EXPECT_TRUE(std::ranges::equal(*read_file(path("opened"), 1U << 20U), plaintext.view()));
    }
}

TEST_F(CmsByOpenSsl, SeesTheStructure) {
    const auto sealed = seal_for(rsa_key_for_test().public_key(), Bytes(32, 0x55));
    ASSERT_TRUE(put("sealed", *sealed));
    const auto [printed, said] =
        openssl({"cms", "-cmsout", "-print", "-noout", "-inform", "DER", "-in", path("sealed")});
    ASSERT_TRUE(printed) << said;
    EXPECT_THAT(said, HasSubstr("contentType: pkcs7-envelopedData"));
    EXPECT_THAT(said, HasSubstr("d.subjectKeyIdentifier"));
    EXPECT_THAT(said, HasSubstr("algorithm: rsaesOaep"));
    EXPECT_THAT(said, HasSubstr("algorithm: aes-256-cbc"));
    EXPECT_THAT(said, testing::Not(HasSubstr("d.issuerAndSerialNumber")));
}

// Who has no Casemate makes an envelope in DER by OpenSSL alone.
TEST_F(CmsByOpenSsl, MakesWhatIsOpened) {
    ASSERT_TRUE(put("plaintext", Bytes(3000, 0x66)));
    const auto [certified, why] =
        openssl({"req", "-x509", "-key", path("key"), "-keyform", "DER", "-subj", "/CN=recipient",
                 "-addext", "subjectKeyIdentifier=hash", "-out", path("certificate")});
    ASSERT_TRUE(certified) << why;
    const auto [made, said] =
        openssl({"cms", "-encrypt", "-binary", "-aes-256-cbc", "-keyid", "-in", path("plaintext"),
                 "-outform", "DER", "-out", path("sealed"), "-recip", path("certificate"),
                 "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256", "-keyopt",
                 "rsa_mgf1_md:sha256"});
    ASSERT_TRUE(made) << said;
    const auto opened = open_with(rsa_key_for_test(), *read_file(path("sealed"), 1U << 20U));
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    EXPECT_TRUE(std::ranges::equal(opened->view(), Bytes(3000, 0x66)));
}

}  // namespace
}  // namespace casemate::crypto::cms
