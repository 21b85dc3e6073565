#include "virtio/mmio.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "virtio/testing/guest_driver.hpp"

namespace casemate::virtio {
namespace {

using testing::GuestDriver;
using testing::GuestQueue;
using testing::GuestRam;
using testing::must;

constexpr std::uint64_t kFeature = 1ULL << 5U;
constexpr std::uint64_t kData = 0x10000;

// EchoDevice returns each chain with as many written bytes as it has room for.
class EchoDevice final : public Device {
public:
    [[nodiscard]] std::uint32_t id() const override { return 42; }
    [[nodiscard]] std::uint64_t features() const override { return kFeature | kFeatureEventIndex; }
    [[nodiscard]] std::span<const std::uint16_t> queue_sizes() const override { return sizes; }
    [[nodiscard]] ByteView config() const override { return bytes; }
    void attach(Transport& transport) override { transport_ = &transport; }
    void reset() override { ++resets; }
    void queue_notified(std::size_t index) override {
        ++notified;
        Queue* queue = transport_->queue(index);
        Chain chain;
        while (queue != nullptr) {
            const auto popped = queue->pop(chain);
            if (!popped) {
                transport_->fail(popped.error());
                return;
            }
            if (!*popped) {
                break;
            }
            queue->push(chain.head, static_cast<std::uint32_t>(chain.writable.size()));
            transport_->publish(*queue);
        }
    }

    const std::array<std::uint16_t, 2> sizes{16, 4};
    const Bytes bytes{1, 2, 3, 4, 5, 6, 7, 8};
    int resets = 0;
    int notified = 0;

private:
    Transport* transport_ = nullptr;
};

class MmioTest : public ::testing::Test {
protected:
    void run() {
        for (int i = 0; i < 4; ++i) {
            ASSERT_TRUE(loop.run_once(std::chrono::milliseconds(0)).ok());
        }
    }
    void bring_up() {
        ASSERT_TRUE(driver.negotiate(kFeatureVersion1 | kFeature));
        ASSERT_TRUE(driver.set_up(0, queue.layout()));
        driver.start();
        run();
    }

