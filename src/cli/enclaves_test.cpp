#include "cli/enclaves.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/main.hpp"
#include "enclave/errors.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace casemate::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

enclave::EnclaveRecord example() {
    enclave::EnclaveRecord record;
    record.id = "i-0123456789abcdef0-enc18c2a4f0e1d2c3b4";
    record.name = "hello";
    record.supervisor = 12345;
    record.cid = 16;
    record.cpu_ids = {1, 3};
    record.memory_mib = 1024;
    record.state = enclave::EnclaveState::running;
    record.measurements = {{0, "aa"}, {1, "bb"}, {2, "cc"}};
    return record;
}

// The layout of nitro-cli.md 2.1, to the byte.
TEST(EnclaveJson, RunEnclavePrintsNitroCliLayout) {
    EXPECT_EQ(identity_json(example()).pretty(), R"({
  "EnclaveName": "hello",
  "EnclaveID": "i-0123456789abcdef0-enc18c2a4f0e1d2c3b4",
  "ProcessID": 12345,
  "EnclaveCID": 16,
  "NumberOfCPUs": 2,
  "CPUIDs": [
    1,
    3
  ],
  "MemoryMiB": 1024
})");
}

TEST(EnclaveJson, DescribeEnclavesAddsStateFlagsAndMeasurements) {
    enclave::EnclaveRecord record = example();
    const std::string text = description_json(record, false).pretty();
    EXPECT_THAT(text, HasSubstr(R"(  "MemoryMiB": 1024,
  "State": "RUNNING",
  "Flags": "NONE",
  "Measurements": {
    "HashAlgorithm": "Sha384 { ... }",
    "PCR0": "aa",
    "PCR1": "bb",
    "PCR2": "cc"
  }
})"));
    record.debug = true;
    record.state = enclave::EnclaveState::terminating;
    record.measurements[8] = "dd";
    const std::string other = description_json(record, false).pretty();
    EXPECT_THAT(other, HasSubstr(R"("State": "TERMINATING",
  "Flags": "DEBUG_MODE")"));
    EXPECT_THAT(other, HasSubstr("\"PCR8\": \"dd\""));
}

TEST(EnclaveJson, MetadataIsShownWhenAskedFor) {
    enclave::EnclaveRecord record = example();
    record.image_metadata =
        R"({"ImageName":"app","ImageVersion":"1.0","BuildMetadata":{"BuildTime":"t",)"
        R"("BuildTool":"casemate","BuildToolVersion":"1","OperatingSystem":"Linux",)"
        R"("KernelVersion":"6"},"DockerInfo":null,"CustomMetadata":null})";
    EXPECT_THAT(description_json(record, true).pretty(), HasSubstr("\"ImageName\": \"app\""));
    EXPECT_THAT(description_json(record, false).pretty(), Not(HasSubstr("ImageName")));
    record.image_metadata = "not JSON";
    EXPECT_THAT(description_json(record, true).pretty(), Not(HasSubstr("ImageName")));
}

TEST(EnclaveJson, HistoryTellsTheEnd) {
    enclave::EnclaveRecord record = example();
    record.ended_ms = 1;
    record.end = enclave::End{enclave::EndKind::exited, "why", 3, std::nullopt};
    const std::string text = history_json(record).pretty();
    EXPECT_THAT(text, HasSubstr("\"EndKind\": \"exited\""));
    EXPECT_THAT(text, HasSubstr("\"Reason\": \"why\""));
    EXPECT_THAT(text, HasSubstr("\"ExitStatus\": 3"));
    EXPECT_THAT(text, HasSubstr("\"Signal\": null"));
    EXPECT_THAT(text, HasSubstr("\"Ended\": \"1970-01-01T00:00:00.001Z\""));
}

// AWS's shape is kept where Casemate's own options were not used and nothing is wrong.
TEST(EnclaveJson, HealthIsShownOfWatchedAndOfUnhealthyEnclaves) {
    enclave::EnclaveRecord record = example();
    record.health = enclave::HealthState::healthy;
    EXPECT_THAT(description_json(record, false).pretty(), Not(HasSubstr("Health")));
    record.restart = "on-failure:3";
    EXPECT_THAT(description_json(record, false).pretty(),
                HasSubstr("  },\n  \"Health\": \"healthy\"\n}"));
    record.restart = "no";
    record.health = enclave::HealthState::unhealthy;
    record.health_reason = "why";
    EXPECT_THAT(description_json(record, false).pretty(), HasSubstr("\"Health\": \"unhealthy\""));
    record.restarts = 2;
    record.last_end = enclave::End{enclave::EndKind::killed_inside, "before", std::nullopt, 9};
    EXPECT_THAT(history_json(record).pretty(), HasSubstr(R"(  "Health": "unhealthy",
  "HealthReason": "why",
  "Restart": "no",
  "Restarts": 2,
  "LastEnd": {
    "EndKind": "killed-inside",
    "Reason": "before",
    "ExitStatus": null,
    "Signal": 9
  })"));
}

TEST(EnclaveErrors, KeepNitroCliNumbers) {
    EXPECT_EQ(code_of(Error(enclave::EnclaveErrc::memory_too_small, "x"), ErrorCode::unspecified),
              ErrorCode::insufficient_memory_requested);
    EXPECT_EQ(code_of(Error(JsonErrc::malformed, "x"), ErrorCode::eif_parsing),
              ErrorCode::eif_parsing);
}

class EnclaveVerbs : public testing::Test {
protected:
    void SetUp() override {
        const std::string base = testing::TempDir() + "casemate-cli-test";
        ::setenv("CASEMATE_STATE_DIR", (base + "/state").c_str(), 1);
        ::setenv("CASEMATE_RUNTIME_DIR", (base + "/run").c_str(), 1);
    }

    int run_it(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "casemate");
        return run(arguments, out_, err_);
    }

    std::ostringstream out_;
    std::ostringstream err_;
};

TEST_F(EnclaveVerbs, WithoutEnclavesListsAreEmpty) {
    EXPECT_EQ(run_it({"describe-enclaves"}), 0);
    EXPECT_EQ(run_it({"ps", "--output", "json"}), 0);
    EXPECT_EQ(run_it({"terminate-enclave", "--all"}), 0);
    EXPECT_EQ(out_.str(), "[]\n[]\n[]\n");
    EXPECT_EQ(err_.str(), "");
}

TEST_F(EnclaveVerbs, UnknownEnclavesHaveTheirNumbers) {
    EXPECT_EQ(run_it({"terminate-enclave", "--enclave-id", "i-0-enc1"}), 11);
    EXPECT_EQ(run_it({"terminate-enclave", "--enclave-id", "../../etc"}), 11);
    EXPECT_EQ(run_it({"terminate-enclave", "--enclave-name", "none"}), 58);
    EXPECT_EQ(run_it({"console", "--enclave-id", "i-0-enc1"}), 11);
    EXPECT_EQ(run_it({"logs", "i-0-enc1"}), 19);
    EXPECT_EQ(run_it({"logs", "../../etc"}), 3);
    EXPECT_EQ(run_it({"logs", "--enclave-name", "none"}), 58);
    EXPECT_EQ(run_it({"health", "--enclave-name", "none"}), 58);
    EXPECT_EQ(run_it({"health", "--enclave-id", "i-0-enc1"}), 11);
    EXPECT_EQ(out_.str(), "");
}

TEST_F(EnclaveVerbs, LogsShowTheLastLinesOfTheLastEnclaveOfAName) {
    const std::string base = testing::TempDir() + "casemate-cli-test/state/enclaves/";
    enclave::EnclaveRecord record = example();
    record.end = enclave::End{enclave::EndKind::exited, "done", 0, std::nullopt};
    for (const std::string id : {"i-0-enc18c2a4f0e1d2c301", "i-0-enc18c2a4f0e1d2c302"}) {
        std::filesystem::create_directories(base + id);
        record.id = id;
        std::ofstream(base + id + "/record.json") << enclave::to_json(record);
        std::ofstream(base + id + "/log") << id << "\nsecond\nthird\n";
        std::ofstream(base + id + "/console.log") << "console one\nconsole two";
    }
    EXPECT_EQ(run_it({"logs", "--enclave-name", "hello"}), 0);
    EXPECT_EQ(out_.str(), "i-0-enc18c2a4f0e1d2c302\nsecond\nthird\nconsole one\nconsole two");
    out_.str("");
    EXPECT_EQ(run_it({"logs", "i-0-enc18c2a4f0e1d2c301", "--tail", "1", "--follow"}), 0);
    EXPECT_EQ(out_.str(), "third\nconsole two");
    out_.str("");
    EXPECT_EQ(run_it({"logs", "i-0-enc18c2a4f0e1d2c301", "--tail", "0"}), 0);
    EXPECT_EQ(out_.str(), "");
    std::filesystem::remove_all(base);
}

TEST_F(EnclaveVerbs, ANameThatCouldDriveATerminalIsRefused) {
    EXPECT_EQ(run_it({"run-enclave", "--eif-path", "x.eif", "--cpu-count", "1", "--memory", "64",
                      "--enclave-name", "\x1b[31m"}),
              3);
}

TEST_F(EnclaveVerbs, DoctorTellsAllItLookedAt) {
    static_cast<void>(run_it({"doctor", "--output", "json"}));
    const auto json = Json::parse(out_.str());
    ASSERT_TRUE(json);
    ASSERT_NE(json->find("Acceleration"), nullptr);
    for (const char* name : {"KVM", "Software host", "Programs", "Guest kernel", "CPUs and memory",
                             "Huge pages", "vhost-vsock", "State directory", "Runtime directory"}) {
        EXPECT_THAT(out_.str(), HasSubstr("\"Name\": \"" + std::string(name) + "\""));
    }
}

}  // namespace
}  // namespace casemate::cli
