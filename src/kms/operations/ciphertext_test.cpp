#include "kms/operations/ciphertext.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "crypto/kdf.hpp"
#include "crypto/random.hpp"

namespace casemate::kms {
namespace {

const std::string kKey = "1234abcd-12ab-34cd-56ef-1234567890ab";
const std::string kMaterial(64, 'a');

SecretBytes material_of(std::uint8_t fill) {
    return SecretBytes(Bytes(32, fill));
}

Bytes seal(ByteView plaintext, const EncryptionContext& context = {}) {
    auto blob = seal_ciphertext(kKey, kMaterial, material_of(7), context, plaintext);
    EXPECT_TRUE(blob.ok());
    return std::move(blob).value();
}

// open gives what comes out; nothing when it is refused, which must be without a word.
std::optional<Bytes> open(ByteView blob, const EncryptionContext& context = {},
                          std::uint8_t fill = 7) {
    const auto read = read_ciphertext(blob);
    const auto opened = read ? open_ciphertext(*read, material_of(fill), context)
                             : Result<SecretBytes>(read.error());
    if (!opened) {
        EXPECT_TRUE(opened.error().is(KmsErrc::invalid_ciphertext));
        EXPECT_EQ(opened.error().detail(), "");
        return std::nullopt;
    }
    return Bytes(opened->view().begin(), opened->view().end());
}

TEST(Ciphertext, OpensAsWhatWasSealed) {
    for (const std::size_t size : {1UL, 16UL, 32UL, 4095UL, 4096UL}) {
        Bytes plaintext(size);
        crypto::random_bytes(plaintext);
        const Bytes blob = seal(plaintext, {{"a", "b"}});
        EXPECT_EQ(blob.size(), size + 112);
        EXPECT_LE(blob.size(), kMaxCiphertextBlob);
        EXPECT_EQ(open(blob, {{"a", "b"}}), plaintext);
        const auto read = read_ciphertext(blob);
        ASSERT_TRUE(read.ok());
        EXPECT_EQ(read->key_id, kKey);
        EXPECT_EQ(read->material_id, kMaterial);
    }
}

// The format, put together by hand as the header describes it: what is sealed today must open with
// every later build.
TEST(Ciphertext, IsTheDocumentedFormat) {
    const Bytes salt(32, 0x55);
    const crypto::AeadNonce nonce{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    Bytes blob{'C', 'K', 'C', '1'};
    const auto put = [](Bytes& out, ByteView bytes) {
        out.insert(out.end(), bytes.begin(), bytes.end());
    };
    put(blob, *from_hex("1234abcd12ab34cd56ef1234567890ab"));
    put(blob, Bytes(32, 0xaa));
    put(blob, salt);
    put(blob, nonce);
    Bytes associated = blob;
    put(associated, *from_hex("00000001"
                              "41"
                              "00000002"
                              "6262"
                              "00000001"
                              "61"
                              "00000000"));
    const auto key =
        crypto::hkdf_sha256(material_of(7), salt, as_bytes("casemate-kms ciphertext"), 32);
    ASSERT_TRUE(key.ok());
    const Bytes secret{'h', 'i'};
    const auto sealed = crypto::seal(*key, nonce, associated, secret);
    ASSERT_TRUE(sealed.ok());
    put(blob, *sealed);
    EXPECT_EQ(open(blob, {{"a", ""}, {"A", "bb"}}), secret);
    // The digits as another implementation (Python's cryptography) has them.
    EXPECT_EQ(to_hex(ByteView(blob).subspan(96)), "8ddf26769946ffff99c6a0f30657649ad75f");
}

TEST(Ciphertext, RefusesEachFlippedBit) {
    Bytes blob = seal(as_bytes("secret"));
    for (std::size_t at = 0; at < blob.size(); ++at) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            const auto mask = static_cast<std::uint8_t>(1U << bit);
            blob[at] ^= mask;
            EXPECT_EQ(open(blob), std::nullopt) << "byte " << at << ", bit " << bit;
            blob[at] ^= mask;
        }
    }
    EXPECT_TRUE(open(blob).has_value());
}

TEST(Ciphertext, RefusesEachOtherLength) {
    Bytes blob = seal(as_bytes("secret"));
    for (std::size_t size = 0; size < blob.size(); ++size) {
        EXPECT_EQ(open(ByteView(blob).first(size)), std::nullopt) << size;
    }
    blob.push_back(0);
    EXPECT_EQ(open(blob), std::nullopt);
    blob.resize(kCiphertextHeader + kMaxCiphertextPlaintext + 17);
    EXPECT_FALSE(read_ciphertext(blob).ok());
    // Sixteen bytes of tag alone are no message.
    EXPECT_FALSE(read_ciphertext(ByteView(blob).first(kCiphertextHeader + 16)).ok());
}

TEST(Ciphertext, RefusesAnotherContextOrMaterial) {
    const EncryptionContext context{{"Project", "Alpha"}, {"Level", "3A"}};
    const Bytes blob = seal(as_bytes("secret"), context);
    const std::vector<EncryptionContext> others{
        {},
        {{"Project", "Alpha"}},
        {{"Project", "alpha"}, {"Level", "3A"}},
        {{"project", "Alpha"}, {"Level", "3A"}},
        {{"Project", "Alpha"}, {"Level", "3A"}, {"", ""}},
        // The same bytes, parted elsewhere.
        {{"Project", "AlphaLevel"}, {"", "3A"}},
        {{"Level3A", "ProjectAlpha"}},
        {{"Level", "3A"}, {"ProjectA", "lpha"}},
    };
    for (const EncryptionContext& other : others) {
        EXPECT_EQ(open(blob, other), std::nullopt);
    }
    EXPECT_EQ(open(blob, context, 8), std::nullopt);
    EXPECT_TRUE(open(blob, context).has_value());
}

// Two messages never share their salt and nonce, or anything behind them.
TEST(Ciphertext, IsAnotherEachTime) {
    std::set<Bytes> seen;
    for (int i = 0; i < 100; ++i) {
        const Bytes blob = seal(as_bytes("secret"));
        const auto parts = {ByteView(blob).subspan(52, 32), ByteView(blob).subspan(84, 12),
                            ByteView(blob).subspan(96)};
        for (const ByteView part : parts) {
            EXPECT_TRUE(seen.emplace(part.begin(), part.end()).second);
        }
    }
}

TEST(Ciphertext, SealsNothingElse) {
    const SecretBytes material = material_of(7);
    const Bytes one(1);
    const Bytes long_one(kMaxCiphertextPlaintext + 1);
    struct Case {
        std::string key_id;
        std::string material_id;
        ByteView plaintext;
        SecretBytes material;
    };
    std::vector<Case> cases;
    cases.push_back({kKey, kMaterial, {}, material_of(7)});
    cases.push_back({kKey, kMaterial, long_one, material_of(7)});
    cases.push_back({"alias/example", kMaterial, one, material_of(7)});
    cases.push_back({"", kMaterial, one, material_of(7)});
    cases.push_back({"1234abcd-12ab-34cd-56ef", kMaterial, one, material_of(7)});
    cases.push_back({kKey + "0", kMaterial, one, material_of(7)});
    cases.push_back({kKey, kMaterial.substr(1), one, material_of(7)});
    cases.push_back({kKey, "", one, material_of(7)});
    for (const Case& bad : cases) {
        const auto blob =
            seal_ciphertext(bad.key_id, bad.material_id, bad.material, {}, bad.plaintext);
        ASSERT_FALSE(blob.ok());
        EXPECT_TRUE(blob.error().is(KmsErrc::internal));
    }
}

}  // namespace
}  // namespace casemate::kms
