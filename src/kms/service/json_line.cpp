#include "kms/service/json_line.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace casemate::kms::service {

namespace {

constexpr std::size_t kUsualSize = 1024;

// kEscapes: for each byte the letter behind a backslash; 'u': there is none but its number; 0: it
// needs no escape.
constexpr std::array<char, 256> kEscapes = [] {
    std::array<char, 256> escapes{};
    std::fill_n(escapes.begin(), 0x20, 'u');
    escapes['\b'] = 'b';
    escapes['\f'] = 'f';
    escapes['\n'] = 'n';
    escapes['\r'] = 'r';
    escapes['\t'] = 't';
    escapes['"'] = '"';
    escapes['\\'] = '\\';
    return escapes;
}();

}  // namespace

JsonLine::JsonLine() {
    out_.reserve(kUsualSize);
    out_ += '{';
}

JsonLine& JsonLine::text(std::string_view name, std::string_view value) {
    put_name(name);
    put_text(value);
    return *this;
}

JsonLine& JsonLine::number(std::string_view name, std::int64_t value) {
    put_name(name);
    out_ += std::to_string(value);
    return *this;
}

JsonLine& JsonLine::truth(std::string_view name, bool value) {
    put_name(name);
    out_ += value ? "true" : "false";
    return *this;
}

JsonLine& JsonLine::value(std::string_view name, std::string_view json) {
    put_name(name);
    out_ += json;
    return *this;
}

JsonLine& JsonLine::begin(std::string_view name) {
    put_name(name);
    out_ += '{';
    return *this;
}

JsonLine& JsonLine::begin_list(std::string_view name) {
    put_name(name);
    out_ += '[';
    return *this;
}

JsonLine& JsonLine::begin_element() {
    put_comma();
    out_ += '{';
    return *this;
}

JsonLine& JsonLine::end() {
    out_ += '}';
    return *this;
}

JsonLine& JsonLine::end_list() {
    out_ += ']';
    return *this;
}

std::string JsonLine::take() && {
    out_ += '}';
    return std::move(out_);
}

void JsonLine::put_comma() {
    const char last = out_.back();
    if (last != '{' && last != '[') {
        out_ += ',';
    }
}

void JsonLine::put_name(std::string_view name) {
    put_comma();
    put_text(name);
    out_ += ':';
}

void JsonLine::put_text(std::string_view value) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    out_ += '"';
    std::size_t done = 0;
    for (std::size_t i = 0; i < value.size(); ++i) {
        const char escape = kEscapes[static_cast<unsigned char>(value[i])];
        if (escape == '\0') {
            continue;
        }
        out_.append(value, done, i - done);
        done = i + 1;
        out_ += '\\';
        out_ += escape;
        if (escape == 'u') {
            const auto byte = static_cast<unsigned char>(value[i]);
            out_ += "00";
            out_ += kDigits[byte >> 4U];
            out_ += kDigits[byte & 0xfU];
        }
    }
    out_.append(value, done);
    out_ += '"';
}

}  // namespace casemate::kms::service
