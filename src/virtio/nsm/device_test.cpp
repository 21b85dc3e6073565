#include "virtio/nsm/device.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/socket.hpp"
#include "virtio/testing/guest_driver.hpp"

namespace casemate::virtio {
namespace {

using testing::GuestDriver;
using testing::GuestQueue;
using testing::GuestRam;
using testing::must;

constexpr std::uint64_t kRequest = 0x10000;
constexpr std::uint64_t kResponse = 0x20000;
constexpr std::uint32_t kCapacity = 0x3000;

// NsmTest plays the Linux driver on one side and the module on the other.
class NsmTest : public ::testing::Test {
protected:
    NsmTest() : NsmTest(NsmDevice::kAnswerTimeout) {}
    explicit NsmTest(std::chrono::milliseconds timeout)
        : pair(must(make_socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK))),
          device(
              loop, std::move(pair.first), [this](const Error&) { ++modules_lost; }, timeout),
          transport(must(MmioTransport::create(ram.memory(), line, loop, device, nullptr))),
          driver(*transport) {
        bring_up();
    }

    void bring_up() {
        queue = GuestQueue(ram, 0x1000, 2, false);
        ASSERT_TRUE(driver.negotiate(kFeatureVersion1));
        ASSERT_TRUE(driver.set_up(0, queue.layout()));
        driver.start();
        run();
    }
    void run() {
        for (int i = 0; i < 4; ++i) {
            ASSERT_TRUE(loop.run_once(std::chrono::milliseconds(0)).ok());
        }
    }
    // ask does what nsm_sendrecv_msg_locked does, up to waiting for the interrupt.
    void ask(std::string_view request, std::uint32_t capacity = kCapacity) {
        const auto text = as_bytes(request);
        if (!text.empty()) {
            std::memcpy(ram.at(kRequest, text.size()).data(), text.data(), text.size());
        }
        request_head = queue.add({{kRequest, static_cast<std::uint32_t>(text.size())}}, {}).value();
        response_head = queue.add({}, {{kResponse, capacity}}).value();
        ASSERT_TRUE(queue.wants_kick());
        driver.kick(0);
        run();
    }
    // response takes both buffers as the driver does after one interrupt.
    std::string response() {
        EXPECT_EQ(line.take(), 1U) << "one interrupt per transaction";
        EXPECT_EQ(driver.interrupts(), kInterruptUsedRing);
        EXPECT_EQ(queue.take(), (GuestQueue::Used{request_head, 0})) << "the request comes first";
        const auto used = queue.take();
        if (!used || used->head != response_head) {
            ADD_FAILURE() << "wrong response buffer";
            return "";
        }
        return std::string(as_text(ram.at(kResponse, used->written)));
    }
    [[nodiscard]] std::string module_request() const {
        auto packet = receive_packet(pair.second.get(), 0x4000);
        return packet ? std::string(as_text(packet->bytes)) : "nothing";
    }
    void module_answers(std::string_view text) {
        ASSERT_TRUE(send_packet(pair.second.get(), as_bytes(text)).ok());
        run();
    }

