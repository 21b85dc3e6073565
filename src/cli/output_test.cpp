#include "cli/output.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "base/file.hpp"
#include "base/temporary_directory.hpp"

namespace casemate::cli {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class OutputTest : public testing::Test {
protected:
    std::ostringstream out_;
    std::ostringstream err_;
};

TEST_F(OutputTest, ErrorsHaveNitroClisShape) {
    Output output(out_, err_, {});
    EXPECT_EQ(output.fail(ErrorCode::insufficient_cpus, "Expected 2, found 1"), 22);
    EXPECT_EQ(err_.str(),
              "[ E22 ] Insufficient CPUs available in the pool. Expected 2, found 1.\n\n"
              "For more details, please visit "
              "https://docs.aws.amazon.com/enclaves/latest/user/cli-errors.html#E22\n");
    EXPECT_EQ(out_.str(), "");
}

TEST_F(OutputTest, NoLogWhereThereIsNoDirectory) {
    OutputSettings settings;
    settings.log_directory = "/does/not/exist";
    Output output(out_, err_, settings);
    EXPECT_EQ(output.fail(ErrorCode::file_operation, "x"), 19);
    EXPECT_THAT(err_.str(), Not(HasSubstr("support ticket")));
}

TEST_F(OutputTest, ALogThatWasWrittenIsNamed) {
    const auto directory = TemporaryDirectory::create();
    ASSERT_TRUE(directory.ok());
    OutputSettings settings;
    settings.log_directory = directory->path();
    Output output(out_, err_, settings);
    output.set_action("Build Enclave");
    EXPECT_EQ(output.fail(ErrorCode::eif_building, "no kernel"), 48);
    std::vector<std::string> logs;
    for (const auto& entry : std::filesystem::directory_iterator(directory->path())) {
        logs.push_back(entry.path().string());
    }
    ASSERT_EQ(logs.size(), 1U);
    EXPECT_THAT(err_.str(), EndsWith("\nIf you open a support ticket, please provide the error log "
                                     "found at \"" +
                                     logs[0] + "\"\n"));
    const auto log = read_file(logs[0], 65536);
    ASSERT_TRUE(log.ok());
    EXPECT_THAT(as_text(*log), HasSubstr("[ E48 ]"));
    EXPECT_THAT(as_text(*log), HasSubstr("Action: Build Enclave"));
    EXPECT_THAT(as_text(*log), HasSubstr("Root error file: output_test.cpp"));
}

TEST_F(OutputTest, BacktraceOnRequest) {
    OutputSettings settings;
    settings.backtrace = true;
    Output output(out_, err_, settings);
    (void)output.fail(ErrorCode::eif_building, "no kernel");
    EXPECT_THAT(err_.str(), HasSubstr("\nBacktrace:\n  Action: "));
    EXPECT_THAT(err_.str(), HasSubstr("\n  Version: "));
}

TEST_F(OutputTest, ProgressOnlyOnATerminal) {
    Output quiet(out_, err_, {});
    quiet.progress("layers", 5, 10);
    EXPECT_EQ(err_.str(), "");
    OutputSettings settings;
    settings.show_progress = true;
    Output shown(out_, err_, settings);
    shown.progress("layers", 5U << 20U, 10U << 20U);
    const std::string half = "layers [####################....................] 50%  5 of 10 MiB";
    EXPECT_EQ(err_.str(), half);
    // As often as it is called: the line is not written again so soon, but the end always is.
    for (unsigned i = 0; i < 1000; ++i) {
        shown.progress("layers", (5U << 20U) + i, 10U << 20U);
    }
    err_.str("");
    shown.progress("layers", ~0ULL, ~0ULL);
    EXPECT_THAT(err_.str(), StartsWith("\r\033[Klayers [####"));
    EXPECT_THAT(err_.str(), EndsWith("]100%  17592186044415 of 17592186044415 MiB"));
    // The last line takes it away.
    err_.str("");
    shown.say("done");
    EXPECT_EQ(err_.str(), "\r\033[Kdone\n");
    // Nothing to do is done.
    err_.str("");
    shown.progress("nothing", 0, 0);
    EXPECT_THAT(err_.str(), EndsWith("]100%  0 of 0 MiB"));
}

TEST_F(OutputTest, AResultThatCannotBeWrittenIsAnError) {
    Output output(out_, err_, {});
    EXPECT_EQ(output.result(Json::array()), 0);
    EXPECT_EQ(out_.str(), "[]\n");
    out_.setstate(std::ios::badbit);
    EXPECT_EQ(output.result(Json::array()), 19);
}

}  // namespace
}  // namespace casemate::cli
