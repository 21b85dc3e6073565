// A policy as it was read: what Policy keeps.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "policy/condition.hpp"
#include "policy/pattern.hpp"
#include "policy/policy.hpp"
#include "policy/principal.hpp"

namespace casemate::policy {

// Selection: the value of an element that has a Not… twin.
template <class T>
struct Selection {
    // inverted: the element was NotPrincipal, NotAction or NotResource.
    bool inverted = false;
    T items;
};

struct Statement {
    std::string sid;
    Effect effect = Effect::deny;
    // Nothing in identity policies.
    std::optional<Selection<Principals>> principal;
    // Nothing only in key policies, whose statement then has no effect.
    std::optional<Selection<std::vector<Pattern>>> action;
    std::optional<Selection<std::vector<Pattern>>> resource;
    std::vector<Condition> conditions;
};

struct Document {
    Kind kind = Kind::key_policy;
    // Empty where there was none.
    std::string version;
    std::optional<std::string> id;
    std::vector<Statement> statements;
};

// read_document reads JSON; write_document writes JSON that means the same. Errors: as
// Policy::parse.
Result<Document> read_document(std::string_view json, Kind kind);
std::string write_document(const Document& document);

}  // namespace casemate::policy
