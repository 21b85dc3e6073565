#include "crypto/token_uri.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/fd.hpp"

namespace casemate::crypto {

namespace {

constexpr std::string_view kScheme = "pkcs11:";
constexpr std::size_t kMaxPin = 255;
constexpr auto kObjectAttributes = std::to_array<std::string_view>(
    {"manufacturer", "model", "serial", "token", "object", "id", "type"});

struct Attribute {
    std::string_view name;
    std::string_view value;
};

Error refusal(std::string sentence) {
    return Error(CryptoErrc::token_failure, std::move(sentence));
}

// take cuts what is before the next separator off the text.
std::string_view take(std::string_view& text, char separator) {
    const std::size_t end = text.find(separator);
    const std::string_view taken = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    return taken;
}

Result<Attribute> split(std::string_view attribute) {
    const std::size_t equals = attribute.find('=');
    if (equals == std::string_view::npos || equals == 0) {
        // Not quoted: it could be a PIN.
        return refusal("expected the token's URI to be made of NAME=VALUE, found something else");
    }
    return Attribute{attribute.substr(0, equals), attribute.substr(equals + 1)};
}

// decode replaces %XX by the byte.
Result<SecretBytes> decode(const Attribute& attribute) {
    Bytes decoded;
    decoded.reserve(attribute.value.size());
    for (std::size_t i = 0; i < attribute.value.size(); ++i) {
        if (attribute.value[i] != '%') {
            decoded.push_back(static_cast<std::uint8_t>(attribute.value[i]));
            continue;
        }
        const auto byte = from_hex(attribute.value.substr(i + 1, 2));
        if (!byte || byte->size() != 1) {
            cleanse(decoded);
            return refusal(
                "expected two hexadecimal digits after % in the token's URI, attribute " +
                std::string(attribute.name) + ", found something else");
        }
        decoded.push_back(byte->front());
        i += 2;
    }
    if (decoded.empty() || std::ranges::find(decoded, 0) != decoded.end()) {
        cleanse(decoded);
        return refusal("expected a value without zero bytes in the token's URI, attribute " +
                       std::string(attribute.name) + ", found none");
    }
    return SecretBytes(std::move(decoded));
}

Result<SecretBytes> read_pin_file(const std::string& path) {
    CASEMATE_TRY(const UniqueFd file, open_file(path, O_RDONLY));
    struct stat status {};
    if (fstat(file.get(), &status) != 0 || (status.st_mode & (S_IROTH | S_IWOTH)) != 0) {
        return refusal("expected the PIN's file " + path +
                       " to be hidden from others than its owner and group, found it open to all");
    }
    // One byte more than the longest, and a line's end.
    SecretBytes content(kMaxPin + 3);
    std::size_t size = 0;
    while (size < content.size()) {
        CASEMATE_TRY(const std::size_t more,
                     read_some(file.get(), content.mutable_view().subspan(size)));
        if (more == 0) {
            break;
        }
        size += more;
    }
    const std::string_view text = as_text(content.view().first(size));
    const std::string_view line = text.substr(0, text.find_first_of(std::string_view("\r\n\0", 3)));
    if (line.empty() || line.size() > kMaxPin) {
        return refusal("expected a PIN of 1 to " + std::to_string(kMaxPin) +
                       " bytes in the first line of " + path + ", found " +
                       std::to_string(line.size()));
    }
    const ByteView pin = as_bytes(line);
    return SecretBytes(Bytes(pin.begin(), pin.end()));
}

Result<SecretBytes> read_pin_source(const Attribute& attribute) {
    CASEMATE_TRY(const SecretBytes source, decode(attribute));
    std::string_view path = as_text(source.view());
    for (const std::string_view prefix : {"file://", "file:"}) {
        if (path.starts_with(prefix)) {
            path.remove_prefix(prefix.size());
            break;
        }
    }
    if (!path.starts_with('/')) {
        return refusal(
            "expected pin-source=file:/path in the token's URI, found something else than a file");
    }
    return read_pin_file(std::string(path));
}

Result<> check_object(std::string_view object) {
    bool says_which = false;
    while (!object.empty()) {
        CASEMATE_TRY(const Attribute attribute, split(take(object, ';')));
        if (std::ranges::find(kObjectAttributes, attribute.name) == kObjectAttributes.end()) {
            return refusal("the token's URI has the attribute " + std::string(attribute.name) +
                           ", which is not known");
        }
        if (attribute.name == "type" && attribute.value != "private") {
            return refusal("expected type=private in the token's URI, found type=" +
                           std::string(attribute.value));
        }
        CASEMATE_TRY(const SecretBytes decoded, decode(attribute));
        static_cast<void>(decoded);
        says_which = says_which || attribute.name == "object" || attribute.name == "id";
    }
    if (!says_which) {
        return refusal("expected object= or id= in the token's URI, found neither");
    }
    return {};
}

Result<> read_query(std::string_view query, TokenUri& into) {
    while (!query.empty()) {
        CASEMATE_TRY(const Attribute attribute, split(take(query, '&')));
        const bool is_pin = attribute.name == "pin-value" || attribute.name == "pin-source";
        if ((is_pin && into.pin) || (attribute.name == "module-path" && !into.module.empty())) {
            return refusal("the token's URI says twice what its PIN or its module is");
        }
        if (attribute.name == "pin-value") {
            CASEMATE_TRY(into.pin, decode(attribute));
        } else if (attribute.name == "pin-source") {
            CASEMATE_TRY(into.pin, read_pin_source(attribute));
        } else if (attribute.name == "module-path") {
            CASEMATE_TRY(const SecretBytes path, decode(attribute));
            into.module = as_text(path.view());
        } else {
            return refusal("the token's URI has the attribute " + std::string(attribute.name) +
                           ", which is not known");
        }
    }
    return {};
}

}  // namespace

Result<TokenUri> parse_token_uri(std::string_view uri) {
    if (!uri.starts_with(kScheme)) {
        return refusal("expected a token's URI that starts with pkcs11:, found another");
    }
    TokenUri parsed;
    parsed.object = take(uri, '?');
    CASEMATE_CHECK(check_object(std::string_view(parsed.object).substr(kScheme.size())));
    CASEMATE_CHECK(read_query(uri, parsed));
    return parsed;
}

}  // namespace casemate::crypto