    GuestRam ram;
    EventLoop loop = must(EventLoop::create());
    machine::InterruptLine line = must(machine::InterruptLine::create());
    EchoDevice device;
    std::vector<std::string> failures;
    std::unique_ptr<MmioTransport> transport =
        must(MmioTransport::create(ram.memory(), line, loop, device, [this](const Error& reason) {
            failures.push_back(reason.message());
        }));
    GuestDriver driver{*transport};
    GuestQueue queue{ram, 0x1000, 16, false};
};

TEST_F(MmioTest, SaysWhatItIs) {
    EXPECT_EQ(driver.get(Register::magic_value), 0x74726976U);
    EXPECT_EQ(driver.get(Register::version), 2U);
    EXPECT_EQ(driver.get(Register::device_id), 42U);
    EXPECT_EQ(driver.offered(), kFeatureVersion1 | kFeatureEventIndex | kFeature);
    driver.set(Register::device_features_select, 2);
    EXPECT_EQ(driver.get(Register::device_features), 0U);
    EXPECT_EQ(driver.get(Register::config_generation), 0U);
    EXPECT_EQ(driver.get(Register::shared_memory_length_low), UINT32_MAX);
    for (const auto& [select, size] : {std::pair{0U, 16U}, {1U, 4U}, {2U, 0U}, {~0U, 0U}}) {
        driver.set(Register::queue_select, select);
        EXPECT_EQ(driver.get(Register::queue_size_max), size);
    }
}

TEST_F(MmioTest, ConfigurationIsReadInAnyWidthAndNeverBeyondItsEnd) {
    Bytes two(2), eight(8, 0), past(4, 0), partly(4, 0);
    transport->read(0x101, two);
    EXPECT_EQ(two, (Bytes{2, 3}));
    transport->read(0x100, eight);
    EXPECT_EQ(eight, device.bytes);
    transport->read(0x106, partly);
    EXPECT_EQ(partly, (Bytes{7, 8, 0, 0}));
    transport->read(0x108, past);
    transport->read(0xffc, past);
    transport->read(UINT64_MAX - 3, past);
    EXPECT_EQ(past, Bytes(4, 0));
    transport->write(0x100, past);
    transport->read(0x100, eight);
    EXPECT_EQ(eight, device.bytes);
}

TEST_F(MmioTest, RegistersOfAnotherWidthOrAlignmentDoNothing) {
    Bytes byte(1, 0), eight(8, 0), four(4, 0);
    transport->read(0, byte);
    transport->read(0, eight);
    transport->read(2, four);
    EXPECT_EQ(byte, Bytes(1, 0));
    EXPECT_EQ(eight, Bytes(8, 0));
    EXPECT_EQ(four, Bytes(4, 0));
    transport->write(0x70, Bytes{1});
    transport->write(0x70, Bytes{1, 0, 0, 0, 0, 0, 0, 0});
    transport->write(0x71, Bytes{1, 0, 0, 0});
    EXPECT_EQ(driver.get(Register::status), 0U);
}

TEST_F(MmioTest, MovesAChainFromKickToInterrupt) {
    bring_up();
    EXPECT_EQ(line.take(), 0U);
    const auto head = queue.add({{kData, 4}}, {{kData, 9}});
    driver.kick(0);
    run();
    EXPECT_EQ(line.take(), 1U);
    EXPECT_EQ(driver.interrupts(), kInterruptUsedRing);
    EXPECT_EQ(driver.get(Register::interrupt_status), 0U);
    EXPECT_EQ(queue.take(), (GuestQueue::Used{*head, 9}));
}

TEST_F(MmioTest, WhatWasMadeAvailableBeforeDriverOkIsSeenThen) {
    ASSERT_TRUE(driver.negotiate(kFeatureVersion1));
    ASSERT_TRUE(driver.set_up(0, queue.layout()));
    ASSERT_TRUE(queue.add({{kData, 4}}, {}));
    driver.kick(0);
    run();
    EXPECT_EQ(device.notified, 0);
    driver.start();
    run();
    EXPECT_TRUE(queue.take());
}

TEST_F(MmioTest, FeaturesThatWereNotOfferedOrAreMissingEndTheNegotiation) {
    EXPECT_FALSE(driver.negotiate(kFeature));
    EXPECT_FALSE(driver.negotiate(kFeatureVersion1 | 1ULL << 28U));
    EXPECT_FALSE(driver.negotiate(kFeatureVersion1 | 1ULL << 63U));
    EXPECT_TRUE(driver.negotiate(kFeatureVersion1));
}

TEST_F(MmioTest, FeaturesAreSettledByFeaturesOk) {
    ASSERT_TRUE(driver.negotiate(kFeatureVersion1));
    driver.set(Register::driver_features_select, 0);
    driver.set(Register::driver_features, static_cast<std::uint32_t>(kFeatureEventIndex));
    ASSERT_TRUE(driver.set_up(0, queue.layout()));
    driver.start();
    // Were event indices on, this ring's flags would say nothing.
    queue.refuse_interrupts();
    ASSERT_TRUE(queue.add({{kData, 4}}, {}));
    driver.kick(0);
    run();
    EXPECT_TRUE(queue.take());
    EXPECT_EQ(line.take(), 0U);
}

TEST_F(MmioTest, StatusOnlyGoesForwardAndInOrder) {
    driver.set(Register::status, kStatusDriver);
    EXPECT_EQ(driver.get(Register::status), 0U) << "DRIVER before ACKNOWLEDGE";
    driver.set(Register::status, kStatusAcknowledge | kStatusDriverOk);
    EXPECT_EQ(driver.get(Register::status), 0U) << "DRIVER_OK before FEATURES_OK";
    driver.set(Register::status, kStatusAcknowledge);
    driver.set(Register::status, kStatusAcknowledge | kStatusFeaturesOk);
    EXPECT_EQ(driver.get(Register::status), kStatusAcknowledge) << "FEATURES_OK before DRIVER";
    driver.set(Register::status, kStatusAcknowledge | kStatusDriver);
    driver.set(Register::status, kStatusAcknowledge);
    EXPECT_EQ(driver.get(Register::status), kStatusAcknowledge | kStatusDriver)
        << "a bit taken back";
    driver.add_status(kStatusNeedsReset);
    EXPECT_FALSE(driver.needs_reset()) << "the device's own bit";
    driver.add_status(kStatusFailed);
    EXPECT_NE(driver.get(Register::status) & kStatusFailed, 0U);
}

TEST_F(MmioTest, QueuesAreSetUpBetweenFeaturesOkAndDriverOkOnly) {
    EXPECT_FALSE(driver.set_up(0, queue.layout()));
    bring_up();
    EXPECT_FALSE(driver.set_up(1, GuestQueue(ram, 0x4000, 4, false).layout()));
    EXPECT_FALSE(driver.set_up(2, queue.layout()));
    EXPECT_TRUE(failures.empty());
}

TEST_F(MmioTest, AReadyQueueKeepsItsLayout) {
    bring_up();
    driver.set(Register::queue_select, 0);
    driver.set(Register::queue_descriptors_low, 0x5000);
    driver.set(Register::queue_size, 4);
    ASSERT_TRUE(queue.add({{kData, 4}}, {}));
    driver.kick(0);
    run();
    EXPECT_TRUE(queue.take());
}

TEST_F(MmioTest, ABadLayoutNeedsAReset) {
    ASSERT_TRUE(driver.negotiate(kFeatureVersion1));
    QueueLayout layout = queue.layout();
    layout.used += 1;
    EXPECT_FALSE(driver.set_up(0, layout));
    EXPECT_TRUE(driver.needs_reset());
    EXPECT_EQ(failures.size(), 1U);
    EXPECT_EQ(line.take(), 0U) << "no interrupt before DRIVER_OK";
    EXPECT_FALSE(driver.set_up(0, queue.layout())) << "nothing but a reset helps";
    bring_up();
    EXPECT_FALSE(driver.needs_reset());
}

TEST_F(MmioTest, AnOversizedQueueSizeIsRefusedAndNotTruncated) {
    ASSERT_TRUE(driver.negotiate(kFeatureVersion1));
    driver.set(Register::queue_select, 0);
    const QueueLayout layout = queue.layout();
    ASSERT_FALSE(driver.set_up(0, {0, layout.descriptors, layout.available, layout.used}));
    ASSERT_TRUE(driver.negotiate(kFeatureVersion1));
    driver.set(Register::queue_size, 0x10010);
    driver.set(Register::queue_descriptors_low, 0x1000);
    driver.set(Register::queue_ready, 1);
    EXPECT_EQ(driver.get(Register::queue_ready), 0U);
}

TEST_F(MmioTest, ALyingGuestStopsItsDeviceUntilItResets) {
    bring_up();
    queue.offer(16);
    driver.kick(0);
    run();
    EXPECT_TRUE(driver.needs_reset());
    EXPECT_EQ(line.take(), 1U);
    EXPECT_EQ(driver.interrupts(), kInterruptConfig);
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_NE(failures[0].find("bad descriptor"), std::string::npos) << failures[0];
    const int before = device.notified;
    driver.kick(0);
    run();
    EXPECT_EQ(device.notified, before);
    driver.add_status(0);
    EXPECT_TRUE(driver.needs_reset());

    queue = GuestQueue(ram, 0x1000, 16, false);
    bring_up();
    EXPECT_EQ(device.resets, 2);
    ASSERT_TRUE(queue.add({{kData, 4}}, {}));
    driver.kick(0);
    run();
    EXPECT_TRUE(queue.take());
}

TEST_F(MmioTest, AResetTakesEffectBeforeTheDeviceHearsOfIt) {
    bring_up();
    ASSERT_TRUE(queue.add({{kData, 4}}, {}));
    driver.kick(0);
    driver.set(Register::status, 0);
    run();
    EXPECT_EQ(queue.used_index(), 0U) << "the old rings are the guest's again";
    EXPECT_EQ(device.notified, 2) << "at DRIVER_OK alone, once per queue";
    EXPECT_EQ(driver.get(Register::queue_ready), 0U);
    EXPECT_EQ(driver.get(Register::status), 0U);
}

TEST_F(MmioTest, AQueueTakenAwayIsNotTouched) {
    bring_up();
    driver.set(Register::queue_select, 0);
    driver.set(Register::queue_ready, 0);
    EXPECT_EQ(driver.get(Register::queue_ready), 0U);
    ASSERT_TRUE(queue.add({{kData, 4}}, {}));
    driver.kick(0);
    run();
    EXPECT_EQ(queue.used_index(), 0U);
}

TEST_F(MmioTest, NotifyingQueuesThatDoNotExistDoesNothing) {
    bring_up();
    const int before = device.notified;
    driver.kick(2);
    driver.kick(UINT32_MAX);
    run();
    EXPECT_EQ(device.notified, before);
}

// Two vCPUs hammer the registers while the device works: for the thread sanitizer, and to see that
// neither deadlocks.
TEST_F(MmioTest, VcpusMayDoAnythingWhileTheDeviceWorks) {
    std::atomic<bool> done{false};
    std::thread registers([&] {
        for (int i = 0; i < 3000; ++i) {
            static_cast<void>(driver.negotiate(kFeatureVersion1));
            static_cast<void>(driver.set_up(0, queue.layout()));
            driver.start();
            driver.kick(0);
        }
        done = true;
    });
    std::thread interrupts([&] {
        while (!done) {
            static_cast<void>(driver.interrupts());
        }
    });
    while (!done) {
        ASSERT_TRUE(loop.run_once(std::chrono::milliseconds(1)).ok());
    }
    registers.join();
    interrupts.join();
    run();
    EXPECT_GT(device.resets, 0);
}

}  // namespace
}  // namespace casemate::virtio
