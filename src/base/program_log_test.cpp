#include "base/program_log.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <regex>
#include <sstream>

#include "base/temporary_directory.hpp"

namespace casemate {
namespace {

class ProgramLogTest : public testing::Test {
protected:
    void SetUp() override {
        auto made = TemporaryDirectory::create();
        ASSERT_TRUE(made.ok());
        directory_.emplace(std::move(*made));
        path_ = directory_->path() + "/nitro_enclaves.log";
    }

    [[nodiscard]] static std::string text_of(const std::string& path) {
        std::ostringstream text;
        text << std::ifstream(path).rdbuf();
        return text.str();
    }

    [[nodiscard]] ProgramLog log(LogLevel level = LogLevel::info) const {
        return {directory_->path(), "nitro-cli:7", level};
    }

    std::optional<TemporaryDirectory> directory_;
    std::string path_;
};

// Lines are as nitro-cli's, and are appended.
TEST_F(ProgramLogTest, LinesHaveNitroClisShape) {
    log().write(LogLevel::info, "Start Nitro CLI", "./src/cli/main.cpp", 12);
    log().write(LogLevel::error, "second", "b.cpp", 3);
    const std::regex shape(
        R"(\[nitro-cli:7\]\[INFO\]\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\]\[src/cli/main\.cpp:12\] )"
        "Start Nitro CLI\n"
        R"(\[nitro-cli:7\]\[ERROR\]\[[^\]]*\]\[b\.cpp:3\] second\n)");
    EXPECT_TRUE(std::regex_match(text_of(path_), shape)) << text_of(path_);
}

TEST_F(ProgramLogTest, LevelDecides) {
    EXPECT_EQ(log_level("DEBUG"), LogLevel::debug);
    EXPECT_EQ(log_level("warn"), LogLevel::warn);
    EXPECT_EQ(log_level("Error"), LogLevel::error);
    for (const char* other : {"", "loud", "info,casemate=debug"}) {
        EXPECT_EQ(log_level(other), LogLevel::info) << other;
    }
    log(LogLevel::warn).write(LogLevel::info, "quiet");
    EXPECT_EQ(text_of(path_), "");
    log(LogLevel::warn).write(LogLevel::warn, "loud");
    EXPECT_NE(text_of(path_).find("loud"), std::string::npos);
}

// What a user or a guest wrote can neither make lines nor steer a terminal; long lines end.
TEST_F(ProgramLogTest, OnlyPrintableTextOfOneLine) {
    log().write(LogLevel::error, "a\nb\x1b[31m\xff" + std::string(9000, 'x'), "f", 1);
    const std::string text = text_of(path_);
    EXPECT_NE(text.find("a?b?[31m?xxx"), std::string::npos);
    EXPECT_EQ(text.find('\n'), text.size() - 1);
    EXPECT_EQ(text.size(), ProgramLog::kMostLineBytes);
}

// Whoever may write in the directory may write to the log, and never all the world.
TEST_F(ProgramLogTest, ModeIsTheDirectorys) {
    const auto mode = [&](unsigned directory) {
        ::unlink(path_.c_str());
        EXPECT_EQ(::chmod(directory_->path().c_str(), directory), 0);
        log().write(LogLevel::info, "x");
        struct stat status {};
        EXPECT_EQ(::stat(path_.c_str(), &status), 0);
        return status.st_mode & 07777U;
    };
    EXPECT_EQ(mode(0700), 0600U);
    EXPECT_EQ(mode(0755), 0644U);
    EXPECT_EQ(mode(02775), 0664U);
    EXPECT_EQ(mode(0777), 0664U);
}

// A log never grows past its size by more than a line; one old log is kept.
TEST_F(ProgramLogTest, AFullLogIsPutAside) {
    std::ofstream(path_) << std::string(ProgramLog::kMostBytes, 'o');
    log().write(LogLevel::info, "new");
    EXPECT_EQ(text_of(path_ + ".1").size(), ProgramLog::kMostBytes);
    EXPECT_LT(text_of(path_).size(), 200U);
    EXPECT_NE(text_of(path_).find("] new\n"), std::string::npos);
}

// Where there is no directory, no permission or a link laid by somebody else, nothing is written
// and nothing fails.
TEST_F(ProgramLogTest, WhatCannotBeWrittenIsNoError) {
    ProgramLog("", "x", LogLevel::info).write(LogLevel::error, "x");
    ProgramLog("/does/not/exist", "x", LogLevel::info).write(LogLevel::error, "x");
    const std::string other = directory_->path() + "/other";
    std::ofstream(other) << "mine";
    ASSERT_EQ(::symlink(other.c_str(), path_.c_str()), 0);
    log().write(LogLevel::error, "x");
    ASSERT_EQ(::unlink(path_.c_str()), 0);
    ASSERT_EQ(::link(other.c_str(), path_.c_str()), 0);
    log().write(LogLevel::error, "x");
    EXPECT_EQ(text_of(other), "mine");
    ASSERT_EQ(::unlink(path_.c_str()), 0);
    ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    log().write(LogLevel::error, "a FIFO that nobody reads does not hold the program up");
}

}  // namespace
}  // namespace casemate
