#include "attestation/chain_cache.hpp"

#include <gtest/gtest.h>

#include <set>

#include "attestation/testing/forger.hpp"

namespace casemate::attestation {
namespace {

LinkPointer some_link() {
    const crypto::Certificate root = forger::forge(forger::plain()).root();
    return forger::must(make_root(forger::must(take_apart(root.der()))));
}

crypto::Digest256 key_number(std::uint8_t number) {
    crypto::Digest256 key{};
    key.fill(number);
    return key;
}

TEST(ChainKeys, DifferWithEveryCertificateAndItsPlace) {
    const crypto::Digest256 root = key_number(1);
    const Bytes none;
    const Bytes a{1, 2};
    const Bytes b{3};
    const Bytes ab{1, 2, 3};
    std::set<crypto::Digest256> last;
    last.insert(keys_of(root, {none, a, b}, a).back());
    last.insert(keys_of(root, {none, b, a}, a).back());
    last.insert(keys_of(root, {none, a, b}, b).back());
    last.insert(keys_of(root, {none, a}, b).back());
    last.insert(keys_of(root, {none, ab}, b).back());
    last.insert(keys_of(root, {none}, ab).back());
    last.insert(keys_of(key_number(2), {none, a, b}, a).back());
    EXPECT_EQ(last.size(), 7U);
    // A CA and a leaf of the same bytes in the same place.
    EXPECT_NE(keys_of(root, {none, a, b}, a)[2], keys_of(root, {none, a}, b)[2]);
    EXPECT_EQ(keys_of(root, {none, a, b}, a)[1], keys_of(root, {none, a}, b)[1]);
    EXPECT_EQ(keys_of(root, {none, a}, b).size(), 3U);
}

TEST(ChainCache, FindsTheLongestBeginning) {
    ChainCache cache(8);
    const ChainKeys keys{key_number(1), key_number(2), key_number(3)};
    EXPECT_EQ(cache.find_longest(keys), nullptr);
    const LinkPointer first = some_link();
    const LinkPointer second = some_link();
    cache.put(keys[0], first);
    EXPECT_EQ(cache.find_longest(keys), first);
    cache.put(keys[1], second);
    EXPECT_EQ(cache.find_longest(keys), second);
    EXPECT_EQ(cache.find_longest({keys[0]}), first);
    EXPECT_EQ(cache.find_longest({keys[2]}), nullptr);
}

TEST(ChainCache, ForgetsWhatWasUsedLeastRecently) {
    ChainCache cache(3);
    const LinkPointer link = some_link();
    for (std::uint8_t number = 1; number <= 3; ++number) {
        cache.put(key_number(number), link);
    }
    EXPECT_NE(cache.find_longest({key_number(1)}), nullptr);
    cache.put(key_number(4), link);
    EXPECT_EQ(cache.size(), 3U);
    EXPECT_NE(cache.find_longest({key_number(1)}), nullptr);
    EXPECT_EQ(cache.find_longest({key_number(2)}), nullptr);
    cache.put(key_number(4), link);
    EXPECT_EQ(cache.size(), 3U);
}

}  // namespace
}  // namespace casemate::attestation
