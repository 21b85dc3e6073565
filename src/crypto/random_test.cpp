#include "crypto/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

namespace casemate::crypto {
namespace {

TEST(Random, FillsEveryByteAndNeverRepeats) {
    // Each of 64 bytes is other than zero in one of 32 rounds, but for one case in 2^250.
    std::array<bool, 64> touched{};
    std::set<Bytes> seen;
    for (int round = 0; round < 32; ++round) {
        Bytes bytes(64);
        random_bytes(bytes);
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            touched[i] = touched[i] || bytes[i] != 0;
        }
        EXPECT_TRUE(seen.insert(bytes).second);
        const SecretBytes secret = random_secret(64);
        EXPECT_TRUE(seen.insert(Bytes(secret.view().begin(), secret.view().end())).second);
    }
    EXPECT_TRUE(std::ranges::all_of(touched, [](bool was) { return was; }));
}

TEST(Random, TakesNothing) {
    random_bytes({});
    EXPECT_TRUE(random_secret(0).empty());
}

TEST(Random, StaysWithinItsBytes) {
    Bytes bytes(48, 0xa5);
    random_bytes(MutableBytes(bytes).subspan(16, 16));
    EXPECT_EQ(std::count(bytes.begin(), bytes.begin() + 16, 0xa5), 16);
    EXPECT_EQ(std::count(bytes.begin() + 32, bytes.end(), 0xa5), 16);
}

}  // namespace
}  // namespace casemate::crypto
