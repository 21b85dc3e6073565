#include "sigv4/signing_key.hpp"

#include <algorithm>
#include <utility>

#include "crypto/mac.hpp"

namespace casemate::sigv4 {

namespace {

SecretBytes step(ByteView key, std::string_view text) {
    return crypto::hmac(crypto::MacAlgorithm::hmac_sha256, key, as_bytes(text));
}

std::string entry_name(std::string_view access_key_id, const Scope& scope) {
    return std::string(access_key_id) + '/' + scope.text();
}

}  // namespace

std::string Scope::text() const {
    std::string text = date;
    text.append("/").append(region).append("/").append(service).append("/").append(
        kScopeTerminator);
    return text;
}

SecretBytes derive_signing_key(ByteView secret, const Scope& scope) {
    constexpr std::string_view kPrefix = "AWS4";
    SecretBytes start(kPrefix.size() + secret.size());
    const auto rest = std::copy(kPrefix.begin(), kPrefix.end(), start.mutable_view().begin());
    std::copy(secret.begin(), secret.end(), rest);
    const SecretBytes date_key = step(start.view(), scope.date);
    const SecretBytes region_key = step(date_key.view(), scope.region);
    const SecretBytes service_key = step(region_key.view(), scope.service);
    return step(service_key.view(), kScopeTerminator);
}

SigningKeyCache::SigningKeyCache(std::size_t capacity)
    : capacity_(std::max<std::size_t>(capacity, 1)) {
}

SigningKeyCache::Key SigningKeyCache::find(std::string_view access_key_id, const Scope& scope,
                                           ByteView secret) {
    const std::string name = entry_name(access_key_id, scope);
    const std::lock_guard lock(mutex_);
    const auto found = by_name_.find(name);
    if (found == by_name_.end() || !constant_time_equal(found->second->secret.view(), secret)) {
        return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->key;
}

void SigningKeyCache::remember(std::string_view access_key_id, const Scope& scope, ByteView secret,
                               Key key) {
    Entry entry{entry_name(access_key_id, scope), scope.date,
                SecretBytes(Bytes(secret.begin(), secret.end())), std::move(key)};
    const std::lock_guard lock(mutex_);
    turn_to(entry.date);
    if (const auto found = by_name_.find(entry.name); found != by_name_.end()) {
        drop(found->second);
    } else if (entries_.size() == capacity_) {
        drop(std::prev(entries_.end()));
    }
    entries_.push_front(std::move(entry));
    by_name_.emplace(entries_.front().name, entries_.begin());
}

std::size_t SigningKeyCache::size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
}

void SigningKeyCache::clear() {
    const std::lock_guard lock(mutex_);
    by_name_.clear();
    entries_.clear();
}

void SigningKeyCache::drop(Entries::iterator entry) {
    by_name_.erase(entry->name);
    entries_.erase(entry);
}

void SigningKeyCache::turn_to(const std::string& date) {
    if (date <= latest_date_) {
        return;
    }
    // Around midnight both days are in use.
    for (auto entry = entries_.begin(); entry != entries_.end();) {
        const auto next = std::next(entry);
        if (entry->date < latest_date_) {
            drop(entry);
        }
        entry = next;
    }
    latest_date_ = date;
}

}  // namespace casemate::sigv4
