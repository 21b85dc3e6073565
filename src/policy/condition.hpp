// Conditions of statements: one operator, one key, the values wanted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "policy/pattern.hpp"
#include "policy/policy.hpp"
#include "policy/values.hpp"

namespace casemate::policy {

// Operator: a condition operator's name, taken apart.
struct Operator {
    enum class Type : std::uint8_t { text, arn, number, date, truth, binary, address, null };
    enum class Relation : std::uint8_t { equal, less, less_or_equal, greater, greater_or_equal };
    enum class Quantifier : std::uint8_t { none, for_all, for_any };

    Type type = Type::text;
    Relation relation = Relation::equal;
    Quantifier quantifier = Quantifier::none;
    bool negated = false;
    bool if_exists = false;
    // Of text: StringLike, and …IgnoreCase.
    bool wildcards = false;
    bool ignore_case = false;

    // parse reads "StringEquals", "ForAnyValue:StringLikeIfExists" and all others of the guide.
    // Errors: PolicyErrc::malformed for names that are no operators.
    static Result<Operator> parse(std::string_view name);
};

class Condition {
public:
    // parse takes an operator's name, a condition key and at least one value; variables says
    // whether the policy's version has them. Errors: PolicyErrc::malformed for a name that is no
    // operator, a key without a prefix, and values that are not of the operator's type.
    static Result<Condition> parse(std::string_view operator_name, std::string_view key,
                                   std::vector<std::string> values, bool variables);

    // holds tells whether a request meets the condition of a statement with this effect.
    [[nodiscard]] bool holds(const Context& context, Effect effect) const;

    // explain is the sentence that says what was wanted and what the request has.
    [[nodiscard]] std::string explain(const Context& context) const;

    [[nodiscard]] const std::string& operator_name() const { return operator_name_; }
    [[nodiscard]] const std::string& key() const { return key_; }
    [[nodiscard]] const std::vector<std::string>& values() const { return values_; }

private:
    // A date is kept as it is; a truth also for Null.
    using Operand = std::variant<Pattern, double, Date, bool, Bytes, AddressRange>;

    static Result<Operand> read_operand(const Operator& op, std::string_view text, bool variables);
    [[nodiscard]] Match compare(const Operand& operand, std::string_view value,
                                const Context& context) const;
    [[nodiscard]] bool accepts(std::string_view value, const Context& context, Effect effect) const;

    std::string operator_name_;
    std::string key_;
    std::string small_key_;
    std::vector<std::string> values_;
    Operator operator_;
    std::vector<Operand> operands_;
};

}  // namespace casemate::policy
