#include "cli/arguments.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/file.hpp"
#include "base/temporary_directory.hpp"

namespace casemate::cli {
namespace {

using testing::HasSubstr;

std::vector<std::string> words(const std::string& line, const std::string& program = "nitro-cli") {
    std::istringstream stream(line);
    std::vector<std::string> out = {program};
    for (std::string word; stream >> word;) {
        out.push_back(word);
    }
    return out;
}

Parsed parse_line(const std::string& line) {
    return parse(words(line));
}

// Kind of answer: runs, usage error, or an error code.
std::string answer(const std::string& line) {
    const Parsed parsed = parse_line(line);
    if (const auto* end = std::get_if<UsageEnd>(&parsed)) {
        EXPECT_EQ(end->status == 0, end->standard_error.empty());
        return end->status == 0 ? "shows" : "usage " + std::to_string(end->status);
    }
    if (const auto* error = std::get_if<CommandError>(&parsed)) {
        return label(error->code);
    }
    return "runs";
}

struct Case {
    const char* line;
    const char* answer;
};

class ArgumentsTest : public testing::TestWithParam<Case> {};

TEST_P(ArgumentsTest, Answer) {
    EXPECT_EQ(answer(GetParam().line), GetParam().answer) << GetParam().line;
}

INSTANTIATE_TEST_SUITE_P(
    RunEnclave, ArgumentsTest,
    testing::Values(
        Case{"run-enclave --cpu-count 2 --memory 512 --eif-path a.eif", "runs"},
        Case{"run-enclave --cpu-ids 1 3 --memory 512 --eif-path a.eif", "runs"},
        Case{"run-enclave --memory 512 --cpu-ids 1 3", "usage 2"},
        Case{"run-enclave --memory 512 --eif-path a.eif", "usage 2"},
        Case{"run-enclave --cpu-count 2 --eif-path a.eif", "usage 2"},
        Case{"run-enclave --cpu-count 2 --cpu-ids 1 3 --memory 512 --eif-path a.eif", "usage 2"},
        Case{"run-enclave --cpu-count 2 --cpu-count 2 --memory 512 --eif-path a.eif", "usage 2"},
        Case{"run-enclave --cpu-count --memory 512 --eif-path a.eif", "usage 2"},
        Case{"run-enclave --cpu-ids --memory 512 --eif-path a.eif", "usage 2"},
        Case{"run-enclave --cpu-count 2 --memory 512 --eif-path a.eif stray", "usage 2"},
        Case{"run-enclave --cpu-count 2 --memory 512 --eif-path a.eif --unknown", "usage 2"},
        Case{"run-enclave --cpu-count 2 --memory -10 --eif-path a.eif", "usage 2"},
        Case{"run-enclave --cpu-count two --memory 512 --eif-path a.eif", "E03"},
        Case{"run-enclave --cpu-count 4294967296 --memory 512 --eif-path a.eif", "E03"},
        Case{"run-enclave --cpu-ids 1 x --memory 512 --eif-path a.eif", "E03"},
        Case{"run-enclave --cpu-count 2 --memory VVV --eif-path a.eif", "E03"},
        Case{"run-enclave --cpu-count 2 --memory 1K --eif-path a.eif", "E03"},
        Case{"run-enclave --cpu-count 2 --memory M --eif-path a.eif", "E03"},
        Case{"run-enclave --cpu-count 2 --memory 99999999999999T --eif-path a.eif", "E03"},
        // 0 is a number; run-enclave itself answers it with E26.
        Case{"run-enclave --cpu-count 2 --memory 0 --eif-path a.eif", "runs"},
        Case{"run-enclave --cpu-count 2 --memory 1 --eif-path a --enclave-cid 0", "runs"},
        Case{"run-enclave --cpu-count 2 --memory 1 --eif-path a --enclave-cid 1", "E03"},
        Case{"run-enclave --cpu-count 2 --memory 1 --eif-path a --enclave-cid 2", "E03"},
        Case{"run-enclave --cpu-count 2 --memory 1 --eif-path a --enclave-cid 3", "E03"},
        Case{"run-enclave --cpu-count 2 --memory 1 --eif-path a --enclave-cid 4", "runs"},
        Case{"run-enclave --cpu-count 2 --memory 1 --eif-path a --enclave-cid 4294967294", "runs"},
        Case{"run-enclave --cpu-count 2 --memory 1 --eif-path a --enclave-cid 4294967295", "E03"},
        Case{"run-enclave --cpu-count 2 --memory 1 --eif-path a --enclave-cid 4294967296", "E03"},
        Case{"run-enclave --cpu-count 2 --memory 1 --eif-path a --enclave-cid 0x10", "E03"},
        Case{"run-enclave --cpu-count 2 --memory 1 --eif-path a --accel software", "runs"},
        Case{"run-enclave --cpu-count 2 --memory 1 --eif-path a --accel xen", "usage 2"},
        Case{"run-enclave --cpu-count 2 --memory 1 --eif-path a --boot-timeout 30", "runs"},
        Case{"run-enclave --cpu-count 2 --memory 1 --eif-path a --boot-timeout soon", "E03"},
        Case{"run-enclave --cpu-count 2 --memory 1 --eif-path a --boot-timeout -1", "usage 2"},
        Case{"run-enclave --cpu-count 2 --memory 1 --eif-path a --boot-timeout 4294967296", "E03"},
        Case{"run-enclave --config /does/not/exist", "E19"},
        Case{"run-enclave --config /does/not/exist --attach-console", "E19"},
        Case{"run-enclave --config c --cpu-count 2", "usage 2"},
        Case{"run-enclave --config c --cpu-ids 2", "usage 2"},
        Case{"run-enclave --config c --memory 2", "usage 2"},
        Case{"run-enclave --config c --eif-path 2", "usage 2"},
        Case{"run-enclave --config c --enclave-cid 7", "usage 2"},
        Case{"run-enclave --config c --enclave-name n", "usage 2"},
        Case{"run-enclave --config c --debug-mode", "usage 2"}));

INSTANTIATE_TEST_SUITE_P(
    Others, ArgumentsTest,
    testing::Values(
        Case{"", "usage 2"}, Case{"--help", "shows"}, Case{"-h", "shows"},
        Case{"--version", "shows"}, Case{"-V", "shows"}, Case{"run-enclave --help", "shows"},
        Case{"nonsense", "usage 2"}, Case{"--nonsense", "usage 2"},
        Case{"describe-enclaves", "runs"}, Case{"describe-enclaves --metadata", "runs"},
        Case{"describe-enclaves extra", "usage 2"},
        Case{"describe-enclaves --output table", "runs"},
        Case{"describe-enclaves --output text", "usage 2"},
        Case{"describe-eif --eif-path a --output json", "runs"},
        Case{"describe-eif --eif-path a --output=table", "runs"},
        Case{"terminate-enclave", "usage 2"}, Case{"terminate-enclave --all", "runs"},
        Case{"terminate-enclave --enclave-id i-1", "runs"},
        Case{"terminate-enclave --enclave-name n", "runs"},
        Case{"terminate-enclave --enclave-id i-1 --enclave-name n", "usage 2"},
        Case{"terminate-enclave --enclave-id i-1 --all", "usage 2"},
        Case{"terminate-enclave --enclave-name n --all", "usage 2"}, Case{"console", "usage 2"},
        Case{"console --enclave-id i-1", "runs"}, Case{"console --enclave-name n", "runs"},
        Case{"console --enclave-id i-1 --enclave-name n", "usage 2"},
        Case{"console --enclave-id i-1 --disconnect-timeout 10", "runs"},
        Case{"console --enclave-id i-1 --disconnect-timeout soon", "E03"},
        Case{"build-enclave --docker-uri dir:a --output-file b", "runs"},
        Case{"build-enclave --docker-uri dir:a", "usage 2"},
        Case{"build-enclave --output-file b", "usage 2"},
        Case{"build-enclave --docker-uri a --output-file b --private-key k", "usage 2"},
        Case{"build-enclave --docker-uri a --output-file b --signing-certificate c", "usage 2"},
        Case{"build-enclave --docker-uri a --output-file b --signing-certificate c --private-key k",
             "runs"},
        Case{"build-enclave --docker-uri a --docker-dir d --output-file b --name n --version 1 "
             "--metadata m --kernel k --cmdline c",
             "runs"},
        Case{"describe-eif", "usage 2"}, Case{"describe-eif --eif-path a", "runs"},
        Case{"sign-eif", "runs"}, Case{"sign-eif --eif-path a", "runs"},
        Case{"sign-eif --eif-path a --signing-certificate c --private-key k", "runs"},
        Case{"sign-eif --eif-path a --signing-certificate c", "usage 2"},
        Case{"sign-eif --eif-path a --private-key k", "usage 2"},
        Case{"sign-eif --signing-certificate c --private-key k", "runs"},
        Case{"sign-eif --eif-path a b", "usage 2"}, Case{"pcr", "usage 2"},
        Case{"pcr --input a", "runs"}, Case{"pcr --signing-certificate a", "runs"},
        Case{"pcr --input a --signing-certificate b", "usage 2"}, Case{"explain", "usage 2"},
        Case{"explain --error-code E01", "runs"}, Case{"doctor", "runs"},
        Case{"ps --output table", "runs"}, Case{"ps --output text", "runs"},
        Case{"ps --output json", "runs"}, Case{"ps --output xml", "usage 2"},
        Case{"doctor --output json", "runs"}, Case{"doctor --output xml", "usage 2"},
        Case{"logs", "usage 2"}, Case{"logs i-1", "runs"}, Case{"ps", "runs"},
        Case{"logs --enclave-name n --follow --tail 5", "runs"},
        Case{"logs i-1 --enclave-name n", "usage 2"}, Case{"logs i-1 --tail x", "E03"},
        Case{"health", "usage 2"}, Case{"health --enclave-name n", "runs"},
        Case{"health --enclave-name n --enclave-id i", "usage 2"},
        Case{"terminate-enclave --all --timeout 30", "runs"},
        Case{"terminate-enclave --enclave-id i --force", "runs"},
        Case{"terminate-enclave --enclave-id i --force --timeout 1", "usage 2"},
        Case{"terminate-enclave --enclave-id i --timeout 86401", "E03"},
        Case{"terminate-enclave --enclave-id i --timeout -1", "usage 2"},
        Case{"terminate-enclave --timeout 5", "usage 2"}, Case{"ps --all", "runs"},
        Case{"vsock", "usage 2"}, Case{"vsock connect 16", "usage 2"},
        Case{"vsock connect 16 5000", "runs"}, Case{"vsock connect 16 port", "E03"},
        Case{"vsock connect 16 4294967296", "E03"}, Case{"vsock listen 9000", "runs"},
        Case{"vsock listen", "usage 2"}, Case{"authority", "usage 2"},
        Case{"authority show", "runs"}, Case{"authority other", "usage 2"},
        Case{"authority init --root-key a --region-key b", "runs"},
        Case{"authority export-root --output f", "runs"},
        Case{"authority status --output json", "runs"},
        Case{"authority status --output yaml", "usage 2"}, Case{"authority rotate --root", "runs"},
        Case{"authority init --root", "usage 2"}, Case{"authority show --output f", "usage 2"}));

template <class Arguments>
Arguments parsed_as(const Parsed& parsed) {
    const auto* invocation = std::get_if<Invocation>(&parsed);
    const auto* arguments = invocation == nullptr ? nullptr : std::get_if<Arguments>(invocation);
    EXPECT_NE(arguments, nullptr);
    return arguments == nullptr ? Arguments() : *arguments;
}

TEST(RunEnclaveArgumentsTest, Values) {
    const auto run = parsed_as<RunEnclaveArguments>(
        parse_line("run-enclave --cpu-ids 1 3 --memory 2G --eif-path a.eif --enclave-cid 16 "
                   "--enclave-name hello --attach-console --accel kvm --boot-timeout 7"));
    EXPECT_THAT(run.cpu_ids, testing::ElementsAre(1, 3));
    EXPECT_FALSE(run.cpu_count.has_value());
    EXPECT_EQ(run.memory_mib, 2048U);
    EXPECT_EQ(run.eif_path, "a.eif");
    EXPECT_EQ(run.enclave_cid, 16U);
    EXPECT_EQ(run.enclave_name, "hello");
    EXPECT_TRUE(run.attach_console);
    EXPECT_TRUE(run.debug_mode) << "attach-console implies debug mode";
    EXPECT_EQ(run.acceleration, Acceleration::kvm);
    EXPECT_EQ(run.boot_timeout_seconds, 7U);
}

TEST(RunEnclaveArgumentsTest, MemoryUnits) {
    const auto mib = [](const std::string& memory) {
        return parsed_as<RunEnclaveArguments>(
                   parse_line("run-enclave --cpu-count 1 --eif-path a --memory " + memory))
            .memory_mib;
    };
    EXPECT_EQ(mib("512"), 512U);
    EXPECT_EQ(mib("512m"), 512U);
    EXPECT_EQ(mib("3g"), 3072U);
    EXPECT_EQ(mib("1T"), 1048576U);
}

TEST(RunEnclaveArgumentsTest, AccelerationOfTheEnvironment) {
    const std::string line = "run-enclave --cpu-count 1 --eif-path a --memory 1";
    EXPECT_EQ(parsed_as<RunEnclaveArguments>(parse(words(line), "software")).acceleration,
              Acceleration::software);
    EXPECT_EQ(parsed_as<RunEnclaveArguments>(parse(words(line + " --accel auto"), "software"))
                  .acceleration,
              Acceleration::automatic);
    EXPECT_TRUE(std::holds_alternative<CommandError>(parse(words(line), "hardware")));
}

TEST(RunEnclaveArgumentsTest, Configuration) {
    const auto directory = TemporaryDirectory::create();
    ASSERT_TRUE(directory.ok());
    const std::string path = directory->path() + "/config.json";
    std::ofstream(path) << R"({"eif_path": "b.eif", "memory_mib": 256, "cpu_count": 2})";
    const auto run =
        parsed_as<RunEnclaveArguments>(parse_line("run-enclave --attach-console --config " + path));
    EXPECT_EQ(run.eif_path, "b.eif");
    EXPECT_EQ(run.memory_mib, 256U);
    EXPECT_EQ(run.cpu_count, 2U);
    EXPECT_TRUE(run.attach_console);
    EXPECT_TRUE(run.debug_mode);
}

TEST(OtherArgumentsTest, Values) {
    const auto connect = parsed_as<VsockConnectArguments>(parse_line("vsock connect 16 5000"));
    EXPECT_EQ(connect.cid, 16U);
    EXPECT_EQ(connect.port, 5000U);
    EXPECT_EQ(parsed_as<VsockListenArguments>(parse_line("vsock listen 9")).port, 9U);
    const auto rotate =
        parsed_as<AuthorityArguments>(parse_line("authority rotate --root --region-key u"));
    EXPECT_EQ(rotate.action, AuthorityAction::rotate);
    EXPECT_TRUE(rotate.root);
    EXPECT_EQ(rotate.region_key, "u");
    EXPECT_TRUE(parsed_as<AuthorityArguments>(parse_line("authority status --output json")).json);
    EXPECT_EQ(parsed_as<LogsArguments>(parse_line("logs i-1")).selector.id, "i-1");
    EXPECT_TRUE(parsed_as<DoctorArguments>(parse_line("doctor --output json")).json);
    EXPECT_FALSE(parsed_as<DoctorArguments>(parse_line("doctor")).json);
    const auto console =
        parsed_as<ConsoleArguments>(parse_line("console --enclave-name n --disconnect-timeout 7"));
    EXPECT_EQ(console.selector.name, "n");
    EXPECT_EQ(console.disconnect_timeout_seconds, 7U);
    const auto build = parsed_as<BuildEnclaveArguments>(
        parse({"casemate", "build-enclave", "--docker-uri", "dir:a", "--output-file", "b",
               "--cmdline", "console=ttyS0 panic=1", "--", "/bin/app", "--memory", "-x"}));
    EXPECT_THAT(build.command, testing::ElementsAre("/bin/app", "--memory", "-x"));
    EXPECT_EQ(build.docker_uri, "dir:a");
    EXPECT_EQ(build.cmdline, "console=ttyS0 panic=1");
    EXPECT_FALSE(build.kernel.has_value());
}

TEST(ProgramNameTest, DecidesWhatItSaysItIs) {
    const auto version = [](const std::string& program) {
        return std::get<UsageEnd>(parse({program, "--version"})).standard_output;
    };
    EXPECT_EQ(version("nitro-cli"), "Nitro CLI " CASEMATE_VERSION "\n");
    EXPECT_EQ(version("/usr/bin/nitro-cli"), "Nitro CLI " CASEMATE_VERSION "\n");
    EXPECT_EQ(version("/usr/bin/casemate"), "casemate " CASEMATE_VERSION "\n");
}

TEST(UsageErrorTest, NamesWhatIsUnknown) {
    const auto end = std::get<UsageEnd>(parse_line("nonsense"));
    EXPECT_THAT(end.standard_error, HasSubstr("unrecognized subcommand 'nonsense'"));
}

// Each option of looking after an enclave: its limits, and that it takes the place of the file's.
TEST(ArgumentsOfWatching, LimitsAndDefaults) {
    const std::string run = "run-enclave --cpu-count 1 --memory 64 --eif-path a ";
    for (const char* good :
         {"--health-port 1", "--health-port 4294967294", "--health-port 1 --health-interval 1",
          "--health-retries 1000 --health-port 1", "--health-port 1 --health-start-period 0",
          "--liveness-timeout 0", "--liveness-timeout 10", "--restart no", "--restart on-failure",
          "--restart always", "--restart on-failure:3", "--shutdown-timeout 0",
          "--shutdown-timeout 86400", "--wait"}) {
        EXPECT_EQ(answer(run + good), "runs") << good;
    }
    for (const char* bad :
         {"--health-port 0", "--health-port 4294967295", "--health-port x",
          "--health-port 1 --health-interval 0", "--health-port 1 --health-retries 0",
          "--health-port 1 --health-retries 1001", "--health-port 1 --health-start-period 86401",
          "--liveness-timeout 9", "--restart maybe", "--restart on-failure:0",
          "--shutdown-timeout 86401"}) {
        EXPECT_EQ(answer(run + bad), "E03") << bad;
    }
    const auto plain = parsed_as<RunEnclaveArguments>(parse_line(run));
    EXPECT_EQ(plain.watch, WatchArguments());
    EXPECT_FALSE(plain.wait);
    const auto full = parsed_as<RunEnclaveArguments>(
        parse_line(run + "--health-port 80 --restart on-failure:3 --shutdown-timeout 7"));
    EXPECT_EQ(full.watch.health_port, 80U);
    EXPECT_EQ(full.watch.restart, "on-failure:3");
    EXPECT_EQ(full.watch.shutdown_seconds, 7U);
}

// How often and how long a port is tried says nothing without a port, wherever either is said.
TEST(ArgumentsOfWatching, WhatIsOfTheHealthPortNeedsIt) {
    const auto directory = TemporaryDirectory::create();
    ASSERT_TRUE(directory.ok());
    const auto with_file = [&](const std::string& members, const std::string& options) {
        const std::string path = directory->path() + "/config.json";
        EXPECT_TRUE(write_file_atomically(path, as_bytes(R"({"eif_path": "a", "memory_mib": 1, )"
                                                         R"("cpu_count": 1)" +
                                                         members + "}"))
                        .ok());
        return "run-enclave --config " + path + options;
    };
    for (const std::string option : {"health-interval", "health-retries", "health-start-period"}) {
        const std::string given = " --" + option + " 2";
        std::string key = option;
        std::replace(key.begin(), key.end(), '-', '_');
        const std::string member = ", \"" + key + "\": 2";
        const auto end = std::get<UsageEnd>(
            parse_line("run-enclave --cpu-count 1 --memory 64 --eif-path a" + given));
        EXPECT_EQ(end.status, 2);
        EXPECT_THAT(end.standard_error,
                    HasSubstr("error: the following required arguments were not provided:\n"
                              "  --health-port <health-port>\n"));
        for (const std::string& bad : {with_file("", given), with_file(member, "")}) {
            const auto parsed = parse_line(bad);
            const auto* error = std::get_if<CommandError>(&parsed);
            ASSERT_NE(error, nullptr) << bad;
            EXPECT_EQ(label(error->code), "E01");
            EXPECT_EQ(error->sentence,
                      "Expected `health-port` beside `" + option + "`, found none.");
        }
        EXPECT_EQ(answer(with_file(", \"health_port\": 80", given)), "runs");
        EXPECT_EQ(answer(with_file(member, " --health-port 80")), "runs");
    }
}

TEST(ArgumentsOfWatching, TimesToEnd) {
    const auto parse_end = [](const std::string& line) {
        return parsed_as<TerminateEnclaveArguments>(parse_line(line)).timeout_seconds;
    };
    EXPECT_EQ(parse_end("terminate-enclave --all"), std::nullopt);
    EXPECT_EQ(parse_end("terminate-enclave --all --timeout 30"), 30U);
    EXPECT_EQ(parse_end("terminate-enclave --all --force"), 0U);
}

}  // namespace
}  // namespace casemate::cli
