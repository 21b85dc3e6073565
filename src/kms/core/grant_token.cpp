#include "kms/core/grant_token.hpp"

#include <algorithm>
#include <array>

#include "codec/base64.hpp"
#include "crypto/random.hpp"

namespace casemate::kms {

namespace {

constexpr Bounds kTokenCount{0, 10};
constexpr std::size_t kMaxToken = 8192;
constexpr std::string_view kTokenMagic = "CKG1";
constexpr std::size_t kUuidSize = 16;
constexpr std::size_t kGrantIdBytes = 32;
constexpr std::size_t kTokenSalt = 16;

}  // namespace

std::string make_grant_token(const GrantName& name) {
    std::string digits;
    std::copy_if(name.key_id.begin(), name.key_id.end(), std::back_inserter(digits),
                 [](char letter) { return letter != '-'; });
    Bytes token;
    ByteWriter writer(token);
    writer.put_bytes(as_bytes(kTokenMagic));
    writer.put_bytes(from_hex(digits).value_or(Bytes(kUuidSize)));
    writer.put_bytes(from_hex(name.grant_id).value_or(Bytes(kGrantIdBytes)));
    std::array<std::uint8_t, kTokenSalt> salt{};
    crypto::random_bytes(salt);
    writer.put_bytes(salt);
    return codec::encode_base64(token);
}

std::optional<GrantName> parse_grant_token(std::string_view token) {
    const std::optional<Bytes> bytes = codec::decode_base64(token);
    if (!bytes) {
        return std::nullopt;
    }
    ByteReader reader(*bytes);
    ByteView magic;
    ByteView key;
    ByteView grant;
    if (!reader.read_bytes(kTokenMagic.size(), magic) || as_text(magic) != kTokenMagic ||
        !reader.read_bytes(kUuidSize, key) || !reader.read_bytes(kGrantIdBytes, grant) ||
        !reader.skip(kTokenSalt) || !reader.empty()) {
        return std::nullopt;
    }
    std::string id = to_hex(key);
    for (const std::size_t place : {8U, 13U, 18U, 23U}) {
        id.insert(place, 1, '-');
    }
    return GrantName{std::move(id), to_hex(grant)};
}

Result<> check_grant_tokens(const Fields& fields) {
    CASEMATE_TRY(const std::vector<std::string> tokens, fields.texts("GrantTokens", kTokenCount));
    for (const std::string& token : tokens) {
        if (token.empty() || token.size() > kMaxToken) {
            return Fields::refused("GrantTokens", "[" + token.substr(0, kMaxToken) + "]",
                                   "Member must satisfy constraint: [Member must have length less "
                                   "than or equal to 8192, Member must have length greater than "
                                   "or equal to 1]");
        }
        if (!parse_grant_token(token)) {
            return Error(KmsErrc::invalid_grant_token, "The grant token is not valid.");
        }
    }
    return {};
}

}  // namespace casemate::kms
