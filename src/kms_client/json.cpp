#include "kms_client/json.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "base/secret.hpp"
#include "codec/base64.hpp"
#include "codec/utf8.hpp"
#include "http/wire.hpp"

namespace casemate::kms_client {

namespace json = boost::json;

ObjectWriter::~ObjectWriter() {
    http::forget(text_);
}

void ObjectWriter::name(std::string_view name) {
    http::append_secret(text_, text_.empty() ? "{" : ",");
    string(name);
    http::append_secret(text_, ":");
}

void ObjectWriter::string(std::string_view value) {
    sound_ = sound_ && is_utf8(as_bytes(value));
    http::append_secret(text_, "\"");
    for (const char letter : value) {
        const auto byte = static_cast<std::uint8_t>(letter);
        if (letter == '"' || letter == '\\') {
            const std::array<char, 2> escaped{'\\', letter};
            http::append_secret(text_, {escaped.data(), escaped.size()});
        } else if (byte < 0x20 || byte == 0x7f) {
            http::append_secret(text_, "\\u00" + to_hex({&byte, 1}));
        } else {
            http::append_secret(text_, {&letter, 1});
        }
    }
    http::append_secret(text_, "\"");
}

void ObjectWriter::put_text(std::string_view name, std::string_view value) {
    this->name(name);
    string(value);
}

void ObjectWriter::put_optional_text(std::string_view name, std::string_view value) {
    if (!value.empty()) {
        put_text(name, value);
    }
}

void ObjectWriter::put_bytes(std::string_view name, ByteView value) {
    std::string encoded = codec::encode_base64(value);
    put_text(name, encoded);
    http::forget(encoded);
}

void ObjectWriter::put_number(std::string_view name, std::uint64_t value) {
    this->name(name);
    http::append_secret(text_, std::to_string(value));
}

void ObjectWriter::put_texts(std::string_view name, std::span<const std::string> values) {
    if (values.empty()) {
        return;
    }
    this->name(name);
    std::string_view before = "[";
    for (const std::string& value : values) {
        http::append_secret(text_, before);
        string(value);
        before = ",";
    }
    http::append_secret(text_, "]");
}

void ObjectWriter::put_context(std::string_view name, const Context& context) {
    if (context.empty()) {
        return;
    }
    this->name(name);
    std::string_view before = "{";
    for (const auto& [key, value] : context) {
        http::append_secret(text_, before);
        string(key);
        http::append_secret(text_, ":");
        string(value);
        before = ",";
    }
    http::append_secret(text_, "}");
}

Result<std::string> ObjectWriter::finish() {
    if (!sound_) {
        return Error(ClientErrc::bad_argument, "expected texts in UTF-8, found other bytes");
    }
    http::append_secret(text_, text_.empty() ? "{}" : "}");
    return std::exchange(text_, std::string());
}

Result<std::string> with_member(std::string_view object, std::string_view name,
                                std::string_view value) {
    constexpr std::string_view kSpace = " \t\r\n";
    const std::size_t first = object.find_first_not_of(kSpace);
    const std::size_t last = object.find_last_not_of(kSpace);
    if (first == object.npos || first == last || object[first] != '{' || object[last] != '}') {
        return Error(ClientErrc::bad_argument, "expected a JSON object, found something else");
    }
    const std::string_view inside = object.substr(first + 1, last - first - 1);
    std::string text = "{\"" + std::string(name) + "\":" + std::string(value);
    if (inside.find_first_not_of(kSpace) != inside.npos) {
        http::append_secret(text, ",");
        http::append_secret(text, inside);
    }
    http::append_secret(text, "}");
    return text;
}

Fields::~Fields() {
    for (auto& [name, value] : texts_) {
        http::forget(value);
    }
}

Result<Fields> Fields::parse(std::string_view text) {
    boost::system::error_code problem;
    const json::value value = json::parse({text.data(), text.size()}, problem);
    if (problem) {
        return Error(ClientErrc::bad_answer,
                     "expected JSON from KMS, found otherwise: " + problem.message());
    }
    const json::object* const object = value.if_object();
    if (object == nullptr) {
        return Error(ClientErrc::bad_answer,
                     "expected a JSON object from KMS, found another value");
    }
    Fields fields;
    for (const auto& member : *object) {
        const std::string name(member.key().data(), member.key().size());
        if (const json::string* const string = member.value().if_string()) {
            fields.texts_.emplace_back(name, std::string(string->data(), string->size()));
        } else if (!member.value().is_null()) {
            fields.others_.push_back(name);
        }
    }
    return fields;
}

std::optional<std::string_view> Fields::text(std::string_view name) const {
    const auto found = std::find_if(texts_.begin(), texts_.end(),
                                    [&](const auto& field) { return field.first == name; });
    return found != texts_.end() ? std::optional<std::string_view>(found->second) : std::nullopt;
}

Result<Bytes> Fields::bytes(std::string_view name) const {
    const auto encoded = text(name);
    auto decoded = encoded ? codec::decode_base64(*encoded) : std::nullopt;
    if (!decoded) {
        return Error(ClientErrc::bad_answer, "expected " + std::string(name) +
                                                 " in base64 in KMS's answer, found " +
                                                 (encoded ? "another text" : "none"));
    }
    return std::move(*decoded);
}

bool Fields::is_void(std::string_view name) const {
    return text(name).value_or("").empty() &&
           std::find(others_.begin(), others_.end(), name) == others_.end();
}

}  // namespace casemate::kms_client
