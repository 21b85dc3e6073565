#include "cli/json_output.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>

namespace casemate::cli {

namespace {

namespace bj = boost::json;

std::string quoted(std::string_view text) {
    return bj::serialize(bj::string_view(text.data(), text.size()));
}

// place says where a text goes on after its beginning, as editors do: columns are characters.
std::string place(std::string_view beginning) {
    const std::size_t line =
        1 + static_cast<std::size_t>(std::count(beginning.begin(), beginning.end(), '\n'));
    const std::string_view last = beginning.substr(beginning.rfind('\n') + 1);
    const auto column =
        1 + std::count_if(last.begin(), last.end(), [](char c) { return (c & '\xc0') != '\x80'; });
    return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

// number writes a number as nitro-cli does: the fewest digits that read as the same, and a point or
// an exponent so that it stays a fraction.
std::string number(double value) {
    std::array<char, 64> room{};
    const auto end = std::to_chars(room.data(), room.data() + room.size(), value).ptr;
    std::string text(room.data(), end);
    const std::size_t exponent = text.find('e');
    if (exponent == std::string::npos) {
        return text.find('.') == std::string::npos ? text + ".0" : text;
    }
    // "1e+07" is "1e7".
    const bool negative = text[exponent + 1] == '-';
    const std::size_t digits = text.find_first_not_of("+-0", exponent + 1);
    return text.substr(0, exponent + 1) + (negative ? "-" : "") + text.substr(digits);
}

}  // namespace

// JsonText turns values into text and Boost's values into ours.
struct JsonText {
    bool pretty = false;
    std::string out;

    void line(std::size_t level) {
        if (pretty) {
            out += '\n';
            out.append(2 * level, ' ');
        }
    }

    template <class Container, class PutItem>
    void put_all(const Container& items, char open, char close, std::size_t level,
                 const PutItem& put_item) {
        out += open;
        bool first = true;
        for (const auto& item : items) {
            out += first ? "" : ",";
            first = false;
            line(level + 1);
            put_item(item);
        }
        if (!items.empty()) {
            line(level);
        }
        out += close;
    }

    void put(const Json& json, std::size_t level) {
        const auto& value = json.value_;
        if (const auto* array = std::get_if<Json::Array>(&value)) {
            put_all(*array, '[', ']', level, [&](const Json& item) { put(item, level + 1); });
        } else if (const auto* object = std::get_if<Json::Object>(&value)) {
            put_all(*object, '{', '}', level, [&](const Json::Member& member) {
                out += quoted(member.first) + (pretty ? ": " : ":");
                put(member.second, level + 1);
            });
        } else if (const auto* number = std::get_if<Json::Number>(&value)) {
            out += number->text;
        } else if (const auto* text = std::get_if<std::string>(&value)) {
            out += quoted(*text);
        } else if (const auto* boolean = std::get_if<bool>(&value)) {
            out += *boolean ? "true" : "false";
        } else {
            out += "null";
        }
    }

    static Json convert(const bj::value& value) {
        switch (value.kind()) {
            case bj::kind::null:
                return {};
            case bj::kind::bool_:
                return Json(value.get_bool());
            case bj::kind::string:
                return Json(std::string_view(value.get_string().data(), value.get_string().size()));
            case bj::kind::array: {
                Json array = Json::array();
                for (const auto& item : value.get_array()) {
                    array.append(convert(item));
                }
                return array;
            }
            case bj::kind::object: {
                Json object = Json::object();
                for (const auto& member : value.get_object()) {
                    object.add(std::string_view(member.key().data(), member.key().size()),
                               convert(member.value()));
                }
                return object;
            }
            default:
                return Json(Json::Value(Json::Number{value.is_double() ? number(value.get_double())
                                                                       : bj::serialize(value)}));
        }
    }
};

std::string_view describe(JsonErrc code) {
    return code == JsonErrc::malformed ? "malformed JSON" : "unknown";
}

Result<Json> Json::parse(std::string_view text) {
    bj::parser parser;
    boost::system::error_code error;
    const std::size_t good = parser.write(text.data(), text.size(), error);
    if (error) {
        return Error(JsonErrc::malformed,
                     "expected JSON: " + error.message() + ", at " + place(text.substr(0, good)));
    }
    return JsonText::convert(parser.release());
}

Json& Json::add(std::string_view key, Json value) {
    if (!is_object()) {
        value_ = Object();
    }
    Object& object = *std::get_if<Object>(&value_);
    const auto found = std::find_if(object.begin(), object.end(),
                                    [&](const Member& member) { return member.first == key; });
    if (found == object.end()) {
        object.emplace_back(key, std::move(value));
    } else {
        found->second = std::move(value);
    }
    return *this;
}

Json& Json::append(Json value) {
    if (!is_array()) {
        value_ = Array();
    }
    std::get_if<Array>(&value_)->push_back(std::move(value));
    return *this;
}

const Json::Object& Json::members() const {
    static const Object kNone;
    const auto* object = std::get_if<Object>(&value_);
    return object == nullptr ? kNone : *object;
}

const Json* Json::find(std::string_view key) const {
    for (const Member& member : members()) {
        if (member.first == key) {
            return &member.second;
        }
    }
    return nullptr;
}

std::string Json::pretty() const {
    JsonText text{true, {}};
    text.put(*this, 0);
    return text.out;
}

std::string Json::compact() const {
    JsonText text{false, {}};
    text.put(*this, 0);
    return text.out;
}

}  // namespace casemate::cli
