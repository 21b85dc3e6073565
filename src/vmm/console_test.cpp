#include "vmm/console.hpp"

#include <gtest/gtest.h>

#include <csignal>

#include "base/socket.hpp"

namespace casemate::vmm {
namespace {

using namespace std::chrono_literals;

struct Rig {
    EventLoop loop;
    UniqueFd reader;
    std::vector<std::string> panics;
    std::unique_ptr<Console> console;
};

std::unique_ptr<Rig> make_rig(bool with_output) {
    auto rig = std::make_unique<Rig>(Rig{EventLoop::create().value(), {}, {}, nullptr});
    auto pair = make_pipe().value();
    rig->reader = std::move(pair.first);
    auto* panics = &rig->panics;
    rig->console = Console::create(rig->loop, with_output ? std::move(pair.second) : UniqueFd(),
                                   [panics](std::string line) { panics->push_back(line); })
                       .value();
    return rig;
}

void put(Console& console, std::string_view text) {
    for (const char letter : text) {
        console.put(static_cast<std::uint8_t>(letter));
    }
}

// run_until_written lets the loop gather and write.
void run_until_written(EventLoop& loop) {
    const auto end = EventLoop::Clock::now() + 3 * Console::kGather;
    while (EventLoop::Clock::now() < end) {
        ASSERT_TRUE(loop.run_once(Console::kGather));
    }
}

std::string read_available(int fd) {
    Bytes chunk(1 << 20);
    const auto size = read_some(fd, chunk);
    return size ? std::string(as_text(ByteView(chunk).first(*size))) : "";
}

TEST(Console, WritesWhatItIsGivenFromTheLoop) {
    auto rig = make_rig(true);
    put(*rig->console, "hello\n");
    run_until_written(rig->loop);
    EXPECT_EQ(read_available(rig->reader.get()), "hello\n");
    put(*rig->console, "again");
    run_until_written(rig->loop);
    EXPECT_EQ(read_available(rig->reader.get()), "again");
}

TEST(Console, TellsOfAPanicInProductionModeToo) {
    auto rig = make_rig(false);
    put(*rig->console, "Kernel panic - not syncing: x\n");
    run_until_written(rig->loop);
    EXPECT_EQ(rig->panics, std::vector<std::string>{"Kernel panic - not syncing: x"});
}

TEST(Console, DropsAndCountsWhatNobodyReads) {
    auto rig = make_rig(true);
    const std::string flood(4 * Console::kBufferSize, 'x');
    put(*rig->console, flood);
    std::string all;
    for (int i = 0; i < 30; ++i) {
        run_until_written(rig->loop);
        put(*rig->console, i == 20 ? "end" : "");
        ASSERT_TRUE(set_nonblocking(rig->reader.get(), true));
        all += read_available(rig->reader.get());
    }
    EXPECT_EQ(all, std::string(Console::kBufferSize, 'x') +
                       "\r\n[casemate: " + std::to_string(3 * Console::kBufferSize) +
                       " bytes of console output were lost]\r\nend");
}

TEST(Console, FlushWaitsForASlowReaderButNotForEver) {
    auto rig = make_rig(true);
    for (int i = 0; i < 4; ++i) {
        put(*rig->console, std::string(Console::kBufferSize, 'x'));
        run_until_written(rig->loop);
    }
    rig->console->flush(1ms);
    ASSERT_TRUE(set_nonblocking(rig->reader.get(), true));
    EXPECT_FALSE(read_available(rig->reader.get()).empty());
}

TEST(Console, AReaderThatLeavesDoesNotMatter) {
    auto rig = make_rig(true);
    rig->reader.reset();
    ::signal(SIGPIPE, SIG_IGN);
    put(*rig->console, "hello\nKernel panic - not syncing: y\n");
    run_until_written(rig->loop);
    rig->console->flush(1ms);
    EXPECT_EQ(rig->panics.size(), 1U);
}

}  // namespace
}  // namespace casemate::vmm
