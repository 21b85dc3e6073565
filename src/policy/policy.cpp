#include "policy/policy.hpp"

#include <algorithm>
#include <utility>

#include "policy/document.hpp"
#include "policy/text.hpp"

namespace casemate::policy {

namespace {

Match match_any(const std::vector<Pattern>& patterns, std::string_view value,
                const Context& context) {
    Match match = Match::no;
    for (const Pattern& pattern : patterns) {
        match = any_of(match, pattern.matches(value, context));
        if (match == Match::yes) {
            break;
        }
    }
    return match;
}

bool selects(const Selection<std::vector<Pattern>>& selection, std::string_view value,
             const Context& context, Effect effect) {
    const Match match = match_any(selection.items, value, context);
    if (!selection.inverted) {
        return match == Match::yes;
    }
    return match == Match::no || (match == Match::unknown && effect == Effect::deny);
}

// naming_of tells how a statement names a caller; an identity policy's names the one who has it.
Naming naming_of(const Statement& statement, const Caller& caller) {
    if (!statement.principal) {
        return Naming::itself;
    }
    const Principals& principals = statement.principal->items;
    if (statement.principal->inverted) {
        return principals.spares(caller) ? Naming::none : Naming::itself;
    }
    return principals.names(caller);
}

Outcome assess(const Statement& statement, const Request& request, const Caller& caller,
               const Condition** failed) {
    if (!statement.action || !statement.resource) {
        return Outcome::ineffective;
    }
    const Naming naming = naming_of(statement, caller);
    if (naming == Naming::none) {
        return Outcome::principal;
    }
    if (!selects(*statement.action, request.action, request.context, statement.effect)) {
        return Outcome::action;
    }
    if (!selects(*statement.resource, request.resource, request.context, statement.effect)) {
        return Outcome::resource;
    }
    for (const Condition& condition : statement.conditions) {
        if (!condition.holds(request.context, statement.effect)) {
            *failed = &condition;
            return Outcome::condition;
        }
    }
    const bool delegates = naming == Naming::account && statement.effect == Effect::allow;
    return delegates ? Outcome::delegates : Outcome::applies;
}

// take puts one statement's outcome into the verdict.
void take(Verdict& verdict, std::size_t index, Effect effect, Outcome outcome) {
    if (outcome == Outcome::delegates && !verdict.delegation) {
        verdict.delegation = index;
    }
    if (outcome != Outcome::applies) {
        return;
    }
    if (effect == Effect::deny && verdict.decision != Decision::explicit_deny) {
        verdict.decision = Decision::explicit_deny;
        verdict.statement = index;
    } else if (effect == Effect::allow && verdict.decision == Decision::implicit_deny) {
        verdict.decision = Decision::allow;
        verdict.statement = index;
    }
}

// settle forgets the delegation where something was decided.
Verdict settle(Verdict verdict) {
    if (verdict.decision != Decision::implicit_deny) {
        verdict.delegation.reset();
    }
    return verdict;
}

std::string listed(const std::vector<std::string>& texts) {
    constexpr std::size_t kShown = 8;
    std::string out;
    for (std::size_t i = 0; i < std::min(texts.size(), kShown); ++i) {
        out += (out.empty() ? "" : ", ") + quoted(texts[i]);
    }
    if (texts.size() > kShown) {
        out += " and " + std::to_string(texts.size() - kShown) + " more";
    }
    return out;
}

std::string listed(const std::vector<Pattern>& patterns) {
    std::vector<std::string> texts;
    texts.reserve(patterns.size());
    for (const Pattern& pattern : patterns) {
        texts.push_back(pattern.text());
    }
    return listed(texts);
}

std::string listed(const Principals& principals) {
    std::string out;
    for (std::size_t i = 0; i < Principals::kTypes; ++i) {
        const auto type = static_cast<Principals::Type>(i);
        if (!principals.texts(type).empty()) {
            out += (out.empty() ? "" : "; ") + std::string(Principals::name_of(type)) + " " +
                   listed(principals.texts(type));
        }
    }
    return out;
}

template <class T>
std::string mismatch(std::string_view element, const Selection<T>& selection,
                     std::string_view got) {
    return (selection.inverted ? "Not" : "") + std::string(element) + " wanted " +
           listed(selection.items) + ", got " + quoted(got);
}

std::string reason_of(Outcome outcome, const Statement& statement, const Request& request,
                      const Condition* failed) {
    switch (outcome) {
        case Outcome::applies:
            return "";
        case Outcome::delegates:
            return "it allows the caller's account, whose own policies decide";
        case Outcome::ineffective:
            return std::string("it has no ") + (statement.action ? "Resource" : "Action") +
                   " and so no effect";
        case Outcome::principal:
            return mismatch("Principal", *statement.principal, request.principal);
        case Outcome::action:
            return mismatch("Action", *statement.action, request.action);
        case Outcome::resource:
            return mismatch("Resource", *statement.resource, request.resource);
        case Outcome::condition:
            return "Condition " + failed->explain(request.context);
    }
    return "";
}

std::string title(std::size_t index, std::string_view sid) {
    return "statement " + std::to_string(index + 1) +
           (sid.empty() ? std::string() : " (" + quoted(sid) + ")");
}

}  // namespace

std::string_view name_of(Effect effect) {
    return effect == Effect::allow ? "Allow" : "Deny";
}

std::string_view name_of(Decision decision) {
    switch (decision) {
        case Decision::allow:
            return "allow";
        case Decision::explicit_deny:
            return "explicit deny";
        case Decision::implicit_deny:
            return "implicit deny";
    }
    return "";
}

std::string Explanation::print() const {
    std::string out = policy + ": " + std::string(name_of(verdict.decision));
    const auto decided = verdict.statement ? verdict.statement : verdict.delegation;
    if (verdict.statement) {
        out += " by ";
    } else if (verdict.delegation) {
        out += ", left to the account's own policies by ";
    } else {
        out += ": no statement applies";
    }
    for (const StatementReport& report : statements) {
        if (report.index == decided) {
            out += title(report.index, report.sid);
        }
    }
    out += '\n';
    for (const StatementReport& report : statements) {
        out += "  " + title(report.index, report.sid) + ", " + std::string(name_of(report.effect));
        if (report.outcome == Outcome::applies) {
            out += ": applies";
        } else if (report.outcome == Outcome::delegates) {
            out += ": " + report.reason;
        } else {
            out += ": does not apply: " + report.reason;
        }
        out += '\n';
    }
    return out;
}

Policy::Policy(std::shared_ptr<const Document> document) : document_(std::move(document)) {
}

Result<Policy> Policy::parse(std::string_view json, Kind kind) {
    CASEMATE_TRY(Document document, read_document(json, kind));
    return Policy(std::make_shared<const Document>(std::move(document)));
}

Kind Policy::kind() const {
    return document_->kind;
}

std::size_t Policy::size() const {
    return document_->statements.size();
}

const std::string& Policy::sid(std::size_t statement) const {
    return document_->statements[statement].sid;
}

std::string Policy::print() const {
    return write_document(*document_);
}

Verdict Policy::evaluate(const Request& request) const {
    const Caller caller = Caller::of(request.principal);
    Verdict verdict;
    for (std::size_t i = 0; i < document_->statements.size(); ++i) {
        const Statement& statement = document_->statements[i];
        const Condition* failed = nullptr;
        take(verdict, i, statement.effect, assess(statement, request, caller, &failed));
    }
    return settle(verdict);
}

Explanation Policy::explain(const Request& request, std::string name) const {
    const Caller caller = Caller::of(request.principal);
    Explanation explanation;
    explanation.policy = std::move(name);
    for (std::size_t i = 0; i < document_->statements.size(); ++i) {
        const Statement& statement = document_->statements[i];
        const Condition* failed = nullptr;
        const Outcome outcome = assess(statement, request, caller, &failed);
        take(explanation.verdict, i, statement.effect, outcome);
        explanation.statements.push_back({i, statement.sid, statement.effect, outcome,
                                          reason_of(outcome, statement, request, failed)});
    }
    explanation.verdict = settle(explanation.verdict);
    return explanation;
}

}  // namespace casemate::policy
