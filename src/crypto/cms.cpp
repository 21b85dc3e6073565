#include "crypto/cms.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "crypto/der.hpp"
#include "crypto/der_writer.hpp"
#include "crypto/digest.hpp"
#include "crypto/openssl.hpp"
#include "crypto/random.hpp"

namespace casemate::crypto::cms {

namespace {

using CipherContext = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

constexpr std::size_t kKeySize = 32;
constexpr std::size_t kBlockSize = 16;
constexpr std::size_t kMaxRecipientId = 64;
constexpr std::size_t kMinEncryptedKey = 256;
constexpr std::size_t kMaxEncryptedKey = 512;

// Tags of RFC 5652: [0] of ContentInfo, of the recipient's identifier, of the encrypted content.
constexpr std::uint8_t kContent = 0xa0;
constexpr std::uint8_t kSubjectKeyIdentifier = 0x80;
constexpr std::uint8_t kEncryptedPrimitive = 0x80;
constexpr std::uint8_t kEncryptedConstructed = 0xa0;

constexpr std::uint8_t kConstructed = 0x20;
constexpr std::uint8_t kIndefinite = 0x80;

// 1.2.840.113549.1.7.3 envelopedData and 1.2.840.113549.1.7.1 data, with their tags.
constexpr auto kEnvelopedData =
    std::to_array<std::uint8_t>({0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03});
constexpr auto kData =
    std::to_array<std::uint8_t>({0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01});
// The version of EnvelopedData and of KeyTransRecipientInfo where a recipient has a key identifier.
constexpr auto kVersion2 = std::to_array<std::uint8_t>({0x02, 0x01, 0x02});
// rsaesOaep with SHA-256 and MGF1 with SHA-256, both written out (RFC 4055 4.1).
constexpr auto kOaepSha256 = std::to_array<std::uint8_t>(
    {0x30, 0x3c, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07, 0x30, 0x2f, 0xa0,
     0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
     0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30,
     0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00});
// The same without the NULL parameters of SHA-256, as OpenSSL writes it (RFC 4055 2.1 wants both
// taken).
constexpr auto kOaepSha256WithoutNulls = std::to_array<std::uint8_t>(
    {0x30, 0x38, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07, 0x30, 0x2b,
     0xa0, 0x0d, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
     0xa1, 0x1a, 0x30, 0x18, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08,
     0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01});
// aes256-CBC up to its IV, which is the parameter (RFC 3565 4.1).
constexpr auto kAes256Cbc = std::to_array<std::uint8_t>(
    {0x30, 0x1d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a, 0x04, 0x10});

void append(Bytes& out, ByteView bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

void open_indefinite(Bytes& out, std::uint8_t tag) {
    out.push_back(tag);
    out.push_back(kIndefinite);
}

// close_indefinite writes the end of contents.
void close_indefinite(Bytes& out) {
    out.push_back(0);
    out.push_back(0);
}

void append_recipient(Bytes& out, const Envelope& envelope) {
    Bytes fields;
    append(fields, kVersion2);
    der::append_element(fields, kSubjectKeyIdentifier, envelope.recipient_id);
    append(fields, kOaepSha256);
    der::append_element(fields, der::kOctetString, envelope.encrypted_key);
    Bytes recipient;
    der::append_element(recipient, der::kSequence, fields);
    der::append_element(out, der::kSet, recipient);
}

void append_content(Bytes& out, const Envelope& envelope) {
    open_indefinite(out, der::kSequence);
    append(out, kData);
    append(out, kAes256Cbc);
    append(out, envelope.iv);
    ByteView rest = envelope.ciphertext;
    if (rest.size() <= kMaxPrimitive) {
        der::append_element(out, kEncryptedPrimitive, rest);
    } else {
        open_indefinite(out, kEncryptedConstructed);
        while (!rest.empty()) {
            const std::size_t piece = std::min(rest.size(), kMaxPrimitive);
            der::append_element(out, der::kOctetString, rest.first(piece));
            rest = rest.subspan(piece);
        }
        close_indefinite(out);
    }
    close_indefinite(out);
}

// read_ber reads one element, whose content is what lies between its head and its end. The
// recursion looks for the end of what has indefinite length within indefinite length.
std::optional<der::Element> read_ber(ByteReader& reader, unsigned depth) {
    // An envelope nests five deep.
    constexpr unsigned kMaxDepth = 8;
    const ByteView start = reader.rest();
    if (depth > kMaxDepth || start.size() < 2) {
        return std::nullopt;
    }
    if ((start[0] & kConstructed) == 0 || start[1] != kIndefinite) {
        return der::read_element(reader);
    }
    static_cast<void>(reader.skip(2));
    const ByteView inside = reader.rest();
    while (true) {
        const ByteView rest = reader.rest();
        if (rest.size() >= 2 && rest[0] == 0 && rest[1] == 0) {
            break;
        }
        if (!read_ber(reader, depth + 1)) {
            return std::nullopt;
        }
    }
    der::Element element;
    element.tag = start[0];
    element.content = inside.first(inside.size() - reader.remaining());
    static_cast<void>(reader.skip(2));
    element.whole = start.first(start.size() - reader.remaining());
    return element;
}

// Row of BER elements, of which each must be what comes next.
class BerRow {
public:
    explicit BerRow(ByteView content) : reader_(content) {}

    [[nodiscard]] bool empty() const { return reader_.empty(); }
    [[nodiscard]] std::optional<der::Element> next(std::uint8_t tag) {
        const ByteView rest = reader_.rest();
        return !rest.empty() && rest.front() == tag ? read_ber(reader_, 0) : std::nullopt;
    }
    [[nodiscard]] bool has(std::uint8_t tag) const {
        return !reader_.empty() && reader_.rest().front() == tag;
    }
    // takes moves past these very bytes, if they are next.
    [[nodiscard]] bool takes(ByteView expected) {
        const ByteView rest = reader_.rest();
        return rest.size() >= expected.size() &&
               std::ranges::equal(rest.first(expected.size()), expected) &&
               reader_.skip(expected.size());
    }
    [[nodiscard]] bool copy(MutableBytes out) { return reader_.copy_bytes(out); }

private:
    ByteReader reader_;
};

Error not_envelope(const char* part) {
    return Error(CryptoErrc::bad_encoding,
                 std::string("expected an EnvelopedData of CMS as KMS makes it, found one whose ") +
                     part + " is missing or something else");
}

ByteView content_of(const std::optional<der::Element>& element) {
    return element ? element->content : ByteView();
}

Bytes to_bytes(ByteView bytes) {
    return {bytes.begin(), bytes.end()};
}

Result<> read_recipient(ByteView set, Envelope& envelope) {
    BerRow recipients(set);
    const auto recipient = recipients.next(der::kSequence);
    if (!recipient || !recipients.empty()) {
        return not_envelope("only recipient");
    }
    BerRow row(recipient->content);
    if (!row.takes(kVersion2)) {
        return not_envelope("recipient's version");
    }
    const auto id = row.next(kSubjectKeyIdentifier);
    if (!id || id->content.empty() || id->content.size() > kMaxRecipientId) {
        return not_envelope("recipient's key identifier");
    }
    envelope.recipient_id = to_bytes(id->content);
    if (!row.takes(kOaepSha256) && !row.takes(kOaepSha256WithoutNulls)) {
        return not_envelope("key encryption by RSAES-OAEP with SHA-256");
    }
    const auto key = row.next(der::kOctetString);
    if (!key || key->content.size() < kMinEncryptedKey || key->content.size() > kMaxEncryptedKey ||
        !row.empty()) {
        return not_envelope("encrypted key");
    }
    envelope.encrypted_key = to_bytes(key->content);
    return {};
}

// read_ciphertext takes one primitive [0], or OCTET STRINGs in a constructed one.
bool read_ciphertext(BerRow& row, Bytes& ciphertext) {
    if (row.has(kEncryptedPrimitive)) {
        const auto whole = row.next(kEncryptedPrimitive);
        ciphertext = to_bytes(content_of(whole));
        return whole.has_value();
    }
    const auto list = row.next(kEncryptedConstructed);
    BerRow pieces(content_of(list));
    while (!pieces.empty()) {
        const auto piece = pieces.next(der::kOctetString);
        if (!piece) {
            return false;
        }
        append(ciphertext, piece->content);
    }
    return list.has_value();
}

Result<> read_content(ByteView content, Envelope& envelope) {
    BerRow row(content);
    if (!row.takes(kData)) {
        return not_envelope("content type");
    }
    if (!row.takes(kAes256Cbc) || !row.copy(envelope.iv)) {
        return not_envelope("content encryption by AES-256-CBC");
    }
    if (!read_ciphertext(row, envelope.ciphertext) || !row.empty() || envelope.ciphertext.empty() ||
        envelope.ciphertext.size() % kBlockSize != 0) {
        return not_envelope("encrypted content of whole blocks");
    }
    return {};
}

Bytes encrypt(const SecretBytes& key, ByteView iv, ByteView plaintext) {
    const CipherContext context(EVP_CIPHER_CTX_new());
    Bytes ciphertext(plaintext.size() + kBlockSize);
    int size = 0;
    int rest = 0;
    require(context &&
                EVP_EncryptInit_ex2(context.get(), EVP_aes_256_cbc(), key.view().data(), iv.data(),
                                    nullptr) == 1 &&
                EVP_EncryptUpdate(context.get(), ciphertext.data(), &size, plaintext.data(),
                                  static_cast<int>(plaintext.size())) == 1 &&
                EVP_EncryptFinal_ex(context.get(), ciphertext.data() + size, &rest) == 1,
            "encrypt by AES-256-CBC");
    ciphertext.resize(static_cast<std::size_t>(size) + static_cast<std::size_t>(rest));
    return ciphertext;
}

Result<SecretBytes> decrypt(const SecretBytes& key, ByteView iv, ByteView ciphertext) {
    const CipherContext context(EVP_CIPHER_CTX_new());
    SecretBytes room(ciphertext.size() + kBlockSize);
    std::uint8_t* const out = room.mutable_view().data();
    int size = 0;
    int rest = 0;
    require(context &&
                EVP_DecryptInit_ex2(context.get(), EVP_aes_256_cbc(), key.view().data(), iv.data(),
                                    nullptr) == 1 &&
                EVP_DecryptUpdate(context.get(), out, &size, ciphertext.data(),
                                  static_cast<int>(ciphertext.size())) == 1,
            "decrypt by AES-256-CBC");
    if (EVP_DecryptFinal_ex(context.get(), out + size, &rest) != 1) {
        return closed();
    }
    SecretBytes plaintext(static_cast<std::size_t>(size) + static_cast<std::size_t>(rest));
    std::ranges::copy(room.view().first(plaintext.size()), plaintext.mutable_view().begin());
    return plaintext;
}

}  // namespace

Bytes write(const Envelope& envelope) {
    Bytes out;
    open_indefinite(out, der::kSequence);
    append(out, kEnvelopedData);
    open_indefinite(out, kContent);
    open_indefinite(out, der::kSequence);
    append(out, kVersion2);
    append_recipient(out, envelope);
    append_content(out, envelope);
    close_indefinite(out);
    close_indefinite(out);
    close_indefinite(out);
    return out;
}

Result<Envelope> read(ByteView ber) {
    if (ber.size() > kMaxEnvelope) {
        return Error(CryptoErrc::bad_encoding, "expected an EnvelopedData of CMS of at most " +
                                                   std::to_string(kMaxEnvelope) +
                                                   " bytes, found more");
    }
    BerRow outside(ber);
    const auto info = outside.next(der::kSequence);
    BerRow typed(content_of(info));
    if (!outside.empty() || !typed.takes(kEnvelopedData)) {
        return not_envelope("type");
    }
    const auto wrapper = typed.next(kContent);
    BerRow wrapped(content_of(wrapper));
    const auto enveloped = wrapped.next(der::kSequence);
    BerRow row(content_of(enveloped));
    if (!typed.empty() || !wrapped.empty() || !row.takes(kVersion2)) {
        return not_envelope("version");
    }
    Envelope envelope;
    const auto recipients = row.next(der::kSet);
    CASEMATE_CHECK(read_recipient(content_of(recipients), envelope));
    const auto content = row.next(der::kSequence);
    CASEMATE_CHECK(read_content(content_of(content), envelope));
    if (!row.empty()) {
        return not_envelope("end");
    }
    return envelope;
}

Result<Bytes> seal_for(const RsaPublicKey& recipient, ByteView plaintext) {
    if (plaintext.size() > kMaxPlaintext) {
        return Error(CryptoErrc::out_of_range, "expected at most " + std::to_string(kMaxPlaintext) +
                                                   " bytes to seal, found " +
                                                   std::to_string(plaintext.size()));
    }
    const SecretBytes key = random_secret(kKeySize);
    Envelope envelope;
    random_bytes(envelope.iv);
    const Digest256 id = sha256(recipient.spki());
    envelope.recipient_id.assign(id.begin(), id.end());
    CASEMATE_TRY(envelope.encrypted_key, recipient.encrypt(OaepHash::sha256, key.view()));
    envelope.ciphertext = encrypt(key, envelope.iv, plaintext);
    return write(envelope);
}

Result<SecretBytes> open_with(const RsaPrivateKey& recipient, ByteView ber) {
    CASEMATE_TRY(const Envelope envelope, read(ber));
    CASEMATE_TRY(const SecretBytes key,
                 recipient.decrypt(OaepHash::sha256, envelope.encrypted_key));
    if (key.size() != kKeySize) {
        return closed();
    }
    return decrypt(key, envelope.iv, envelope.ciphertext);
}

}  // namespace casemate::crypto::cms
