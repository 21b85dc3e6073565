#include "virtio/queue.hpp"

#include <gtest/gtest.h>

#include "virtio/testing/guest_driver.hpp"

namespace casemate::virtio {
namespace {

using testing::Buffer;
using testing::GuestQueue;
using testing::GuestRam;
using testing::must;

constexpr std::uint64_t kRings = 0x1000;
constexpr std::uint64_t kBuffer = 0x10000;
constexpr std::uint64_t kRamSize = 1 << 20U;

class QueueTest : public ::testing::Test {
protected:
    explicit QueueTest(bool event_index = false)
        : ram(kRamSize),
          driver(ram, kRings, 8, event_index),
          queue(must(Queue::create(ram.memory(), driver.layout(), 8, event_index))) {}

    Result<> pop_error() {
        auto popped = queue.pop(chain);
        return popped ? Result<>() : Result<>(popped.error());
    }

    GuestRam ram;
    GuestQueue driver;
    Queue queue;
    Chain chain;
};

class EventQueueTest : public QueueTest {
protected:
    EventQueueTest() : QueueTest(true) {}
};

#define EXPECT_REFUSED(result, code)                                        \
    do {                                                                    \
        const auto refused = (result);                                      \
        ASSERT_FALSE(refused.ok());                                         \
        EXPECT_TRUE(refused.error().is(code)) << refused.error().message(); \
    } while (false)

TEST_F(QueueTest, YieldsChainsInOrderAndReturnsThem) {
    const auto first = driver.add({{kBuffer, 10}, {kBuffer + 100, 20}}, {{kBuffer + 200, 30}});
    const auto second = driver.add({}, {{kBuffer + 300, 5}});
    ASSERT_TRUE(must(queue.pop(chain)));
    EXPECT_EQ(chain.head, *first);
    EXPECT_EQ(chain.readable.size(), 30U);
    EXPECT_EQ(chain.readable.count(), 2U);
    EXPECT_EQ(chain.writable.size(), 30U);
    queue.push(chain.head, 7);
    ASSERT_TRUE(must(queue.pop(chain)));
    EXPECT_EQ(chain.head, *second);
    queue.push(chain.head, 5);
    EXPECT_FALSE(must(queue.pop(chain)));
    EXPECT_FALSE(driver.take()) << "nothing may be seen before it is published";
    EXPECT_TRUE(queue.publish());
    EXPECT_EQ(driver.take(), (GuestQueue::Used{*first, 7}));
    EXPECT_EQ(driver.take(), (GuestQueue::Used{*second, 5}));
    EXPECT_FALSE(driver.take());
}

TEST_F(QueueTest, GoesAroundTheRingAndTheIndexManyTimes) {
    for (int round = 0; round < 70000; ++round) {
        const auto head = driver.add({{kBuffer, 1}}, {});
        ASSERT_TRUE(head);
        ASSERT_TRUE(must(queue.pop(chain)));
        queue.push(chain.head, 0);
        ASSERT_TRUE(queue.publish());
        ASSERT_EQ(driver.take(), (GuestQueue::Used{*head, 0}));
    }
}

TEST_F(QueueTest, ChainsPutBackComeAgain) {
    const auto first = driver.add({{kBuffer, 1}}, {});
    const auto second = driver.add({{kBuffer, 2}}, {});
    ASSERT_TRUE(must(queue.pop(chain)));
    ASSERT_TRUE(must(queue.pop(chain)));
    EXPECT_FALSE(must(queue.pop(chain)));
    queue.put_back(2);
    ASSERT_TRUE(must(queue.pop(chain)));
    EXPECT_EQ(chain.head, *first);
    ASSERT_TRUE(must(queue.pop(chain)));
    EXPECT_EQ(chain.head, *second);
}

TEST_F(QueueTest, ADescriptorOfNoBytesYieldsNothingWhereverItPoints) {
    driver.write_descriptor(3, {UINT64_MAX, 0}, 0, 0);
    driver.offer(3);
    ASSERT_TRUE(must(queue.pop(chain)));
    EXPECT_EQ(chain.readable.count(), 0U);
    EXPECT_EQ(chain.readable.size(), 0U);
}

TEST_F(QueueTest, RefusesAnIndexFurtherAheadThanTheRing) {
    driver.set_available_index(9);
    EXPECT_REFUSED(queue.pop(chain), VirtioErrc::bad_available_index);
    EXPECT_REFUSED(queue.listen(), VirtioErrc::bad_available_index);
}

TEST_F(QueueTest, RefusesAnIndexThatGoesBack) {
    driver.set_available_index(UINT16_MAX);
    EXPECT_REFUSED(queue.pop(chain), VirtioErrc::bad_available_index);
}

TEST_F(QueueTest, RefusesAHeadOutsideOfTheTable) {
    driver.offer(8);
    EXPECT_REFUSED(queue.pop(chain), VirtioErrc::bad_descriptor);
}

TEST_F(QueueTest, RefusesANextOutsideOfTheTable) {
    driver.write_descriptor(0, {kBuffer, 1}, 1, 8);
    driver.offer(0);
    EXPECT_REFUSED(queue.pop(chain), VirtioErrc::bad_descriptor);
}

TEST_F(QueueTest, RefusesABufferOutsideOfRam) {
    for (const Buffer buffer : {Buffer{kRamSize, 1}, Buffer{kRamSize - 1, 2}, Buffer{UINT64_MAX, 1},
                                Buffer{UINT64_MAX - 4, 16}, Buffer{0, UINT32_MAX}}) {
        GuestQueue other(ram, kRings, 8, false);
        queue = must(Queue::create(ram.memory(), other.layout(), 8, false));
        other.write_descriptor(0, buffer, 0, 0);
        other.offer(0);
        EXPECT_REFUSED(queue.pop(chain), VirtioErrc::bad_descriptor);
    }
}

TEST_F(QueueTest, RefusesALoop) {
    driver.write_descriptor(0, {kBuffer, 1}, 1, 1);
    driver.write_descriptor(1, {kBuffer, 1}, 1, 0);
    driver.offer(0);
    EXPECT_REFUSED(queue.pop(chain), VirtioErrc::endless_chain);
}

TEST_F(QueueTest, RefusesIndirectDescriptors) {
    driver.write_descriptor(0, {kBuffer, 16}, 4, 0);
    driver.offer(0);
    EXPECT_REFUSED(queue.pop(chain), VirtioErrc::indirect_descriptor);
}

TEST_F(QueueTest, RefusesABufferToBeReadAfterOneToBeWritten) {
    driver.write_descriptor(0, {kBuffer, 1}, 2 | 1, 1);
    driver.write_descriptor(1, {kBuffer, 1}, 0, 0);
    driver.offer(0);
    EXPECT_REFUSED(queue.pop(chain), VirtioErrc::wrong_direction);
}

TEST_F(QueueTest, TakesAChainAsLongAsTheTable) {
    ASSERT_TRUE(driver.add(std::vector<Buffer>(8, {kBuffer, 1}), {}));
    ASSERT_TRUE(must(queue.pop(chain)));
    EXPECT_EQ(chain.readable.size(), 8U);
}

TEST_F(QueueTest, RefusesBadLayouts) {
    const QueueLayout good = driver.layout();
    const auto with = [&good](auto change) {
        QueueLayout layout = good;
        change(layout);
        return layout;
    };
    const auto create = [this](const QueueLayout& layout) {
        return Queue::create(ram.memory(), layout, 8, false);
    };
    for (const std::uint16_t size : std::initializer_list<std::uint16_t>{0, 3, 7, 16, 0x8000}) {
        EXPECT_REFUSED(create(with([size](auto& l) { l.size = size; })), VirtioErrc::bad_ring_size);
    }
    using Change = void (*)(QueueLayout&);
    for (const Change change : {
             Change([](QueueLayout& l) { l.descriptors += 8; }),
             Change([](QueueLayout& l) { l.available += 1; }),
             Change([](QueueLayout& l) { l.used += 2; }),
             Change([](QueueLayout& l) { l.descriptors = kRamSize - 112; }),
             Change([](QueueLayout& l) { l.available = kRamSize; }),
             Change([](QueueLayout& l) { l.used = kRamSize - 4; }),
             Change([](QueueLayout& l) { l.used = UINT64_MAX - 3; }),
         }) {
        EXPECT_REFUSED(create(with(change)), VirtioErrc::bad_ring_address);
    }
}

TEST_F(QueueTest, FlagsSilenceBothSides) {
    queue.silence();
    ASSERT_TRUE(driver.add({{kBuffer, 1}}, {}));
    EXPECT_FALSE(driver.wants_kick());
    EXPECT_TRUE(must(queue.listen())) << "what came while silent must be told";
    EXPECT_TRUE(driver.wants_kick());
    ASSERT_TRUE(must(queue.pop(chain)));
    driver.refuse_interrupts();
    queue.push(chain.head, 0);
    EXPECT_FALSE(queue.publish());
}

TEST_F(EventQueueTest, EventIndicesSilenceBothSides) {
    EXPECT_FALSE(must(queue.listen()));
    ASSERT_TRUE(driver.add({{kBuffer, 1}}, {}));
    EXPECT_TRUE(driver.wants_kick());
    ASSERT_TRUE(driver.add({{kBuffer, 1}}, {}));
    EXPECT_FALSE(driver.wants_kick()) << "the device has not listened since";
    ASSERT_TRUE(must(queue.pop(chain)));
    queue.push(chain.head, 0);
    EXPECT_TRUE(queue.publish());
    ASSERT_TRUE(must(queue.pop(chain)));
    queue.push(chain.head, 0);
    EXPECT_FALSE(queue.publish()) << "the driver has not asked since";
    while (driver.take()) {
    }
    driver.want_interrupt();
    EXPECT_FALSE(must(queue.listen()));
    ASSERT_TRUE(driver.add({{kBuffer, 1}}, {}));
    EXPECT_TRUE(driver.wants_kick());
    ASSERT_TRUE(must(queue.pop(chain)));
    queue.push(chain.head, 0);
    EXPECT_TRUE(queue.publish());
}

TEST_F(QueueTest, NothingPushedIsNothingToInterruptFor) {
    EXPECT_FALSE(queue.publish());
}

TEST(SegmentsTest, ReadsWritesAndGathersAcrossBuffers) {
    Bytes a(3), b(2), c(4);
    Segments segments;
    segments.add(a);
    segments.add({});
    segments.add(b);
    segments.add(c);
    EXPECT_EQ(segments.size(), 9U);
    EXPECT_EQ(segments.count(), 3U);
    EXPECT_TRUE(segments.write(2, as_bytes("xyzw")));
    EXPECT_EQ(a[2], 'x');
    EXPECT_EQ(b[0], 'y');
    EXPECT_EQ(b[1], 'z');
    EXPECT_EQ(c[0], 'w');
    Bytes out(4);
    EXPECT_TRUE(segments.read(2, out));
    EXPECT_EQ(as_text(out), "xyzw");
    EXPECT_FALSE(segments.read(6, out));
    EXPECT_FALSE(segments.write(10, {}));
    EXPECT_TRUE(segments.write(9, {}));
    std::vector<iovec> parts;
    segments.gather(1, 5, parts);
    ASSERT_EQ(parts.size(), 3U);
    EXPECT_EQ(parts[0].iov_base, a.data() + 1);
    EXPECT_EQ(parts[0].iov_len, 2U);
    EXPECT_EQ(parts[2].iov_len, 1U);
}

}  // namespace
}  // namespace casemate::virtio
