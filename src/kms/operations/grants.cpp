#include "kms/operations/grants.hpp"

#include <algorithm>
#include <array>

#include "crypto/digest.hpp"
#include "kms/core/access.hpp"
#include "kms/core/checks.hpp"
#include "kms/core/grant_token.hpp"
#include "kms/operations/key_of_request.hpp"
#include "kms/store/columns.hpp"
#include "policy/principal.hpp"

namespace casemate::kms {

namespace {

constexpr Bounds kPrincipalSize{1, 256};
constexpr Bounds kNameSize{1, 256};
constexpr Bounds kGrantIdSize{1, 128};
constexpr Bounds kTokenSize{1, 8192};
constexpr Bounds kKeyIdSize{1, 2048};
constexpr std::size_t kUsualPage = 50;
constexpr std::size_t kMaxPage = 100;
constexpr std::size_t kMaxPairs = 8;
constexpr std::size_t kMaxPairValue = 384;

constexpr std::size_t kGrantIdDigits = 64;

constexpr std::string_view kEquals = "EncryptionContextEquals";
constexpr std::string_view kSubset = "EncryptionContextSubset";

// KeyKind: which keys an operation of a grant is for.
enum class KeyKind : std::uint8_t {
    any,
    encryption,
    symmetric,
    asymmetric,
    signing,
    mac,
    agreement
};

struct GrantOperation {
    std::string_view name;
    KeyKind kind;
};
constexpr std::array<GrantOperation, 17> kOperations{{
    {"Decrypt", KeyKind::encryption},
    {"Encrypt", KeyKind::encryption},
    {"GenerateDataKey", KeyKind::symmetric},
    {"GenerateDataKeyWithoutPlaintext", KeyKind::symmetric},
    {"ReEncryptFrom", KeyKind::encryption},
    {"ReEncryptTo", KeyKind::encryption},
    {"Sign", KeyKind::signing},
    {"Verify", KeyKind::signing},
    {"GetPublicKey", KeyKind::asymmetric},
    {"CreateGrant", KeyKind::any},
    {"RetireGrant", KeyKind::any},
    {"DescribeKey", KeyKind::any},
    {"GenerateDataKeyPair", KeyKind::symmetric},
    {"GenerateDataKeyPairWithoutPlaintext", KeyKind::symmetric},
    {"GenerateMac", KeyKind::mac},
    {"VerifyMac", KeyKind::mac},
    {"DeriveSharedSecret", KeyKind::agreement},
}};

std::string names_of_operations() {
    std::string text;
    for (const GrantOperation& operation : kOperations) {
        text.append(text.empty() ? "[" : ", ").append(operation.name);
    }
    return text + "]";
}

bool suits(KeyKind kind, const Key& key) {
    const bool symmetric = key.spec == KeySpec::symmetric_default;
    switch (kind) {
        case KeyKind::any:
            return true;
        case KeyKind::encryption:
            return key.usage == KeyUsage::encrypt_decrypt;
        case KeyKind::symmetric:
            return symmetric;
        case KeyKind::asymmetric:
            return !symmetric && key.usage != KeyUsage::generate_verify_mac;
        case KeyKind::signing:
            return key.usage == KeyUsage::sign_verify;
        case KeyKind::mac:
            return key.usage == KeyUsage::generate_verify_mac;
        case KeyKind::agreement:
            return key.usage == KeyUsage::key_agreement;
    }
    return false;
}

bool has_only(std::string_view text, std::string_view others) {
    return std::all_of(text.begin(), text.end(), [&](char letter) {
        return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
               (letter >= '0' && letter <= '9') || letter == '_' ||
               others.find(letter) != std::string_view::npos;
    });
}

Result<> check_pattern(std::string_view name, std::string_view text, std::string_view others,
                       std::string_view pattern) {
    if (!has_only(text, others)) {
        return Fields::refused(
            name, text, "Member must satisfy regular expression pattern: " + std::string(pattern));
    }
    return {};
}

Result<std::optional<std::string>> read_principal(const Fields& fields, std::string_view name) {
    CASEMATE_TRY(std::optional<std::string> found, fields.optional_text(name, kPrincipalSize));
    if (!found) {
        return found;
    }
    CASEMATE_CHECK(check_pattern(name, *found, "+=,.@:/-", R"(^[\w+=,.@:/-]+$)"));
    if (policy::Caller::of(*found).kind == policy::Caller::Kind::other) {
        return Error(KmsErrc::invalid_arn, "ARN does not refer to a valid principal: " + *found);
    }
    return found;
}

Result<std::string> require_principal(const Fields& fields, std::string_view name) {
    CASEMATE_TRY(std::optional<std::string> found, read_principal(fields, name));
    if (!found) {
        return Fields::missing(name);
    }
    return *std::move(found);
}

// read_operations gives them in the order of their names, each once.
Result<std::vector<std::string>> read_operations(const Fields& fields, const Key& key) {
    if (!fields.has("Operations")) {
        return Fields::missing("Operations");
    }
    CASEMATE_TRY(std::vector<std::string> found,
                 fields.texts("Operations", {0, 10 * std::int64_t{kOperations.size()}}));
    for (const std::string& name : found) {
        const auto* known =
            std::find_if(kOperations.begin(), kOperations.end(),
                         [&](const GrantOperation& operation) { return operation.name == name; });
        if (known == kOperations.end()) {
            return Fields::refused("Operations", "[" + name + "]",
                                   "Member must satisfy constraint: [Member must satisfy enum "
                                   "value set: " +
                                       names_of_operations() + "]");
        }
        if (!suits(known->kind, key)) {
            return Error(KmsErrc::validation, "The operation " + name +
                                                  " is not valid for a key of spec " +
                                                  std::string(name_of(key.spec)) + " and usage " +
                                                  std::string(name_of(key.usage)) + ".");
        }
    }
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    if (found.empty()) {
        return Error(KmsErrc::validation, "Grants must contain at least one operation.");
    }
    if (found.size() == 1 && found.front() == "CreateGrant") {
        return Error(KmsErrc::validation,
                     "Grants must not contain only the CreateGrant operation.");
    }
    return found;
}

Result<std::optional<EncryptionContext>> read_constraint(const Fields& constraints,
                                                         std::string_view name) {
    CASEMATE_TRY(std::optional<EncryptionContext> found, constraints.optional_map(name));
    if (!found || found->empty()) {
        return std::optional<EncryptionContext>();
    }
    if (found->size() > kMaxPairs) {
        return Fields::refused(
            name, std::to_string(found->size()) + " pairs",
            "Member must have length less than or equal to " + std::to_string(kMaxPairs));
    }
    for (const auto& [key, value] : *found) {
        if (key.empty() || value.size() > kMaxPairValue) {
            return Error(KmsErrc::validation, "A pair of " + std::string(name) +
                                                  " must have a key, and a value of at most " +
                                                  std::to_string(kMaxPairValue) + " characters.");
        }
    }
    return found;
}

Result<> read_constraints(const Fields& fields, const Key& key, Grant& grant) {
    CASEMATE_TRY(const std::optional<Fields> constraints, fields.object("Constraints"));
    if (!constraints) {
        return {};
    }
    CASEMATE_TRY(std::optional<EncryptionContext> equals, read_constraint(*constraints, kEquals));
    CASEMATE_TRY(std::optional<EncryptionContext> subset, read_constraint(*constraints, kSubset));
    if (equals && subset) {
        return Error(KmsErrc::validation,
                     "A grant can have one of EncryptionContextEquals and "
                     "EncryptionContextSubset, not both.");
    }
    if ((equals || subset) && key.spec != KeySpec::symmetric_default) {
        return Error(KmsErrc::validation,
                     "Grant constraints are supported only for symmetric encryption keys.");
    }
    grant.subset = subset.has_value();
    grant.context = equals ? std::move(equals) : std::move(subset);
    return {};
}

// id_of_named: for one key the same for the same parameters.
std::string id_of_named(const Grant& grant) {
    std::vector<std::string> texts{grant.key_id,
                                   grant.name,
                                   grant.grantee,
                                   grant.retiring_principal,
                                   grant.issuing_account,
                                   grant.subset ? "subset" : "equals",
                                   std::to_string(grant.operations.size())};
    texts.insert(texts.end(), grant.operations.begin(), grant.operations.end());
    for (const auto& [key, value] : grant.context.value_or(EncryptionContext())) {
        texts.push_back(key);
        texts.push_back(value);
    }
    return to_hex(crypto::sha256(encode_texts(texts)));
}

Result<Grant> read_grant(const Call& call, const Fields& fields, const Key& key) {
    Grant grant;
    grant.key_id = key.id;
    CASEMATE_TRY(grant.grantee, require_principal(fields, "GranteePrincipal"));
    CASEMATE_TRY(std::optional<std::string> retiring, read_principal(fields, "RetiringPrincipal"));
    grant.retiring_principal = std::move(retiring).value_or("");
    CASEMATE_TRY(grant.operations, read_operations(fields, key));
    CASEMATE_CHECK(read_constraints(fields, key, grant));
    CASEMATE_TRY(std::optional<std::string> name, fields.optional_text("Name", kNameSize));
    if (name) {
        CASEMATE_CHECK(check_pattern("Name", *name, ":/-", "^[a-zA-Z0-9:/_-]+$"));
        grant.name = *std::move(name);
    }
    grant.issuing_account = call.caller.account;
    grant.created = call.now;
    grant.id = grant.name.empty() ? new_hex_id() : id_of_named(grant);
    return grant;
}

// note tells the audit log about a grant, with AWS's names.
void note(Call& call, const Grant& grant) {
    auto& parameters = call.notes.parameters;
    parameters.emplace_back("granteePrincipal", grant.grantee);
    if (!grant.retiring_principal.empty()) {
        parameters.emplace_back("retiringPrincipal", grant.retiring_principal);
    }
    std::string operations;
    for (const std::string& operation : grant.operations) {
        operations.append(operations.empty() ? "" : ",").append(operation);
    }
    parameters.emplace_back("operations", std::move(operations));
    if (!grant.name.empty()) {
        parameters.emplace_back("name", grant.name);
    }
}

// passes_on tells whether whoever may create grants by parent only, may create child: nothing that
// parent does not allow, under a constraint that is at least as strict.
bool passes_on(const Grant& parent, const Grant& child) {
    const auto allows = [&](std::string_view operation) {
        return std::find(parent.operations.begin(), parent.operations.end(), operation) !=
               parent.operations.end();
    };
    if (!allows("CreateGrant") ||
        !std::all_of(child.operations.begin(), child.operations.end(), allows)) {
        return false;
    }
    if (!parent.context) {
        return true;
    }
    return child.context && (parent.subset || !child.subset) &&
           policy::meets_constraint(*parent.context, parent.subset, *child.context);
}

Result<> permit_creation(Core& core, Call& call, const NamedKey& named, const Grant& grant) {
    Asked asked = asked_about("CreateGrant", named);
    asked.conditions = {{"kms:GranteePrincipal", grant.grantee},
                        {"kms:GrantIsForAWSResource", "false"}};
    asked.lists = {{"kms:GrantOperations", grant.operations}};
    if (!grant.retiring_principal.empty()) {
        asked.conditions.emplace_back("kms:RetiringPrincipal", grant.retiring_principal);
    }
    if (grant.context) {
        asked.conditions.emplace_back("kms:GrantConstraintType", grant.subset ? kSubset : kEquals);
        asked.encryption_context = &*grant.context;
    }
    CASEMATE_CHECK(permit(core, call, asked));
    if (policy::authorize(sources_of(call, asked), request_of(call, asked)).allowed()) {
        return {};
    }
    // It was a grant that allowed it.
    for (const std::string& grantee : grantees_of(call.caller)) {
        CASEMATE_TRY(const std::vector<Grant> parents,
                     core.repository.grants_to(named.key().id, grantee));
        if (std::any_of(parents.begin(), parents.end(),
                        [&](const Grant& parent) { return passes_on(parent, grant); })) {
            return {};
        }
    }
    call.notes.refusal = "a grant that allows CreateGrant allows no grant of more than itself";
    return Error(
        KmsErrc::access_denied,
        "User: " + call.caller.arn +
            " is not authorized to perform: kms:CreateGrant on resource: " + named.key().arn +
            " because the grant that allows it does not allow these operations under "
            "these constraints");
}

Result<> require_grant_id(std::string_view id) {
    const auto is_digit = [](char letter) {
        return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f');
    };
    if (id.size() != kGrantIdDigits || !std::all_of(id.begin(), id.end(), is_digit)) {
        return Error(KmsErrc::invalid_grant_id, "The grant ID is not valid.");
    }
    return {};
}

Result<Grant> find_grant(Core& core, const Key& key, const std::string& id) {
    CASEMATE_CHECK(require_grant_id(id));
    Result<Grant> found = core.repository.grant(key.id, id);
    if (!found && found.error().is(StoreErrc::not_found)) {
        return Error(KmsErrc::not_found, "Grant ID " + id + " not found");
    }
    return found;
}

// remove_grant: somebody else may have been quicker.
Result<> remove_grant(Core& core, const Grant& grant) {
    Result<> done = core.repository.delete_grant(grant.key_id, grant.id);
    if (!done && done.error().is(StoreErrc::not_found)) {
        return Error(KmsErrc::not_found, "Grant ID " + grant.id + " not found");
    }
    return done;
}

json::object entry_of(const Grant& grant, std::string_view arn, const json::storage_ptr& memory) {
    json::object entry(memory);
    entry["KeyId"] = arn;
    entry["GrantId"] = grant.id;
    entry["Name"] = grant.name;
    entry["CreationDate"] = time_value(grant.created);
    entry["GranteePrincipal"] = grant.grantee;
    if (!grant.retiring_principal.empty()) {
        entry["RetiringPrincipal"] = grant.retiring_principal;
    }
    entry["IssuingAccount"] = "arn:aws:iam::" + grant.issuing_account + ":root";
    json::array operations(memory);
    for (const std::string& operation : grant.operations) {
        operations.push_back(json::string(operation, memory));
    }
    entry["Operations"] = std::move(operations);
    if (grant.context) {
        json::object context(memory);
        for (const auto& [key, value] : *grant.context) {
            context[key] = value;
        }
        json::object constraints(memory);
        constraints[grant.subset ? kSubset : kEquals] = std::move(context);
        entry["Constraints"] = std::move(constraints);
    }
    return entry;
}

// page_of gives the page of a list that is in the order of ids.
Page<Grant> page_of(std::vector<Grant> all, const PageRequest& request) {
    Page<Grant> page;
    for (Grant& grant : all) {
        if (grant.id <= request.after) {
            continue;
        }
        if (page.items.size() == request.limit) {
            page.next = page.items.back().id;
            break;
        }
        page.items.push_back(std::move(grant));
    }
    return page;
}

// find_page finds the grants of a key that a ListGrants asks for.
Result<Page<Grant>> find_page(Core& core, const Key& key, const std::optional<std::string>& id,
                              const std::optional<std::string>& grantee,
                              const PageRequest& request) {
    if (id) {
        const Result<Grant> found = core.repository.grant(key.id, *id);
        if (!found && !found.error().is(StoreErrc::not_found)) {
            return found.error();
        }
        Page<Grant> page;
        if (found && (!grantee || *grantee == found->grantee)) {
            page.items.push_back(*found);
        }
        return page;
    }
    if (grantee) {
        CASEMATE_TRY(std::vector<Grant> all, core.repository.grants_to(key.id, *grantee));
        return page_of(std::move(all), request);
    }
    return core.repository.grant_page(key.id, request.after, request.limit);
}

// Retirement: the key and the grant that a RetireGrant names.
struct Retirement {
    NamedKey named;
    Grant grant;
};

Result<Retirement> find_retirement(Core& core, Call& call, const Fields& fields) {
    CASEMATE_TRY(const std::optional<std::string> token,
                 fields.optional_text("GrantToken", kTokenSize));
    CASEMATE_TRY(const std::optional<std::string> key_id,
                 fields.optional_text("KeyId", kKeyIdSize));
    CASEMATE_TRY(const std::optional<std::string> grant_id,
                 fields.optional_text("GrantId", kGrantIdSize));
    Retirement found;
    if (key_id && grant_id && !token) {
        CASEMATE_TRY(found.named, find_key_without_alias(core, call, fields));
        CASEMATE_TRY(found.grant, find_grant(core, found.named.key(), *grant_id));
        return found;
    }
    if (!token || key_id || grant_id) {
        return Error(KmsErrc::validation, "Grant token OR (grant ID, key ID) must be specified");
    }
    const std::optional<GrantName> name = parse_grant_token(*token);
    if (!name) {
        return Error(KmsErrc::invalid_grant_token, "The grant token is not valid.");
    }
    CASEMATE_TRY(found.named.known, core.keyring.by_id(name->key_id));
    CASEMATE_TRY(found.grant, find_grant(core, found.named.key(), name->grant_id));
    return found;
}

// may_retire: the grant itself says who (KMS Developer Guide, "Retiring and revoking grants"); a
// caller's own policy may forbid it, and lets those of an account do it that could do it as a
// whole.
bool may_retire(const Call& call, const Retirement& retirement, std::string& decision) {
    const Grant& grant = retirement.grant;
    const Asked asked = asked_about("RetireGrant", retirement.named);
    // The permission has no effect in key policies.
    policy::Sources own;
    own.identity_policy = call.caller.policy ? &*call.caller.policy : nullptr;
    const policy::Request request = request_of(call, asked);
    const policy::Authorization by_policy = policy::authorize(own, request);
    if (by_policy.decision == policy::Decision::explicit_deny) {
        decision = "explicit deny: the caller's policy";
        return false;
    }
    const auto& session = call.caller.session;
    if (session && session->policy &&
        session->policy->evaluate(request).decision != policy::Decision::allow) {
        decision = "deny: the session's policy";
        return false;
    }
    const policy::Caller retiring = policy::Caller::of(grant.retiring_principal);
    const bool of_account =
        call.caller.account == retirement.named.known->account ||
        call.caller.account == grant.issuing_account ||
        (retiring.kind == policy::Caller::Kind::root && call.caller.account == retiring.account);
    if (by_policy.allowed() && of_account) {
        decision = "allow: the caller's policy";
        return true;
    }
    for (const std::string& name : grantees_of(call.caller)) {
        if (name == grant.retiring_principal) {
            decision = "allow: retiring principal";
            return true;
        }
        if (name == grant.grantee && std::find(grant.operations.begin(), grant.operations.end(),
                                               "RetireGrant") != grant.operations.end()) {
            decision = "allow: grant";
            return true;
        }
    }
    decision = "implicit deny: nothing";
    return false;
}

}  // namespace

Result<Answer> create_grant(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const NamedKey named, find_key_without_alias(core, call, fields));
    CASEMATE_TRY(const Grant grant, read_grant(call, fields, named.key()));
    note(call, grant);
    CASEMATE_CHECK(permit_creation(core, call, named, grant));
    CASEMATE_CHECK(require_enabled(call, named.key()));
    CASEMATE_TRY(const std::size_t count, core.repository.grant_count(named.key().id));
    if (count >= kMaxGrants) {
        return Error(KmsErrc::limit_exceeded,
                     "The key " + named.key().arn + " has as many grants as a key can have.");
    }
    CASEMATE_CHECK(stop_if_dry_run(fields));
    const Result<> done = core.repository.create_grant(grant);
    // A grant with a name that is there already is the one that is asked for.
    if (!done && !(done.error().is(StoreErrc::exists) && !grant.name.empty())) {
        return done.error();
    }
    Answer answer = call.answer();
    answer["GrantId"] = grant.id;
    answer["GrantToken"] = make_grant_token({grant.key_id, grant.id});
    return answer;
}

