// The machine without virtio: what a guest finds, and how a machine ends.
#include <gmock/gmock.h>

#include <chrono>

#include "tests/baremetal/harness.hpp"

namespace casemate::testing {
namespace {

using machine::Exited;
using machine::ExitReason;
using machine::GuestPanicked;
using machine::Started;
using ::testing::HasSubstr;

std::unique_ptr<Enclave> start(const std::string& guest, const EnclaveOptions& options = {}) {
    auto enclave = Enclave::start(guest, options);
    if (!enclave) {
        ADD_FAILURE() << enclave.error().message();
        return nullptr;
    }
    if (!(*enclave)->next_of<Started>()) {
        return nullptr;
    }
    return std::move(*enclave);
}

TEST(Machine, AGuestSpeaksAndResets) {
    CASEMATE_NEEDS_KVM();
    const auto enclave = start("hello");
    ASSERT_TRUE(enclave);
    EXPECT_EQ(enclave->console_text(), "hello from ring 0\n");
    const auto exited = enclave->next_of<Exited>();
    ASSERT_TRUE(exited);
    EXPECT_EQ(exited->reason, ExitReason::guest_reset);
    EXPECT_EQ(enclave->process().wait()->exit_code, 0);
}

TEST(Machine, TheDevicesAnswerWhatDriversAsk) {
    CASEMATE_NEEDS_KVM();
    const auto before = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
    const auto enclave = start("pc_devices");
    ASSERT_TRUE(enclave);
    const std::string text = enclave->console_text();
    for (const char* line :
         {"i8042.status=14\n", "i8042.selftest=55\n", "i8042.ctr=34\n", "i8042.ctr.new=74\n",
          "cmos.a=26\n", "cmos.b=02\n", "cmos.d=80\n", "serial.loopback=90\n", "serial.iir=c1\n",
          "serial.thre=c2\n", "serial.taken=c1\n"}) {
        EXPECT_THAT(text, HasSubstr(line));
    }
    const std::chrono::year_month_day date(before);
    char expected[32];
    std::snprintf(expected, sizeof expected, "cmos.date=%04d%02u%02u\n",
                  static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                  static_cast<unsigned>(date.day()));
    if (std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now()) == before) {
        EXPECT_THAT(text, HasSubstr(expected));
    }
}

TEST(Machine, NothingReadsAsOnes) {
    CASEMATE_NEEDS_KVM();
    const auto enclave = start("nowhere");
    ASSERT_TRUE(enclave);
    // KVM splits the access that crosses a page: its first half is the last device's.
    EXPECT_EQ(enclave->console_text(), "ffffffff ff ff ffffffff ffff0000 ffffffff\n");
    const auto exited = enclave->next_of<Exited>();
    ASSERT_TRUE(exited);
    EXPECT_EQ(exited->reason, ExitReason::guest_reset);
}

TEST(Machine, ATripleFaultIsAShutdownThatExplainsItself) {
    CASEMATE_NEEDS_KVM();
    const auto enclave = start("triple_fault");
    ASSERT_TRUE(enclave);
    const auto exited = enclave->next_of<Exited>();
    ASSERT_TRUE(exited);
    EXPECT_EQ(exited->reason, ExitReason::guest_shutdown) << exited->detail;
    EXPECT_THAT(exited->detail, HasSubstr("triple fault"));
    EXPECT_THAT(exited->detail, HasSubstr("efer="));
}

TEST(Machine, InProductionModeTheRegistersStayInside) {
    CASEMATE_NEEDS_KVM();
    EnclaveOptions options;
    options.console = false;
    const auto enclave = start("triple_fault", options);
    ASSERT_TRUE(enclave);
    const auto exited = enclave->next_of<Exited>();
    ASSERT_TRUE(exited);
    EXPECT_EQ(exited->reason, ExitReason::guest_shutdown);
    EXPECT_THAT(exited->detail, HasSubstr("triple fault"));
    EXPECT_THAT(exited->detail, ::testing::Not(HasSubstr("efer=")));
}

TEST(Machine, APanicIsToldInProductionModeAndTheConsoleStaysInside) {
    CASEMATE_NEEDS_KVM();
    EnclaveOptions options;
    options.console = false;
    const auto enclave = start("panic", options);
    ASSERT_TRUE(enclave);
    const auto panicked = enclave->next_of<GuestPanicked>();
    ASSERT_TRUE(panicked);
    EXPECT_EQ(panicked->line, "Kernel panic - not syncing: no working init");
    EXPECT_TRUE(enclave->next_of<Exited>());
    EXPECT_EQ(enclave->console_text(), "");
}

TEST(Machine, AConsoleThatNobodyReadsDoesNotStopTheGuest) {
    CASEMATE_NEEDS_KVM();
    const auto enclave = start("flood");
    ASSERT_TRUE(enclave);
    // More than socket and buffer hold. Nobody reads until the guest has ended.
    const auto exited = enclave->next_of<Exited>();
    ASSERT_TRUE(exited);
    EXPECT_EQ(exited->reason, ExitReason::guest_reset);
    EXPECT_THAT(enclave->console_text(), ::testing::StartsWith("xxxx"));
}

TEST(Machine, StopEndsAGuestThatDoesNot) {
    CASEMATE_NEEDS_KVM();
    const auto enclave = start("forever");
    ASSERT_TRUE(enclave);
    ASSERT_TRUE(enclave->send(machine::Stop{}));
    const auto exited = enclave->next_of<Exited>();
    ASSERT_TRUE(exited);
    EXPECT_EQ(exited->reason, ExitReason::stopped);
}

TEST(Machine, TheSecondProcessorStarts) {
    CASEMATE_NEEDS_KVM();
    EnclaveOptions options;
    options.vcpu_count = 2;
    const auto enclave = start("two_processors", options);
    ASSERT_TRUE(enclave);
    EXPECT_EQ(enclave->console_text(), "two\n");
    const auto exited = enclave->next_of<Exited>();
    ASSERT_TRUE(exited);
    EXPECT_EQ(exited->reason, ExitReason::guest_reset) << exited->detail;
}

}  // namespace
}  // namespace casemate::testing
