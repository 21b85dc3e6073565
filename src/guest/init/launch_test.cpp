#include "guest/init/launch.hpp"

#include <gmock/gmock.h>

#include "guest/init/error.hpp"

namespace casemate::guest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::string_literals;

TEST(ParseLaunch, WithoutAnyFileItIsTheShellAsOnAws) {
    const auto launch = parse_launch({});
    ASSERT_TRUE(launch.ok());
    EXPECT_THAT(launch->arguments, ElementsAre("sh"));
    EXPECT_THAT(launch->environment, ElementsAre("PATH=/sbin:/usr/sbin:/bin:/usr/bin"));
    EXPECT_EQ(launch->directory, "/");
    EXPECT_EQ(launch->user, std::nullopt);
}

TEST(ParseLaunch, ReadsTheFilesOfAwsBuilder) {
    LaunchFiles files;
    files.cmd = "/bin/app\n--name\n\na b";
    files.env = "PATH=/opt/bin\nEMPTY=\n\nX=1=2\n";
    const auto launch = parse_launch(files);
    ASSERT_TRUE(launch.ok());
    EXPECT_THAT(launch->arguments, ElementsAre("/bin/app", "--name", "", "a b"));
    EXPECT_THAT(launch->environment, ElementsAre("PATH=/opt/bin", "EMPTY=", "X=1=2"));
    EXPECT_EQ(launch->user, std::nullopt);
}

TEST(ParseLaunch, ArgvGoesBeforeCmdAndMayHoldNewlines) {
    LaunchFiles files;
    files.cmd = "other\n";
    files.argv = "sh\0-c\0echo a\necho b\0\0"s;
    files.workdir = "app\n";
    const auto launch = parse_launch(files);
    ASSERT_TRUE(launch.ok());
    EXPECT_THAT(launch->arguments, ElementsAre("sh", "-c", "echo a\necho b", ""));
    EXPECT_EQ(launch->directory, "/app");
    EXPECT_EQ(launch->user, "");
}

TEST(ParseLaunch, AnEmptyArgvLeavesTheWordToCmd) {
    LaunchFiles files;
    files.argv = "";
    files.cmd = "app";
    const auto launch = parse_launch(files);
    ASSERT_TRUE(launch.ok());
    EXPECT_THAT(launch->arguments, ElementsAre("app"));
}

TEST(ParseLaunch, EnvironmentGoesBeforeEnvAndMayHoldNewlines) {
    LaunchFiles files;
    files.env = "PATH=/other\nKEY=one\ntwo\n";
    files.environment = "PATH=/opt\0KEY=one\ntwo\n\0\0EMPTY=\0"s;
    auto launch = parse_launch(files);
    ASSERT_TRUE(launch.ok());
    EXPECT_THAT(launch->environment, ElementsAre("PATH=/opt", "KEY=one\ntwo\n", "EMPTY="));
    EXPECT_EQ(launch->user, "");
    files.environment = "";
    launch = parse_launch(files);
    ASSERT_TRUE(launch.ok());
    EXPECT_THAT(launch->environment, ElementsAre("PATH=/sbin:/usr/sbin:/bin:/usr/bin"));
}

struct BadFiles {
    const char* name;
    LaunchFiles files;
    const char* sentence;
};

class ParseLaunchRefuses : public testing::TestWithParam<BadFiles> {};

TEST_P(ParseLaunchRefuses, WithASentence) {
    const auto launch = parse_launch(GetParam().files);
    ASSERT_FALSE(launch.ok());
    EXPECT_TRUE(launch.error().is(GuestErrc::bad_launch_file));
    EXPECT_THAT(launch.error().detail(), HasSubstr(GetParam().sentence));
}

INSTANTIATE_TEST_SUITE_P(
    Files, ParseLaunchRefuses,
    testing::Values(
        BadFiles{"ArgvUnterminated", {.argv = "sh\0-c"s}, "each argument in /argv to end in NUL"},
        BadFiles{
            "EmptyCommand", {.cmd = "\nx\n"}, "a command as the first argument, found an empty"},
        BadFiles{"EmptyFirstArgv", {.argv = "\0a\0"s}, "a command as the first argument"},
        BadFiles{"NulInCmd", {.cmd = "a\0b\n"s}, "text in /cmd, found a NUL byte"},
        BadFiles{"NulInEnv", {.env = "A=\0\n"s}, "text in /env, found a NUL byte"},
        BadFiles{"EnvironmentUnterminated",
                 {.environment = "A=1\0B=2"s},
                 "each variable in /environment to end in NUL"},
        BadFiles{
            "TwoWorkdirs", {.workdir = "/a\n/b\n"}, "one line of text in /workdir, found more"},
        BadFiles{"NulInUser", {.user = "a\0"s}, "one line of text in /user, found a NUL byte"}),
    [](const auto& each) { return each.param.name; });

TEST(FindVariable, TakesTheLastAndWholeNamesOnly) {
    const std::vector<std::string> environment = {"PATHS=1", "PATH=a", "PATH=b", "NONE"};
    EXPECT_EQ(find_variable(environment, "PATH"), "b");
    EXPECT_EQ(find_variable(environment, "NONE"), std::nullopt);
    EXPECT_EQ(find_variable(environment, "PAT"), std::nullopt);
}

TEST(CommandCandidates, SearchesTheImagesPathThenAwsPath) {
    EXPECT_THAT(
        command_candidates("app", "/opt:/bin:"),
        ElementsAre("/opt/app", "/bin/app", "./app", "/sbin/app", "/usr/sbin/app", "/usr/bin/app"));
}

TEST(CommandCandidates, ACommandWithASlashIsItself) {
    EXPECT_THAT(command_candidates("./app", "/opt"), ElementsAre("./app"));
}

}  // namespace
}  // namespace casemate::guest
