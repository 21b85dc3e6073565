#include "authority/authority.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "authority/keeper.hpp"
#include "crypto/issue.hpp"

namespace casemate::authority {

namespace {

using crypto::Seconds;

Result<Keeper> locked(Result<Store> store, const Instance& instance, Seconds now,
                      std::chrono::milliseconds patience) {
    if (!store) {
        return std::move(store).error();
    }
    CASEMATE_CHECK(store->lock(patience));
    return Keeper(std::move(*store), instance, now);
}

std::string slot_digits(std::uint64_t slot_uid) {
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(slot_uid));
    return text.data();
}

Result<crypto::PublicKey> check_request(const LeafRequest& request, const Instance& instance) {
    using attestation::Isolation;
    if (request.isolation != Isolation::kvm && request.isolation != Isolation::software) {
        return Error(AuthorityErrc::bad_request,
                     "expected an isolation of kvm or software, found " +
                         std::string(attestation::name_of(request.isolation)));
    }
    const std::string module_id = instance.instance_id + "-enc" + slot_digits(request.slot_uid);
    if (request.module_id != module_id) {
        return Error(AuthorityErrc::bad_request,
                     "expected the module " + module_id + ", found " + request.module_id);
    }
    CASEMATE_TRY(auto key, crypto::PublicKey::from_spki(request.public_key));
    if (key.curve() != crypto::Curve::p384) {
        return Error(AuthorityErrc::bad_request,
                     "expected a leaf key of the curve P-384, found another");
    }
    return key;
}

Result<crypto::Certificate> issue_leaf(const LeafRequest& request, const crypto::PublicKey& key,
                                       const Instance& instance, Held& issuer, Seconds now) {
    crypto::CertificateTemplate what;
    ByteWriter serial(what.serial);
    serial.put_be(request.slot_uid);
    serial.put_be(static_cast<std::uint64_t>(now.time_since_epoch().count()));
    what.subject = leaf_subject({Rank::instance, request.isolation, request.debug}, instance,
                                request.module_id);
    what.not_before = now - kLeafBackdate;
    what.not_after = now + kLeafLife;
    what.key_usage = crypto::kDigitalSignature | crypto::kNonRepudiation;
    what.key_usage_critical = false;
    CASEMATE_TRY(const crypto::PrivateKey* signer, signing_key(issuer));
    return crypto::issue(what, key, crypto::Issuer{issuer.fields.subject, signer});
}

std::string warning_for(Rank rank, const Held& held, Seconds now) {
    constexpr std::chrono::days kYear{365};
    if (rank != Rank::root) {
        return "";
    }
    if (held.fields.not_before > now) {
        return "the root certificate begins in the future: the machine's clock is wrong, or was";
    }
    if (now >= renewal_of(rank, held.fields.not_after)) {
        return "the root certificate is at its end: make a new one with `casemate authority rotate "
               "--root`";
    }
    if (now >= held.fields.not_after - kYear) {
        return "the root certificate ends within a year: make a new one in time with `casemate "
               "authority rotate --root`, and give it to those who verify";
    }
    return "";
}

// The region's new key: what was asked for, else the token's that it has had, else one in a file.
Result<std::string> region_token(const Keeper& keeper, const TokenKeys& keys) {
    if (!keys.region.empty()) {
        return keys.region;
    }
    CASEMATE_TRY(const auto region, keeper.load({Rank::region, {}, {}}));
    return region ? region->token : "";
}

// The old root's certificate, for documents that were signed under it.
Result<> put_aside(Keeper& keeper) {
    CASEMATE_TRY(const auto present, keeper.store().read(kRootFile, Store::Mode::public_file));
    CASEMATE_TRY(const auto root, keeper.load({}));
    std::string pem = root ? root->certificate.to_pem() : "";
    if (!root && present) {
        pem = as_text(present->view());
    }
    const auto certificate = crypto::Certificate::from_pem(as_bytes(pem));
    if (!certificate) {
        // Nothing is left of it that could be kept.
        return {};
    }
    const auto digest = crypto::sha256(certificate->der());
    return keeper.store().write("root-" + to_hex(ByteView(digest).first(8)) + ".pem", as_bytes(pem),
                                Store::Mode::public_file);
}

Result<Held> new_root(Keeper& keeper, const TokenKeys& keys) {
    CASEMATE_TRY(const auto old, keeper.load({}));
    if (old && !old->token.empty()) {
        if (keys.root.empty()) {
            return Error(AuthorityErrc::bad_request,
                         "expected --root-key, since the present root's key is in a token: make a "
                         "new key there and name it, found none");
        }
        CASEMATE_TRY(const auto key, open_token(keys.root));
        if (key.public_key().spki() == old->public_key.spki()) {
            return Error(AuthorityErrc::bad_request,
                         "expected --root-key to name a new key, found the present root's");
        }
    }
    CASEMATE_CHECK(put_aside(keeper));
    return keeper.make_root(keys.root);
}

Result<> remove_below_region(Keeper& keeper) {
    const auto places = all_places();
    // Children first: what is left after a kill still has its parent.
    for (auto place = places.rbegin(); place != places.rend(); ++place) {
        if (place->rank == Rank::zone || place->rank == Rank::instance) {
            CASEMATE_CHECK(keeper.store().remove(file_name(*place)));
        }
    }
    return {};
}

}  // namespace

