#include "kms/vault/seal.hpp"

#include <algorithm>
#include <array>

#include "crypto/aead.hpp"
#include "crypto/digest.hpp"
#include "crypto/kdf.hpp"
#include "crypto/random.hpp"
#include "crypto/token_rsa.hpp"

namespace casemate::kms {

namespace {

// The header, numbers big-endian: "CKR1", how the file is protected, and then
//   none: nothing.
//   passphrase: salt (16), scrypt's n (8), r (4), p (4).
//   token: the SHA-256 of its key's SubjectPublicKeyInfo (32), the size of what follows (2), and
//   the sealing key encrypted to that key by RSAES-OAEP with SHA-256 and MGF1 of SHA-256.
constexpr std::string_view kMagic = "CKR1";
constexpr std::size_t kSaltSize = 16;
constexpr std::size_t kDigestSize = std::tuple_size_v<crypto::Digest256>;
constexpr std::size_t kCostSize = 16;

enum class Kind : std::uint8_t { none = 0, passphrase = 1, token = 2 };

Kind kind_of(const RootKeyProtection& protection) {
    return static_cast<Kind>(protection.index());
}

std::string_view name_of(Kind kind) {
    switch (kind) {
        case Kind::none:
            return "nothing";
        case Kind::passphrase:
            return "a passphrase";
        case Kind::token:
            return "a token's key";
    }
    return "an unknown way";
}

Error damaged(std::string detail) {
    return {VaultErrc::damaged, std::move(detail)};
}

Error empty_passphrase() {
    return {VaultErrc::wrong_passphrase, "expected a passphrase, found an empty one"};
}

Error of_token(const Error& error) {
    return {error.is(crypto::CryptoErrc::out_of_range) ? VaultErrc::wrong_protection
                                                       : VaultErrc::token_failure,
            error.detail()};
}

Result<SecretBytes> derive(const SecretBytes& passphrase, ByteView salt,
                           const crypto::ScryptCost& cost) {
    auto key = crypto::scrypt(passphrase, salt, cost, crypto::kAeadKeySize);
    if (!key) {
        return key.error().is(crypto::CryptoErrc::out_of_range)
                   ? damaged("expected a cost that scrypt takes: " + key.error().detail())
                   : Error(VaultErrc::unavailable, key.error().message());
    }
    return std::move(key).value();
}

Result<> seal_by_passphrase(const SecretBytes& passphrase, Seal& seal) {
    if (passphrase.empty()) {
        return empty_passphrase();
    }
    std::array<std::uint8_t, kSaltSize> salt{};
    crypto::random_bytes(salt);
    const crypto::ScryptCost cost;
    ByteWriter writer(seal.header);
    writer.put_bytes(salt);
    writer.put_be(cost.n);
    writer.put_be(cost.block_size);
    writer.put_be(cost.parallelism);
    CASEMATE_TRY(seal.key, derive(passphrase, salt, cost));
    return {};
}

// What the token can't open again is found now, not when all is sealed by it.
Result<> seal_by_token(const std::string& uri, Seal& seal) {
    const auto token = crypto::TokenRsaKey::find(uri);
    if (!token) {
        return of_token(token.error());
    }
    seal.key = crypto::random_secret(crypto::kAeadKeySize);
    const auto encrypted = token->public_key().encrypt(crypto::OaepHash::sha256, seal.key.view());
    if (!encrypted) {
        return of_token(encrypted.error());
    }
    const auto opened = token->decrypt(crypto::OaepHash::sha256, *encrypted);
    if (!opened) {
        return of_token(opened.error());
    }
    if (!constant_time_equal(opened->view(), seal.key.view())) {
        return Error(VaultErrc::token_failure,
                     "expected the token to give back what was encrypted to its key, found other "
                     "bytes");
    }
    ByteWriter writer(seal.header);
    writer.put_bytes(crypto::sha256(token->public_key().spki()));
    writer.put_be(static_cast<std::uint16_t>(encrypted->size()));
    writer.put_bytes(*encrypted);
    return {};
}

Result<SecretBytes> open_by_passphrase(ByteReader& reader, const SecretBytes& passphrase) {
    if (passphrase.empty()) {
        return empty_passphrase();
    }
    ByteView salt;
    crypto::ScryptCost cost;
    if (!reader.read_bytes(kSaltSize, salt) || !reader.read_be(cost.n) ||
        !reader.read_be(cost.block_size) || !reader.read_be(cost.parallelism)) {
        return damaged("expected a salt and a cost");
    }
    return derive(passphrase, salt, cost);
}

Result<SecretBytes> open_by_token(ByteReader& reader, const std::string& uri,
                                  const std::string& path) {
    ByteView digest;
    std::uint16_t size = 0;
    ByteView encrypted;
    if (!reader.read_bytes(kDigestSize, digest) || !reader.read_be(size) ||
        !reader.read_bytes(size, encrypted)) {
        return damaged("expected a key encrypted to a token's");
    }
    const auto token = crypto::TokenRsaKey::find(uri);
    if (!token) {
        return of_token(token.error());
    }
    const crypto::Digest256 found = crypto::sha256(token->public_key().spki());
    if (!std::ranges::equal(found, digest)) {
        return Error(VaultErrc::wrong_protection, "expected the token's key that protects " + path +
                                                      ", whose public key has the SHA-256 " +
                                                      to_hex(digest) + ", found " + to_hex(found));
    }
    auto key = token->decrypt(crypto::OaepHash::sha256, encrypted);
    if (!key) {
        return of_token(key.error());
    }
    if (key->size() != crypto::kAeadKeySize) {
        return damaged("expected a key of 32 bytes for " + path + ", found one of " +
                       std::to_string(key->size()));
    }
    return std::move(key).value();
}

}  // namespace

Result<Seal> make_seal(const RootKeyProtection& protection) {
    Seal seal;
    ByteWriter writer(seal.header);
    writer.put_bytes(as_bytes(kMagic));
    writer.put_u8(static_cast<std::uint8_t>(kind_of(protection)));
    if (const auto* by_passphrase = std::get_if<ByPassphrase>(&protection)) {
        CASEMATE_CHECK(seal_by_passphrase(by_passphrase->passphrase, seal));
    } else if (const auto* by_token = std::get_if<ByToken>(&protection)) {
        CASEMATE_CHECK(seal_by_token(by_token->uri, seal));
    }
    return seal;
}

Result<ByteView> read_seal_header(ByteReader& reader, const std::string& path) {
    const ByteView whole = reader.rest();
    ByteView magic;
    std::uint8_t kind = 0;
    if (!reader.read_bytes(kMagic.size(), magic) || as_text(magic) != kMagic ||
        !reader.read_u8(kind) || kind > static_cast<std::uint8_t>(Kind::token)) {
        return damaged("expected a file of root keys at " + path + ", found another");
    }
    ByteView skipped;
    std::uint16_t size = 0;
    bool there = true;
    if (static_cast<Kind>(kind) == Kind::passphrase) {
        there = reader.read_bytes(kSaltSize + kCostSize, skipped);
    } else if (static_cast<Kind>(kind) == Kind::token) {
        there = reader.read_bytes(kDigestSize, skipped) && reader.read_be(size) &&
                reader.read_bytes(size, skipped);
    }
    if (!there) {
        return damaged("expected how " + path + " is protected, found the end");
    }
    return whole.first(whole.size() - reader.remaining());
}

Result<Seal> open_seal(ByteView header, const RootKeyProtection& protection,
                       const std::string& path) {
    ByteReader reader(header);
    ByteView magic;
    std::uint8_t kind = 0;
    if (!reader.read_bytes(kMagic.size(), magic) || !reader.read_u8(kind)) {
        return damaged("expected how " + path + " is protected, found the end");
    }
    if (static_cast<Kind>(kind) != kind_of(protection)) {
        return Error(VaultErrc::wrong_protection,
                     "expected " + std::string(name_of(static_cast<Kind>(kind))) + ", by which " +
                         path + " is protected, found " +
                         std::string(name_of(kind_of(protection))));
    }
    Seal seal;
    seal.header.assign(header.begin(), header.end());
    if (const auto* by_passphrase = std::get_if<ByPassphrase>(&protection)) {
        CASEMATE_TRY(seal.key, open_by_passphrase(reader, by_passphrase->passphrase));
    } else if (const auto* by_token = std::get_if<ByToken>(&protection)) {
        CASEMATE_TRY(seal.key, open_by_token(reader, by_token->uri, path));
    }
    return seal;
}

}  // namespace casemate::kms
