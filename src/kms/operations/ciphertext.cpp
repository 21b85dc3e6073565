#include "kms/operations/ciphertext.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "crypto/kdf.hpp"
#include "crypto/random.hpp"

namespace casemate::kms {

namespace {

constexpr std::string_view kMagic = "CKC1";
constexpr std::string_view kPurpose = "casemate-kms ciphertext";
constexpr std::size_t kKeyIdSize = 16;
constexpr std::size_t kMaterialIdSize = 32;
constexpr std::size_t kSaltSize = 32;
// Where the hyphens of a UUID stand.
constexpr std::array<std::size_t, 4> kHyphens{8, 13, 18, 23};

static_assert(4 + kKeyIdSize + kMaterialIdSize + kSaltSize + std::tuple_size_v<crypto::AeadNonce> ==
              kCiphertextHeader);

Error invalid() {
    return {KmsErrc::invalid_ciphertext, ""};
}

std::string uuid_text(ByteView bytes) {
    std::string text = to_hex(bytes);
    for (const std::size_t at : kHyphens) {
        text.insert(at, 1, '-');
    }
    return text;
}

std::optional<Bytes> uuid_bytes(std::string_view text) {
    if (text.size() != 2 * kKeyIdSize + kHyphens.size()) {
        return std::nullopt;
    }
    std::string digits(text);
    for (auto at = kHyphens.rbegin(); at != kHyphens.rend(); ++at) {
        if (text[*at] != '-') {
            return std::nullopt;
        }
        digits.erase(*at, 1);
    }
    return from_hex(digits);
}

// put_context writes an encryption context behind the header: a map is in the order of its keys.
void put_context(Bytes& out, const EncryptionContext& context) {
    ByteWriter writer(out);
    for (const auto& [key, value] : context) {
        for (const std::string_view text : {std::string_view(key), std::string_view(value)}) {
            writer.put_be(static_cast<std::uint32_t>(text.size()));
            writer.put_bytes(as_bytes(text));
        }
    }
}

Bytes associated_data(ByteView header, const EncryptionContext& context) {
    std::size_t size = header.size();
    for (const auto& [key, value] : context) {
        size += 2 * sizeof(std::uint32_t) + key.size() + value.size();
    }
    Bytes associated;
    associated.reserve(size);
    associated.assign(header.begin(), header.end());
    put_context(associated, context);
    return associated;
}

Result<SecretBytes> message_key(const SecretBytes& material, ByteView salt) {
    return crypto::hkdf_sha256(material, salt, as_bytes(kPurpose), crypto::kAeadKeySize);
}

}  // namespace

Result<Ciphertext> read_ciphertext(ByteView blob) {
    Ciphertext read;
    ByteReader reader(blob);
    ByteView magic;
    ByteView key_id;
    ByteView material_id;
    if (!reader.read_bytes(kMagic.size(), magic) || as_text(magic) != kMagic ||
        !reader.read_bytes(kKeyIdSize, key_id) ||
        !reader.read_bytes(kMaterialIdSize, material_id) ||
        !reader.read_bytes(kSaltSize, read.salt) || !reader.copy_bytes(read.nonce) ||
        reader.remaining() <= crypto::kAeadTagSize ||
        reader.remaining() > kMaxCiphertextPlaintext + crypto::kAeadTagSize) {
        return invalid();
    }
    read.key_id = uuid_text(key_id);
    read.material_id = to_hex(material_id);
    read.header = blob.first(kCiphertextHeader);
    read.sealed = reader.rest();
    return read;
}

Result<SecretBytes> open_ciphertext(const Ciphertext& ciphertext, const SecretBytes& material,
                                    const EncryptionContext& context) {
    CASEMATE_TRY(const SecretBytes key, message_key(material, ciphertext.salt));
    auto opened = crypto::open(key, ciphertext.nonce, associated_data(ciphertext.header, context),
                               ciphertext.sealed);
    if (!opened) {
        return invalid();
    }
    return opened;
}

Result<Bytes> seal_ciphertext(std::string_view key_id, std::string_view material_id,
                              const SecretBytes& material, const EncryptionContext& context,
                              ByteView plaintext) {
    const std::optional<Bytes> key_bytes = uuid_bytes(key_id);
    const std::optional<Bytes> material_bytes = from_hex(material_id);
    if (!key_bytes || !material_bytes || material_bytes->size() != kMaterialIdSize ||
        plaintext.empty() || plaintext.size() > kMaxCiphertextPlaintext) {
        return Error(KmsErrc::internal,
                     "expected a key's id, a material's id and 1 to 4096 bytes to seal");
    }
    std::array<std::uint8_t, kSaltSize + std::tuple_size_v<crypto::AeadNonce>> random{};
    crypto::random_bytes(random);
    const ByteView salt = ByteView(random).first(kSaltSize);
    crypto::AeadNonce nonce{};
    std::copy(random.begin() + kSaltSize, random.end(), nonce.begin());

    Bytes blob;
    blob.reserve(kCiphertextHeader + plaintext.size() + crypto::kAeadTagSize);
    ByteWriter writer(blob);
    writer.put_bytes(as_bytes(kMagic));
    writer.put_bytes(*key_bytes);
    writer.put_bytes(*material_bytes);
    writer.put_bytes(random);
    CASEMATE_TRY(const SecretBytes key, message_key(material, salt));
    CASEMATE_TRY(const Bytes sealed,
                 crypto::seal(key, nonce, associated_data(blob, context), plaintext));
    writer.put_bytes(sealed);
    return blob;
}

}  // namespace casemate::kms
