#include "policy/text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/bytes.hpp"
#include "codec/utf8.hpp"

namespace casemate::policy {

namespace {

// Controls beyond ASCII, U+0080 to U+009F, are 0xc2 and one of 0x80 to 0x9f.
bool is_high_control(std::string_view text, std::size_t at) {
    return static_cast<unsigned char>(text[at]) == 0xc2 && at + 1 < text.size() &&
           static_cast<unsigned char>(text[at + 1]) < 0xa0;
}

void append_escaped(std::string& out, char character) {
    std::array<char, 8> escape{};
    std::snprintf(escape.data(), escape.size(), "\\x%02x", static_cast<unsigned char>(character));
    out += escape.data();
}

}  // namespace

std::string quoted(std::string_view text, std::size_t most) {
    const bool readable = is_utf8(as_bytes(text));
    std::size_t end = std::min(text.size(), most);
    while (readable && end > 0 && end < text.size() &&
           (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) {
        --end;
    }
    std::string out = "\"";
    for (std::size_t i = 0; i < end; ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte == '"' || byte == '\\') {
            out += '\\';
            out += text[i];
        } else if (is_high_control(text, i)) {
            append_escaped(out, text[i]);
            append_escaped(out, text[++i]);
        } else if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !readable)) {
            append_escaped(out, text[i]);
        } else {
            out += text[i];
        }
    }
    out += end < text.size() ? "…\"" : "\"";
    return out;
}

bool split_arn(std::string_view text, Arn& arn) {
    const std::array<std::string_view*, 4> parts{&arn.partition, &arn.service, &arn.region,
                                                 &arn.account};
    if (!text.starts_with("arn:")) {
        return false;
    }
    text.remove_prefix(4);
    for (std::string_view* part : parts) {
        const std::size_t colon = text.find(':');
        if (colon == std::string_view::npos) {
            return false;
        }
        *part = text.substr(0, colon);
        text.remove_prefix(colon + 1);
    }
    arn.resource = text;
    return true;
}

bool is_account(std::string_view text) {
    return text.size() == 12 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace casemate::policy
