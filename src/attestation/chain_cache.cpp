#include "attestation/chain_cache.hpp"

#include <utility>

namespace casemate::attestation {

namespace {

// Role: what a certificate was found good for.
enum class Role : std::uint8_t { ca, leaf };

crypto::Digest256 next_key(const crypto::Digest256& above, Role role, ByteView der) {
    const auto tag = static_cast<std::uint8_t>(role);
    crypto::Sha256 hasher;
    hasher.update(above);
    hasher.update({&tag, 1});
    hasher.update(der);
    return hasher.finish();
}

}  // namespace

ChainKeys keys_of(const crypto::Digest256& root, const std::vector<Bytes>& bundle, ByteView leaf) {
    ChainKeys keys{root};
    for (std::size_t i = 1; i < bundle.size(); ++i) {
        keys.push_back(next_key(keys.back(), Role::ca, bundle[i]));
    }
    keys.push_back(next_key(keys.back(), Role::leaf, leaf));
    return keys;
}

LinkPointer ChainCache::find_longest(const ChainKeys& keys) {
    const std::lock_guard lock(mutex_);
    for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
        const auto found = by_key_.find(*key);
        if (found != by_key_.end()) {
            entries_.splice(entries_.begin(), entries_, found->second);
            return found->second->link;
        }
    }
    return nullptr;
}

void ChainCache::put(const crypto::Digest256& key, LinkPointer link) {
    const std::lock_guard lock(mutex_);
    if (by_key_.contains(key)) {
        return;
    }
    entries_.push_front({key, std::move(link)});
    by_key_.emplace(key, entries_.begin());
    if (entries_.size() > limit_) {
        by_key_.erase(entries_.back().key);
        entries_.pop_back();
    }
}

std::size_t ChainCache::size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
}

}  // namespace casemate::attestation
