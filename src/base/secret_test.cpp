#include "base/secret.hpp"

#include <gtest/gtest.h>

#include <utility>

namespace casemate {
namespace {

TEST(Secret, ComparesSizesAndEachByte) {
    const Bytes a{1, 2, 3};
    EXPECT_TRUE(constant_time_equal(a, Bytes{1, 2, 3}));
    EXPECT_FALSE(constant_time_equal(a, Bytes{1, 2, 4}));
    EXPECT_FALSE(constant_time_equal(a, Bytes{0, 2, 3}));
    EXPECT_FALSE(constant_time_equal(a, Bytes{1, 2}));
    EXPECT_TRUE(constant_time_equal({}, {}));
}

TEST(Secret, CleansesInPlace) {
    Bytes bytes{1, 2, 3};
    cleanse(bytes);
    EXPECT_EQ(bytes, Bytes(3));
}

TEST(Secret, LeavesNothingBehindWhenMoved) {
    SecretBytes first(Bytes{7, 8});
    SecretBytes second(std::move(first));
    EXPECT_EQ(Bytes(second.view().begin(), second.view().end()), (Bytes{7, 8}));
    EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move)
    SecretBytes third(std::size_t{4});
    third = std::move(second);
    EXPECT_EQ(third.size(), 2U);
    EXPECT_TRUE(second.empty());  // NOLINT(bugprone-use-after-move)
}

}  // namespace
}  // namespace casemate
