#include "kms/audit/audit_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <thread>

#include "base/file.hpp"
#include "base/no_threads_for_test.hpp"
#include "base/temporary_directory.hpp"
#include "kms/audit/chain.hpp"

namespace casemate::kms {
namespace {

using ::testing::HasSubstr;

template <class T>
void expect_error(const Result<T>& result, AuditErrc code) {
    ASSERT_FALSE(result.ok());
    EXPECT_TRUE(result.error().is(code)) << result.error().message();
}

class AuditTest : public ::testing::Test {
protected:
    AuditTest() : directory_(TemporaryDirectory::create().value()) {
        options_.directory = directory_.path() + "/audit";
    }

    void append(int count, AuditLog& log) {
        for (int i = 0; i < count; ++i) {
            const auto done = log.append(R"({"n":)" + std::to_string(n_++) + "}");
            ASSERT_TRUE(done) << done.error().message();
        }
    }

    // write makes a log of some lines, closed.
    void write(int count) {
        const auto log = AuditLog::open(options_);
        ASSERT_TRUE(log) << log.error().message();
        append(count, **log);
    }

    [[nodiscard]] std::string path(const std::string& name) const {
        return options_.directory + "/" + name;
    }

    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
            const std::string name = entry.path().filename();
            if (name != "head") {
                names.push_back(name);
            }
        }
        std::sort(names.begin(), names.end());
        return names;
    }

    [[nodiscard]] std::vector<std::string> lines(const std::string& name) const {
        const Bytes content = read_file(path(name), 1U << 24U).value();
        std::vector<std::string> lines;
        std::string_view rest = as_text(content);
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
            lines.emplace_back(rest.substr(0, end));
            rest.remove_prefix(end);
        }
        return lines;
    }

    void put(const std::string& name, const std::vector<std::string>& lines) const {
        std::string text;
        for (const std::string& line : lines) {
            text += line;
        }
        ASSERT_TRUE(write_file_atomically(path(name), as_bytes(text)));
    }

    // expect_found lets a tamperer change a copy of the lines of the only file.
    template <class Tamper>
    void expect_found(AuditErrc code, const std::string& where, Tamper tamper) {
        const std::string name = names().front();
        const std::vector<std::string> whole = lines(name);
        std::vector<std::string> changed = whole;
        tamper(changed);
        put(name, changed);
        const auto report = verify_audit(options_.directory);
        expect_error(report, code);
        if (!report) {
            EXPECT_THAT(report.error().message(), HasSubstr(where));
        }
        put(name, whole);
        EXPECT_TRUE(verify_audit(options_.directory));
    }

    TemporaryDirectory directory_;
    AuditOptions options_;
    int n_ = 0;
};

TEST_F(AuditTest, LinesAreChained) {
    write(3);
    const auto all = lines(names().front());
    ASSERT_EQ(all.size(), 3);
    EXPECT_EQ(all[0],
              R"({"sequence":1,"previous":")" + std::string(64, '0') + R"(","n":0})" + "\n");
    const std::string_view first(all[0]);
    EXPECT_EQ(all[1], R"({"sequence":2,"previous":")" +
                          audit::hash_of(first.substr(0, first.size() - 1)) + R"(","n":1})" + "\n");
    const auto report = verify_audit(options_.directory);
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->files, 1);
    EXPECT_EQ(report->head.sequence, 3);
    EXPECT_EQ(report->after_head, 0);
    EXPECT_EQ(report->unfinished_bytes, 0);
}

TEST_F(AuditTest, ALaterProcessGoesOn) {
    write(2);
    write(0);
    write(3);
    const auto log = AuditLog::open(options_);
    ASSERT_TRUE(log);
    EXPECT_EQ((*log)->head().sequence, 5);
    EXPECT_EQ(verify_audit(options_.directory)->head, (*log)->head());
    // One writer at a time.
    expect_error(AuditLog::open(options_), AuditErrc::unavailable);
}

TEST_F(AuditTest, AnEmptyLogVerifies) {
    write(0);
    EXPECT_EQ(verify_audit(options_.directory)->head, AuditHead());
    expect_error(verify_audit(path("none")), AuditErrc::unavailable);
}

TEST_F(AuditTest, EachChangedByteIsFound) {
    write(4);
    const std::string name = names().front();
    const Bytes whole = read_file(path(name), 65536).value();
    for (std::size_t i = 0; i < whole.size(); ++i) {
        Bytes changed = whole;
        changed[i] ^= 1U;
        ASSERT_TRUE(write_file_atomically(path(name), changed));
        EXPECT_FALSE(verify_audit(options_.directory).ok()) << "byte " << i;
    }
}

