#include "nsm/pcr_bank.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/digest.hpp"

namespace casemate::nsm {
namespace {

using Outcome = PcrBank::Outcome;
using ::testing::ElementsAre;

std::map<std::uint16_t, PcrValue> measurements() {
    std::map<std::uint16_t, PcrValue> values;
    values[0].fill(0xa0);
    values[1].fill(0xa1);
    values[2].fill(0xa2);
    values[8].fill(0xa8);
    return values;
}

Load a_load(bool debug) {
    Load load;
    load.debug = debug;
    load.role_arn = "arn:aws:iam::123456789012:role/Webserver";
    load.instance_id = "i-0918f6c55e3b61d89";
    return load;
}

TEST(PcrBank, StartsAsThePlatformSays) {
    const PcrBank bank = PcrBank::at_boot(measurements(), a_load(false));
    for (std::uint16_t i = 0; i < 32; ++i) {
        const auto* one = bank.find(i);
        ASSERT_NE(one, nullptr);
        EXPECT_EQ(one->locked, i < 16) << i;
        const auto measured = measurements();
        if (measured.count(i) > 0) {
            EXPECT_EQ(one->value, measured.at(i)) << i;
        } else if (i != 3 && i != 4) {
            EXPECT_EQ(one->value, PcrValue{}) << i;
        }
    }
    // formats.md 1.7: computed, and measured on an AWS document.
    EXPECT_EQ(to_hex(bank.find(3)->value),
              "78fce75db17cd4e0a3fb8dad3ad128ca5e77edbb2b2c7f75329dccd99aa5f6ef4fc1f1a452e315b9e98f"
              "9e312e6921e6");
    EXPECT_EQ(to_hex(bank.find(4)->value).substr(0, 8), "d0531b14");
}

TEST(PcrBank, DebugModeHidesTheImageAndNothingElse) {
    const PcrBank bank = PcrBank::at_boot(measurements(), a_load(true));
    for (const std::uint64_t index : {0U, 1U, 2U, 8U}) {
        EXPECT_EQ(bank.find(index)->value, PcrValue{}) << index;
        EXPECT_TRUE(bank.find(index)->locked) << index;
    }
    EXPECT_EQ(to_hex(bank.find(3)->value).substr(0, 8), "78fce75d");
    EXPECT_EQ(to_hex(bank.find(4)->value).substr(0, 8), "d0531b14");
}

TEST(PcrBank, WithoutARoleOrAnInstanceTheirRegistersStayZero) {
    const PcrBank bank = PcrBank::at_boot(measurements(), Load{});
    EXPECT_EQ(bank.find(3)->value, PcrValue{});
    EXPECT_EQ(bank.find(4)->value, PcrValue{});
}

TEST(PcrBank, ExtendsByOldValueThenData) {
    PcrBank bank;
    ASSERT_EQ(bank.extend(16, as_bytes("one")), Outcome::done);
    EXPECT_EQ(bank.find(16)->value, crypto::extend_zero(as_bytes("one")));
    const PcrValue before = bank.find(16)->value;
    ASSERT_EQ(bank.extend(16, as_bytes("two")), Outcome::done);
    Bytes both(before.begin(), before.end());
    both.insert(both.end(), {'t', 'w', 'o'});
    EXPECT_EQ(bank.find(16)->value, crypto::sha384(both));
    // Extending with nothing still changes a register.
    ASSERT_EQ(bank.extend(17, {}), Outcome::done);
    EXPECT_EQ(bank.find(17)->value, crypto::sha384(Bytes(48)));
}

TEST(PcrBank, LockedRegistersNeverChange) {
    PcrBank bank;
    ASSERT_EQ(bank.lock(20), Outcome::done);
    EXPECT_EQ(bank.lock(20), Outcome::locked);
    EXPECT_EQ(bank.extend(20, as_bytes("x")), Outcome::locked);
    EXPECT_EQ(bank.find(20)->value, PcrValue{});
    EXPECT_THAT(bank.locked(), ElementsAre(20));
}

TEST(PcrBank, LocksRanges) {
    PcrBank bank;
    EXPECT_EQ(bank.lock_below(0), Outcome::done);
    EXPECT_TRUE(bank.locked().empty());
    EXPECT_EQ(bank.lock(1), Outcome::done);
    EXPECT_EQ(bank.lock_below(3), Outcome::done);
    EXPECT_THAT(bank.locked(), ElementsAre(0, 1, 2));
    EXPECT_EQ(bank.lock_below(33), Outcome::no_such_register);
    EXPECT_EQ(bank.locked().size(), 3U);
    EXPECT_EQ(bank.lock_below(32), Outcome::done);
    EXPECT_EQ(bank.lock_below(32), Outcome::done);
    EXPECT_EQ(bank.locked().size(), 32U);
}

TEST(PcrBank, IndexesEndAt31) {
    PcrBank bank;
    EXPECT_NE(bank.find(31), nullptr);
    for (const std::uint64_t index : {std::uint64_t{32}, ~std::uint64_t{0}}) {
        EXPECT_EQ(bank.find(index), nullptr);
        EXPECT_EQ(bank.extend(index, {}), Outcome::no_such_register);
        EXPECT_EQ(bank.lock(index), Outcome::no_such_register);
    }
}

}  // namespace
}  // namespace casemate::nsm
