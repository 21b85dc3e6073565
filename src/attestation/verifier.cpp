#include "attestation/verifier.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "attestation/chain.hpp"
#include "attestation/chain_cache.hpp"
#include "attestation/checklist.hpp"
#include "attestation/document_parts.hpp"
#include "attestation/policy_checks.hpp"
#include "attestation/text.hpp"
#include "codec/rfc3339.hpp"

namespace casemate::attestation {

namespace {

using codec::format_rfc3339;

constexpr std::size_t kCachedLinks = 1024;

// Root: one that is trusted.
struct Root {
    Bytes der;
    LinkPointer link;
};

std::string subject_of(std::size_t position, std::size_t count, std::string_view name) {
    return "certificate " + std::to_string(position + 1) + " of " + std::to_string(count) + " (" +
           std::string(name) + ")";
}

// Step of a check that finds nothing worth telling but that it passed.
Result<Finding> found(Result<> check, std::string_view finding) {
    CASEMATE_CHECK(std::move(check));
    return Finding{std::string(finding)};
}

// The check of a step that can't be reached, since what it is about is not there.
Result<Finding> nothing_found() {
    return Finding{};
}

std::string window_text(const Window& window) {
    return "valid from " + format_rfc3339(window.from) + " to " + format_rfc3339(window.until);
}

std::string usage_text(const crypto::CertificateFields& fields) {
    return fields.path_length ? "CA, path length " + std::to_string(*fields.path_length)
                              : "CA, no path length";
}

std::string contents_text(const UnverifiedDocument& document) {
    return "module " + printable(document.contents.module_id) + ", " +
           std::to_string(document.contents.pcrs.size()) + " PCRs, " +
           std::to_string(document.cabundle.size()) + " certificates in the bundle";
}

// ChainWalk goes through a document's certificates, from the root to the leaf.
class ChainWalk {
public:
    ChainWalk(Checklist& list, const UnverifiedDocument& document, Time time)
        : list_(list), document_(document), time_(time), count_(document.cabundle.size() + 1) {}

    // walk gives the leaf's link, or null when the list has refused.
    LinkPointer walk(const std::vector<Root>& roots, ChainCache& cache);

private:
    [[nodiscard]] ByteView der_of(std::size_t position) const {
        return position + 1 < count_ ? document_.cabundle[position] : document_.certificate;
    }
    void find_anchor(const std::vector<Root>& roots);
    void check_times(const Link& link);
    void add_certificate(std::size_t position);
    void check_ca_steps(const Result<Candidate>& candidate);