TEST_F(AuditTest, EachTruncationIsFound) {
    write(4);
    const std::string name = names().front();
    const Bytes whole = read_file(path(name), 65536).value();
    for (std::size_t i = 0; i < whole.size(); ++i) {
        ASSERT_TRUE(write_file_atomically(path(name), ByteView(whole).first(i)));
        expect_error(verify_audit(options_.directory), AuditErrc::truncated);
        expect_error(AuditLog::open(options_), AuditErrc::truncated);
        // The refusal has changed nothing.
        EXPECT_EQ(read_file(path(name), 65536)->size(), i);
    }
}

TEST_F(AuditTest, EachTampererIsFoundWhereHeWas) {
    write(6);
    expect_found(AuditErrc::changed, "line 4",
                 [](auto& all) { all[2].replace(all[2].size() - 3, 1, "7"); });
    expect_found(AuditErrc::changed, "head",
                 [](auto& all) { all[5].replace(all[5].size() - 3, 1, "7"); });
    expect_found(AuditErrc::out_of_order, "line 3", [](auto& all) { all.erase(all.begin() + 2); });
    expect_found(AuditErrc::out_of_order, "line 1", [](auto& all) { all.erase(all.begin()); });
    expect_found(AuditErrc::out_of_order, "line 2", [](auto& all) { std::swap(all[1], all[2]); });
    expect_found(AuditErrc::out_of_order, "line 3",
                 [](auto& all) { all.insert(all.begin() + 2, all[1]); });
    expect_found(AuditErrc::not_a_log, "line 1", [](auto& all) { all[0] = "{}\n"; });
    expect_found(AuditErrc::not_a_log, "line 2", [](auto& all) { all[1] = "\n"; });
    expect_found(AuditErrc::truncated, "after 5", [](auto& all) { all.pop_back(); });
    expect_found(AuditErrc::truncated, "after 0", [](auto& all) { all.clear(); });
    // A line of his own, well chained to what is there, but not what follows.
    expect_found(AuditErrc::changed, "line 4", [](auto& all) {
        AuditHead before;
        for (std::size_t i = 0; i < 2; ++i) {
            EXPECT_TRUE(
                audit::follow(before, std::string_view(all[i]).substr(0, all[i].size() - 1), ""));
        }
        all[2] = audit::chained(before, R"({"n":9})");
    });
}

TEST_F(AuditTest, AnotherHeadOrNoneIsFound) {
    write(3);
    const Bytes head = read_file(path("head"), 1000).value();
    ASSERT_TRUE(std::filesystem::remove(path("head")));
    expect_error(verify_audit(options_.directory), AuditErrc::truncated);
    expect_error(AuditLog::open(options_), AuditErrc::truncated);
    for (std::size_t i = 0; i < head.size(); ++i) {
        Bytes changed = head;
        changed[i] = changed[i] == 'a' ? 'b' : 'a';
        ASSERT_TRUE(write_file_atomically(path("head"), changed));
        EXPECT_FALSE(verify_audit(options_.directory).ok()) << i;
    }
    ASSERT_TRUE(write_file_atomically(path("head"), head));
    EXPECT_TRUE(verify_audit(options_.directory));
}

TEST_F(AuditTest, TheChainGoesThroughFiles) {
    options_.file_size = 300;
    write(10);
    write(10);
    const auto all = names();
    ASSERT_GT(all.size(), 5);
    const auto report = verify_audit(options_.directory);
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->files, all.size());
    EXPECT_EQ(report->head.sequence, 20);
    // Each file gone is found; so are two that changed places.
    for (std::size_t i = 0; i < all.size(); ++i) {
        std::filesystem::rename(path(all[i]), path("aside"));
        expect_error(verify_audit(options_.directory),
                     i + 1 < all.size() ? AuditErrc::out_of_order : AuditErrc::truncated);
        std::filesystem::rename(path("aside"), path(all[i]));
    }
    std::filesystem::rename(path(all[1]), path("aside"));
    std::filesystem::rename(path(all[2]), path(all[1]));
    std::filesystem::rename(path("aside"), path(all[2]));
    expect_error(verify_audit(options_.directory), AuditErrc::out_of_order);
}