Result<> Authority::init(const TokenKeys& keys, Seconds now) {
    CASEMATE_TRY(Keeper keeper, locked(Store::open_or_make(directory_), instance_, now, patience_));
    CASEMATE_TRY(const auto present, keeper.find_root());
    if (present) {
        return Error(AuthorityErrc::exists,
                     "expected no attestation authority in " + directory_ +
                         ", found one; `casemate authority rotate` makes new keys in it");
    }
    // Before anything is made: a token that does not answer leaves nothing behind.
    if (!keys.region.empty()) {
        CASEMATE_CHECK(open_token(keys.region));
    }
    CASEMATE_TRY(Held root, keeper.make_root(keys.root));
    CASEMATE_CHECK(keeper.publish_root(root));
    CASEMATE_CHECK(keeper.make({Rank::region, {}, {}}, root, keys.region));
    return {};
}

Result<Authority::Certified> Authority::certify(const LeafRequest& request, Seconds now) {
    CASEMATE_TRY(const auto key, check_request(request, instance_));
    CASEMATE_TRY(Keeper keeper, locked(Store::open_or_make(directory_), instance_, now, patience_));
    Certified certified;
    CASEMATE_TRY(auto root, keeper.find_root());
    if (!root) {
        CASEMATE_TRY(root, keeper.make_root(""));
        certified.made_root = true;
    }
    CASEMATE_CHECK(keeper.publish_root(*root));
    CASEMATE_TRY(Held region, keeper.ensure({Rank::region, {}, {}}, *root));
    CASEMATE_TRY(Held zone, keeper.ensure({Rank::zone, request.isolation, request.debug}, region));
    CASEMATE_TRY(Held instance,
                 keeper.ensure({Rank::instance, request.isolation, request.debug}, zone));
    CASEMATE_TRY(const auto leaf, issue_leaf(request, key, instance_, instance, now));
    certified.chain.leaf = leaf.der();
    for (const Held* level : {&*root, &region, &zone, &instance}) {
        certified.chain.bundle.push_back(level->certificate.der());
    }
    certified.chain.valid_until = now + kLeafLife;
    return certified;
}

Result<std::vector<Level>> Authority::status(Seconds now) const {
    CASEMATE_TRY(Store store, Store::open(directory_));
    const Keeper keeper(std::move(store), instance_, now);
    CASEMATE_TRY(const auto root, keeper.find_root());
    if (!root) {
        return Error(AuthorityErrc::missing,
                     "expected an attestation authority in " + directory_ +
                         ", found none; `casemate authority init` makes one, and so does the first "
                         "enclave");
    }
    std::vector<Level> levels;
    for (const Place& place : all_places()) {
        CASEMATE_TRY(const auto held, keeper.load(place));
        if (!held) {
            continue;
        }
        Level level;
        level.name = people_name(place);
        level.subject = readable_name(held->fields.subject);
        level.fingerprint = crypto::sha256(held->certificate.der());
        level.not_before = held->fields.not_before;
        level.not_after = held->fields.not_after;
        level.renewal = renewal_of(place.rank, held->fields.not_after);
        level.key =
            held->token.empty() ? directory_ + "/" + file_name(place) : without_pin(held->token);
        level.warning = warning_for(place.rank, *held, now);
        levels.push_back(std::move(level));
    }
    return levels;
}

Result<std::string> Authority::root_pem() const {
    CASEMATE_TRY(Store store, Store::open(directory_));
    const Keeper keeper(std::move(store), instance_, {});
    CASEMATE_TRY(const auto root, keeper.find_root());
    if (!root) {
        return Error(AuthorityErrc::missing,
                     "expected an attestation authority in " + directory_ + ", found none");
    }
    return root->certificate.to_pem();
}

Result<> Authority::rotate(bool root, const TokenKeys& keys, Seconds now) {
    if (!root && !keys.root.empty()) {
        return Error(AuthorityErrc::bad_request,
                     "expected --root with --root-key, found --root-key alone");
    }
    CASEMATE_TRY(Keeper keeper, locked(Store::open(directory_), instance_, now, patience_));
    CASEMATE_TRY(const std::string token, region_token(keeper, keys));
    if (!token.empty()) {
        CASEMATE_CHECK(open_token(token));
    }
    std::optional<Held> top;
    if (root) {
        CASEMATE_TRY(top, new_root(keeper, keys));
    } else {
        CASEMATE_TRY(top, keeper.find_root());
    }
    if (!top) {
        return Error(AuthorityErrc::missing,
                     "expected an attestation authority in " + directory_ + ", found none");
    }
    CASEMATE_CHECK(keeper.publish_root(*top));
    CASEMATE_CHECK(remove_below_region(keeper));
    CASEMATE_CHECK(keeper.make({Rank::region, {}, {}}, *top, token));
    return {};
}

}  // namespace casemate::authority
