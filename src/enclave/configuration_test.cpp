#include "enclave/configuration.hpp"

#include "enclave/errors.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace casemate::enclave {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t kMiB = 1ULL << 20U;

template <class T>
bool refused(const Result<T>& result, EnclaveErrc code) {
    return !result && result.error().is(code);
}

TEST(StartConfiguration, ComesBackAsItWas) {
    StartConfiguration configuration;
    configuration.paths.state = "/state \"quoted\"";
    configuration.paths.kvm_device = "/dev/other";
    configuration.image_path = "/image\n";
    configuration.name = "näme";
    configuration.cid = 4294967294;
    configuration.cpu_ids = {1, 3};
    configuration.memory_mib = 1ULL << 40U;
    configuration.debug = true;
    configuration.acceleration = Acceleration::software;
    configuration.boot_timeout_ms = 5;
    const auto parsed = parse_configuration(to_json(configuration));
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_EQ(*parsed, configuration);
    EXPECT_EQ(parsed->memory_mib, 1ULL << 40U);
    EXPECT_EQ(parsed->name, "näme");
    EXPECT_TRUE(refused(parse_configuration("{}"), EnclaveErrc::json));
    EXPECT_TRUE(refused(parse_configuration("[[[[[[[[[[[[[[[[["), EnclaveErrc::json));
}

TEST(StartReport, ComesBackAsItWas) {
    const auto progress = parse_start_report(to_json(StartReport(Progress{"a line"})));
    ASSERT_TRUE(progress);
    EXPECT_EQ(std::get<Progress>(*progress).text, "a line");
    const auto failed = parse_start_report(to_json(StartReport(FailedReport{36, "why", "id"})));
    ASSERT_TRUE(failed);
    EXPECT_EQ(std::get<FailedReport>(*failed).code, 36);
    EnclaveRecord record;
    record.id = "i-0-enc1";
    record.measurements[8] = "abcd";
    record.end = End{EndKind::exited, "reason", 3, std::nullopt};
    record.children.push_back({"casemate-vmm", 7, 99});
    const auto started = parse_start_report(to_json(StartReport(StartedReport{record})));
    ASSERT_TRUE(started);
    EXPECT_EQ(std::get<StartedReport>(*started).record, record);
}

TEST(Record, RefusesWhatItDoesNotWrite) {
    EnclaveRecord record;
    record.end = End{EndKind::guest_panic, "x", {}, {}};
    const std::string good = to_json(record);
    ASSERT_TRUE(parse_record(good));
    for (const std::string_view part :
         {"\"cid\":0", "\"state\":\"EMPTY\"", "\"kind\":\"guest-panic\"", "\"debug\":false",
          "\"cpu_ids\":[]", "\"measurements\":{}"}) {
        std::string bad = good;
        const std::size_t at = bad.find(part);
        ASSERT_NE(at, std::string::npos) << part;
        bad.replace(at, part.size(), std::string(part.substr(0, part.find(':'))) + ":\"wrong\"");
        EXPECT_TRUE(refused(parse_record(bad), EnclaveErrc::json)) << part;
    }
    EXPECT_TRUE(refused(parse_record("{\"id\":"), EnclaveErrc::json));
}

TEST(BootTimeout, FollowsTheFormula) {
    EXPECT_EQ(boot_timeout(1, 1), std::chrono::seconds(180));
    EXPECT_EQ(boot_timeout(6 * 1024 * kMiB, 100 * 1024 * kMiB), std::chrono::seconds(180));
    EXPECT_EQ(boot_timeout(6 * 1024 * kMiB + 1, 100 * 1024 * kMiB + 1), std::chrono::seconds(360));
}

TEST(CheckMemory, IsFourTimesTheImageInWholeMebibytes) {
    EXPECT_TRUE(check_memory(16 * kMiB, 64, 1000));
    EXPECT_TRUE(check_memory(20 * kMiB, 80, 1000));
    const auto small = check_memory(20 * kMiB + 1, 80, 1000);
    EXPECT_TRUE(refused(small, EnclaveErrc::memory_too_small));
    EXPECT_THAT(small.error().detail(), HasSubstr("the minimum memory should be 84 MB"));
    EXPECT_TRUE(refused(check_memory(1, 63, 1000), EnclaveErrc::memory_too_small));
    EXPECT_TRUE(refused(check_memory(1, 0, 1000), EnclaveErrc::memory_too_small));
    EXPECT_TRUE(refused(check_memory(1, 1001, 1000), EnclaveErrc::memory_unavailable));
    EXPECT_TRUE(refused(check_memory(1, ~0ULL, ~0ULL), EnclaveErrc::memory_unavailable));
}

TEST(ChooseCpus, TakesThoseAskedForOrTheFirst) {
    const std::vector<std::uint32_t> online{0, 2, 5};
    const auto counted = choose_cpus({}, 2, online);
    ASSERT_TRUE(counted);
    EXPECT_THAT(*counted, ElementsAre(0, 2));
    const auto named = choose_cpus({5, 0}, 0, online);
    ASSERT_TRUE(named);
    EXPECT_THAT(*named, ElementsAre(5, 0));
    EXPECT_TRUE(refused(choose_cpus({5, 5}, 0, online), EnclaveErrc::duplicate_cpu));
    EXPECT_TRUE(refused(choose_cpus({1}, 0, online), EnclaveErrc::no_such_cpu));
    EXPECT_TRUE(refused(choose_cpus({}, 4, online), EnclaveErrc::insufficient_cpus));
    EXPECT_TRUE(refused(choose_cpus({}, 0, online), EnclaveErrc::machine_refused));
}

TEST(Acceleration, IsReadByItsName) {
    for (const auto acceleration :
         {Acceleration::automatic, Acceleration::kvm, Acceleration::software}) {
        const auto parsed = parse_acceleration(name_of(acceleration));
        ASSERT_TRUE(parsed);
        EXPECT_EQ(*parsed, acceleration);
    }
    EXPECT_TRUE(refused(parse_acceleration("fast"), EnclaveErrc::invalid_argument));
}

TEST(Timestamp, IsUtcWithMilliseconds) {
    EXPECT_EQ(timestamp(0), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(timestamp(1795255691007), "2026-11-21T10:08:11.007Z");
}

}  // namespace
}  // namespace casemate::enclave