    Checklist& list_;
    const UnverifiedDocument& document_;
    const Time time_;
    const std::size_t count_;
    // The last certificate that was found good.
    LinkPointer link_;
};

Error untrusted(ByteView der, const std::vector<Root>& roots) {
    std::string trusted;
    for (const Root& root : roots) {
        trusted += (trusted.empty() ? "" : " or ") + root.link->name + " (SHA-256 " +
                   to_hex(root.link->root) + ")";
    }
    return {AttestationErrc::untrusted_root, "expected the trusted root " + trusted +
                                                 ", byte for byte, found another (SHA-256 " +
                                                 to_hex(crypto::sha256(der)) + ")"};
}

// The bundle's root proves nothing: it only says which of the trusted ones the chain is under.
void ChainWalk::find_anchor(const std::vector<Root>& roots) {
    const Bytes& der = document_.cabundle.front();
    const auto root = std::find_if(roots.begin(), roots.end(),
                                   [&](const Root& trusted) { return trusted.der == der; });
    std::string name = "not trusted";
    if (root != roots.end()) {
        name = root->link->name;
    } else if (const auto candidate = take_apart(der)) {
        name = candidate->name;
    }
    list_.about(subject_of(0, count_, name));
    list_.step("a trusted root", [&]() -> Result<Finding> {
        if (root == roots.end()) {
            return untrusted(der, roots);
        }
        link_ = root->link;
        return Finding{"SHA-256 " + to_hex(link_->root)};
    });
}

// check_times looks at every certificate down to the link, in the chain's order.
void ChainWalk::check_times(const Link& link) {
    if (!list_.explains() && check_time(link.common, time_)) {
        return;
    }
    if (link.above != nullptr) {
        check_times(*link.above);
    }
    list_.about(subject_of(link.position, count_, link.name));
    list_.step("valid at that time",
               [&] { return found(check_time(link.window, time_), window_text(link.window)); });
}

void ChainWalk::check_ca_steps(const Result<Candidate>& candidate) {
    list_.step("a CA with a P-384 key",
               [&] { return found(check_ca(*candidate), usage_text(candidate->fields)); });
    list_.step("allowed by the path lengths above it",
               [&] { return found(check_path_length(*link_), "not too many CAs"); });
    list_.step("may sign certificates",
               [&] { return found(check_cert_sign(*candidate), "keyCertSign"); });
}

void ChainWalk::add_certificate(std::size_t position) {
    if (list_.refused() && !list_.explains()) {
        return;
    }
    const bool is_leaf = position + 1 == count_;
    const auto candidate = take_apart(der_of(position));
    list_.about(subject_of(position, count_, candidate ? candidate->name : "not readable"));
    list_.step("X.509 version 3 in DER", [&]() -> Result<Finding> {
        if (!candidate) {
            return candidate.error();
        }
        return Finding{std::to_string(candidate->certificate.der().size()) + " bytes"};
    });
    list_.step("issued by the certificate before it",
               [&] { return found(check_issuer(*candidate, *link_), "by " + link_->name); });
    list_.step("signature algorithm",
               [&] { return found(check_algorithm(*candidate), "ecdsa-with-SHA384"); });
    list_.step("critical extensions",
               [&] { return found(check_extensions(*candidate), "none that is unknown"); });
    if (is_leaf) {
        list_.step("signs documents and nothing else, by a P-384 key",
                   [&] { return found(check_leaf(*candidate), "digitalSignature, no CA"); });
    } else {
        check_ca_steps(candidate);
    }
    list_.step("signature", [&] {
        return found(check_signature(*candidate, link_->key), "by the key of " + link_->name);
    });
    list_.step("valid at that time", [&]() -> Result<Finding> {
        const Window window = window_of(candidate->fields);
        CASEMATE_CHECK(check_time(window, time_));
        link_ = make_link(*candidate, link_);
        return Finding{window_text(window)};
    });
}

// The cache spares what can't change: everything but the times. In a chain that is known from its
// root down to some link only a time can refuse before that link, so that the first refusal is the
// same with the cache and without.
LinkPointer ChainWalk::walk(const std::vector<Root>& roots, ChainCache& cache) {
    find_anchor(roots);
    ChainKeys keys;
    if (link_ != nullptr) {
        keys = keys_of(link_->root, document_.cabundle, document_.certificate);
        if (LinkPointer known = list_.explains() ? nullptr : cache.find_longest(keys)) {
            link_ = std::move(known);
        }
        check_times(*link_);
    } else {
        list_.step("valid at that time", nothing_found);
    }
    const std::size_t first = link_ != nullptr ? link_->position + 1 : 1;
    for (std::size_t position = first; position < count_; ++position) {
        add_certificate(position);
        if (!list_.refused()) {
            cache.put(keys[position], link_);
        }
    }
    list_.about({});
    return list_.refused() ? nullptr : link_;
}

Result<Finding> check_document_signature(const UnverifiedDocument& document, const Link& leaf) {
    if (!leaf.key.verifies(document.signed_bytes, document.signature)) {
        return Error(AttestationErrc::bad_signature, "expected an ES384 signature by the key of " +
                                                         leaf.name + ", found one that is not");
    }
    return Finding{"by the key of " + leaf.name};
}

Error unusable(std::size_t position, const Error& why) {
    return {AttestationErrc::bad_roots,
            "trusted root " + std::to_string(position + 1) + ": " + why.message()};
}

}  // namespace

struct Verifier::State {
    std::vector<Root> roots;
    ChainCache cache{kCachedLinks};
};

Verifier::Verifier(std::unique_ptr<State> state) : state_(std::move(state)) {
}
Verifier::Verifier(Verifier&&) noexcept = default;
Verifier& Verifier::operator=(Verifier&&) noexcept = default;
Verifier::~Verifier() = default;

Result<Verifier> Verifier::create(std::vector<crypto::Certificate> roots) {
    if (roots.empty()) {
        return Error(AttestationErrc::bad_roots, "expected at least one trusted root, found none");
    }
    auto state = std::make_unique<State>();
    for (crypto::Certificate& certificate : roots) {
        const auto candidate = take_apart(std::move(certificate));
        if (!candidate) {
            return unusable(state->roots.size(), candidate.error());
        }
        auto link = make_root(*candidate);
        if (!link) {
            return unusable(state->roots.size(), link.error());
        }
        state->roots.push_back({candidate->certificate.der(), std::move(*link)});
    }
    return Verifier(std::move(state));
}

// The check list of formats.md 2.6. A step that follows a refusal is named and not done.
Result<VerifiedDocument> Verifier::verify(ByteView document, const Policy& policy,
                                          Report* report) const {
    Checklist list(report);
    list.step("time of verification", [&] { return check_policy(policy); });

    cose::Sign1 message;
    list.step("message: COSE_Sign1 with ES384", [&]() -> Result<Finding> {
        CASEMATE_TRY(message, open_message(document));
        return Finding{std::to_string(document.size()) + " bytes"};
    });
    UnverifiedDocument parsed;
    list.step("payload: every field, its type and size", [&]() -> Result<Finding> {
        CASEMATE_TRY(parsed, read_payload(message));
        return Finding{contents_text(parsed)};
    });

    const Contents& contents = parsed.contents;
    LinkPointer leaf;
    if (parsed.cabundle.empty()) {
        list.step("certificates, from a trusted root to the leaf", nothing_found);
    } else {
        const Time time = policy.at_document_time ? contents.timestamp : policy.now;
        leaf = ChainWalk(list, parsed, time).walk(state_->roots, state_->cache);
    }
    list.step("signature of the document by the leaf's key",
              [&] { return check_document_signature(parsed, *leaf); });

    list.step("not from the future", [&] { return check_not_future(contents, policy); });
    list.step("not too old", [&] { return check_age(contents, policy); });
    list.step("nonce", [&] { return check_nonce(contents, policy); });
    list.step("debug mode", [&] { return check_debug(contents, leaf->debug, policy); });
    list.step("isolation", [&] { return check_isolation(isolation_of(*leaf), policy); });
    list.step("measurements", [&] { return check_pcrs(contents, policy); });
    if (list.refused()) {
        return list.refusal();
    }
    // The one place where a document becomes a verified one.
    VerifiedDocument verified;
    verified.isolation_ = isolation_of(*leaf);
    verified.debug_ = is_debug(contents, leaf->debug);
    verified.root_ = leaf->root;
    verified.valid_from_ = leaf->common.from;
    verified.valid_until_ = leaf->common.until;
    verified.contents_ = std::move(parsed.contents);
    return verified;
}

}  // namespace casemate::attestation
