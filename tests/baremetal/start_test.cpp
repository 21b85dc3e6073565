// What the VMM refuses of its supervisor.
#include <gmock/gmock.h>

#include <functional>

#include "base/socket.hpp"
#include "tests/baremetal/harness.hpp"

namespace casemate::testing {
namespace {

using machine::Exited;
using machine::ExitReason;
using machine::Start;

struct Refusal {
    const char* name;
    std::function<void(Start&, std::vector<int>&)> change;
    // reason says which step it was.
    ExitReason reason = ExitReason::failed;
};

Start good_start(const Enclave& enclave) {
    Start start;
    start.memory_bytes = machine::kMinMemory;
    start.vcpu_count = 1;
    start.guest_cid = 16;
    start.image = enclave.load("hello").value();
    return start;
}

// Refused: the VMM answers a changed Start with Exited and a reason, and ends.
void expect_refused(const Refusal& refusal) {
    const auto enclave = Enclave::spawn(machine::kMinMemory);
    ASSERT_TRUE(enclave) << enclave.error().message();
    Start start = good_start(**enclave);
    auto descriptors = (*enclave)->start_descriptors();
    refusal.change(start, descriptors);
    ASSERT_TRUE((*enclave)->send(start, descriptors)) << refusal.name;
    const auto exited = (*enclave)->next_of<Exited>();
    ASSERT_TRUE(exited) << refusal.name;
    EXPECT_EQ(exited->reason, refusal.reason) << refusal.name;
    EXPECT_FALSE(exited->detail.empty()) << refusal.name;
    EXPECT_EQ((*enclave)->process().wait()->exit_code, 0) << refusal.name;
}

TEST(BadStart, IsRefusedWithAReason) {
    CASEMATE_NEEDS_KVM();
    const std::uint64_t end = machine::kMinMemory;
    const std::vector<Refusal> refusals{
        {"no memory", [](auto& start, auto&) { start.memory_bytes = 0; }},
        {"more than the file", [](auto& start, auto&) { start.memory_bytes *= 2; },
         ExitReason::no_memory},
        {"no vCPU", [](auto& start, auto&) { start.vcpu_count = 0; }},
        {"too many vCPUs", [](auto& start, auto&) { start.vcpu_count = 65; }},
        {"pins for some",
         [](auto& start, auto&) {
             start.pinned_cpus = {0, 0};
         }},
        {"a CPU that is not there", [](auto& start, auto&) { start.pinned_cpus = {1023}; },
         ExitReason::no_vcpu},
        {"a CPU that can't be", [](auto& start, auto&) { start.pinned_cpus = {0xffffffff}; },
         ExitReason::no_vcpu},
        {"the parent's CID", [](auto& start, auto&) { start.guest_cid = 3; }},
        {"entry outside", [](auto& start, auto&) { start.image.entry = 0x7000; },
         ExitReason::not_loaded},
        {"nothing loaded", [](auto& start, auto&) { start.image.loaded.clear(); },
         ExitReason::not_loaded},
        {"loaded below 1 MiB",
         [](auto& start, auto&) {
             start.image.loaded.insert(start.image.loaded.begin(), {0x9000, 0x1000});
         },
         ExitReason::not_loaded},
        {"loaded behind the memory",
         [end](auto& start, auto&) {
             start.image.loaded.push_back({end, 0x1000});
         },
         ExitReason::not_loaded},
        {"loaded overflows",
         [](auto& start, auto&) {
             start.image.loaded.push_back({~0ULL << 12U, 0x2000});
         },
         ExitReason::not_loaded},
        {"loaded not whole pages",
         [end](auto& start, auto&) {
             start.image.loaded.push_back({end - 0x1000, 0x800});
         },
         ExitReason::not_loaded},
        {"ramdisk not loaded",
         [end](auto& start, auto&) {
             start.image.initrd = {end - 0x1000, 0x1000};
         },
         ExitReason::not_loaded},
        {"command line with NUL",
         [](auto& start, auto&) { start.image.command_line = std::string("a\0b", 3); },
         ExitReason::not_loaded},
        {"no descriptors", [](auto&, auto& descriptors) { descriptors.clear(); }},
        {"one descriptor less", [](auto&, auto& descriptors) { descriptors.pop_back(); }},
        {"one descriptor more",
         [](auto&, auto& descriptors) { descriptors.push_back(descriptors[0]); }},
        {"memory that is no memory",
         [](auto&, auto& descriptors) { descriptors[0] = descriptors[1]; }, ExitReason::no_memory},
        {"KVM that is not KVM", [](auto&, auto& descriptors) { descriptors[3] = descriptors[0]; },
         ExitReason::not_created},
    };
    for (const auto& refusal : refusals) {
        expect_refused(refusal);
    }
}

TEST(BadStart, AnythingElseFirstIsRefused) {
    CASEMATE_NEEDS_KVM();
    for (const machine::SupervisorMessage& message :
         {machine::SupervisorMessage(machine::OpenStream{1}),
          machine::SupervisorMessage(machine::ConnectReply{1, false})}) {
        const auto enclave = Enclave::spawn(machine::kMinMemory);
        ASSERT_TRUE(enclave);
        ASSERT_TRUE((*enclave)->send(message));
        const auto exited = (*enclave)->next_of<Exited>();
        ASSERT_TRUE(exited);
        EXPECT_EQ(exited->reason, ExitReason::failed);
    }
}

TEST(BadStart, ASecondStartEndsTheMachine) {
    CASEMATE_NEEDS_KVM();
    const auto enclave = Enclave::start("forever");
    ASSERT_TRUE(enclave);
    ASSERT_TRUE((*enclave)->next_of<machine::Started>());
    ASSERT_TRUE((*enclave)->send(Start{}));
    const auto exited = (*enclave)->next_of<Exited>();
    ASSERT_TRUE(exited);
    EXPECT_EQ(exited->reason, ExitReason::failed);
}

TEST(BadStart, StopBeforeStartIsStopped) {
    CASEMATE_NEEDS_KVM();
    const auto enclave = Enclave::spawn(machine::kMinMemory);
    ASSERT_TRUE(enclave);
    ASSERT_TRUE((*enclave)->send(machine::Stop{}));
    const auto exited = (*enclave)->next_of<Exited>();
    ASSERT_TRUE(exited);
    EXPECT_EQ(exited->reason, ExitReason::stopped);
}

}  // namespace
}  // namespace casemate::testing
