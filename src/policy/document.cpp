// Policies from and to JSON (IAM User Guide, "Grammar of the IAM JSON policy language").
#include "policy/document.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <set>
#include <utility>

#include "codec/json_keys.hpp"
#include "policy/error.hpp"
#include "policy/text.hpp"

namespace casemate::policy {

namespace {

namespace json = boost::json;

// A policy nests six deep: policy, statements, statement, condition, operator, values. Two to
// spare.
constexpr std::size_t kMaxDepth = 8;

Error malformed(std::string sentence) {
    return Error(PolicyErrc::malformed, std::move(sentence));
}

std::string_view view(json::string_view text) {
    return {text.data(), text.size()};
}

std::string_view kind_of(const json::value& value) {
    switch (value.kind()) {
        case json::kind::null:
            return "null";
        case json::kind::bool_:
            return "a Boolean";
        case json::kind::int64:
        case json::kind::uint64:
        case json::kind::double_:
            return "a number";
        case json::kind::string:
            return "a string";
        case json::kind::array:
            return "a list";
        case json::kind::object:
            return "an object";
    }
    return "something else";
}

Error wrong_kind(std::string_view expected, const json::value& found) {
    return malformed("expected " + std::string(expected) + ", found " +
                     std::string(kind_of(found)));
}

Result<json::value> parse_text(std::string_view text) {
    if (text.size() > kMaxPolicySize) {
        return Error(PolicyErrc::too_large, "expected a policy of at most " +
                                                std::to_string(kMaxPolicySize) + " bytes, found " +
                                                std::to_string(text.size()));
    }
    json::parse_options options;
    options.max_depth = kMaxDepth;
    if (const auto twice = codec::key_given_twice(text, options)) {
        return Error(PolicyErrc::syntax,
                     "expected each key of an object once, found " + quoted(*twice, 40) + " twice");
    }
    json::error_code code;
    json::value value = json::parse(json::string_view(text.data(), text.size()), code, {}, options);
    if (code == json::error::too_deep) {
        return Error(PolicyErrc::syntax, "expected JSON nested at most " +
                                             std::to_string(kMaxDepth) + " deep, found more");
    }
    if (code) {
        return Error(PolicyErrc::syntax, "expected JSON: " + code.message());
    }
    return value;
}

// in puts the name of an element before what is wrong inside of it.
template <class T>
Result<T> in(std::string_view element, Result<T> result) {
    if (!result) {
        return std::move(result).error().while_doing(element);
    }
    return result;
}

Result<std::string> read_string(const json::value& value) {
    if (!value.is_string()) {
        return wrong_kind("a string", value);
    }
    return std::string(view(value.get_string()));
}

// read_scalar reads a condition's value: numbers and Booleans stand for their texts.
Result<std::string> read_scalar(const json::value& value) {
    switch (value.kind()) {
        case json::kind::string:
            return std::string(view(value.get_string()));
        case json::kind::bool_:
            return std::string(value.get_bool() ? "true" : "false");
        case json::kind::int64:
            return std::to_string(value.get_int64());
        case json::kind::uint64:
            return std::to_string(value.get_uint64());
        case json::kind::double_: {
            std::array<char, 32> text{};
            const auto end =
                std::to_chars(text.data(), text.data() + text.size(), value.get_double());
            return std::string(text.data(), end.ptr);
        }
        default:
            return wrong_kind("a string, number or Boolean", value);
    }
}

// read_list reads one value or a list of at least one.
Result<std::vector<std::string>> read_list(const json::value& value,
                                           Result<std::string> (*read)(const json::value&)) {
    std::vector<std::string> texts;
    if (!value.is_array()) {
        CASEMATE_TRY(std::string single, read(value));
        texts.push_back(std::move(single));
        return texts;
    }
    if (value.get_array().empty()) {
        return malformed("expected at least one value, found an empty list");
    }
    for (const json::value& item : value.get_array()) {
        CASEMATE_TRY(std::string text, read(item));
        texts.push_back(std::move(text));
    }
    return texts;
}

Result<Effect> read_effect(const json::value& value) {
    CASEMATE_TRY(const std::string text, read_string(value));
    if (text == name_of(Effect::allow)) {
        return Effect::allow;
    }
    if (text == name_of(Effect::deny)) {
        return Effect::deny;
    }
    return malformed("expected Allow or Deny, found " + quoted(text));
}

Result<Principals> read_principals(const json::value& value) {
    Principals principals;
    if (value.is_string()) {
        if (view(value.get_string()) != "*") {
            return Error(PolicyErrc::invalid_principal,
                         "expected \"*\" or an object such as {\"AWS\": …}, found " +
                             quoted(view(value.get_string())));
        }
        CASEMATE_CHECK(principals.add(Principals::Type::aws, "*"));
        return principals;
    }
    if (!value.is_object()) {
        return wrong_kind("\"*\" or an object", value);
    }
    if (value.get_object().empty()) {
        return malformed("expected at least one principal, found an empty object");
    }
    for (const auto& member : value.get_object()) {
        const std::string_view key = view(member.key());
        std::optional<Principals::Type> type;
        for (std::size_t i = 0; i < Principals::kTypes; ++i) {
            if (Principals::name_of(static_cast<Principals::Type>(i)) == key) {
                type = static_cast<Principals::Type>(i);
            }
        }
        if (!type) {
            return malformed("expected AWS, Service, Federated or CanonicalUser, found " +
                             quoted(key));
        }
        CASEMATE_TRY(const auto texts, in(key, read_list(member.value(), read_string)));
        for (const std::string& text : texts) {
            CASEMATE_CHECK(in(key, principals.add(*type, text)));
        }
    }
    return principals;
}

bool is_action(std::string_view text) {
    const std::size_t colon = text.find(':');
    const auto is_letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-';
    };
    const auto is_name = [is_letter](char c) {
        return is_letter(c) || std::string_view("*?_./").find(c) != std::string_view::npos;
    };
    return text == "*" ||
           (colon != std::string_view::npos && colon > 0 && colon + 1 < text.size() &&
            std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon),
                        is_letter) &&
            std::all_of(text.begin() + static_cast<std::ptrdiff_t>(colon) + 1, text.end(),
                        is_name));
}

