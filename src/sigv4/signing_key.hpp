// Signing keys: what a secret becomes for one day, region and service ("Create a signed AWS API
// request", step 4 in the IAM User Guide), and a cache of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/bytes.hpp"
#include "base/secret.hpp"

namespace casemate::sigv4 {

// kScopeTerminator ends each scope.
inline constexpr std::string_view kScopeTerminator = "aws4_request";

// Scope: what a signature is good for.
struct Scope {
    // date is the day, UTC: "20150830".
    std::string date;
    std::string region;
    std::string service;

    // text is "20150830/us-east-1/kms/aws4_request".
    [[nodiscard]] std::string text() const;
    bool operator==(const Scope&) const = default;
};

// derive_signing_key makes the 32 bytes that sign under a scope: four HMACs.
[[nodiscard]] SecretBytes derive_signing_key(ByteView secret, const Scope& scope);

// SigningKeyCache keeps the signing keys that were used last, so that a busy caller costs one HMAC
// a request instead of five. Any number of threads may use it. A key is cleansed when it leaves the
// cache and its last user lets go. Beside each key lies a copy of the secret that it came from: an
// entry is only found by who has that secret in hand, so a secret that was changed or taken away
// needs no message to the cache.
class SigningKeyCache {
public:
    using Key = std::shared_ptr<const SecretBytes>;

    // capacity is the number of keys, at least 1.
    explicit SigningKeyCache(std::size_t capacity);

    // find gives the key of an access key and a scope, if it was derived from this secret; else
    // nullptr.
    [[nodiscard]] Key find(std::string_view access_key_id, const Scope& scope, ByteView secret);

    // remember keeps a key, in place of the one that was used longest ago if there are too many.
    // The first key of a later day drops all keys of days before the one that was the latest. Only
    // pass what a signature has been verified with: the cache trusts the scope's day.
    void remember(std::string_view access_key_id, const Scope& scope, ByteView secret, Key key);

    [[nodiscard]] std::size_t size() const;
    void clear();

private:
    struct Entry {
        std::string name;
        std::string date;
        SecretBytes secret;
        Key key;
    };
    using Entries = std::list<Entry>;

    void drop(Entries::iterator entry);
    void turn_to(const std::string& date);

    const std::size_t capacity_;
    mutable std::mutex mutex_;
    // The one used last is in front.
    Entries entries_;
    std::unordered_map<std::string_view, Entries::iterator> by_name_;
    std::string latest_date_;
};

}  // namespace casemate::sigv4
