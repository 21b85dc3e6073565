#include "sigv4/authorization.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "sigv4/request.hpp"
#include "sigv4/text.hpp"

namespace casemate::sigv4 {

namespace {

constexpr std::size_t kMaxAccessKeyId = 128;
constexpr std::size_t kMaxScopePart = 64;

Error incomplete(std::string sentence) {
    return {SigErrc::incomplete_signature, std::move(sentence)};
}

bool is_digit(char character) {
    return character >= '0' && character <= '9';
}

bool is_small(char character) {
    return character >= 'a' && character <= 'z';
}

bool is_scope_part(std::string_view text) {
    return !text.empty() && text.size() <= kMaxScopePart &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_digit(c) || is_small(c) || c == '-'; });
}

bool is_access_key_id(std::string_view text) {
    return !text.empty() && text.size() <= kMaxAccessKeyId &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return is_digit(c) || is_small(c) || (c >= 'A' && c <= 'Z') || c == '_';
           });
}

// Parts: the values of the three parts, where they have been seen.
struct Parts {
    std::optional<std::string_view> credential;
    std::optional<std::string_view> signed_headers;
    std::optional<std::string_view> signature;

    std::optional<std::string_view>* find(std::string_view name) {
        if (name == "Credential") {
            return &credential;
        }
        if (name == "SignedHeaders") {
            return &signed_headers;
        }
        return name == "Signature" ? &signature : nullptr;
    }
};

Result<Parts> split_parts(std::string_view rest) {
    Parts parts;
    bool more = true;
    while (more) {
        const auto comma = rest.find(',');
        more = comma != std::string_view::npos;
        const std::string_view part = trim(rest.substr(0, comma));
        rest.remove_prefix(more ? comma + 1 : rest.size());
        const auto equals = part.find('=');
        if (equals == std::string_view::npos) {
            return incomplete(
                "expected Credential=, SignedHeaders= and Signature= in Authorization, found "
                "something that is no NAME=VALUE");
        }
        auto* slot = parts.find(part.substr(0, equals));
        if (slot == nullptr) {
            return incomplete(
                "expected Credential, SignedHeaders and Signature in Authorization, found a part "
                "of another name");
        }
        if (*slot) {
            return incomplete("expected one " + std::string(part.substr(0, equals)) +
                              " in Authorization, found two");
        }
        *slot = part.substr(equals + 1);
    }
    return parts;
}

Result<> read_credential(std::string_view text, Authorization& out) {
    std::array<std::string_view, 5> parts;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto slash = text.find('/');
        const bool last = i + 1 == parts.size();
        if (last != (slash == std::string_view::npos)) {
            return incomplete(
                "expected Credential to be KEY/DATE/REGION/SERVICE/aws4_request, found another "
                "number of parts");
        }
        parts[i] = text.substr(0, slash);
        text.remove_prefix(last ? text.size() : slash + 1);
    }
    if (!is_access_key_id(parts[0])) {
        return incomplete(
            "expected an access key id of 1 to 128 letters, digits and underscores in Credential");
    }
    if (parts[1].size() != 8 || !std::all_of(parts[1].begin(), parts[1].end(), is_digit)) {
        return incomplete("expected a date of 8 digits in Credential");
    }
    if (!is_scope_part(parts[2]) || !is_scope_part(parts[3])) {
        return incomplete(
            "expected a region and a service of 1 to 64 small letters, digits and hyphens in "
            "Credential");
    }
    if (parts[4] != kScopeTerminator) {
        return incomplete("expected Credential to end in aws4_request");
    }
    out.access_key_id = parts[0];
    out.scope = {std::string(parts[1]), std::string(parts[2]), std::string(parts[3])};
    return {};
}

Result<> read_signed_headers(std::string_view text, Authorization& out) {
    bool more = true;
    while (more) {
        const auto semicolon = text.find(';');
        more = semicolon != std::string_view::npos;
        const std::string_view name = text.substr(0, semicolon);
        text.remove_prefix(more ? semicolon + 1 : text.size());
        if (!is_token(name) || lower(name) != name) {
            return incomplete("expected names of headers in lower case in SignedHeaders");
        }
        if (!out.signed_headers.empty() && out.signed_headers.back() >= name) {
            return incomplete("expected SignedHeaders to be sorted, without a name twice");
        }
        if (out.signed_headers.size() == kMaxHeaders) {
            return incomplete("expected at most " + std::to_string(kMaxHeaders) +
                              " names in SignedHeaders");
        }
        out.signed_headers.emplace_back(name);
    }
    return {};
}

Result<> read_signature(std::string_view text, Authorization& out) {
    auto bytes = from_hex(text);
    if (!bytes || bytes->size() != 32 || lower(text) != text) {
        return incomplete("expected a Signature of 64 small hexadecimal digits");
    }
    out.signature = std::move(*bytes);
    return {};
}

}  // namespace

std::string Authorization::text() const {
    return std::string(kAlgorithm) + " Credential=" + access_key_id + "/" + scope.text() +
           ", SignedHeaders=" + join_signed_headers(signed_headers) +
           ", Signature=" + to_hex(signature);
}

std::string join_signed_headers(const std::vector<std::string>& names) {
    std::string joined;
    for (const std::string& name : names) {
        joined += joined.empty() ? "" : ";";
        joined += name;
    }
    return joined;
}

Result<Authorization> parse_authorization(std::string_view value) {
    const auto space = value.find_first_of(" \t");
    if (value.substr(0, space) != kAlgorithm) {
        return incomplete("expected Authorization by AWS4-HMAC-SHA256, found another algorithm");
    }
    value.remove_prefix(space == std::string_view::npos ? value.size() : space);
    CASEMATE_TRY(const Parts parts, split_parts(value));
    if (!parts.credential || !parts.signed_headers || !parts.signature) {
        return incomplete(
            "expected Credential, SignedHeaders and Signature in Authorization, "
            "found only some");
    }
    Authorization authorization;
    CASEMATE_CHECK(read_credential(*parts.credential, authorization));
    CASEMATE_CHECK(read_signed_headers(*parts.signed_headers, authorization));
    CASEMATE_CHECK(read_signature(*parts.signature, authorization));
    return authorization;
}

}  // namespace casemate::sigv4
