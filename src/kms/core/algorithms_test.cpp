#include "kms/core/algorithms.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace casemate::kms {
namespace {

using testing::ElementsAre;

std::vector<std::string> names(KeySpec spec, KeyUsage usage) {
    const AlgorithmList list = algorithms_of(spec, usage);
    return {list.names.begin(), list.names.end()};
}

Key make_key(KeySpec spec, KeyUsage usage) {
    Key key;
    key.spec = spec;
    key.usage = usage;
    return key;
}

TEST(Algorithms, AreThoseOfTheSpecAndTheUsage) {
    EXPECT_THAT(names(KeySpec::symmetric_default, KeyUsage::encrypt_decrypt),
                ElementsAre("SYMMETRIC_DEFAULT"));
    EXPECT_THAT(names(KeySpec::rsa_3072, KeyUsage::encrypt_decrypt),
                ElementsAre("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"));
    EXPECT_EQ(names(KeySpec::rsa_2048, KeyUsage::sign_verify).size(), 6U);
    EXPECT_THAT(names(KeySpec::ecc_nist_p521, KeyUsage::sign_verify), ElementsAre("ECDSA_SHA_512"));
    EXPECT_THAT(names(KeySpec::ecc_nist_p384, KeyUsage::key_agreement), ElementsAre("ECDH"));
    EXPECT_THAT(names(KeySpec::hmac_384, KeyUsage::generate_verify_mac),
                ElementsAre("HMAC_SHA_384"));
}

TEST(Algorithms, ASpecHasNoOtherUsage) {
    EXPECT_FALSE(allows(KeySpec::symmetric_default, KeyUsage::sign_verify));
    EXPECT_FALSE(allows(KeySpec::rsa_4096, KeyUsage::key_agreement));
    EXPECT_FALSE(allows(KeySpec::rsa_2048, KeyUsage::generate_verify_mac));
    EXPECT_FALSE(allows(KeySpec::ecc_nist_p256, KeyUsage::encrypt_decrypt));
    EXPECT_FALSE(allows(KeySpec::hmac_256, KeyUsage::sign_verify));
    EXPECT_TRUE(allows(KeySpec::rsa_4096, KeyUsage::encrypt_decrypt));
}

TEST(Algorithms, AreToldByTheNameOfTheirKind) {
    Answer answer;
    put_algorithms(answer, make_key(KeySpec::ecc_nist_p256, KeyUsage::key_agreement));
    put_algorithms(answer, make_key(KeySpec::hmac_256, KeyUsage::generate_verify_mac));
    EXPECT_EQ(json::value(answer), (json::value{{"KeyAgreementAlgorithms", json::array{"ECDH"}},
                                                {"MacAlgorithms", json::array{"HMAC_SHA_256"}}}));
}

TEST(Algorithms, AnothersIsRefusedInAwsWords) {
    const Key key = make_key(KeySpec::ecc_nist_p256, KeyUsage::sign_verify);
    EXPECT_TRUE(check_algorithm(key, "ECDSA_SHA_256").ok());
    const auto refused = check_algorithm(key, "ECDSA_SHA_384");
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(KmsErrc::invalid_key_usage));
    EXPECT_EQ(refused.error().detail(),
              "Algorithm ECDSA_SHA_384 is incompatible with key spec ECC_NIST_P256.");
}

// Each name of the list that a refusal tells is one that is known.
TEST(Algorithms, TheListsInSentencesAreTheNamesThatAreKnown) {
    const auto check = [](std::string_view list, auto parse) {
        std::string text(list.substr(1, list.size() - 2));
        std::size_t count = 0;
        for (std::size_t start = 0; start < text.size(); ++count) {
            const std::size_t end = std::min(text.find(", ", start), text.size());
            const std::string name = text.substr(start, end - start);
            const auto found = parse(name);
            EXPECT_TRUE(found && found->name == name) << name;
            start = end + 2;
        }
        return count;
    };
    EXPECT_EQ(check(kSigningAlgorithms, parse_signing_algorithm), 13U);
    EXPECT_EQ(check(kMacAlgorithms, parse_mac_algorithm), 4U);
    EXPECT_FALSE(parse_signing_algorithm("ECDSA_SHA_1"));
    EXPECT_FALSE(parse_signing_algorithm(""));
    EXPECT_FALSE(parse_mac_algorithm("hmac_sha_256"));
}

}  // namespace
}  // namespace casemate::kms