TEST_F(AuditTest, ThreadsShareOneChain) {
    options_.file_size = 4000;
    {
        const auto log = AuditLog::open(options_);
        ASSERT_TRUE(log);
        std::vector<std::thread> threads;
        for (int thread = 0; thread < 8; ++thread) {
            threads.emplace_back([&] {
                for (int i = 0; i < 50; ++i) {
                    EXPECT_TRUE((*log)->append(R"({"a":1})"));
                }
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        // Each was on the disk before it was answered for.
        EXPECT_EQ(verify_audit(options_.directory)->after_head, 0);
    }
    EXPECT_EQ(verify_audit(options_.directory)->head.sequence, 400);
}

TEST_F(AuditTest, WithoutAThreadThereIsAnError) {
    options_.sync = AuditSync::each_second;
    {
        const NoThreads none;
        const auto log = AuditLog::open(options_);
        expect_error(log, AuditErrc::unavailable);
        EXPECT_THAT(log.error().message(), HasSubstr("start a thread of the audit log"));
    }
    // Nothing of the one that failed holds the log.
    EXPECT_TRUE(AuditLog::open(options_).ok());
}

TEST_F(AuditTest, EachSecondIsOnTheDiskWhenClosed) {
    options_.sync = AuditSync::each_second;
    write(100);
    const auto report = verify_audit(options_.directory);
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->head.sequence, 100);
    EXPECT_EQ(report->after_head, 0);
}

TEST_F(AuditTest, WhatIsNoEntryIsRefused) {
    const auto log = AuditLog::open(options_);
    ASSERT_TRUE(log);
    for (const char* entry :
         {"", "{}", "[1]", "{\"a\":1}\n", "{\"a\":\n1}", "\"a\"", "{\"a\":1", "{\"a\":\"\xff\"}"}) {
        expect_error((*log)->append(entry), AuditErrc::bad_entry);
    }
    expect_error((*log)->append(R"({"a":")" + std::string(1U << 20U, 'x') + R"("})"),
                 AuditErrc::bad_entry);
    EXPECT_TRUE((*log)->append(R"({"a":")" + std::string((1U << 20U) - 8, 'x') + R"("})"));
    EXPECT_EQ(verify_audit(options_.directory)->head.sequence, 1);
}

TEST_F(AuditTest, OthersFilesAreRefused) {
    write(1);
    ASSERT_EQ(::chmod(path("head").c_str(), 0644), 0);
    expect_error(AuditLog::open(options_), AuditErrc::not_a_log);
    ASSERT_EQ(::chmod(path("head").c_str(), 0600), 0);
    std::filesystem::rename(path(names().front()), path("aside"));
    std::filesystem::create_symlink("aside", path(audit::file_name(1)));
    expect_error(AuditLog::open(options_), AuditErrc::not_a_log);
}

// A child appends until it is killed and tells how many it was answered for; what it left is gone
// on with, each line that was answered for in it.
TEST_F(AuditTest, KillsLoseNothingThatWasAnswered) {
    options_.file_size = 2000;
    std::uint64_t before = 0;
    for (int kill = 0; kill < 30; ++kill) {
        auto report = make_pipe();
        ASSERT_TRUE(report);
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            auto log = AuditLog::open(options_);
            while (log && (*log)->append(R"({"entry":"of a child that is killed"})") &&
                   ::write(report->second.get(), "x", 1) == 1) {
            }
            ::_exit(1);
        }
        report->second.reset();
        std::uint64_t answered = 0;
        Bytes buffer(4096);
        while (answered < static_cast<std::uint64_t>(1 + kill % 7)) {
            const std::size_t got = read_some(report->first.get(), buffer).value();
            ASSERT_NE(got, 0) << "the child has ended by itself";
            answered += got;
        }
        ASSERT_EQ(::kill(child, SIGKILL), 0);
        ASSERT_EQ(::waitpid(child, nullptr, 0), child);
        for (std::size_t got = 1; got != 0; answered += got) {
            got = read_some(report->first.get(), buffer).value();
        }
        const auto left = verify_audit(options_.directory);
        ASSERT_TRUE(left) << left.error().message();
        EXPECT_GE(left->head.sequence, before + answered);
        before = left->head.sequence;
    }
}

TEST_F(AuditTest, AHalfLineIsCutOff) {
    write(2);
    const std::string name = names().front();
    auto all = lines(name);
    all.emplace_back(R"({"sequence":3,"prev)");
    put(name, all);
    const auto report = verify_audit(options_.directory);
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->unfinished_bytes, 19);
    write(1);
    EXPECT_EQ(lines(name).size(), 3);
    EXPECT_EQ(verify_audit(options_.directory)->head.sequence, 3);
}

}  // namespace
}  // namespace casemate::kms
