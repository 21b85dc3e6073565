#include "crypto/digest.hpp"

#include <gtest/gtest.h>

#include <string>

namespace casemate::crypto {
namespace {

// FIPS 180-4 examples, and the constants of formats.md 1.6 and 1.7.
constexpr const char* kAbc384 =
    "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
    "8086072ba1e7cc2358baeca134c825a7";
constexpr const char* kAbc256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* kPcrOfNothing =
    "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c"
    "10edb30948c90ba67310f7b964fc500a";
constexpr const char* kPcr3OfWebserver =
    "78fce75db17cd4e0a3fb8dad3ad128ca5e77edbb2b2c7f75329dccd99aa5f6ef"
    "4fc1f1a452e315b9e98f9e312e6921e6";

TEST(DigestTest, KnownAnswers) {
    EXPECT_EQ(to_hex(sha384(as_bytes("abc"))), kAbc384);
    EXPECT_EQ(to_hex(sha256(as_bytes("abc"))), kAbc256);
}

TEST(DigestTest, PiecesAreTheWhole) {
    Sha384 hash;
    hash.update(as_bytes("a"));
    hash.update({});
    hash.update(as_bytes("bc"));
    EXPECT_EQ(to_hex(hash.finish()), kAbc384);
}

TEST(DigestTest, FinishStartsAnew) {
    Sha384 hash;
    hash.update(as_bytes("something else"));
    (void)hash.finish();
    hash.update(as_bytes("abc"));
    EXPECT_EQ(to_hex(hash.finish()), kAbc384);
}

TEST(DigestTest, ACopyGoesItsOwnWay) {
    Sha384 first;
    first.update(as_bytes("ab"));
    Sha384 second = first;
    Sha384 third;
    third = second;
    second.update(as_bytes("X"));
    first.update(as_bytes("c"));
    third.update(as_bytes("c"));
    EXPECT_EQ(to_hex(first.finish()), kAbc384);
    EXPECT_EQ(to_hex(third.finish()), kAbc384);
    EXPECT_EQ(second.finish(), sha384(as_bytes("abX")));
}

TEST(DigestTest, ExtendZero) {
    EXPECT_EQ(to_hex(extend_zero(sha384({}))), kPcrOfNothing);
    EXPECT_EQ(to_hex(extend_zero(as_bytes("arn:aws:iam::123456789012:role/Webserver"))),
              kPcr3OfWebserver);
}

}  // namespace
}  // namespace casemate::crypto
