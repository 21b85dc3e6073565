#include "policy/condition.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "codec/base64.hpp"
#include "policy/error.hpp"
#include "policy/text.hpp"

namespace casemate::policy {

namespace {

using Type = Operator::Type;
using Relation = Operator::Relation;
using Quantifier = Operator::Quantifier;

struct Named {
    std::string_view name;
    Operator op;
};

constexpr Operator text(bool negated, bool wildcards, bool ignore_case) {
    return {Type::text, Relation::equal, Quantifier::none, negated, false, wildcards, ignore_case};
}

constexpr Operator simple(Type type, Relation relation, bool negated) {
    return {type, relation, Quantifier::none, negated, false, false, false};
}

constexpr Operator arn(bool negated) {
    return {Type::arn, Relation::equal, Quantifier::none, negated, false, true, false};
}

constexpr std::array kOperators{
    Named{"StringEquals", text(false, false, false)},
    Named{"StringNotEquals", text(true, false, false)},
    Named{"StringEqualsIgnoreCase", text(false, false, true)},
    Named{"StringNotEqualsIgnoreCase", text(true, false, true)},
    Named{"StringLike", text(false, true, false)},
    Named{"StringNotLike", text(true, true, false)},
    Named{"ArnEquals", arn(false)},
    Named{"ArnLike", arn(false)},
    Named{"ArnNotEquals", arn(true)},
    Named{"ArnNotLike", arn(true)},
    Named{"NumericEquals", simple(Type::number, Relation::equal, false)},
    Named{"NumericNotEquals", simple(Type::number, Relation::equal, true)},
    Named{"NumericLessThan", simple(Type::number, Relation::less, false)},
    Named{"NumericLessThanEquals", simple(Type::number, Relation::less_or_equal, false)},
    Named{"NumericGreaterThan", simple(Type::number, Relation::greater, false)},
    Named{"NumericGreaterThanEquals", simple(Type::number, Relation::greater_or_equal, false)},
    Named{"DateEquals", simple(Type::date, Relation::equal, false)},
    Named{"DateNotEquals", simple(Type::date, Relation::equal, true)},
    Named{"DateLessThan", simple(Type::date, Relation::less, false)},
    Named{"DateLessThanEquals", simple(Type::date, Relation::less_or_equal, false)},
    Named{"DateGreaterThan", simple(Type::date, Relation::greater, false)},
    Named{"DateGreaterThanEquals", simple(Type::date, Relation::greater_or_equal, false)},
    Named{"Bool", simple(Type::truth, Relation::equal, false)},
    Named{"BinaryEquals", simple(Type::binary, Relation::equal, false)},
    Named{"IpAddress", simple(Type::address, Relation::equal, false)},
    Named{"NotIpAddress", simple(Type::address, Relation::equal, true)},
    Named{"Null", simple(Type::null, Relation::equal, false)},
};

bool take_front(std::string_view& name, std::string_view part) {
    if (!name.starts_with(part)) {
        return false;
    }
    name.remove_prefix(part.size());
    return true;
}

bool take_back(std::string_view& name, std::string_view part) {
    if (!name.ends_with(part)) {
        return false;
    }
    name.remove_suffix(part.size());
    return true;
}

template <class T>
Match relate(const std::optional<T>& value, Relation relation, const T& operand) {
    if (!value) {
        return Match::unknown;
    }
    bool holds = false;
    switch (relation) {
        case Relation::equal:
            // Both sides were read from text, so that equal means written alike.
            holds = !(*value < operand) && !(operand < *value);
            break;
        case Relation::less:
            holds = *value < operand;
            break;
        case Relation::less_or_equal:
            holds = !(operand < *value);
            break;
        case Relation::greater:
            holds = operand < *value;
            break;
        case Relation::greater_or_equal:
            holds = !(*value < operand);
            break;
    }
    return holds ? Match::yes : Match::no;
}

std::string listed(const std::vector<std::string>& values) {
    constexpr std::size_t kShown = 8;
    std::string out;
    for (std::size_t i = 0; i < std::min(values.size(), kShown); ++i) {
        out += (i == 0 ? "" : ", ") + quoted(values[i]);
    }
    if (values.size() > kShown) {
        out += " and " + std::to_string(values.size() - kShown) + " more";
    }
    return out;
}

Error wrong_value(std::string_view expected, std::string_view found) {
    return Error(PolicyErrc::malformed,
                 "expected " + std::string(expected) + ", found " + quoted(found));
}

template <class T>
Result<T> expect(std::optional<T> value, std::string_view expected, std::string_view found) {
    if (!value) {
        return wrong_value(expected, found);
    }
    return *std::move(value);
}

bool is_key(std::string_view key) {
    const std::size_t colon = key.find(':');
    return colon != std::string_view::npos && colon > 0 && colon + 1 < key.size() &&
           std::none_of(key.begin(), key.end(),
                        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace

Result<Operator> Operator::parse(std::string_view name) {
    std::string_view base = name;
    Quantifier quantifier = Quantifier::none;
    if (take_front(base, "ForAllValues:")) {
        quantifier = Quantifier::for_all;
    } else if (take_front(base, "ForAnyValue:")) {
        quantifier = Quantifier::for_any;
    }
    const bool if_exists = take_back(base, "IfExists");
    const auto* found = std::find_if(kOperators.begin(), kOperators.end(),
                                     [base](const Named& named) { return named.name == base; });
    if (found == kOperators.end()) {
        return wrong_value("a condition operator", name);
    }
    Operator op = found->op;
    op.quantifier = quantifier;
    op.if_exists = if_exists;
    if (op.type == Type::null && (if_exists || quantifier != Quantifier::none)) {
        return wrong_value("Null without IfExists, ForAllValues and ForAnyValue", name);
    }
    return op;
}

Result<Condition::Operand> Condition::read_operand(const Operator& op, std::string_view text,
                                                   bool variables) {
    switch (op.type) {
        case Type::text:
        case Type::arn: {
            CASEMATE_TRY(Pattern pattern,
                         Pattern::parse(text, {op.wildcards, variables, op.ignore_case}));
            constexpr std::ptrdiff_t kColons = 5;
            if (op.type == Type::arn && !pattern.has_variables() && text != "*" &&
                std::count(text.begin(), text.end(), ':') < kColons) {
                return wrong_value("the six parts of an ARN, or \"*\"", text);
            }
            return Operand(std::move(pattern));
        }
        case Type::number: {
            CASEMATE_TRY(const double number, expect(parse_number(text), "a number", text));
            return Operand(number);
        }
        case Type::date: {
            CASEMATE_TRY(const Date date, expect(parse_date(text),
                                                 "a date of ISO 8601 or seconds since 1970", text));
            return Operand(date);
        }
        case Type::truth:
        case Type::null: {
            CASEMATE_TRY(const bool truth, expect(parse_truth(text), "true or false", text));
            return Operand(truth);
        }
        case Type::binary: {
            CASEMATE_TRY(Bytes bytes, expect(codec::decode_base64(text), "base64", text));
            return Operand(std::move(bytes));
        }
        case Type::address: {
            CASEMATE_TRY(
                const AddressRange range,
                expect(AddressRange::parse(text), "an IP address or a range in CIDR form", text));
            return Operand(range);
        }
    }
    return wrong_value("a condition operator of this program", text);
}

Result<Condition> Condition::parse(std::string_view operator_name, std::string_view key,
                                   std::vector<std::string> values, bool variables) {
    Condition condition;
    CASEMATE_TRY(condition.operator_, Operator::parse(operator_name));
    if (!is_key(key)) {
        return wrong_value("a condition key with a prefix, such as aws:SourceIp", key);
    }
    for (const std::string& value : values) {
        auto operand = read_operand(condition.operator_, value, variables);
        if (!operand) {
            return std::move(operand).error().while_doing(quoted(key));
        }
        condition.operands_.push_back(*std::move(operand));
    }
    condition.operator_name_ = operator_name;
    condition.key_ = key;
    condition.small_key_ = lower(key);
    condition.values_ = std::move(values);
    return condition;
}

Match Condition::compare(const Operand& operand, std::string_view value,
                         const Context& context) const {
    switch (operator_.type) {
        case Type::text:
            return std::get<Pattern>(operand).matches(value, context);
        case Type::arn:
            return std::get<Pattern>(operand).matches_arn(value, context);
        case Type::number:
            return relate(parse_number(value), operator_.relation, std::get<double>(operand));
        case Type::date:
            return relate(parse_date(value), operator_.relation, std::get<Date>(operand));
        case Type::truth:
            return relate(parse_truth(value), operator_.relation, std::get<bool>(operand));
        case Type::binary: {
            const Bytes& wanted = std::get<Bytes>(operand);
            return as_text(wanted) == value ? Match::yes : Match::no;
        }
        case Type::address: {
            const auto address = AddressRange::parse(value);
            if (!address || !address->is_single()) {
                return Match::unknown;
            }
            return std::get<AddressRange>(operand).contains(*address) ? Match::yes : Match::no;
        }
        case Type::null:
            break;
    }
    return Match::unknown;
}

// accepts tells whether one value of the request is as one of the operands wants it, or, negated,
// as none of them.
bool Condition::accepts(std::string_view value, const Context& context, Effect effect) const {
    Match match = Match::no;
    for (const Operand& operand : operands_) {
        match = any_of(match, compare(operand, value, context));
        if (match == Match::yes) {
            break;
        }
    }
    if (!operator_.negated) {
        return match == Match::yes;
    }
    return match == Match::no || (match == Match::unknown && effect == Effect::deny);
}

bool Condition::holds(const Context& context, Effect effect) const {
    const auto* values = context.find(small_key_);
    const bool is_absent = values == nullptr || values->empty();
    if (operator_.type == Type::null) {
        return std::any_of(operands_.begin(), operands_.end(), [is_absent](const Operand& operand) {
            return std::get<bool>(operand) == is_absent;
        });
    }
    if (is_absent && operator_.if_exists) {
        return true;
    }
    const auto accepted = [&](const std::string& value) { return accepts(value, context, effect); };
    const bool is_empty = is_absent || (values->size() == 1 && values->front().empty());
    switch (operator_.quantifier) {
        case Quantifier::for_all:
            return is_empty || std::all_of(values->begin(), values->end(), accepted);
        case Quantifier::for_any:
            return !is_empty && std::any_of(values->begin(), values->end(), accepted);
        case Quantifier::none:
            break;
    }
    if (is_absent) {
        return operator_.negated;
    }
    return operator_.negated ? std::all_of(values->begin(), values->end(), accepted)
                             : std::any_of(values->begin(), values->end(), accepted);
}

std::string Condition::explain(const Context& context) const {
    std::string out = operator_name_ + " " + quoted(key_) + " wanted " + listed(values_) + ", got ";
    const auto* values = context.find(small_key_);
    if (values == nullptr || values->empty()) {
        out += "nothing: the request has no such key";
    } else {
        out += listed(*values);
    }
    return out;
}

}  // namespace casemate::policy
