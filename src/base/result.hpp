// Errors as values: an Error says which room refused, why (an enumerator of that room) and, in a
// sentence, what was expected and what was found. Result<T> holds a value or an Error.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace casemate {

// An enumeration of a room's errors. The room declares, beside its enum,
//     std::string_view describe(Errc code);
// which names each enumerator in a few words ("wrong CRC").
template <class E>
concept ErrorEnum = std::is_enum_v<E> && requires(E code) {
    { describe(code) } -> std::convertible_to<std::string_view>;
};

// Error: one refusal. Cheap to move; never empty.
class [[nodiscard]] Error {
public:
    // Error of a room's code and a sentence that says expected and found.
    template <ErrorEnum E>
    Error(E code, std::string detail)
        : domain_(&kDomain<E>),
          code_(static_cast<int>(code)),
          name_(describe(code)),
          detail_(std::move(detail)) {}

    // is tells whether this error carries that room's code.
    template <ErrorEnum E>
    [[nodiscard]] bool is(E code) const {
        return domain_ == &kDomain<E> && code_ == static_cast<int>(code);
    }

    // code_as gives the code when it belongs to the room's enumeration E.
    template <ErrorEnum E>
    [[nodiscard]] std::optional<E> code_as() const {
        if (domain_ != &kDomain<E>) {
            return std::nullopt;
        }
        return static_cast<E>(code_);
    }

    // detail is the sentence alone; message is "name: sentence".
    [[nodiscard]] const std::string& detail() const { return detail_; }
    [[nodiscard]] std::string message() const {
        return detail_.empty() ? std::string(name_) : std::string(name_) + ": " + detail_;
    }

    // while_doing puts what was being done before the sentence, for whoever reads it.
    [[nodiscard]] Error while_doing(std::string_view what) && {
        detail_ = std::string(what) + ": " + detail_;
        return std::move(*this);
    }

private:
    // The address of this variable tells one room's enumeration from another's.
    template <class E>
    static inline const char kDomain = 0;

    const char* domain_;
    int code_;
    std::string_view name_;
    std::string detail_;
};

// Values and errors turn into results silently: that is how functions return them.
// NOLINTBEGIN(google-explicit-constructor)

// Result: a T or an Error. value() and error() must only be called after asking which it is.
template <class T = void>
class [[nodiscard]] Result {
public:
    using value_type = T;

    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    [[nodiscard]] bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    T& value() & { return *std::get_if<0>(&state_); }
    const T& value() const& { return *std::get_if<0>(&state_); }
    T&& value() && { return std::move(*std::get_if<0>(&state_)); }
    T* operator->() { return std::get_if<0>(&state_); }
    const T* operator->() const { return std::get_if<0>(&state_); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }

    const Error& error() const& { return *std::get_if<1>(&state_); }
    Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

private:
    std::variant<T, Error> state_;
};

// Result<>: success, or an Error.
template <>
class [[nodiscard]] Result<void> {
public:
    using value_type = void;

    Result() = default;
    Result(Error error) : error_(std::move(error)) {}

    [[nodiscard]] bool ok() const { return !error_.has_value(); }
    explicit operator bool() const { return ok(); }

    const Error& error() const& { return *error_; }
    Error&& error() && { return std::move(*error_); }

private:
    std::optional<Error> error_;
};

// NOLINTEND(google-explicit-constructor)

}  // namespace casemate

// The arguments are declarations and expressions as a whole; parentheses would change them.
// NOLINTBEGIN(bugprone-macro-parentheses)

#define CASEMATE_CONCAT_INNER(a, b) a##b
#define CASEMATE_CONCAT(a, b) CASEMATE_CONCAT_INNER(a, b)

// CASEMATE_TRY(auto x, expression): x gets the value, or the function returns the error.
#define CASEMATE_TRY(declaration, expression) \
    CASEMATE_TRY_INNER(CASEMATE_CONCAT(casemate_result_, __LINE__), declaration, expression)
#define CASEMATE_TRY_INNER(result, declaration, expression) \
    auto result = (expression);                             \
    if (!result) {                                          \
        return std::move(result).error();                   \
    }                                                       \
    declaration = std::move(result).value()

// CASEMATE_CHECK(expression): the function returns the error of a Result<>, if there is one.
#define CASEMATE_CHECK(expression)                      \
    do {                                                \
        auto casemate_checked = (expression);           \
        if (!casemate_checked) {                        \
            return std::move(casemate_checked).error(); \
        }                                               \
    } while (false)

// NOLINTEND(bugprone-macro-parentheses)
