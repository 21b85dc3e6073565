#include "softhost/kvm_check.hpp"

#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/fd.hpp"
#include "softhost/error.hpp"

namespace casemate::softhost {

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::uint8_t kHlt = 0xf4;

Error unusable(const std::string& step) {
    return {SofthostErrc::kvm_unusable, step + ": " + std::strerror(errno)};
}

// Mapping unmaps in the destructor.
class Mapping {
public:
    Mapping(std::size_t size, int flags, int fd)
        : size_(size), address_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, 0)) {}
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() {
        if (valid()) {
            ::munmap(address_, size_);
        }
    }

    [[nodiscard]] bool valid() const { return address_ != MAP_FAILED; }
    [[nodiscard]] void* get() const { return address_; }

private:
    std::size_t size_;
    void* address_;
};

// Points a fresh vCPU, in real mode, at address 0.
Result<> point_at_zero(int vcpu) {
    kvm_sregs segments{};
    if (::ioctl(vcpu, KVM_GET_SREGS, &segments) != 0) {
        return unusable("read its segments");
    }
    segments.cs.base = 0;
    segments.cs.selector = 0;
    if (::ioctl(vcpu, KVM_SET_SREGS, &segments) != 0) {
        return unusable("set its segments");
    }
    kvm_regs registers{};
    // Bit 1 of the flags always reads as one (Intel SDM vol. 1, 3.4.3).
    registers.rflags = 2;
    if (::ioctl(vcpu, KVM_SET_REGS, &registers) != 0) {
        return unusable("set its registers");
    }
    return {};
}

Result<> run_to_halt(int kvm, int vcpu) {
    const int run_size = ::ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (run_size < static_cast<int>(sizeof(kvm_run))) {
        return unusable("ask for the size of its run area");
    }
    const Mapping run(static_cast<std::size_t>(run_size), MAP_SHARED, vcpu);
    if (!run.valid()) {
        return unusable("map its run area");
    }
    while (::ioctl(vcpu, KVM_RUN, 0) != 0) {
        if (errno != EINTR) {
            return unusable("run it");
        }
    }
    const auto reason = static_cast<const kvm_run*>(run.get())->exit_reason;
    if (reason != KVM_EXIT_HLT) {
        return Error(SofthostErrc::kvm_unusable, "expected exit " + std::to_string(KVM_EXIT_HLT) +
                                                     " (HLT) from the test machine, got " +
                                                     std::to_string(reason));
    }
    return {};
}

}  // namespace

Result<> check_kvm(int kvm) {
    const UniqueFd machine(::ioctl(kvm, KVM_CREATE_VM, 0));
    if (!machine.valid()) {
        return unusable("make a virtual machine");
    }
    const Mapping memory(kPage, MAP_SHARED | MAP_ANONYMOUS, -1);
    if (!memory.valid()) {
        return unusable("make its memory");
    }
    std::memset(memory.get(), kHlt, kPage);
    kvm_userspace_memory_region region{};
    region.memory_size = kPage;
    region.userspace_addr = reinterpret_cast<std::uintptr_t>(memory.get());
    if (::ioctl(machine.get(), KVM_SET_USER_MEMORY_REGION, &region) != 0) {
        return unusable("give it memory");
    }
    const UniqueFd vcpu(::ioctl(machine.get(), KVM_CREATE_VCPU, 0));
    if (!vcpu.valid()) {
        return unusable("make a vCPU");
    }
    CASEMATE_CHECK(point_at_zero(vcpu.get()));
    return run_to_halt(kvm, vcpu.get());
}

}  // namespace casemate::softhost
