// The certificates of AWS's document in tests/golden, for the room's tests.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "base/file.hpp"
#include "codec/cbor/cbor.hpp"
#include "codec/cose.hpp"
#include "support/paths.hpp"

namespace casemate::crypto {

// golden_certificates gives the DER of root, region, zone, instance and leaf.
inline std::vector<Bytes> golden_certificates() {
    const auto document =
        read_file(test::source_dir() + "/tests/golden/aws-attestation-document.cbor", 1UL << 20U);
    EXPECT_TRUE(document.ok());
    const auto message = cose::parse_sign1(*document);
    EXPECT_TRUE(message.ok());
    auto payload = cbor::Reader::open(message->payload).value();
    const auto map = payload.read_map().value();
    auto bundle = map.get("cabundle")->read_array().value();
    std::vector<Bytes> certificates;
    while (bundle.remaining() > 0) {
        const ByteView der = bundle.read_bytes().value();
        certificates.emplace_back(der.begin(), der.end());
    }
    const ByteView leaf = map.get("certificate")->read_bytes().value();
    certificates.emplace_back(leaf.begin(), leaf.end());
    EXPECT_EQ(certificates.size(), 5U);
    return certificates;
}

}  // namespace casemate::crypto
