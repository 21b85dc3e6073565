#include "kms/core/names.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "crypto/random.hpp"

namespace casemate::kms {

namespace {

constexpr std::string_view kAliasPrefix = "alias/";
constexpr std::string_view kKeyPrefix = "key/";
constexpr std::size_t kMaxAlias = 256;
constexpr std::size_t kAccountDigits = 12;

bool is_alias_letter(char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '/' || letter == '_' || letter == '-';
}

bool is_hex_digit(char letter) {
    return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f');
}

std::vector<std::string_view> split_arn(std::string_view text) {
    // "arn:aws:kms:REGION:ACCOUNT:RESOURCE": the resource may have colons of its own.
    constexpr std::size_t kParts = 6;
    std::vector<std::string_view> parts;
    while (parts.size() + 1 < kParts) {
        const std::size_t colon = text.find(':');
        if (colon == std::string_view::npos) {
            break;
        }
        parts.push_back(text.substr(0, colon));
        text.remove_prefix(colon + 1);
    }
    parts.push_back(text);
    return parts;
}

Error invalid_arn(std::string_view text) {
    return {KmsErrc::not_found, "Invalid arn " + std::string(text.substr(0, 256))};
}

Error invalid_key_id(std::string_view text) {
    return {KmsErrc::not_found, "Invalid keyId '" + std::string(text.substr(0, 256)) + "'"};
}

Result<KeyName> parse_arn(std::string_view text) {
    const std::vector<std::string_view> parts = split_arn(text);
    if (parts.size() != 6 || parts[0] != "arn" || parts[1].empty() || parts[2] != "kms" ||
        parts[3].empty() || parts[4].size() != kAccountDigits) {
        return invalid_arn(text);
    }
    KeyName name;
    name.arn = true;
    name.region = parts[3];
    name.account = parts[4];
    if (parts[5].starts_with(kKeyPrefix) && is_key_id(parts[5].substr(kKeyPrefix.size()))) {
        name.text = parts[5].substr(kKeyPrefix.size());
        return name;
    }
    if (is_alias_name(parts[5])) {
        name.kind = KeyName::Kind::alias;
        name.text = parts[5];
        return name;
    }
    return invalid_arn(text);
}

std::string arn_of(std::string_view region, std::string_view account, std::string_view resource) {
    std::string text = "arn:aws:kms:";
    text.append(region).append(":").append(account).append(":").append(resource);
    return text;
}

}  // namespace

Result<KeyName> parse_key_name(std::string_view text) {
    if (text.starts_with("arn:")) {
        return parse_arn(text);
    }
    KeyName name;
    name.text = text;
    if (text.starts_with(kAliasPrefix)) {
        if (!is_alias_name(text)) {
            return invalid_key_id(text);
        }
        name.kind = KeyName::Kind::alias;
        return name;
    }
    if (!is_key_id(text)) {
        return invalid_key_id(text);
    }
    return name;
}

bool is_alias_name(std::string_view text) {
    return text.starts_with(kAliasPrefix) && text.size() > kAliasPrefix.size() &&
           text.size() <= kMaxAlias && std::all_of(text.begin(), text.end(), is_alias_letter);
}

bool is_key_id(std::string_view text) {
    constexpr std::array<std::size_t, 4> kDashes{8, 13, 18, 23};
    constexpr std::size_t kSize = 36;
    if (text.size() != kSize) {
        return false;
    }
    for (std::size_t i = 0; i < kSize; ++i) {
        const bool dash = std::find(kDashes.begin(), kDashes.end(), i) != kDashes.end();
        if (dash ? text[i] != '-' : !is_hex_digit(text[i])) {
            return false;
        }
    }
    return true;
}

std::string key_arn(std::string_view region, std::string_view account, std::string_view id) {
    return arn_of(region, account, std::string(kKeyPrefix).append(id));
}

std::string alias_arn(std::string_view region, std::string_view account, std::string_view name) {
    return arn_of(region, account, name);
}

std::string account_of(std::string_view arn) {
    const std::vector<std::string_view> parts = split_arn(arn);
    return parts.size() == 6 ? std::string(parts[4]) : std::string();
}

std::string new_uuid() {
    std::array<std::uint8_t, 16> bytes{};
    crypto::random_bytes(bytes);
    // Version 4, variant 1.
    bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0fU) | 0x40U);
    bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3fU) | 0x80U);
    std::string text = to_hex(bytes);
    for (const std::size_t dash : {8UL, 13UL, 18UL, 23UL}) {
        text.insert(dash, 1, '-');
    }
    return text;
}

std::string new_hex_id() {
    std::array<std::uint8_t, 32> bytes{};
    crypto::random_bytes(bytes);
    return to_hex(bytes);
}

}  // namespace casemate::kms
