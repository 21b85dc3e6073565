// JSON for the standard output, with keys in the order they were added.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"

namespace casemate::cli {

enum class JsonErrc : std::uint8_t { malformed };
[[nodiscard]] std::string_view describe(JsonErrc code);

// Json: one JSON value. Default: null.
class Json {
public:
    using Array = std::vector<Json>;
    using Member = std::pair<std::string, Json>;
    using Object = std::vector<Member>;

    Json() = default;
    explicit Json(bool value) : value_(value) {}
    explicit Json(std::string value) : value_(std::move(value)) {}
    explicit Json(std::string_view value) : value_(std::string(value)) {}
    explicit Json(const char* value) : value_(std::string(value)) {}
    // Numbers keep their text, so that none loses digits on the way through.
    template <std::integral T>
    requires(!std::same_as<T, bool>) explicit Json(T value)
        : value_(Number{std::to_string(value)}) {}

    [[nodiscard]] static Json array() { return Json(Value(Array())); }
    [[nodiscard]] static Json object() { return Json(Value(Object())); }
    // parse reads a JSON text. Errors: JsonErrc malformed, with the line and column.
    [[nodiscard]] static Result<Json> parse(std::string_view text);

    // add appends to an object, which a null becomes; a key that is there already is replaced where
    // it is. append appends to an array, which a null becomes. Both return this value.
    Json& add(std::string_view key, Json value);
    template <class T>
    requires(!std::same_as<std::remove_cvref_t<T>, Json>) Json& add(std::string_view key, T value) {
        return add(key, Json(std::move(value)));
    }
    Json& append(Json value);

    // members of an object; none for another kind of value.
    [[nodiscard]] const Object& members() const;
    // find gives a member of an object, or nothing.
    [[nodiscard]] const Json* find(std::string_view key) const;
    [[nodiscard]] const std::string* text() const { return std::get_if<std::string>(&value_); }
    [[nodiscard]] bool is_object() const { return std::holds_alternative<Object>(value_); }
    [[nodiscard]] bool is_array() const { return std::holds_alternative<Array>(value_); }
    [[nodiscard]] bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }

    // pretty is nitro-cli's layout: two spaces a level, no newline at the end.
    [[nodiscard]] std::string pretty() const;
    // compact has no spaces.
    [[nodiscard]] std::string compact() const;

private:
    struct Number {
        std::string text;
    };
    using Value = std::variant<std::nullptr_t, bool, Number, std::string, Array, Object>;
    explicit Json(Value value) : value_(std::move(value)) {}
    friend struct JsonText;

    Value value_ = nullptr;
};

}  // namespace casemate::cli