Result<std::vector<Pattern>> read_actions(const json::value& value) {
    CASEMATE_TRY(const auto texts, read_list(value, read_string));
    std::vector<Pattern> patterns;
    for (const std::string& text : texts) {
        if (!is_action(text)) {
            return malformed("expected an action such as kms:Decrypt, found " + quoted(text));
        }
        CASEMATE_TRY(
            Pattern pattern,
            Pattern::parse(text, {.wildcards = true, .variables = false, .ignore_case = true}));
        patterns.push_back(std::move(pattern));
    }
    return patterns;
}

// Variables may stand behind an ARN's fifth colon only.
bool has_early_variable(std::string_view text) {
    const std::size_t variable = text.find("${");
    constexpr std::ptrdiff_t kColons = 5;
    return variable != std::string_view::npos &&
           std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(variable), ':') <
               kColons;
}

Result<std::vector<Pattern>> read_resources(const json::value& value, bool variables) {
    CASEMATE_TRY(const auto texts, read_list(value, read_string));
    std::vector<Pattern> patterns;
    for (const std::string& text : texts) {
        if (text != "*" && (!text.starts_with("arn:") || text.size() == 4)) {
            return malformed("expected an ARN or \"*\", found " + quoted(text));
        }
        if (variables && has_early_variable(text)) {
            return malformed("expected policy variables only behind the fifth colon, found " +
                             quoted(text));
        }
        CASEMATE_TRY(Pattern pattern,
                     Pattern::parse(
                         text, {.wildcards = true, .variables = variables, .ignore_case = false}));
        patterns.push_back(std::move(pattern));
    }
    return patterns;
}

// read_keys reads what one operator asks of keys.
Result<> read_keys(std::string_view operator_name, const json::value& value, bool variables,
                   std::vector<Condition>& conditions) {
    if (!value.is_object()) {
        return wrong_kind("an object of condition keys", value);
    }
    if (value.get_object().empty()) {
        return malformed("expected at least one condition key, found an empty object");
    }
    std::set<std::string> keys;
    for (const auto& member : value.get_object()) {
        const std::string_view key = view(member.key());
        if (!keys.insert(lower(key)).second) {
            return malformed("expected each condition key once, in letters of any case, found " +
                             quoted(key) + " again");
        }
        CASEMATE_TRY(auto texts, in(quoted(key), read_list(member.value(), read_scalar)));
        CASEMATE_TRY(Condition condition,
                     Condition::parse(operator_name, key, std::move(texts), variables));
        conditions.push_back(std::move(condition));
    }
    return {};
}

