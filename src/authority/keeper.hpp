// Keeper: the hierarchy in its store, for as long as one process works on it: loads levels, checks
// them, and makes them anew.
#pragma once

#include <optional>
#include <string>

#include "authority/hierarchy.hpp"
#include "authority/store.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "crypto/certificate.hpp"
#include "crypto/key.hpp"

namespace casemate::authority {

// The root's certificate alone, for everybody.
inline constexpr const char* kRootFile = "root.pem";

// Held: one level, loaded and checked: its certificate is well-formed, and a key in the file is the
// certificate's.
struct Held {
    crypto::Certificate certificate;
    crypto::CertificateFields fields;
    crypto::PublicKey public_key;
    // The URI of a token's key; else the key is in the file.
    std::string token;
    // The key of the file; a token's only once it has had to sign.
    std::optional<crypto::PrivateKey> key;
};

class Keeper {
public:
    Keeper(Store store, Instance instance, crypto::Seconds now)
        : store_(std::move(store)), instance_(std::move(instance)), now_(now) {}

    [[nodiscard]] Store& store() { return store_; }

    // load gives a level, nothing when there is none. Errors: AuthorityErrc bad_store for a file
    // that is damaged or not the owner's alone; Errno.
    [[nodiscard]] Result<std::optional<Held>> load(const Place& place) const;

    // find_root gives the root, which must have signed itself; nothing in an empty store. A store
    // that has lost its root is refused: nobody would trust a new one. Errors: AuthorityErrc
    // bad_store; Errno.
    [[nodiscard]] Result<std::optional<Held>> find_root() const;
    // make_root makes one, of a token's key when a URI is given. The lock is held, here and below.
    [[nodiscard]] Result<Held> make_root(const std::string& token) const;
    // publish_root sees to it that root.pem is this root's certificate.
    [[nodiscard]] Result<> publish_root(const Held& root) const;

    // ensure gives a level below the root, which is made anew when it does not fit its parent, the
    // instance, the clock, or the life of what it is to issue. Errors: AuthorityErrc out_of_time
    // when the root is the reason that it can't; token; CryptoErrc; Errno.
    [[nodiscard]] Result<Held> ensure(const Place& place, Held& parent) const;
    // make makes it anew in any case, of a token's key when a URI is given.
    [[nodiscard]] Result<Held> make(const Place& place, Held& parent,
                                    const std::string& token) const;

private:
    [[nodiscard]] bool is_due(const Place& place, const Held& held, const Held& parent) const;
    [[nodiscard]] Result<> check_time(const Held& root) const;
    [[nodiscard]] Result<Held> keep(const Place& place, crypto::Certificate certificate,
                                    crypto::PrivateKey key, const std::string& token) const;
    [[nodiscard]] Error damaged(const Place& place, const std::string& found) const;

    Store store_;
    Instance instance_;
    crypto::Seconds now_;
};

// signing_key gives the key of a level, a token's being opened the first time; it stays the
// level's. Errors: AuthorityErrc token.
[[nodiscard]] Result<const crypto::PrivateKey*> signing_key(Held& level);

// open_token opens a token's key. Errors: AuthorityErrc token, bad_request for what is no URI of a
// token.
[[nodiscard]] Result<crypto::PrivateKey> open_token(const std::string& uri);

// without_pin is a PKCS #11 URI that may be shown (RFC 7512: pin-value holds the PIN itself).
[[nodiscard]] std::string without_pin(std::string_view uri);

}  // namespace casemate::authority
