// For tests: a whole hierarchy of certificates (formats.md 2.5) and documents under it (2.4), put
// together so that a test can alter any one thing of them and have all the rest in order,
// signatures included.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attestation/document.hpp"
#include "codec/cbor/cbor.hpp"
#include "codec/cose.hpp"
#include "crypto/certificate.hpp"
#include "crypto/der.hpp"
#include "crypto/der_writer.hpp"
#include "crypto/issue.hpp"

namespace casemate::attestation::forger {

enum Position : std::size_t { kRoot, kRegion, kZone, kInstance, kLeaf };
inline constexpr std::size_t kPositions = 5;
// kStranger is a key that belongs to none of them.
inline constexpr std::size_t kStranger = kPositions;

// kMade is when ordinary documents are made: 2026-09-21T14:13:20Z.
inline constexpr crypto::Seconds kMade{std::chrono::seconds(1'790'000'000)};

// must takes the value of what can't fail unless the test itself is wrong.
template <class T>
T must(Result<T> result) {
    if (!result) {
        std::fprintf(stderr, "forger: %s\n", result.error().message().c_str());
        std::abort();
    }
    return std::move(result).value();
}

// key_of gives the key that belongs to a position; made once in a process.
inline const crypto::PrivateKey& key_of(std::size_t position,
                                        crypto::Curve curve = crypto::Curve::p384) {
    static std::mutex mutex;
    static std::map<std::pair<std::size_t, crypto::Curve>, crypto::PrivateKey> keys;
    const std::lock_guard lock(mutex);
    const std::pair place(position, curve);
    auto found = keys.find(place);
    if (found == keys.end()) {
        found = keys.emplace(place, must(crypto::PrivateKey::generate(curve))).first;
    }
    return found->second;
}

// --- DER ---

inline Bytes tlv(std::uint8_t tag, ByteView content) {
    Bytes out;
    crypto::der::append_element(out, tag, content);
    return out;
}

inline Bytes join(const std::vector<Bytes>& parts) {
    Bytes out;
    for (const Bytes& part : parts) {
        out.insert(out.end(), part.begin(), part.end());
    }
    return out;
}

// elements splits what is inside a constructed element.
inline std::vector<Bytes> elements(ByteView content) {
    std::vector<Bytes> parts;
    ByteReader reader(content);
    while (auto element = crypto::der::read_element(reader)) {
        parts.emplace_back(element->whole.begin(), element->whole.end());
    }
    return parts;
}

inline ByteView content_of(ByteView whole) {
    ByteReader reader(whole);
    return crypto::der::read_element(reader)->content;
}

// der_signature turns r ‖ s into what a certificate carries.
inline Bytes der_signature(ByteView raw) {
    std::vector<Bytes> numbers;
    for (const ByteView half : {raw.first(raw.size() / 2), raw.subspan(raw.size() / 2)}) {
        const auto* start = std::find_if(half.data(), half.data() + half.size() - 1,
                                         [](std::uint8_t byte) { return byte != 0; });
        Bytes number(start, half.data() + half.size());
        if ((number[0] & 0x80U) != 0) {
            number.insert(number.begin(), 0);
        }
        numbers.push_back(tlv(0x02, number));
    }
    Bytes bits = tlv(0x30, join(numbers));
    bits.insert(bits.begin(), 0);
    return tlv(0x03, bits);
}

// Extensions of a certificate, each in DER, to be edited.
using Extensions = std::vector<Bytes>;

// edit_extensions lets a function change the extensions of the part of a certificate that is
// signed.
inline void edit_extensions(Bytes& signed_part, const std::function<void(Extensions&)>& edit) {
    std::vector<Bytes> parts = elements(content_of(signed_part));
    Extensions extensions = elements(content_of(content_of(parts.back())));
    edit(extensions);
    parts.back() = tlv(0xa3, tlv(0x30, join(extensions)));
    signed_part = tlv(0x30, join(parts));
}

// extension writes one with an object identifier 2.5.29.number.
inline Bytes extension(std::uint8_t number, bool critical, ByteView value) {
    std::vector<Bytes> parts{{0x06, 0x03, 0x55, 0x1d, number}};
    if (critical) {
        parts.push_back({0x01, 0x01, 0xff});
    }
    parts.push_back(tlv(0x04, value));
    return tlv(0x30, join(parts));
}

inline bool is_extension(ByteView der, std::uint8_t number) {
    const Bytes identifier{0x06, 0x03, 0x55, 0x1d, number};
    return elements(content_of(der)).front() == identifier;
}

inline constexpr std::uint8_t kBasicConstraints = 19;
inline constexpr std::uint8_t kKeyUsage = 15;
inline constexpr std::uint8_t kPolicyConstraints = 36;

// replace exchanges bytes that are in there for others.
inline void replace(Bytes& in, const Bytes& from, const Bytes& to) {
    auto at = std::search(in.begin(), in.end(), from.begin(), from.end());
    if (at == in.end()) {
        std::fprintf(stderr, "forger: nothing to replace\n");
        std::abort();
    }
    at = in.erase(at, at + static_cast<std::ptrdiff_t>(from.size()));
    in.insert(at, to.begin(), to.end());
}

// make_version_2 makes a certificate one of version 2, which has no extensions.
inline void make_version_2(Bytes& signed_part) {
    std::vector<Bytes> parts = elements(content_of(signed_part));
    parts.front() = {0xa0, 3, 2, 1, 1};
    parts.pop_back();
    signed_part = tlv(0x30, join(parts));
}

// --- what is forged ---

struct ForgedCertificate {
    crypto::CertificateTemplate what;
    crypto::Curve curve = crypto::Curve::p384;
    // subject_key instead of the key of its position and curve.
    std::optional<Bytes> subject_key;
    // issuer instead of the subject of the certificate before it.
    std::optional<crypto::Name> issuer;
    // signer is whose key signs; the position before it, if not set.
    std::optional<std::size_t> signer;
    // edit_signed_part changes the part that is signed, before a P-384 signature.
    std::function<void(Bytes&)> edit_signed_part;
    // edit changes the certificate after that.
    std::function<void(Bytes&)> edit;
};

// Pair: a key and a value of the payload, encoded.
using Pair = std::pair<Bytes, Bytes>;

struct Forgery {
    std::array<ForgedCertificate, kPositions> certificates;
    Contents contents;
    // rearrange changes which certificates the document carries.
    std::function<void(std::vector<Bytes>& bundle, Bytes& leaf)> rearrange;
    std::function<void(std::vector<Pair>&)> edit_pairs;
    std::function<void(Bytes&)> edit_payload;
    Bytes protected_header = cose::protected_header(cose::kEs384);
    // unprotected_header, encoded.
    Bytes unprotected_header = {0xa0};
    // signer of the document; the leaf's key, if not set.
    std::optional<std::size_t> signer;
    std::function<void(Bytes&)> edit_signature;
    // edit_message changes the whole document when all is done.
    std::function<void(Bytes&)> edit_message;
};

struct Forged {
    Bytes document;
    // chain is what was made, root first, leaf last.
    std::vector<Bytes> chain;

    [[nodiscard]] crypto::Certificate root() const {
        return must(crypto::Certificate::from_der(chain.front()));
    }
};

// --- CBOR of single items ---

template <class Put>
Bytes encoded(Put put) {
    Bytes out;
    cbor::Writer writer(out);
    put(writer);
    return out;
}
inline Bytes text_item(std::string_view text) {
    return encoded([&](cbor::Writer& writer) { writer.put_text(text); });
}
inline Bytes bytes_item(ByteView bytes) {
    return encoded([&](cbor::Writer& writer) { writer.put_bytes(bytes); });
}
inline Bytes uint_item(std::uint64_t value) {
    return encoded([&](cbor::Writer& writer) { writer.put_uint(value); });
}
inline Bytes null_item() {
    return {0xf6};
}
inline Bytes array_item(const std::vector<Bytes>& items) {
    Bytes out = encoded([&](cbor::Writer& writer) { writer.begin_array(items.size()); });
    const Bytes content = join(items);
    out.insert(out.end(), content.begin(), content.end());
    return out;
}
inline Bytes map_item(const std::vector<Pair>& pairs) {
    Bytes out = encoded([&](cbor::Writer& writer) { writer.begin_map(pairs.size()); });
    for (const auto& [key, value] : pairs) {
        out.insert(out.end(), key.begin(), key.end());
        out.insert(out.end(), value.begin(), value.end());
    }
    return out;
}

// value_of finds the value under a text key of the payload.
inline Bytes& value_of(std::vector<Pair>& pairs, std::string_view key) {
    return std::find_if(pairs.begin(), pairs.end(),
                        [&](const Pair& pair) { return pair.first == text_item(key); })
        ->second;
}

// --- the ordinary document ---

// name_in writes a subject with its labels: "C", "O", one "OU" for each, "CN".
inline crypto::Name name_in(const std::string& organization, const std::vector<std::string>& units,
                            const std::string& common_name) {
    crypto::Name name{{"C", "ZZ"}, {"O", organization}};
    for (const std::string& unit : units) {
        name.push_back({"OU", unit});
    }
    name.push_back({"CN", common_name});
    return name;
}

// plain is a document that every verifier accepts that trusts its root, in an hour from made:
// labels are those of zone, instance and leaf; root and region have the organization's name alone.
inline Forgery plain(const std::vector<std::string>& labels = {"kvm"}, crypto::Seconds made = kMade,
                     const std::string& organization = "Casemate") {
    using std::chrono::hours;
    using std::chrono::seconds;
    const std::string slot = "018aa8b8e2285d13";
    const std::vector<std::string> own{organization == "Amazon" ? "AWS" : organization};
    constexpr std::uint16_t kCaUsage =
        crypto::kDigitalSignature | crypto::kKeyCertSign | crypto::kCrlSign;
    Forgery forgery;
    const auto put = [&](Position position, const crypto::Name& subject, crypto::Seconds from,
                         seconds life, std::optional<std::uint32_t> path_length) {
        crypto::CertificateTemplate& what = forgery.certificates[position].what;
        what.serial = {0x01, static_cast<std::uint8_t>(position)};
        what.subject = subject;
        what.not_before = from;
        what.not_after = from + life;
        what.is_ca = position != kLeaf;
        what.path_length = path_length;
        what.key_usage = position == kInstance ? std::uint16_t{crypto::kKeyCertSign} : kCaUsage;
        what.with_subject_key_id = position < kInstance;
        what.with_authority_key_id = position == kRegion || position == kZone;
    };
    const std::string tail = ".test-1.casemate-enclaves";
    put(kRoot, name_in(organization, own, "0011223344556677.casemate-enclaves"),
        made - hours(24 * 365), hours(24 * 365 * 30 + 1), std::nullopt);
    put(kRegion, name_in(organization, own, "1111223344556677" + tail), made - hours(24 * 10),
        hours(24 * 20 + 1), 2);
    put(kZone, name_in(organization, labels, "2211223344556677.zonal" + tail), made - hours(24 * 2),
        hours(24 * 6), 1);
    put(kInstance, name_in(organization, labels, "i-0123456789abcdef0" + tail), made - hours(2),
        hours(24), 0);
    put(kLeaf, name_in(organization, labels, "i-0123456789abcdef0-enc" + slot + ".test-1.casemate"),
        made - seconds(3), hours(3) + seconds(3), std::nullopt);
    crypto::CertificateTemplate& leaf = forgery.certificates[kLeaf].what;
    leaf.key_usage = crypto::kDigitalSignature | crypto::kNonRepudiation;
    leaf.key_usage_critical = false;

    forgery.contents.module_id = "i-0123456789abcdef0-enc" + slot;
    forgery.contents.timestamp = made;
    for (std::uint16_t index = 0; index < 16; ++index) {
        forgery.contents.pcrs[index].fill(index < 3 ? static_cast<std::uint8_t>(0x10 + index) : 0);
    }
    return forgery;
}

// --- forging ---

// Certificates that nobody edits are issued once in a process, since signatures differ each time
// and a root has to stay the same to be trusted.
inline Bytes issue_once(const crypto::CertificateTemplate& what, const crypto::PublicKey& key,
                        const crypto::Name& issuer, const crypto::PrivateKey& signer) {
    std::string inputs =
        to_hex(what.serial) + "/" + to_hex(key.spki()) + "/" + to_hex(signer.public_key().spki());
    for (const crypto::Name* name : {&what.subject, &issuer}) {
        inputs += "//";
        for (const crypto::NameAttribute& attribute : *name) {
            inputs += "/" + attribute.type + "=" + attribute.value;
        }
    }
    inputs += "//" + std::to_string(what.not_before.time_since_epoch().count()) + "/" +
              std::to_string(what.not_after.time_since_epoch().count()) + "/" +
              std::to_string(what.is_ca) + "/" +
              (what.path_length ? std::to_string(*what.path_length) : "") + "/" +
              std::to_string(what.key_usage) + "/" + std::to_string(what.key_usage_critical) + "/" +
              std::to_string(what.with_subject_key_id) + "/" +
              std::to_string(what.with_authority_key_id);
    static std::mutex mutex;
    static std::map<std::string, Bytes> issued;
    const std::lock_guard lock(mutex);
    Bytes& der = issued[inputs];
    if (der.empty()) {
        der = must(crypto::issue(what, key, {issuer, &signer})).der();
    }
    return der;
}

inline Bytes forge_certificate(const Forgery& forgery, std::size_t position) {
    const ForgedCertificate& plan = forgery.certificates[position];
    const std::size_t above = position == kRoot ? kRoot : position - 1;
    const crypto::Name issuer = plan.issuer.value_or(forgery.certificates[above].what.subject);
    const crypto::PublicKey subject_key =
        plan.subject_key ? must(crypto::PublicKey::from_spki(*plan.subject_key))
                         : key_of(position, plan.curve).public_key();
    const crypto::PrivateKey& signer =
        plan.signer ? key_of(*plan.signer) : key_of(above, forgery.certificates[above].curve);
    Bytes der = issue_once(plan.what, subject_key, issuer, signer);
    if (plan.edit_signed_part) {
        std::vector<Bytes> parts = elements(content_of(der));
        plan.edit_signed_part(parts[0]);
        parts[1] = elements(content_of(parts[0]))[2];
        parts[2] = der_signature(must(signer.sign(parts[0])));
        der = tlv(0x30, join(parts));
    }
    if (plan.edit) {
        plan.edit(der);
    }
    return der;
}

inline Bytes forge_payload(const Forgery& forgery, const std::vector<Bytes>& bundle,
                           const Bytes& leaf) {
    const Contents& contents = forgery.contents;
    std::vector<Pair> pcrs;
    for (const auto& [index, value] : contents.pcrs) {
        pcrs.emplace_back(uint_item(index), bytes_item(value));
    }
    std::vector<Bytes> certificates;
    certificates.reserve(bundle.size());
    for (const Bytes& der : bundle) {
        certificates.push_back(bytes_item(der));
    }
    const auto optional = [](const std::optional<Bytes>& field) {
        return field ? bytes_item(*field) : null_item();
    };
    const auto milliseconds = contents.timestamp.time_since_epoch().count();
    std::vector<Pair> pairs{
        {text_item("module_id"), text_item(contents.module_id)},
        {text_item("digest"), text_item("SHA384")},
        {text_item("timestamp"), uint_item(static_cast<std::uint64_t>(milliseconds))},
        {text_item("pcrs"), map_item(pcrs)},
        {text_item("certificate"), bytes_item(leaf)},
        {text_item("cabundle"), array_item(certificates)},
        {text_item("public_key"), optional(contents.public_key)},
        {text_item("user_data"), optional(contents.user_data)},
        {text_item("nonce"), optional(contents.nonce)},
    };
    if (forgery.edit_pairs) {
        forgery.edit_pairs(pairs);
    }
    Bytes payload = map_item(pairs);
    if (forgery.edit_payload) {
        forgery.edit_payload(payload);
    }
    return payload;
}

// forge makes the certificates and the document.
inline Forged forge(const Forgery& forgery) {
    Forged forged;
    for (std::size_t position = 0; position < kPositions; ++position) {
        forged.chain.push_back(forge_certificate(forgery, position));
    }
    std::vector<Bytes> bundle(forged.chain.begin(), forged.chain.end() - 1);
    Bytes leaf = forged.chain.back();
    if (forgery.rearrange) {
        forgery.rearrange(bundle, leaf);
    }
    const Bytes payload = forge_payload(forgery, bundle, leaf);
    const crypto::PrivateKey& signer =
        forgery.signer ? key_of(*forgery.signer) : key_of(kLeaf, forgery.certificates[kLeaf].curve);
    Bytes signature = must(signer.sign(cose::sig_structure(forgery.protected_header, payload)));
    if (forgery.edit_signature) {
        forgery.edit_signature(signature);
    }
    forged.document = array_item({bytes_item(forgery.protected_header), forgery.unprotected_header,
                                  bytes_item(payload), bytes_item(signature)});
    if (forgery.edit_message) {
        forgery.edit_message(forged.document);
    }
    return forged;
}

}  // namespace casemate::attestation::forger
