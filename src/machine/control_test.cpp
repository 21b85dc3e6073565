#include "machine/control.hpp"

#include <gtest/gtest.h>

#include "base/os_error.hpp"
#include "machine/errors.hpp"
#include "machine/step.hpp"

namespace casemate::machine {
namespace {

Start sample_start() {
    Start start;
    start.memory_bytes = 256ULL << 20U;
    start.vcpu_count = 2;
    start.pinned_cpus = {3, 7};
    start.guest_cid = 16;
    start.console = true;
    start.image.entry = 0x100'0000;
    start.image.setup_header = {1, 2, 3};
    start.image.initrd = {0x800'0000, 0x1234};
    start.image.command_line = "console=ttyS0";
    start.image.loaded = {{0x10'0000, 0x1000}, {0x800'0000, 0x2000}};
    return start;
}

TEST(Control, EveryMessageToTheVmmComesBackAsItWas) {
    const std::vector<SupervisorMessage> messages{sample_start(), Start{}, OpenStream{5005},
                                                  ConnectReply{1ULL << 40U, true}, Stop{}};
    for (const auto& message : messages) {
        const auto decoded = decode_supervisor_message(encode(message));
        ASSERT_TRUE(decoded) << decoded.error().message();
        EXPECT_EQ(*decoded, message);
    }
}

TEST(Control, EveryMessageFromTheVmmComesBackAsItWas) {
    const std::vector<VmmMessage> messages{Started{}, ConnectRequest{9, 3, 9000, 1024},
                                           GuestPanicked{"Kernel panic - not syncing: no init"},
                                           Exited{ExitReason::guest_reset, "the guest reset"}};
    for (const auto& message : messages) {
        const auto decoded = decode_vmm_message(encode(message));
        ASSERT_TRUE(decoded) << decoded.error().message();
        EXPECT_EQ(*decoded, message);
    }
}

TEST(Control, RefusesEveryTruncationAndEveryAddedByte) {
    const Bytes whole = encode(SupervisorMessage(sample_start()));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto decoded = decode_supervisor_message(ByteView(whole).first(size));
        ASSERT_FALSE(decoded) << size;
        EXPECT_TRUE(decoded.error().is(MachineErrc::bad_message));
    }
    Bytes longer = whole;
    longer.push_back(0);
    EXPECT_FALSE(decode_supervisor_message(longer));
}

TEST(Control, RefusesPacketsThatWentTheWrongWay) {
    EXPECT_FALSE(decode_vmm_message(encode(SupervisorMessage(Stop{}))));
    EXPECT_FALSE(decode_supervisor_message(encode(VmmMessage(Started{}))));
    EXPECT_FALSE(decode_vmm_message(Bytes{0}));
}

TEST(Control, RefusesFlagsAndReasonsThatDoNotExist) {
    Bytes reply = encode(SupervisorMessage(ConnectReply{1, true}));
    reply.back() = 2;
    EXPECT_FALSE(decode_supervisor_message(reply));
    Bytes exited = encode(VmmMessage(Exited{ExitReason::failed, ""}));
    exited[1] = 10;
    EXPECT_FALSE(decode_vmm_message(exited));
    exited[1] = 0;
    EXPECT_FALSE(decode_vmm_message(exited));
}

// Proves that each step of a start has a reason of its own, and that the system's number becomes
// advice.
TEST(Control, AFailedStepHasItsReasonAndSaysWhatToDo) {
    const Error vcpu = failed_step(StepErrc::add_vcpu, os_error("KVM_CREATE_VCPU", EINVAL));
    EXPECT_EQ(vcpu.message(),
              "a virtual CPU could not be added: Invalid argument: KVM_CREATE_VCPU; ask for fewer "
              "CPUs");
    EXPECT_EQ(reason_of(*vcpu.code_as<StepErrc>()), ExitReason::no_vcpu);
    const Error memory = failed_step(StepErrc::set_memory, os_error("map guest memory", ENOMEM));
    EXPECT_NE(memory.message().find("no memory left"), std::string::npos);
    EXPECT_EQ(reason_of(*memory.code_as<StepErrc>()), ExitReason::no_memory);
    for (const StepErrc step : {StepErrc::create_vm, StepErrc::load_image, StepErrc::start}) {
        const Exited exited{reason_of(step), std::string(describe(step))};
        EXPECT_TRUE(decode_vmm_message(encode(VmmMessage(exited))));
        EXPECT_NE(exited.reason, ExitReason::failed);
    }
    EXPECT_TRUE(at_step(StepErrc::start, Result<>()));
}

TEST(Control, RefusesTextsThatAreTooLongOrNotPrintable) {
    EXPECT_TRUE(decode_vmm_message(encode(VmmMessage(GuestPanicked{std::string(256, 'x')}))));
    EXPECT_FALSE(decode_vmm_message(encode(VmmMessage(GuestPanicked{std::string(257, 'x')}))));
    EXPECT_FALSE(decode_vmm_message(encode(VmmMessage(GuestPanicked{"two\nlines"}))));
    const Exited longest{ExitReason::failed, std::string(8192, 'x')};
    EXPECT_TRUE(decode_vmm_message(encode(VmmMessage(longest))));
    const Exited longer{ExitReason::failed, std::string(8193, 'x')};
    EXPECT_FALSE(decode_vmm_message(encode(VmmMessage(longer))));
}

TEST(Control, RefusesStartsBeyondTheLimits) {
    Start start = sample_start();
    start.pinned_cpus.assign(kMaxVcpus + 1, 0);
    EXPECT_FALSE(decode_supervisor_message(encode(SupervisorMessage(start))));
    start = sample_start();
    start.image.command_line.assign(4097, 'x');
    EXPECT_FALSE(decode_supervisor_message(encode(SupervisorMessage(start))));
    start = sample_start();
    start.image.setup_header.assign(273, 0);
    EXPECT_FALSE(decode_supervisor_message(encode(SupervisorMessage(start))));
    start = sample_start();
    start.image.loaded.assign(257, {});
    EXPECT_FALSE(decode_supervisor_message(encode(SupervisorMessage(start))));
}

TEST(Control, TheLargestStartFitsItsLimits) {
    Start start = sample_start();
    start.pinned_cpus.assign(kMaxVcpus, 0);
    start.image.command_line.assign(4096, 'x');
    start.image.setup_header.assign(272, 0);
    start.image.loaded.assign(256, {});
    Bytes image;
    ByteWriter writer(image);
    encode(start.image, writer);
    EXPECT_LE(image.size(), kMaxBootImageSize);
    EXPECT_TRUE(decode_supervisor_message(encode(SupervisorMessage(start))));
}

}  // namespace
}  // namespace casemate::machine
