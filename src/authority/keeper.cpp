#include "authority/keeper.hpp"

#include <algorithm>

#include "crypto/issue.hpp"

namespace casemate::authority {

namespace {

// The first line of a level whose key is in a token; the rest is the certificate.
constexpr std::string_view kTokenLine = "Key: ";
constexpr std::string_view kTokenScheme = "pkcs11:";
constexpr std::size_t kMaxTokenUri = 2048;

// parts_of takes the token's URI, if there is one, off a level's file.
struct Parts {
    std::string token;
    ByteView pem;
};
Parts parts_of(ByteView content) {
    const std::string_view text = as_text(content);
    if (!text.starts_with(kTokenLine)) {
        return {"", content};
    }
    const std::size_t end = std::min(text.find('\n'), text.size());
    return {std::string(text.substr(kTokenLine.size(), end - kTokenLine.size())),
            content.subspan(end)};
}

SecretBytes joined(std::string_view head, const std::string& certificate, ByteView key) {
    SecretBytes whole(head.size() + certificate.size() + key.size());
    MutableBytes rest = whole.mutable_view();
    for (const ByteView part : {as_bytes(head), as_bytes(certificate), key}) {
        std::copy(part.begin(), part.end(), rest.begin());
        rest = rest.subspan(part.size());
    }
    return whole;
}

Error no_token(const std::string& uri, std::string_view found) {
    return {AuthorityErrc::token,
            "expected the key " + without_pin(uri) + ", found " + std::string(found)};
}

}  // namespace

std::string without_pin(std::string_view uri) {
    std::string shown;
    while (!uri.empty()) {
        // An attribute with the separator before it. Whatever looks like a PIN is one: this may be
        // a URI that was refused.
        const std::size_t end = std::min(uri.find_first_of("?&;", 1), uri.size());
        const std::string_view attribute = uri.substr(0, end);
        if (attribute.find("pin") == std::string_view::npos ||
            attribute.find("pin-source=") != std::string_view::npos) {
            shown += attribute;
        }
        uri.remove_prefix(end);
    }
    return shown;
}

Result<crypto::PrivateKey> open_token(const std::string& uri) {
    const bool printable =
        std::all_of(uri.begin(), uri.end(), [](unsigned char c) { return c > ' ' && c < 0x7f; });
    if (!uri.starts_with(kTokenScheme) || !printable || uri.size() > kMaxTokenUri) {
        return Error(AuthorityErrc::bad_request,
                     "expected a URI of a token's key (\"pkcs11:token=…;object=…\"), found "
                     "another text");
    }
    auto key = crypto::PrivateKey::from_token(uri);
    if (!key) {
        return Error(AuthorityErrc::token, key.error().detail())
            .while_doing("open the key " + without_pin(uri));
    }
    if (key->public_key().curve() != crypto::Curve::p384) {
        return no_token(uri, "one that is not of the curve P-384");
    }
    return key;
}

Result<const crypto::PrivateKey*> signing_key(Held& level) {
    if (!level.key) {
        CASEMATE_TRY(crypto::PrivateKey key, open_token(level.token));
        if (key.public_key().spki() != level.public_key.spki()) {
            return no_token(level.token, "another key than its certificate's");
        }
        level.key.emplace(std::move(key));
    }
    return &*level.key;
}

Error Keeper::damaged(const Place& place, const std::string& found) const {
    const std::string path = store_.path(file_name(place));
    const std::string_view remedy =
        place.rank == Rank::root
            ? "put it back from a backup, or remove it and make a new root with `casemate "
              "authority rotate --root`"
            : "remove it, and it will be made anew";
    return {AuthorityErrc::bad_store, "expected a certificate and its key in " + path +
                                          ", found that " + found + "; " + std::string(remedy)};
}

Result<std::optional<Held>> Keeper::load(const Place& place) const {
    CASEMATE_TRY(const auto content, store_.read(file_name(place), Store::Mode::private_file));
    if (!content) {
        return std::optional<Held>();
    }
    const Parts parts = parts_of(content->view());
    if (parts.pem.empty()) {
        return damaged(place, "there is nothing");
    }
    auto certificate = crypto::Certificate::from_pem(parts.pem);
    if (!certificate) {
        return damaged(place,
                       "the certificate can't be read (" + certificate.error().detail() + ")");
    }
    auto fields = certificate->fields();
    auto public_key = certificate->public_key();
    if (!fields || !public_key) {
        return damaged(place, "the certificate can't be read");
    }
    Held held{std::move(*certificate), std::move(*fields), std::move(*public_key), parts.token,
              std::nullopt};
    if (held.token.empty()) {
        auto key = crypto::PrivateKey::from_pem(parts.pem);
        if (!key) {
            return damaged(place, "the key can't be read");
        }
        if (key->public_key().spki() != held.public_key.spki()) {
            return damaged(place, "the key is not the certificate's");
        }
        held.key.emplace(std::move(*key));
    }
    return std::optional<Held>(std::move(held));
}

Result<std::optional<Held>> Keeper::find_root() const {
    CASEMATE_TRY(auto root, load({}));
    if (!root) {
        CASEMATE_TRY(const auto names, store_.names());
        for (const std::string& name : names) {
            if (name == kRootFile || name.starts_with("level-")) {
                return damaged({}, "the file is missing while others of the authority are there");
            }
        }
        return root;
    }
    if (root->fields.issuer_der != root->fields.subject_der || !root->fields.is_ca ||
        !root->certificate.is_signed_by(root->public_key)) {
        return damaged({}, "the certificate is not a root's, signed by itself");
    }
    return root;
}

Result<> Keeper::publish_root(const Held& root) const {
    const std::string pem = root.certificate.to_pem();
    const auto present = store_.read(kRootFile, Store::Mode::public_file);
    if (present && *present && as_text((*present)->view()) == pem) {
        return {};
    }
    return store_.write(kRootFile, as_bytes(pem), Store::Mode::public_file);
}

Result<Held> Keeper::make_root(const std::string& token) const {
    const Place place{};
    CASEMATE_TRY(auto what, level_template(place, instance_, now_, std::nullopt));
    CASEMATE_TRY(auto key, token.empty() ? crypto::PrivateKey::generate(crypto::Curve::p384)
                                         : open_token(token));
    CASEMATE_TRY(auto certificate,
                 crypto::issue(what, key.public_key(), crypto::Issuer{what.subject, &key}));
    return keep(place, std::move(certificate), std::move(key), token);
}

Result<Held> Keeper::ensure(const Place& place, Held& parent) const {
    CASEMATE_TRY(auto held, load(place));
    if (held && !is_due(place, *held, parent)) {
        return std::move(*held);
    }
    return make(place, parent, held ? held->token : "");
}

Result<Held> Keeper::make(const Place& place, Held& parent, const std::string& token) const {
    if (place.rank == Rank::region) {
        CASEMATE_CHECK(check_time(parent));
    }
    CASEMATE_TRY(const auto what, level_template(place, instance_, now_, parent.fields.not_before));
    CASEMATE_TRY(auto key, token.empty() ? crypto::PrivateKey::generate(crypto::Curve::p384)
                                         : open_token(token));
    CASEMATE_TRY(const crypto::PrivateKey* signer, signing_key(parent));
    CASEMATE_TRY(auto certificate, crypto::issue(what, key.public_key(),
                                                 crypto::Issuer{parent.fields.subject, signer}));
    return keep(place, std::move(certificate), std::move(key), token);
}

bool Keeper::is_due(const Place& place, const Held& held, const Held& parent) const {
    const crypto::CertificateFields& fields = held.fields;
    const bool in_time = fields.not_before + kLeafBackdate <= now_ &&
                         now_ < renewal_of(place.rank, fields.not_after);
    const bool fits_parent = fields.issuer_der == parent.fields.subject_der &&
                             fields.not_before >= parent.fields.not_before &&
                             fields.not_after <= parent.fields.not_after &&
                             held.certificate.is_signed_by(parent.public_key);
    return !in_time || !fits_parent || !has_subject(fields.subject, place, instance_);
}

Result<> Keeper::check_time(const Held& root) const {
    if (root.fields.not_before + kLeafBackdate > now_) {
        return Error(AuthorityErrc::out_of_time,
                     "expected a clock after the beginning of the root certificate, found one "
                     "before it; set the clock right, or, if the root was made while it was wrong, "
                     "make a new one with `casemate authority rotate --root`");
    }
    if (now_ >= renewal_of(Rank::root, root.fields.not_after)) {
        return Error(AuthorityErrc::out_of_time,
                     "expected a root certificate that is valid for 20 days and more, found one "
                     "that ends before; make a new one with `casemate authority rotate --root` and "
                     "give it to those who verify");
    }
    return {};
}

Result<Held> Keeper::keep(const Place& place, crypto::Certificate certificate,
                          crypto::PrivateKey key, const std::string& token) const {
    SecretBytes secret;
    std::string head;
    if (token.empty()) {
        CASEMATE_TRY(secret, key.to_pem());
    } else {
        head = std::string(kTokenLine) + token + "\n";
    }
    const SecretBytes content = joined(head, certificate.to_pem(), secret.view());
    CASEMATE_CHECK(store_.write(file_name(place), content.view(), Store::Mode::private_file));
    CASEMATE_TRY(auto fields, certificate.fields());
    const crypto::PublicKey public_key = key.public_key();
    return Held{std::move(certificate), std::move(fields), public_key, token, std::move(key)};
}

}  // namespace casemate::authority
