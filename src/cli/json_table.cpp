#include "cli/json_table.hpp"

#include <algorithm>

namespace casemate::cli {

namespace {

using Line = std::pair<std::string, std::string>;

// The C1 controls in UTF-8 begin with 0xc2.
bool steers(const std::string& text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
        if (byte < 0x20 || byte == 0x7f || (byte == 0xc2 && next < 0xa0)) {
            return true;
        }
    }
    return false;
}

std::string hexadecimal_escapes(const std::string& text) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte >= 0x7f) {
            out += "\\x";
            out += kDigits[byte >> 4U];
            out += kDigits[byte & 0xfU];
        } else {
            out += c;
        }
    }
    return out;
}

std::string shown(const std::string& text) {
    return steers(text) ? hexadecimal_escapes(text) : text;
}

void add_lines(const Json& json, const std::string& name, std::vector<Line>& lines) {
    if (json.is_object() && !json.members().empty()) {
        for (const auto& [key, value] : json.members()) {
            std::string path = name;
            path.append(name.empty() ? "" : ".").append(key);
            add_lines(value, path, lines);
        }
        return;
    }
    const std::string* text = json.text();
    lines.emplace_back(shown(name), shown(text != nullptr ? *text : json.compact()));
}

}  // namespace

std::string json_table(const Json& object) {
    std::vector<Line> lines;
    add_lines(object, "", lines);
    std::size_t width = 0;
    for (const Line& line : lines) {
        width = std::max(width, line.first.size());
    }
    std::string text;
    for (const auto& [name, value] : lines) {
        text.append(name).append(width - name.size() + 2, ' ').append(value).append("\n");
    }
    return text;
}

}  // namespace casemate::cli
