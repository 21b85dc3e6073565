#include "policy/policy.hpp"

#include <chrono>

#include "attestation/isolation.hpp"
#include "base/file.hpp"
#include "codec/base64.hpp"
#include "kms/cli/commands.hpp"
#include "kms/cli/open.hpp"
#include "kms/core/access.hpp"
#include "policy/authorization.hpp"

namespace casemate::kms::cli {

namespace {

constexpr std::uint64_t kMaxFile = 1ULL << 20U;

Error bad_argument(const std::string& sentence) {
    return {service::ServiceErrc::bad_option, sentence};
}

Result<policy::Policy> read_policy(const std::string& file, policy::Kind kind) {
    CASEMATE_TRY(const Bytes content, read_file(file, policy::kMaxPolicySize));
    auto parsed = policy::Policy::parse(as_text(content), kind);
    if (!parsed) {
        return bad_argument(file + ": " + parsed.error().message());
    }
    return parsed;
}

Time now() {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

// Asking: a request that is to be explained, and what it stands on.
struct Asking {
    std::optional<service::Opened> opened;
    std::optional<Keyring> keyring;
    Call call;
    std::optional<NamedKey> key;
    std::optional<attestation::VerifiedDocument> document;
};

Result<> open_where_needed(const PolicyExplainArguments& arguments, Asking& out) {
    if (arguments.data.data.empty()) {
        return {};
    }
    CASEMATE_TRY(out.opened, open_service(arguments.data));
    out.keyring.emplace(*out.opened->repository, out.opened->vault, arguments.region);
    return {};
}

Result<> read_caller(const PolicyExplainArguments& arguments, Asking& out) {
    Caller& caller = out.call.caller;
    if (arguments.caller.starts_with("arn:")) {
        caller.arn = arguments.caller;
    } else {
        if (!out.opened) {
            return bad_argument("--caller: expected an ARN, or --data DIR to look \"" +
                                arguments.caller + "\" up in");
        }
        CASEMATE_TRY(const User user, out.opened->repository->user_named(arguments.caller));
        caller.arn = user.arn;
        caller.access_key_id = user.access_key_id;
        if (!user.policy.empty() && arguments.caller_policy.empty()) {
            CASEMATE_TRY(caller.policy,
                         policy::Policy::parse(user.policy, policy::Kind::identity_policy));
        }
    }
    caller.account = account_of(caller.arn);
    if (!arguments.caller_policy.empty()) {
        CASEMATE_TRY(caller.policy,
                     read_policy(arguments.caller_policy, policy::Kind::identity_policy));
    }
    return {};
}

// A key of which nothing is known but its policy.
Result<NamedKey> key_of_file(const PolicyExplainArguments& arguments, const Caller& caller) {
    CASEMATE_TRY(policy::Policy policy,
                 read_policy(arguments.key_policy, policy::Kind::key_policy));
    Key key;
    key.id = "00000000-0000-0000-0000-000000000000";
    key.arn = key_arn(arguments.region, caller.account, key.id);
    return NamedKey{.known = std::make_shared<const KnownKey>(
                        KnownKey{std::move(key), std::move(policy), {}, caller.account}),
                    .alias = {}};
}

Result<> read_key(const PolicyExplainArguments& arguments, Asking& out) {
    if (!arguments.key_policy.empty()) {
        CASEMATE_TRY(out.key, key_of_file(arguments, out.call.caller));
    } else if (!arguments.key.empty()) {
        if (!out.keyring) {
            return bad_argument("--key: expected --data DIR to look the key up in");
        }
        CASEMATE_TRY(out.key, out.keyring->find(arguments.key, out.call.caller));
    }
    return {};
}

// A document as it is, or in base64.
Result<Bytes> read_document(const std::string& file) {
    CASEMATE_TRY(Bytes content, read_file(file, kMaxFile));
    constexpr std::uint8_t kNoText = 0x80;
    if (content.empty() || content.front() >= kNoText) {
        return content;
    }
    std::string text(as_text(content));
    std::erase_if(text, [](char letter) { return letter == '\n' || letter == '\r'; });
    auto decoded = codec::decode_base64(text);
    return decoded ? std::move(*decoded) : std::move(content);
}

Result<> verify_document(const PolicyExplainArguments& arguments, const Places& places,
                         Asking& out) {
    TrustRules rules;
    rules.roots = arguments.attestation_roots;
    if (rules.roots.empty()) {
        rules.roots.push_back(places.authority_root);
    }
    for (const std::string& text : arguments.allow_isolation) {
        if (const auto isolation = attestation::parse_isolation(text)) {
            rules.isolation.insert(*isolation);
        }
    }
    rules.allow_debug = arguments.allow_debug;
    CASEMATE_TRY(const Bytes document, read_document(arguments.document));
    Trust trust(std::move(rules));
    CASEMATE_TRY(out.document, trust.verify(document, out.call.now));
    return {};
}

policy::Request request_for(const PolicyExplainArguments& arguments, const Call& call,
                            const Asked& asked) {
    policy::Request request = request_of(call, asked);
    for (const auto& [index, value] : arguments.pcrs) {
        const std::string lower = policy::lower(value);
        request.context.set("kms:RecipientAttestation:PCR" + std::to_string(index), lower);
        if (index == 0) {
            request.context.set("kms:RecipientAttestation:ImageSha384", lower);
        }
    }
    for (const auto& [name, value] : arguments.context) {
        request.context.set(name, value);
    }
    return request;
}

// Grants are not policies: they are told of, where there are some for the caller.
Result<std::string> grants_note(const Asking& asking) {
    if (!asking.opened || !asking.key) {
        return std::string();
    }
    CASEMATE_TRY(
        const std::vector<Grant> grants,
        asking.opened->repository->grants_to(asking.key->key().id, asking.call.caller.arn));
    if (grants.empty()) {
        return std::string();
    }
    return "the caller has " + std::to_string(grants.size()) +
           " grants of this key, which may allow what no policy denies\n";
}

int fail(Console& console, const Error& error) {
    return console.fail(error, error.is(service::ServiceErrc::bad_option) ? kUsage : kFailed);
}

Result<> prepare(const PolicyExplainArguments& arguments, Asking& out) {
    CASEMATE_CHECK(open_where_needed(arguments, out));
    out.call.now = now();
    out.call.secure = true;
    out.call.operation = arguments.operation;
    if (!arguments.source_address.empty()) {
        out.call.source_address = arguments.source_address;
    }
    CASEMATE_CHECK(read_caller(arguments, out));
    return read_key(arguments, out);
}

}  // namespace

int policy_check(const PolicyCheckArguments& arguments, Console& console) {
    const auto content = read_file(arguments.file, kMaxFile);
    if (!content) {
        return console.fail(arguments.file + ": " + content.error().message());
    }
    const auto parsed =
        policy::Policy::parse(as_text(*content), arguments.identity ? policy::Kind::identity_policy
                                                                    : policy::Kind::key_policy);
    if (!parsed) {
        return console.fail(arguments.file + ": " + parsed.error().message(), kNo);
    }
    return console.text("well-formed: " + std::to_string(parsed->size()) + " statements\n");
}

int policy_explain(const PolicyExplainArguments& arguments, const Places& places,
                   Console& console) {
    Asking asking;
    if (const auto done = prepare(arguments, asking); !done) {
        return fail(console, done.error());
    }
    if (!arguments.document.empty()) {
        if (const auto done = verify_document(arguments, places, asking); !done) {
            return console.fail("the attestation document is refused before any policy is asked: " +
                                    done.error().message(),
                                kNo);
        }
    }
    const EncryptionContext pairs(arguments.encryption_context.begin(),
                                  arguments.encryption_context.end());
    Asked asked;
    asked.action = arguments.operation;
    asked.key = asking.key ? &*asking.key : nullptr;
    asked.encryption_context = pairs.empty() ? nullptr : &pairs;
    asked.recipient = asking.document ? &*asking.document : nullptr;
    const policy::AuthorizationReport report =
        policy::explain(sources_of(asking.call, asked), request_for(arguments, asking.call, asked));
    const auto grants = grants_note(asking);
    if (!grants) {
        return console.fail(grants.error());
    }
    const int written = console.text(report.print() + *grants);
    return written != kDone ? written : (report.authorization.allowed() ? kDone : kNo);
}

}  // namespace casemate::kms::cli
