// IAM's policy language, versions 2008-10-17 and 2012-10-17: policies are read strictly and asked
// about requests. Nothing here looks at a clock, a file or the network.
//
// Semantics are those of the IAM User Guide ("JSON policy element reference", "Policy evaluation
// logic"). Where the guide leaves a choice:
//  * A policy variable without a single value, and a context value that is not of its operator's
//    kind (an address that is none), compares with nothing: a positive operator does not hold. A
//    negated one (StringNotEquals, NotIpAddress, NotResource …) holds in a Deny and does not hold
//    in an Allow, so that what is not known never opens a door.
//  * An operator without ForAllValues or ForAnyValue on a key with several values looks for any
//    pair that matches; negated, for none.
//  * ForAllValues and ForAnyValue take a key whose one value is the empty text as one without
//  values.
//  * A wildcard of Resource may match over colons; one of ArnLike and ArnEquals may not.
//  * NotPrincipal stands in Deny only, and spares whom it names: an account in it spares the
//    account's root user alone, a role its sessions, unless some of them are named beside it. The
//    path of a role named in a policy is not looked at when the caller is a session of it: a
//    session's ARN does not tell it.
//  * Letters are compared without case in ASCII only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "policy/context.hpp"
#include "policy/error.hpp"

namespace casemate::policy {

// What a policy is attached to. A key's policy names principals; a caller's own must not, and has
// no Id.
enum class Kind : std::uint8_t { key_policy, identity_policy };
enum class Effect : std::uint8_t { allow, deny };
// implicit_deny: nothing said allow.
enum class Decision : std::uint8_t { allow, explicit_deny, implicit_deny };

// "Allow" and "Deny"; "allow", "explicit deny" and "implicit deny".
[[nodiscard]] std::string_view name_of(Effect effect);
[[nodiscard]] std::string_view name_of(Decision decision);

// Request: what is asked.
struct Request {
    // principal: the caller's ARN: "arn:aws:iam::111122223333:root", ":user/NAME", ":role/NAME" or
    // "arn:aws:sts::111122223333:assumed-role/ROLE/SESSION".
    std::string principal;
    // action: "kms:Decrypt".
    std::string action;
    // resource: an ARN; "*" for an action that has none.
    std::string resource;
    Context context;
};

// Verdict: what one policy says. Statements are counted from 0.
struct Verdict {
    Decision decision = Decision::implicit_deny;
    // The statement that decided; nothing for implicit_deny.
    std::optional<std::size_t> statement;
    // Only in key policies that decide nothing: the first statement that allows the caller's
    // account, so that the caller's own policies may allow.
    std::optional<std::size_t> delegation;

    bool operator==(const Verdict&) const = default;
};

// Outcome: why a statement does or does not apply to a request; the first thing that fails.
enum class Outcome : std::uint8_t {
    applies,
    // An Allow for the caller's account.
    delegates,
    // A key policy's statement without Action or without Resource has no effect, as in AWS.
    ineffective,
    principal,
    action,
    resource,
    condition,
};

struct StatementReport {
    std::size_t index = 0;
    // sid: empty where the statement has none.
    std::string sid;
    Effect effect = Effect::allow;
    Outcome outcome = Outcome::applies;
    // reason: a sentence with wanted and got; empty for applies.
    std::string reason;
};

// Explanation: a verdict with its reasons, statement by statement.
struct Explanation {
    // policy: the name that was given to explain.
    std::string policy;
    Verdict verdict;
    std::vector<StatementReport> statements;

    // print writes lines for people, each with its newline: the verdict, then one a statement.
    // Everything that somebody else wrote is quoted, control characters escaped.
    [[nodiscard]] std::string print() const;
};

// kMaxPolicySize: bytes of a policy's text (KMS: 32 kilobytes for a key policy).
inline constexpr std::size_t kMaxPolicySize = 32768;

struct Document;

// Policy: one policy, read and unchangeable. Copies share it, and several threads may ask it.
class Policy {
public:
    // parse reads a policy's JSON, strictly: unknown, doubled and missing elements, values of the
    // wrong kind, empty lists, unknown operators, and condition values that are not of their
    // operator's kind are refused, with a sentence that says in which statement. Errors: each
    // PolicyErrc.
    static Result<Policy> parse(std::string_view json, Kind kind);

    [[nodiscard]] Kind kind() const;
    // size is the number of statements, at least 1.
    [[nodiscard]] std::size_t size() const;
    // sid of a statement below size(); empty where it has none.
    [[nodiscard]] const std::string& sid(std::size_t statement) const;

    // print writes the policy as JSON that parse reads as a policy of the same verdicts.
    [[nodiscard]] std::string print() const;

    // evaluate decides: a Deny that applies wins, then an Allow, else implicit_deny.
    [[nodiscard]] Verdict evaluate(const Request& request) const;

    // explain decides as evaluate does and says why of each statement. name stands for the policy
    // in what is printed.
    [[nodiscard]] Explanation explain(const Request& request, std::string name) const;

private:
    explicit Policy(std::shared_ptr<const Document> document);

    std::shared_ptr<const Document> document_;
};

}  // namespace casemate::policy
