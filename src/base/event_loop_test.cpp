#include "base/event_loop.hpp"

#include <gtest/gtest.h>
#include <sys/epoll.h>

namespace casemate {
namespace {

TEST(EventLoop, CallsTheHandlerOfAReadyDescriptorUntilItIsRemoved) {
    auto loop = EventLoop::create();
    ASSERT_TRUE(loop.ok());
    auto pipe = make_pipe();
    ASSERT_TRUE(pipe.ok());
    int calls = 0;
    ASSERT_TRUE(loop->add(pipe->first.get(), EPOLLIN,
                          [&](std::uint32_t) {
                              if (++calls == 2) {
                                  loop->remove(pipe->first.get());
                                  loop->stop();
                              }
                          })
                    .ok());
    ASSERT_TRUE(write_all(pipe->second.get(), as_bytes("x")).ok());
    ASSERT_TRUE(loop->run().ok());
    ASSERT_TRUE(loop->run_once(std::chrono::milliseconds(0)).ok());
    EXPECT_EQ(calls, 2);
}

TEST(EventLoop, RunsTimersInTheirOrderAndNotTheCancelledOne) {
    auto loop = EventLoop::create();
    ASSERT_TRUE(loop.ok());
    std::string order;
    loop->after(std::chrono::milliseconds(20), [&] {
        order += "b";
        loop->stop();
    });
    loop->after(std::chrono::milliseconds(1), [&] { order += "a"; });
    loop->cancel(loop->after(std::chrono::milliseconds(5), [&] { order += "never"; }));
    ASSERT_TRUE(loop->run().ok());
    EXPECT_EQ(order, "ab");
}

}  // namespace
}  // namespace casemate
