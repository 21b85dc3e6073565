#include "sigv4/signing_key.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace casemate::sigv4 {
namespace {

const Scope kScope{"20150830", "us-east-1", "kms"};
const Scope kNextDay{"20150831", "us-east-1", "kms"};
const Scope kLaterDay{"20150901", "us-east-1", "kms"};

SigningKeyCache::Key key_of(std::string_view secret, const Scope& scope) {
    return std::make_shared<const SecretBytes>(derive_signing_key(as_bytes(secret), scope));
}

void remember(SigningKeyCache& cache, std::string_view id, const Scope& scope,
              std::string_view secret = "secret") {
    cache.remember(id, scope, as_bytes(secret), key_of(secret, scope));
}

bool has(SigningKeyCache& cache, std::string_view id, const Scope& scope,
         std::string_view secret = "secret") {
    const auto key = cache.find(id, scope, as_bytes(secret));
    if (key != nullptr) {
        EXPECT_EQ(to_hex(key->view()), to_hex(key_of(secret, scope)->view()));
    }
    return key != nullptr;
}

TEST(SigningKey, DependsOnEachPart) {
    const auto hex = [](std::string_view secret, const Scope& scope) {
        return to_hex(derive_signing_key(as_bytes(secret), scope).view());
    };
    const std::string key = hex("secret", kScope);
    EXPECT_EQ(key.size(), 64U);
    EXPECT_NE(hex("secres", kScope), key);
    EXPECT_NE(hex("", kScope), key);
    EXPECT_NE(hex("secret", kNextDay), key);
    EXPECT_NE(hex("secret", {"20150830", "us-east-2", "kms"}), key);
    EXPECT_NE(hex("secret", {"20150830", "us-east-1", "sts"}), key);
}

TEST(SigningKeyCache, FindsWhatItWasGivenOnly) {
    SigningKeyCache cache(8);
    remember(cache, "A", kScope);
    EXPECT_TRUE(has(cache, "A", kScope));
    EXPECT_FALSE(has(cache, "B", kScope));
    EXPECT_FALSE(has(cache, "A", kNextDay));
    EXPECT_FALSE(has(cache, "A", {"20150830", "us-east-2", "kms"}));
    EXPECT_FALSE(has(cache, "A", {"20150830", "us-east-1", "sts"}));
    cache.clear();
    EXPECT_FALSE(has(cache, "A", kScope));
    EXPECT_EQ(cache.size(), 0U);
}

TEST(SigningKeyCache, AnotherSecretFindsNothingAndReplaces) {
    SigningKeyCache cache(8);
    remember(cache, "A", kScope, "old");
    EXPECT_FALSE(has(cache, "A", kScope, "new"));
    EXPECT_FALSE(has(cache, "A", kScope, ""));
    remember(cache, "A", kScope, "new");
    EXPECT_TRUE(has(cache, "A", kScope, "new"));
    EXPECT_FALSE(has(cache, "A", kScope, "old"));
    EXPECT_EQ(cache.size(), 1U);
}

TEST(SigningKeyCache, DropsWhatWasUsedLongestAgo) {
    SigningKeyCache cache(2);
    remember(cache, "A", kScope);
    remember(cache, "B", kScope);
    EXPECT_TRUE(has(cache, "A", kScope));
    remember(cache, "C", kScope);
    EXPECT_FALSE(has(cache, "B", kScope));
    EXPECT_TRUE(has(cache, "A", kScope));
    EXPECT_TRUE(has(cache, "C", kScope));
    EXPECT_EQ(cache.size(), 2U);
}

TEST(SigningKeyCache, HoldsOneAtLeast) {
    SigningKeyCache cache(0);
    remember(cache, "A", kScope);
    EXPECT_TRUE(has(cache, "A", kScope));
}

TEST(SigningKeyCache, DaysGo) {
    SigningKeyCache cache(8);
    remember(cache, "A", kScope);
    remember(cache, "A", kNextDay);
    remember(cache, "B", kScope);
    // Around midnight both days are alive.
    EXPECT_TRUE(has(cache, "A", kScope));
    EXPECT_TRUE(has(cache, "B", kScope));
    remember(cache, "B", kLaterDay);
    EXPECT_FALSE(has(cache, "A", kScope));
    EXPECT_FALSE(has(cache, "B", kScope));
    EXPECT_TRUE(has(cache, "A", kNextDay));
    EXPECT_EQ(cache.size(), 2U);
}

TEST(SigningKeyCache, AKeyInUseOutlivesItsEntry) {
    SigningKeyCache cache(1);
    remember(cache, "A", kScope);
    const auto key = cache.find("A", kScope, as_bytes("secret"));
    ASSERT_NE(key, nullptr);
    remember(cache, "B", kScope);
    EXPECT_EQ(key.use_count(), 1);
    EXPECT_EQ(to_hex(key->view()), to_hex(key_of("secret", kScope)->view()));
}

TEST(SigningKeyCache, ManyThreads) {
    SigningKeyCache cache(3);
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&cache, thread] {
            for (int i = 0; i < 500; ++i) {
                const std::string id = "K" + std::to_string((i + thread) % 6);
                if (!has(cache, id, kScope, id)) {
                    remember(cache, id, kScope, id);
                }
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(cache.size(), 3U);
}

}  // namespace
}  // namespace casemate::sigv4