Result<std::vector<Condition>> read_conditions(const json::value& value, bool variables) {
    std::vector<Condition> conditions;
    if (!value.is_object()) {
        return wrong_kind("an object of operators", value);
    }
    for (const auto& member : value.get_object()) {
        const std::string_view name = view(member.key());
        CASEMATE_CHECK(in(quoted(name), read_keys(name, member.value(), variables, conditions)));
    }
    return conditions;
}

Result<std::string> read_sid(const json::value& value, Kind kind) {
    CASEMATE_TRY(std::string sid, read_string(value));
    const bool is_plain = std::all_of(sid.begin(), sid.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    });
    if (kind == Kind::identity_policy && !is_plain) {
        return malformed("expected letters and digits, found " + quoted(sid));
    }
    return sid;
}

// select keeps an element's value, of which only one of the two forms may stand in a statement.
template <class T>
Result<> select(std::optional<Selection<T>>& selection, std::string_view element, Result<T> value) {
    if (!value) {
        return std::move(value).error().while_doing(element);
    }
    if (selection) {
        return malformed("expected an element or its Not… twin, found both: " +
                         std::string(element));
    }
    selection = Selection<T>{element.starts_with("Not"), *std::move(value)};
    return {};
}

// read_element reads one of a statement's elements.
Result<> read_element(std::string_view element, const json::value& value, Kind kind, bool variables,
                      Statement& statement) {
    if (element == "Sid") {
        CASEMATE_TRY(statement.sid, in(element, read_sid(value, kind)));
        return {};
    }
    if (element == "Effect") {
        CASEMATE_TRY(statement.effect, in(element, read_effect(value)));
        return {};
    }
    if (element == "Principal" || element == "NotPrincipal") {
        if (kind == Kind::identity_policy) {
            return malformed("expected no " + std::string(element) +
                             " in a policy of a caller, found one");
        }
        return select(statement.principal, element, read_principals(value));
    }
    if (element == "Action" || element == "NotAction") {
        return select(statement.action, element, read_actions(value));
    }
    if (element == "Resource" || element == "NotResource") {
        return select(statement.resource, element, read_resources(value, variables));
    }
    if (element == "Condition") {
        CASEMATE_TRY(statement.conditions, in(element, read_conditions(value, variables)));
        return {};
    }
    return malformed("expected an element of a statement, found " + quoted(element));
}

Result<> check_whole(const Statement& statement, bool has_effect, Kind kind) {
    if (!has_effect) {
        return malformed("expected an Effect, found none");
    }
    if (kind == Kind::key_policy && !statement.principal) {
        return malformed("expected a Principal, found none");
    }
    if (kind == Kind::identity_policy && !statement.action) {
        return malformed("expected an Action or NotAction, found none");
    }
    if (kind == Kind::identity_policy && !statement.resource) {
        return malformed("expected a Resource or NotResource, found none");
    }
    if (statement.principal && statement.principal->inverted && statement.effect == Effect::allow) {
        return malformed("expected NotPrincipal with Deny only, found it with Allow");
    }
    return {};
}

Result<Statement> read_statement(const json::value& value, Kind kind, bool variables) {
    if (!value.is_object()) {
        return wrong_kind("an object", value);
    }
    Statement statement;
    bool has_effect = false;
    for (const auto& member : value.get_object()) {
        const std::string_view element = view(member.key());
        has_effect = has_effect || element == "Effect";
        CASEMATE_CHECK(read_element(element, member.value(), kind, variables, statement));
    }
    CASEMATE_CHECK(check_whole(statement, has_effect, kind));
    return statement;
}

Result<std::vector<Statement>> read_statements(const json::value& value, Kind kind,
                                               bool variables) {
    std::vector<const json::value*> items;
    if (value.is_array()) {
        for (const json::value& item : value.get_array()) {
            items.push_back(&item);
        }
    } else {
        items.push_back(&value);
    }
    if (items.empty()) {
        return malformed("Statement: expected at least one statement, found an empty list");
    }
    std::vector<Statement> statements;
    std::set<std::string> sids;
    for (const json::value* item : items) {
        const std::string place = "statement " + std::to_string(statements.size() + 1);
        CASEMATE_TRY(Statement statement, in(place, read_statement(*item, kind, variables)));
        if (!statement.sid.empty() && !sids.insert(statement.sid).second) {
            return malformed(place + ": expected a Sid of its own, found " + quoted(statement.sid) +
                             " again");
        }
        statements.push_back(std::move(statement));
    }
    return statements;
}

