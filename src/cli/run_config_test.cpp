#include "cli/run_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace casemate::cli {
namespace {

TEST(RunConfigTest, EveryKey) {
    const auto parsed = parse_run_config(
        R"({"eif_path": "a.eif", "memory_mib": 512, "enclave_cid": 16, "cpu_ids": [1, 3],
            "debug_mode": true, "attach_console": false, "enclave_name": "n", "future": {}})");
    const auto* run = std::get_if<RunEnclaveArguments>(&parsed);
    ASSERT_NE(run, nullptr);
    RunEnclaveArguments expected;
    expected.eif_path = "a.eif";
    expected.memory_mib = 512;
    expected.enclave_cid = 16;
    expected.cpu_ids = {1, 3};
    expected.debug_mode = true;
    expected.enclave_name = "n";
    EXPECT_EQ(*run, expected);
}

TEST(RunConfigTest, HowItIsLookedAfter) {
    const auto parsed = parse_run_config(
        R"({"eif_path": "a", "memory_mib": 1, "cpu_count": 1, "health_port": 80,
            "health_interval": 2, "health_retries": 4, "health_start_period": 9,
            "liveness_timeout": 60, "restart": "on-failure:2", "shutdown_timeout": 30})");
    const auto* run = std::get_if<RunEnclaveArguments>(&parsed);
    ASSERT_NE(run, nullptr);
    EXPECT_EQ(run->watch, (WatchArguments{80, 2, 4, 9, 60, "on-failure:2", 30}));
}

TEST(RunConfigTest, NullIsAbsent) {
    const auto parsed = parse_run_config(
        R"({"eif_path": "a", "memory_mib": 1, "enclave_cid": null, "cpu_ids": null, "cpu_count": 2})");
    const auto* run = std::get_if<RunEnclaveArguments>(&parsed);
    ASSERT_NE(run, nullptr);
    EXPECT_FALSE(run->enclave_cid.has_value());
    EXPECT_EQ(run->cpu_count, 2U);
}

TEST(RunConfigTest, MistakesHaveAPlace) {
    const auto parsed = parse_run_config("{\n  \"eif_path\": \"a\",\n  \"memory_mib\" 1\n}");
    const auto* error = std::get_if<CommandError>(&parsed);
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->code, ErrorCode::serialization);
    EXPECT_TRUE(error->sentence.starts_with("The configuration file: expected JSON: "))
        << error->sentence;
    EXPECT_TRUE(error->sentence.ends_with(", at line 3, column 16.")) << error->sentence;
}

struct Refusal {
    const char* text;
    ErrorCode code;
};

class RunConfigRefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(RunConfigRefusalTest, Code) {
    const auto parsed = parse_run_config(GetParam().text);
    const auto* error = std::get_if<CommandError>(&parsed);
    ASSERT_NE(error, nullptr) << GetParam().text;
    EXPECT_EQ(error->code, GetParam().code) << error->sentence;
}

INSTANTIATE_TEST_SUITE_P(
    All, RunConfigRefusalTest,
    testing::Values(
        Refusal{"", ErrorCode::serialization}, Refusal{"{", ErrorCode::serialization},
        Refusal{"[]", ErrorCode::serialization},
        Refusal{R"({"memory_mib": 1, "cpu_count": 1})", ErrorCode::serialization},
        Refusal{R"({"eif_path": "a", "cpu_count": 1})", ErrorCode::serialization},
        Refusal{R"({"eif_path": "a", "memory_mib": 1})", ErrorCode::missing_argument},
        Refusal{R"({"eif_path": "a", "memory_mib": 1, "cpu_ids": []})",
                ErrorCode::missing_argument},
        Refusal{R"({"eif_path": "a", "memory_mib": 1, "cpu_ids": [1], "cpu_count": 1})",
                ErrorCode::conflicting_arguments},
        Refusal{R"({"eif_path": 1, "memory_mib": 1, "cpu_count": 1})", ErrorCode::serialization},
        Refusal{R"({"eif_path": "a", "memory_mib": "1G", "cpu_count": 1})",
                ErrorCode::serialization},
        Refusal{R"({"eif_path": "a", "memory_mib": -1, "cpu_count": 1})", ErrorCode::serialization},
        Refusal{R"({"eif_path": "a", "memory_mib": 1.5, "cpu_count": 1})",
                ErrorCode::serialization},
        Refusal{R"({"eif_path": "a", "memory_mib": 18446744073709551615, "cpu_count": 1})",
                ErrorCode::serialization},
        Refusal{R"({"eif_path": "a", "memory_mib": 1, "cpu_ids": [-1]})", ErrorCode::serialization},
        Refusal{R"({"eif_path": "a", "memory_mib": 1, "cpu_ids": [4294967296]})",
                ErrorCode::serialization},
        Refusal{R"({"eif_path": "a", "memory_mib": 1, "cpu_count": 1, "debug_mode": 1})",
                ErrorCode::serialization},
        Refusal{R"({"eif_path": "a", "memory_mib": 1, "cpu_count": 1, "restart": 3})",
                ErrorCode::serialization},
        Refusal{R"({"eif_path": "a", "memory_mib": 1, "cpu_count": 1, "restart": "often"})",
                ErrorCode::invalid_argument},
        Refusal{R"({"eif_path": "a", "memory_mib": 1, "cpu_count": 1, "health_port": 0})",
                ErrorCode::invalid_argument},
        Refusal{R"({"eif_path": "a", "memory_mib": 1, "cpu_count": 1, "enclave_cid": 3})",
                ErrorCode::invalid_argument}));

}  // namespace
}  // namespace casemate::cli
