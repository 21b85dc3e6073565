// Keys of RSA, of which each size is made once a test program.
#pragma once

#include <gtest/gtest.h>

#include "crypto/rsa.hpp"

namespace casemate::crypto {

inline const RsaPrivateKey& rsa_key_for_test(std::size_t bits = 2048) {
    static const auto generate = [](std::size_t size) {
        auto key = RsaPrivateKey::generate(size);
        EXPECT_TRUE(key.ok());
        return std::move(key).value();
    };
    if (bits == 4096) {
        static const RsaPrivateKey key = generate(4096);
        return key;
    }
    if (bits == 3072) {
        static const RsaPrivateKey key = generate(3072);
        return key;
    }
    static const RsaPrivateKey key = generate(2048);
    return key;
}

// other_rsa_key_for_test is another key of 2048 bits.
inline const RsaPrivateKey& other_rsa_key_for_test() {
    static const auto key = RsaPrivateKey::generate(2048);
    EXPECT_TRUE(key.ok());
    return key.value();
}

}  // namespace casemate::crypto
