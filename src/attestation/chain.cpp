#include "attestation/chain.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "attestation/text.hpp"
#include "codec/rfc3339.hpp"

namespace casemate::attestation {

namespace {

using codec::format_rfc3339;

using crypto::CertificateFields;
using crypto::Name;

bool has(const Name& name, std::string_view type, std::string_view value) {
    return std::any_of(name.begin(), name.end(), [&](const crypto::NameAttribute& attribute) {
        return attribute.type == type && attribute.value == value;
    });
}

std::string common_name(const Name& name) {
    for (const crypto::NameAttribute& attribute : name) {
        if (attribute.type == "CN") {
            return printable(attribute.value);
        }
    }
    return "no CN";
}

// show writes a whole name: "C=ZZ, O=Casemate, CN=...".
std::string show(const Name& name) {
    std::string shown;
    for (const crypto::NameAttribute& attribute : name) {
        shown += (shown.empty() ? "" : ", ") + printable(attribute.type) + "=" +
                 printable(attribute.value);
    }
    return shown.empty() ? "no name" : shown;
}

bool is_amazon(const Name& name) {
    return has(name, "O", "Amazon") && has(name, "OU", "AWS");
}

// Only a root of Amazon's own name makes AWS's label worth anything: whoever is trusted as another
// authority could write it too.
std::optional<Isolation> label_of(const Name& subject, bool under_amazon) {
    if (has(subject, "OU", name_of(Isolation::software))) {
        return Isolation::software;
    }
    if (has(subject, "OU", name_of(Isolation::kvm))) {
        return Isolation::kvm;
    }
    if (under_amazon && is_amazon(subject)) {
        return Isolation::nitro;
    }
    return std::nullopt;
}

std::optional<Isolation> weaker(std::optional<Isolation> a, std::optional<Isolation> b) {
    if (!a || !b) {
        return a ? a : b;
    }
    return std::min(*a, *b);
}

std::optional<std::uint32_t> fewer(std::optional<std::uint32_t> a, std::optional<std::uint32_t> b) {
    if (!a || !b) {
        return a ? a : b;
    }
    return std::min(*a, *b);
}

std::string_view curve_name(crypto::Curve curve) {
    switch (curve) {
        case crypto::Curve::p256:
            return "P-256";
        case crypto::Curve::p384:
            return "P-384";
        case crypto::Curve::p521:
            return "P-521";
        case crypto::Curve::other:
            break;
    }
    return "a key of another kind";
}

Error malformed(const Error& why) {
    return {AttestationErrc::malformed_certificate,
            "expected a certificate in DER, found: " + why.message()};
}

}  // namespace

Result<Candidate> take_apart(crypto::Certificate certificate) {
    auto fields = certificate.fields();
    if (!fields) {
        return malformed(fields.error());
    }
    auto key = certificate.public_key();
    if (!key) {
        return malformed(key.error());
    }
    if (fields->version != 3) {
        return Error(AttestationErrc::malformed_certificate,
                     "expected version 3, found " + std::to_string(fields->version));
    }
    std::string name = common_name(fields->subject);
    return Candidate{std::move(certificate), std::move(*fields), std::move(*key), std::move(name)};
}

Result<Candidate> take_apart(ByteView der) {
    auto certificate = crypto::Certificate::from_der(der);
    if (!certificate) {
        return malformed(certificate.error());
    }
    return take_apart(std::move(*certificate));
}

Result<> check_issuer(const Candidate& candidate, const Link& above) {
    const CertificateFields& fields = candidate.fields;
    if (fields.issuer_der != above.subject_der) {
        return Error(AttestationErrc::broken_chain, "expected the certificate before it, " +
                                                        above.name + ", as the issuer, found " +
                                                        show(fields.issuer));
    }
    if (fields.issuer_der == fields.subject_der) {
        return Error(AttestationErrc::broken_chain,
                     "expected an issuer of another name below the root, found one that is its own "
                     "issuer, " +
                         show(fields.issuer));
    }
    return {};
}

Result<> check_algorithm(const Candidate& candidate) {
    if (!candidate.fields.ecdsa_with_sha384) {
        const auto text = candidate.certificate.text();
        return Error(AttestationErrc::wrong_certificate_algorithm,
                     "expected a signature by ecdsa-with-SHA384, found " +
                         (text ? printable(text->signature_algorithm) : "another algorithm"));
    }
    return {};
}

Result<> check_extensions(const Candidate& candidate) {
    if (candidate.fields.unknown_critical) {
        return Error(AttestationErrc::unknown_critical_extension,
                     "expected no critical extension but basic constraints and key usage, found " +
                         printable(*candidate.fields.unknown_critical));
    }
    return {};
}

Result<> check_ca(const Candidate& candidate) {
    const CertificateFields& fields = candidate.fields;
    std::string_view found;
    if (!fields.has_basic_constraints) {
        found = "none";
    } else if (!fields.is_ca) {
        found = "CA:FALSE";
    } else if (!fields.basic_constraints_critical) {
        found = "CA:TRUE that is not critical";
    }
    if (!found.empty()) {
        return Error(
            AttestationErrc::not_a_ca,
            "expected critical basic constraints with CA:TRUE, found " + std::string(found));
    }
    if (candidate.key.curve() != crypto::Curve::p384) {
        return Error(
            AttestationErrc::wrong_certificate_algorithm,
            "expected a P-384 key, found " + std::string(curve_name(candidate.key.curve())));
    }
    return {};
}

Result<> check_path_length(const Link& above) {
    if (above.cas_below == 0U) {
        return Error(AttestationErrc::path_too_long,
                     "expected no further CA below " + above.name +
                         " by the path lengths of the chain, found this one");
    }
    return {};
}

Result<> check_cert_sign(const Candidate& candidate) {
    const auto& usage = candidate.fields.key_usage;
    if (!usage || (*usage & crypto::kKeyCertSign) == 0) {
        return Error(AttestationErrc::no_cert_sign,
                     usage ? "expected keyCertSign in the key usage, found it without"
                           : "expected keyCertSign in the key usage, found no key usage");
    }
    return {};
}

Result<> check_leaf(const Candidate& candidate) {
    const CertificateFields& fields = candidate.fields;
    const std::uint16_t usage = fields.key_usage.value_or(0);
    if (fields.is_ca || (usage & crypto::kKeyCertSign) != 0) {
        return Error(AttestationErrc::leaf_is_ca,
                     "expected a certificate that may not sign others, found " +
                         std::string(fields.is_ca ? "CA:TRUE" : "keyCertSign in its key usage"));
    }
    if ((usage & crypto::kDigitalSignature) == 0) {
        return Error(AttestationErrc::no_digital_signature,
                     fields.key_usage
                         ? "expected digitalSignature in the key usage, found it without"
                         : "expected digitalSignature in the key usage, found no key usage");
    }
    if (candidate.key.curve() != crypto::Curve::p384) {
        return Error(
            AttestationErrc::wrong_leaf_key,
            "expected a P-384 key, found " + std::string(curve_name(candidate.key.curve())));
    }
    return {};
}

Result<> check_signature(const Candidate& candidate, const crypto::PublicKey& issuer) {
    if (!candidate.certificate.is_signed_by(issuer)) {
        return Error(AttestationErrc::bad_certificate_signature,
                     "expected a signature by the key of " + show(candidate.fields.issuer) +
                         ", found one that is not");
    }
    return {};
}

Result<> check_time(const Window& window, Time time) {
    if (time < window.from) {
        return Error(AttestationErrc::not_yet_valid,
                     "expected a certificate that is valid at " + format_rfc3339(time) +
                         ", found one that is not before " + format_rfc3339(window.from));
    }
    if (time > window.until) {
        return Error(AttestationErrc::expired,
                     "expected a certificate that is valid at " + format_rfc3339(time) +
                         ", found one that is until " + format_rfc3339(window.until));
    }
    return {};
}

Window window_of(const CertificateFields& fields) {
    return {fields.not_before, fields.not_after};
}

Result<LinkPointer> make_root(const Candidate& root) {
    const CertificateFields& fields = root.fields;
    if (fields.issuer_der != fields.subject_der) {
        return Error(
            AttestationErrc::broken_chain,
            "expected a root that is its own issuer, found the issuer " + show(fields.issuer));
    }
    CASEMATE_CHECK(check_algorithm(root));
    CASEMATE_CHECK(check_extensions(root));
    CASEMATE_CHECK(check_ca(root));
    CASEMATE_CHECK(check_cert_sign(root));
    CASEMATE_CHECK(check_signature(root, root.key));
    const Window window = window_of(fields);
    return LinkPointer(std::make_shared<const Link>(Link{
        .above = nullptr,
        .position = 0,
        .name = root.name,
        .subject_der = fields.subject_der,
        .key = root.key,
        .window = window,
        .common = window,
        .cas_below = fields.path_length,
        .amazon = is_amazon(fields.subject),
        .label = std::nullopt,
        .weakest = std::nullopt,
        .debug = has(fields.subject, "OU", kDebugLabel),
        .root = crypto::sha256(root.certificate.der()),
    }));
}

LinkPointer make_link(const Candidate& candidate, LinkPointer above) {
    const CertificateFields& fields = candidate.fields;
    const Window window = window_of(fields);
    const auto label = label_of(fields.subject, above->amazon);
    std::optional<std::uint32_t> left = above->cas_below;
    if (left && *left > 0) {
        --*left;
    }
    Link link{
        .above = nullptr,
        .position = above->position + 1,
        .name = candidate.name,
        .subject_der = fields.subject_der,
        .key = candidate.key,
        .window = window,
        .common = {std::max(window.from, above->common.from),
                   std::min(window.until, above->common.until)},
        .cas_below = fewer(left, fields.path_length),
        .amazon = above->amazon,
        .label = label,
        .weakest = weaker(label, above->weakest),
        .debug = above->debug || has(fields.subject, "OU", kDebugLabel),
        .root = above->root,
    };
    link.above = std::move(above);
    return std::make_shared<const Link>(std::move(link));
}

Isolation isolation_of(const Link& leaf) {
    if (leaf.above == nullptr || !leaf.above->label) {
        return Isolation::unknown;
    }
    return leaf.weakest.value_or(Isolation::unknown);
}

}  // namespace casemate::attestation
