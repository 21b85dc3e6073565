// ChainCache: beginnings of chains that were found good, by the digest of all their certificates.
#pragma once

#include <cstring>
#include <list>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "attestation/chain.hpp"

namespace casemate::attestation {

// Keys of a chain's beginnings: element i stands for the certificates 0 to i. Two chains with the
// same key have the same certificates in the same places, unless SHA-256 is broken.
using ChainKeys = std::vector<crypto::Digest256>;

// keys_of computes the keys of a bundle, its root first, and of the leaf behind it. root is the
// root's digest. The last key stands for a leaf: no CA of the same bytes shares it.
[[nodiscard]] ChainKeys keys_of(const crypto::Digest256& root, const std::vector<Bytes>& bundle,
                                ByteView leaf);

// ChainCache keeps the links that were used last, up to a limit. It knows nothing of time: who
// finds a link checks the windows. Safe to use from several threads.
class ChainCache {
public:
    explicit ChainCache(std::size_t limit) : limit_(limit) {}

    // find_longest gives the link of the longest beginning that is known; null when none is.
    [[nodiscard]] LinkPointer find_longest(const ChainKeys& keys);
    void put(const crypto::Digest256& key, LinkPointer link);
    [[nodiscard]] std::size_t size() const;

private:
    struct Entry {
        crypto::Digest256 key;
        LinkPointer link;
    };
    // A digest's first bytes are as good a hash as any; only trusted issuers choose what is kept.
    struct FirstBytes {
        std::size_t operator()(const crypto::Digest256& digest) const {
            std::size_t hash = 0;
            std::memcpy(&hash, digest.data(), sizeof(hash));
            return hash;
        }
    };
    using Entries = std::list<Entry>;

    const std::size_t limit_;
    mutable std::mutex mutex_;
    // Used last first.
    Entries entries_;
    std::unordered_map<crypto::Digest256, Entries::iterator, FirstBytes> by_key_;
};

}  // namespace casemate::attestation