    GuestRam ram;
    EventLoop loop = must(EventLoop::create());
    machine::InterruptLine line = must(machine::InterruptLine::create());
    FdPair pair;
    int modules_lost = 0;
    NsmDevice device;
    std::unique_ptr<MmioTransport> transport;
    GuestDriver driver;
    GuestQueue queue{ram, 0x1000, 2, false};
    std::uint32_t request_head = 0;
    std::uint32_t response_head = 0;
};

class ImpatientNsmTest : public NsmTest {
protected:
    ImpatientNsmTest() : NsmTest(std::chrono::milliseconds(1)) {}
};

const std::string kInternal =
    "\xa1"
    "eError"
    "mInternalError";
const std::string kTooLarge =
    "\xa1"
    "eError"
    "mInputTooLarge";

TEST_F(NsmTest, IsDevice33WithOneQueueAndNothingElse) {
    EXPECT_EQ(driver.get(Register::device_id), 33U);
    EXPECT_EQ(driver.offered(), kFeatureVersion1);
    driver.set(Register::queue_select, 1);
    EXPECT_EQ(driver.get(Register::queue_size_max), 0U);
}

TEST_F(NsmTest, CarriesARequestAndItsResponse) {
    for (int i = 0; i < 5; ++i) {
        ask("a request " + std::to_string(i));
        EXPECT_EQ(module_request(), "a request " + std::to_string(i));
        EXPECT_EQ(line.take(), 0U) << "nothing is used before the answer";
        EXPECT_EQ(queue.used_index(), 2 * i);
        module_answers("the answer");
        EXPECT_EQ(response(), "the answer");
    }
}

TEST_F(NsmTest, CarriesTheLargestRequestAndResponse) {
    const std::string request(NsmDevice::kMaxRequest, 'q');
    const std::string answer(NsmDevice::kMaxResponse, 'a');
    ask(request);
    EXPECT_EQ(module_request(), request);
    module_answers(answer);
    EXPECT_EQ(response(), answer);
}

TEST_F(NsmTest, AnswersALongerRequestItself) {
    ask(std::string(NsmDevice::kMaxRequest + 1, 'q'));
    EXPECT_EQ(response(), kTooLarge);
    EXPECT_EQ(module_request(), "nothing");
}

TEST_F(NsmTest, AnswersAnEmptyRequestItself) {
    ask("");
    EXPECT_EQ(response(),
              "\xa1"
              "eError"
              "pInvalidOperation");
    EXPECT_EQ(module_request(), "nothing");
}

TEST_F(NsmTest, SaysSoWhenTheResponseDoesNotFit) {
    ask("q", 32);
    module_answers(std::string(33, 'a'));
    EXPECT_EQ(response(),
              "\xa1"
              "eError"
              "nBufferTooSmall");
    ask("q", 4);
    module_answers("longer");
    EXPECT_EQ(response(), "");
}

TEST_F(NsmTest, WaitsForTheResponseBuffer) {
    request_head = queue.add({{kRequest, 1}}, {}).value();
    driver.kick(0);
    run();
    EXPECT_EQ(module_request(), "nothing");
    response_head = queue.add({}, {{kResponse, kCapacity}}).value();
    EXPECT_TRUE(queue.wants_kick());
    driver.kick(0);
    run();
    EXPECT_NE(module_request(), "nothing");
    module_answers("a");
    EXPECT_EQ(response(), "a");
}

TEST_F(NsmTest, BuffersInTheWrongDirectionNeedAReset) {
    queue.add({}, {{kResponse, kCapacity}});
    queue.add({{kRequest, 1}}, {});
    driver.kick(0);
    run();
    EXPECT_TRUE(driver.needs_reset());
    bring_up();
    queue.add({{kRequest, 1}}, {});
    queue.add({{kRequest, 1}}, {});
    driver.kick(0);
    run();
    EXPECT_TRUE(driver.needs_reset());
    EXPECT_EQ(queue.used_index(), 0U);
    bring_up();
    ask("still works");
    EXPECT_EQ(module_request(), "still works");
}

TEST_F(NsmTest, ABadRingIndexNeedsAReset) {
    queue.set_available_index(3);
    driver.kick(0);
    run();
    EXPECT_TRUE(driver.needs_reset());
}

TEST_F(NsmTest, ABadDescriptorNeedsAReset) {
    queue.add({{UINT64_MAX - 100, 50}}, {});
    driver.kick(0);
    run();
    EXPECT_TRUE(driver.needs_reset());
}

TEST_F(NsmTest, AnAnswerToADriverThatWasResetIsDropped) {
    ask("old");
    EXPECT_EQ(module_request(), "old");
    bring_up();
    std::memset(ram.at(kResponse, 8).data(), 0, 8);
    ask("new");
    EXPECT_EQ(module_request(), "nothing") << "the module answers one at a time";
    module_answers("old answer");
    EXPECT_EQ(queue.used_index(), 0U);
    EXPECT_EQ(ram.get<std::uint64_t>(kResponse), 0U);
    EXPECT_EQ(module_request(), "new");
    module_answers("new answer");
    EXPECT_EQ(response(), "new answer");
    EXPECT_EQ(modules_lost, 0);
}

TEST_F(NsmTest, AnAnswerAfterAResetTouchesNothing) {
    ask("old");
    driver.set(Register::status, 0);
    module_answers("old answer");
    EXPECT_EQ(queue.used_index(), 0U);
    EXPECT_EQ(ram.get<std::uint64_t>(kResponse), 0U);
}

TEST_F(NsmTest, AModuleThatGoesAwayLeavesErrors) {
    ask("first");
    pair.second.reset();
    run();
    EXPECT_EQ(response(), kInternal);
    ask("second");
    EXPECT_EQ(response(), kInternal);
    EXPECT_EQ(modules_lost, 1);
    EXPECT_FALSE(driver.needs_reset());
}

TEST_F(NsmTest, AModuleThatSpeaksUnaskedIsNotListenedTo) {
    module_answers("unasked");
    EXPECT_EQ(modules_lost, 1);
    ask("q");
    EXPECT_EQ(response(), kInternal);
}

TEST_F(NsmTest, AModuleThatSaysTooMuchIsNotListenedTo) {
    ask("q");
    module_answers(std::string(NsmDevice::kMaxResponse + 1, 'a'));
    EXPECT_EQ(response(), kInternal);
    EXPECT_EQ(modules_lost, 1);
}

TEST_F(ImpatientNsmTest, AModuleThatIsLateIsNotListenedTo) {
    ask("q");
    while (modules_lost == 0) {
        ASSERT_TRUE(loop.run_once(std::chrono::milliseconds(10)).ok());
    }
    EXPECT_EQ(response(), kInternal);
    EXPECT_FALSE(send_packet(pair.second.get(), as_bytes("late")).ok());
}

}  // namespace
}  // namespace casemate::virtio