Result<Answer> list_grants(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const NamedKey named, find_key_without_alias(core, call, fields));
    CASEMATE_TRY(const PageRequest request, read_page_request(fields, kUsualPage, kMaxPage));
    CASEMATE_TRY(const std::optional<std::string> id,
                 fields.optional_text("GrantId", kGrantIdSize));
    CASEMATE_TRY(const std::optional<std::string> grantee,
                 fields.optional_text("GranteePrincipal", kPrincipalSize));
    if (id) {
        CASEMATE_CHECK(require_grant_id(*id));
    }
    Asked asked = asked_about("ListGrants", named);
    asked.conditions = {{"kms:GrantIsForAWSResource", "false"}};
    CASEMATE_CHECK(permit(core, call, asked));
    CASEMATE_TRY(const Page<Grant> page, find_page(core, named.key(), id, grantee, request));
    Answer answer = call.answer();
    json::array grants(call.memory);
    for (const Grant& grant : page.items) {
        grants.push_back(entry_of(grant, named.key().arn, call.memory));
    }
    answer["Grants"] = std::move(grants);
    put_page(answer, page.next);
    return answer;
}

Result<Answer> list_retirable_grants(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const PageRequest request, read_page_request(fields, kUsualPage, kMaxPage));
    CASEMATE_TRY(const std::string principal, require_principal(fields, "RetiringPrincipal"));
    Asked asked;
    asked.action = "ListRetirableGrants";
    CASEMATE_CHECK(permit(core, call, asked));
    if (policy::Caller::of(principal).account != call.caller.account) {
        return Error(KmsErrc::access_denied,
                     "The retiring principal must be in the account of the caller");
    }
    CASEMATE_TRY(const Page<Grant> page,
                 core.repository.retirable_grant_page(principal, request.after, request.limit));
    Answer answer = call.answer();
    json::array grants(call.memory);
    for (const Grant& grant : page.items) {
        const Result<KnownKeyPtr> known = core.keyring.by_id(grant.key_id);
        if (!known) {
            if (known.error().is(KmsErrc::not_found)) {
                // The key has been deleted since, and the grant with it.
                continue;
            }
            return known.error();
        }
        grants.push_back(entry_of(grant, (*known)->key.arn, call.memory));
    }
    answer["Grants"] = std::move(grants);
    put_page(answer, page.next);
    return answer;
}

