#include "guest/init/protocol.hpp"

#include <gtest/gtest.h>

#include "guest/init/mounts.hpp"
#include "guest/init/text.hpp"

namespace casemate::guest {
namespace {

// As waitpid encodes them: an exit status in the second byte, a signal in the first.
constexpr int exited(int status) {
    return status << 8;
}

TEST(ExitReport, TellsStatusAndSignal) {
    EXPECT_EQ(exit_report(exited(0)), "exited status 0\n");
    EXPECT_EQ(exit_report(exited(255)), "exited status 255\n");
    EXPECT_EQ(exit_report(9), "exited signal 9\n");
    EXPECT_EQ(exit_report(6 | 0x80), "exited signal 6\n");  // with a core dump
    EXPECT_EQ(exit_sentence(exited(3)), "the application exited with status 3");
    EXPECT_EQ(exit_sentence(11), "the application was ended by signal 11 (SIGSEGV)");
}

TEST(FailureReport, IsOneLineOfLimitedLength) {
    EXPECT_EQ(failure_report("expected a\nb, found \x1b[2J"), "failed expected a?b, found ?[2J\n");
    const std::string longest = failure_report(std::string(5000, 'x'));
    EXPECT_EQ(longest.size(), kMaxLine + 1);
}

TEST(ParseShutdown, ReadsSecondsOnly) {
    EXPECT_EQ(parse_shutdown("shutdown 0"), 0U);
    EXPECT_EQ(parse_shutdown("shutdown 86400"), 86400U);
    for (const char* line :
         {"shutdown", "shutdown ", "shutdown 86401", "shutdown -1", "shutdown 1 ", "shutdown 1s",
          "Shutdown 1", "shutdown 99999999999999999999", ""}) {
        EXPECT_EQ(parse_shutdown(line), std::nullopt) << line;
    }
}

TEST(LineReader, PutsPiecesTogether) {
    LineReader reader;
    ASSERT_TRUE(reader.feed("shut"));
    EXPECT_EQ(reader.next(), std::nullopt);
    ASSERT_TRUE(reader.feed("down 1\n\nx\ny"));
    EXPECT_EQ(reader.next(), "shutdown 1");
    EXPECT_EQ(reader.next(), "");
    EXPECT_EQ(reader.next(), "x");
    EXPECT_EQ(reader.next(), std::nullopt);
}

TEST(LineReader, RefusesALineWithoutEnd) {
    LineReader reader;
    ASSERT_TRUE(reader.feed(std::string(kMaxLine, 'x')));
    EXPECT_FALSE(reader.feed("x"));
    LineReader other;
    EXPECT_FALSE(other.feed("ok\n" + std::string(kMaxLine + 1, 'x') + "\n"));
}

TEST(ParseDecimal, TakesDigitsUpToTheMaximum) {
    EXPECT_EQ(parse_decimal("007", 10), 7U);
    EXPECT_EQ(parse_decimal("4294967295", 0xffff'ffff), 0xffff'ffffU);
    for (const char* text : {"", "11", "+1", "0x1", "1 ", "18446744073709551617"}) {
        EXPECT_EQ(parse_decimal(text, 10), std::nullopt) << text;
    }
}

TEST(EnabledControllers, ReadsTheKernelsTable) {
    EXPECT_EQ(enabled_controllers("#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
                                  "cpuset\t0\t1\t1\nmemory\t0\t1\t0\npids\t2\t9\t1\nodd line\n"),
              (std::vector<std::string>{"cpuset", "pids"}));
    EXPECT_TRUE(enabled_controllers("").empty());
}

}  // namespace
}  // namespace casemate::guest