Result<> read_head(const json::object& root, Document& document) {
    if (const json::value* version = root.if_contains("Version")) {
        CASEMATE_TRY(document.version, in("Version", read_string(*version)));
        if (document.version != "2012-10-17" && document.version != "2008-10-17") {
            return malformed("Version: expected 2012-10-17 or 2008-10-17, found " +
                             quoted(document.version));
        }
    }
    if (const json::value* id = root.if_contains("Id")) {
        if (document.kind == Kind::identity_policy) {
            return malformed("expected no Id in a policy of a caller, found one");
        }
        CASEMATE_TRY(document.id, in("Id", read_string(*id)));
    }
    for (const auto& member : root) {
        const std::string_view key = view(member.key());
        if (key != "Version" && key != "Id" && key != "Statement") {
            return malformed("expected Version, Id and Statement, found " + quoted(key));
        }
    }
    return {};
}

json::string text_of(std::string_view text) {
    return json::string(text.data(), text.size());
}

json::array array_of(const std::vector<std::string>& texts) {
    json::array array;
    for (const std::string& text : texts) {
        array.emplace_back(text_of(text));
    }
    return array;
}

json::array array_of(const std::vector<Pattern>& patterns) {
    json::array array;
    for (const Pattern& pattern : patterns) {
        array.emplace_back(text_of(pattern.text()));
    }
    return array;
}

json::object object_of(const Principals& principals) {
    json::object object;
    for (std::size_t i = 0; i < Principals::kTypes; ++i) {
        const auto type = static_cast<Principals::Type>(i);
        if (!principals.texts(type).empty()) {
            const std::string_view name = Principals::name_of(type);
            object[json::string_view(name.data(), name.size())] = array_of(principals.texts(type));
        }
    }
    return object;
}

json::object object_of(const std::vector<Condition>& conditions) {
    json::object operators;
    for (const Condition& condition : conditions) {
        json::value& keys = operators[condition.operator_name()];
        if (!keys.is_object()) {
            keys.emplace_object();
        }
        keys.get_object()[condition.key()] = array_of(condition.values());
    }
    return operators;
}

json::object object_of(const Statement& statement) {
    json::object object;
    if (!statement.sid.empty()) {
        object["Sid"] = text_of(statement.sid);
    }
    object["Effect"] = text_of(name_of(statement.effect));
    if (statement.principal) {
        object[statement.principal->inverted ? "NotPrincipal" : "Principal"] =
            object_of(statement.principal->items);
    }
    if (statement.action) {
        object[statement.action->inverted ? "NotAction" : "Action"] =
            array_of(statement.action->items);
    }
    if (statement.resource) {
        object[statement.resource->inverted ? "NotResource" : "Resource"] =
            array_of(statement.resource->items);
    }
    if (!statement.conditions.empty()) {
        object["Condition"] = object_of(statement.conditions);
    }
    return object;
}

}  // namespace

Result<Document> read_document(std::string_view text, Kind kind) {
    CASEMATE_TRY(const json::value root, parse_text(text));
    if (!root.is_object()) {
        return wrong_kind("an object", root);
    }
    Document document;
    document.kind = kind;
    CASEMATE_CHECK(read_head(root.get_object(), document));
    const json::value* statements = root.get_object().if_contains("Statement");
    if (statements == nullptr) {
        return malformed("expected a Statement, found none");
    }
    CASEMATE_TRY(document.statements,
                 read_statements(*statements, kind, document.version == "2012-10-17"));
    return document;
}

std::string write_document(const Document& document) {
    json::object root;
    if (!document.version.empty()) {
        root["Version"] = text_of(document.version);
    }
    if (document.id) {
        root["Id"] = text_of(*document.id);
    }
    json::array& statements = root["Statement"].emplace_array();
    for (const Statement& statement : document.statements) {
        statements.emplace_back(object_of(statement));
    }
    return json::serialize(root);
}

}  // namespace casemate::policy