Result<Answer> retire_grant(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const Retirement retirement, find_retirement(core, call, fields));
    call.notes.keys.push_back(retirement.named.key().arn);
    call.notes.parameters.emplace_back("grantId", retirement.grant.id);
    if (!may_retire(call, retirement, call.notes.decision)) {
        return Error(KmsErrc::access_denied,
                     "User: " + call.caller.arn +
                         " is not authorized to perform: kms:RetireGrant on resource: " +
                         retirement.named.key().arn);
    }
    CASEMATE_CHECK(stop_if_dry_run(fields));
    CASEMATE_CHECK(remove_grant(core, retirement.grant));
    return call.answer();
}

Result<Answer> revoke_grant(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const NamedKey named, find_key_without_alias(core, call, fields));
    CASEMATE_TRY(const std::string id, fields.text("GrantId", kGrantIdSize));
    call.notes.parameters.emplace_back("grantId", id);
    Asked asked = asked_about("RevokeGrant", named);
    asked.conditions = {{"kms:GrantIsForAWSResource", "false"}};
    CASEMATE_CHECK(permit(core, call, asked));
    CASEMATE_TRY(const Grant grant, find_grant(core, named.key(), id));
    CASEMATE_CHECK(stop_if_dry_run(fields));
    CASEMATE_CHECK(remove_grant(core, grant));
    return call.answer();
}

}  // namespace casemate::kms
