#include "kms/operations/random.hpp"

#include <gtest/gtest.h>

#include "kms/operations/operations_for_test.hpp"

namespace casemate::kms {
namespace {

class GenerateRandomTest : public OperationsTest {
protected:
    // random asks as one whose own policy allows it.
    Result<Answer> random(const json::object& input) {
        return ask("GenerateRandom", input, CoreForTest::caller());
    }
};

TEST_F(GenerateRandomTest, GivesBytes) {
    for (const std::size_t size : {1UL, 32UL, 1024UL}) {
        const auto answer = random({{"NumberOfBytes", size}});
        ASSERT_TRUE(answer.ok()) << answer.error().message();
        EXPECT_EQ(answer->size(), 1);
        EXPECT_EQ(blob_of(*answer, "Plaintext").size(), size);
    }
    const json::object input{{"NumberOfBytes", 32}};
    EXPECT_NE(blob_of(*random(input), "Plaintext"), blob_of(*random(input), "Plaintext"));
}

TEST_F(GenerateRandomTest, RefusesWhatAwsRefuses) {
    const json::object input{{"NumberOfBytes", 32}};
    expect_refused(random({}), KmsErrc::validation, "NumberOfBytes is required.");
    for (const int size : {0, -1, 1025}) {
        expect_error(random({{"NumberOfBytes", size}}), KmsErrc::validation);
    }
    expect_error(random({{"NumberOfBytes", "32"}}), KmsErrc::serialization);
    expect_error(random(with(input, "CustomKeyStoreId", text("cks-0123456789abcdef0"))),
                 KmsErrc::custom_key_store_not_found);
    expect_error(random(with(input, "CustomKeyStoreId", text(""))), KmsErrc::validation);
    // No key's policy has a say in it.
    expect_refused(ask("GenerateRandom", input), KmsErrc::access_denied,
                   "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: "
                   "kms:GenerateRandom on resource: * because no identity-based policy allows the "
                   "kms:GenerateRandom action");
}

}  // namespace
}  // namespace casemate::kms
