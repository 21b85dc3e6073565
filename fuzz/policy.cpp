// A policy, a zero byte and lines of a request: principal, action, resource, then KEY=VALUE for the
// context. What the reader accepts is printed as what it reads as a policy of the same form and the
// same verdicts; explaining decides as evaluating does, and prints nothing that a terminal would
// obey; a Deny of everything put behind the statements wins.
#include "policy/policy.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace {

using namespace casemate::policy;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

std::string_view take_until(std::string_view& text, char end) {
    const std::size_t place = text.find(end);
    const std::string_view part = text.substr(0, place);
    text.remove_prefix(place == std::string_view::npos ? text.size() : place + 1);
    return part;
}

Request read_request(std::string_view text) {
    Request request;
    request.principal = take_until(text, '\n');
    request.action = take_until(text, '\n');
    request.resource = take_until(text, '\n');
    set_principal(request.context, request.principal);
    while (!text.empty()) {
        std::string_view line = take_until(text, '\n');
        const std::string_view key = take_until(line, '=');
        request.context.add(key, std::string(line));
    }
    return request;
}

std::vector<Request> requests(std::string_view text) {
    std::vector<Request> all{read_request(text)};
    for (const std::string_view principal :
         {"arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:user/alice",
          "arn:aws:sts::111122223333:assumed-role/data-processing/i-1"}) {
        Request request{
            std::string(principal), "kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/1", {}};
        all.push_back(request);
        set_principal(request.context, principal);
        request.context.set("aws:SecureTransport", "true");
        request.context.set("aws:SourceIp", "203.0.113.9");
        request.context.set("aws:EpochTime", "1577836800");
        request.context.set("aws:CurrentTime", "2020-01-01T00:00:00Z");
        request.context.set("kms:RecipientAttestation:PCR0", std::string(96, 'a'));
        request.context.set_all("kms:EncryptionContextKeys", {"a", "b"});
        all.push_back(std::move(request));
    }
    return all;
}

void require_readable(const std::string& text) {
    require(std::all_of(text.begin(), text.end(), [](char character) {
        const auto byte = static_cast<unsigned char>(character);
        return character == '\n' || (byte >= 0x20 && byte != 0x7f);
    }));
}

// with_deny_of_all puts one more statement behind those that a printed policy has.
std::string with_deny_of_all(std::string printed, Kind kind) {
    require(printed.ends_with("]}"));
    printed.resize(printed.size() - 2);
    printed += R"(,{"Effect":"Deny","Action":"*","Resource":"*")";
    printed += kind == Kind::key_policy ? R"(,"Principal":"*"}]})" : "}]}";
    return printed;
}

void check(std::string_view json, Kind kind, const std::vector<Request>& asked) {
    const auto policy = Policy::parse(json, kind);
    if (!policy) {
        require_readable(policy.error().message());
        return;
    }
    const std::string printed = policy->print();
    const auto again = Policy::parse(printed, kind);
    // What is printed has escapes and lists where there were none, and may so be too large.
    require(again.ok() || printed.size() > kMaxPolicySize);
    const auto denying = Policy::parse(with_deny_of_all(printed, kind), kind);
    for (const Request& request : asked) {
        const Verdict verdict = policy->evaluate(request);
        const Explanation explanation = policy->explain(request, "policy");
        require(explanation.verdict == verdict);
        require(explanation.statements.size() == policy->size());
        require_readable(explanation.print());
        require(!verdict.statement || *verdict.statement < policy->size());
        require((verdict.decision == Decision::implicit_deny) == !verdict.statement);
        if (again) {
            require(again->evaluate(request) == verdict);
        }
        if (denying) {
            require(denying->evaluate(request).decision == Decision::explicit_deny);
        }
    }
    if (again) {
        require(again->print() == printed);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text = casemate::as_text(casemate::ByteView(data, size));
    const std::string_view json = take_until(text, '\0');
    const std::vector<Request> asked = requests(text);
    check(json, Kind::key_policy, asked);
    check(json, Kind::identity_policy, asked);
    return 0;
}
