#include "base/process.hpp"

#include <gtest/gtest.h>

#include <csignal>

#include "base/os_error.hpp"

namespace casemate {
namespace {

TEST(Process, TellsTheExitStatusAndPassesDescriptorsFromThree) {
    auto pipe = make_pipe();
    ASSERT_TRUE(pipe.ok());
    SpawnOptions options;
    options.program = "/bin/sh";
    options.arguments = {"-c", "echo hello >&3; exit 7"};
    options.passed_fds = {pipe->second.get()};
    auto process = Process::spawn(options);
    ASSERT_TRUE(process.ok()) << process.error().message();
    pipe->second.reset();
    Bytes said(16);
    const auto got = read_some(pipe->first.get(), said);
    ASSERT_TRUE(got.ok());
    said.resize(*got);
    EXPECT_EQ(as_text(said), "hello\n");
    const auto status = process->wait();
    ASSERT_TRUE(status.ok());
    EXPECT_EQ(status->exit_code, 7);
}

TEST(Process, InheritsNothingThatWasNotPassed) {
    auto pipe = make_pipe();
    ASSERT_TRUE(pipe.ok());
    SpawnOptions options;
    options.program = "/bin/sh";
    // The shell itself and the listing hold 0, 1, 2 and the listing's directory, 3.
    options.arguments = {"-c", "exec ls /proc/self/fd"};
    options.standard_output = pipe->second.get();
    auto process = Process::spawn(options);
    ASSERT_TRUE(process.ok());
    pipe->second.reset();
    Bytes said(64);
    const auto got = read_some(pipe->first.get(), said);
    ASSERT_TRUE(got.ok());
    said.resize(*got);
    EXPECT_EQ(as_text(said), "0\n1\n2\n3\n");
    ASSERT_TRUE(process->wait().ok());
}

TEST(Process, SaysWhyAProgramCanNotBeStarted) {
    SpawnOptions options;
    options.program = "/nonexistent/program";
    const auto process = Process::spawn(options);
    ASSERT_FALSE(process.ok());
    EXPECT_TRUE(process.error().is(static_cast<Errno>(ENOENT)));
}

TEST(Process, IsKilledWithItsOwner) {
    pid_t pid = -1;
    {
        SpawnOptions options;
        options.program = "/bin/sleep";
        options.arguments = {"1000"};
        auto process = Process::spawn(options);
        ASSERT_TRUE(process.ok());
        pid = process->pid();
    }
    EXPECT_EQ(::kill(pid, 0), -1);
    EXPECT_EQ(errno, ESRCH);
}

}  // namespace
}  // namespace casemate
