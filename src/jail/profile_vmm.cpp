// casemate-vmm: it makes one virtual machine and then runs it, moving bytes between guest memory
// and sockets that are handed to it. The lists are what the program was seen to call (strace, over
// the bare-metal tests and whole enclaves) and what its C library calls to end in an error.
//
// ioctl is told apart by its number alone: of the descriptors that a running VMM has, only those of
// its own machine know KVM's numbers.
#include <linux/kvm.h>
#include <sys/syscall.h>

#include "jail/common_calls.hpp"
#include "jail/profile.hpp"

namespace casemate::jail {

namespace {

// One stream of the guest is one descriptor.
constexpr std::uint64_t kMaxDescriptors = 16384;

// These three calls' numbers contain the size of a structure that is a byte larger in C++ than in
// C.
constexpr std::uint64_t kListHeadSize = 8;
constexpr std::uint64_t kGetSupportedCpuid =
    _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x05, kListHeadSize);
constexpr std::uint64_t kSetCpuid2 = _IOC(_IOC_WRITE, KVMIO, 0x90, kListHeadSize);
constexpr std::uint64_t kSetMsrs = _IOC(_IOC_WRITE, KVMIO, 0x89, kListHeadSize);

Profile make(std::string_view name, std::vector<AllowedCall> allowed) {
    Profile profile;
    profile.name = name;
    profile.allowed = std::move(allowed);
    profile.refused = library_attempts();
    profile.violation = kViolation;
    profile.kept_descriptors = {0, 1, 2, 3};
    profile.max_descriptors = kMaxDescriptors;
    return profile;
}

AllowedCall ioctls(std::string_view reason, std::vector<std::uint64_t> numbers) {
    return {SYS_ioctl, reason, {{1, kIntArgument, std::move(numbers)}}};
}

std::vector<AllowedCall> running_calls() {
    return {
        ioctls("running a vCPU", {KVM_RUN}),
        {SYS_epoll_wait, "the event loop", {}},
        {SYS_epoll_ctl, "the event loop", {}},
        {SYS_shutdown, "half-closed streams", {}},
        ioctls("telling how a vCPU died", {KVM_GET_REGS, KVM_GET_SREGS}),
    };
}

std::vector<AllowedCall> making_calls() {
    return {
        ioctls("what KVM can do", {KVM_GET_API_VERSION, KVM_CHECK_EXTENSION, KVM_GET_VCPU_MMAP_SIZE,
                                   kGetSupportedCpuid}),
        ioctls("making the machine",
               {KVM_CREATE_VM, KVM_SET_TSS_ADDR, KVM_SET_IDENTITY_MAP_ADDR, KVM_CREATE_IRQCHIP,
                KVM_CREATE_PIT2, KVM_SET_USER_MEMORY_REGION, KVM_IRQFD, KVM_IOEVENTFD}),
        ioctls("making a vCPU", {KVM_CREATE_VCPU, kSetCpuid2, KVM_SET_REGS, KVM_SET_SREGS, kSetMsrs,
                                 KVM_GET_LAPIC, KVM_SET_LAPIC, KVM_SET_XCRS}),
        {SYS_epoll_create1, "the event loop", {}},
        {SYS_eventfd2, "interrupts and doorbells of devices", {}},
        {SYS_sched_setaffinity, "pinning vCPUs", {}},
    };
}

}  // namespace

Profile vmm_profile() {
    return make("casemate-vmm",
                join({running_calls(), descriptor_calls(), file_size_calls(), making_calls(),
                      runtime_calls(), thread_calls(), further_filter_calls()}));
}

Profile vmm_running_profile() {
    return make("casemate-vmm, running",
                join({running_calls(), descriptor_calls(), runtime_calls()}));
}

}  // namespace casemate::jail
