#include "machine/kvm.hpp"

#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "base/os_error.hpp"
#include "machine/kvm_calls.hpp"

namespace casemate::machine {

namespace {

// Where KVM keeps three pages and one more of its own on processors that can't run real mode. They
// lie in the device hole.
constexpr unsigned long kTssAddress = 0xfffb'd000;
constexpr std::uint64_t kIdentityMapAddress = 0xfffb'c000;

struct Need {
    long capability;
    const char* name;
};

constexpr std::array kNeeds{
    Need{KVM_CAP_USER_MEMORY, "user memory"},
    Need{KVM_CAP_IRQCHIP, "interrupt controllers"},
    Need{KVM_CAP_PIT2, "an interval timer"},
    Need{KVM_CAP_IRQFD, "interrupts by eventfd"},
    Need{KVM_CAP_IOEVENTFD, "notifications by eventfd"},
    Need{KVM_CAP_IMMEDIATE_EXIT, "immediate exits"},
    Need{KVM_CAP_EXT_CPUID, "CPUID tables"},
};

Result<> check(int result, const char* what) {
    if (result < 0) {
        return os_error(what);
    }
    return {};
}

}  // namespace

Result<> Vm::make_interrupt_controllers() const {
    // Processors that run real mode by themselves don't use these pages, and KVM for them may not
    // know the calls.
    ::ioctl(fd_.get(), KVM_SET_IDENTITY_MAP_ADDR, &kIdentityMapAddress);
    ::ioctl(fd_.get(), KVM_SET_TSS_ADDR, kTssAddress);
    CASEMATE_CHECK(
        check(::ioctl(fd_.get(), KVM_CREATE_IRQCHIP, 0), "make the interrupt controllers"));
    kvm_pit_config pit{};
    pit.flags = KVM_PIT_SPEAKER_DUMMY;
    return check(::ioctl(fd_.get(), KVM_CREATE_PIT2, &pit), "make the interval timer");
}

Result<> Vm::set_memory(const GuestMemory& memory) const {
    std::uint32_t slot = 0;
    for (const auto& region : memory.regions()) {
        kvm_userspace_memory_region request{};
        request.slot = slot++;
        request.guest_phys_addr = region.guest.address;
        request.memory_size = region.guest.size;
        request.userspace_addr = reinterpret_cast<std::uintptr_t>(region.host);
        CASEMATE_CHECK(check(::ioctl(fd_.get(), KVM_SET_USER_MEMORY_REGION, &request),
                             "give the guest its memory"));
    }
    return {};
}

Result<> Vm::route_interrupt(std::uint32_t gsi, const InterruptLine& line) const {
    kvm_irqfd request{};
    request.fd = static_cast<std::uint32_t>(line.fd());
    request.gsi = gsi;
    return check(::ioctl(fd_.get(), KVM_IRQFD, &request), "route an interrupt");
}

Result<> Vm::watch_write(std::uint64_t address, std::uint32_t value, int eventfd) const {
    kvm_ioeventfd request{};
    request.addr = address;
    request.len = sizeof value;
    request.datamatch = value;
    request.fd = eventfd;
    request.flags = KVM_IOEVENTFD_FLAG_DATAMATCH;
    return check(::ioctl(fd_.get(), KVM_IOEVENTFD, &request), "watch a device register");
}

Result<UniqueFd> Vm::create_vcpu(std::uint32_t id) const {
    UniqueFd vcpu(::ioctl(fd_.get(), KVM_CREATE_VCPU, static_cast<unsigned long>(id)));
    if (!vcpu.valid()) {
        return os_error("make vCPU " + std::to_string(id));
    }
    return vcpu;
}

Result<Kvm> Kvm::take(UniqueFd fd) {
    const int version = ::ioctl(fd.get(), KVM_GET_API_VERSION, 0);
    if (version < 0) {
        return os_error("ask KVM for its version");
    }
    if (version != KVM_API_VERSION) {
        return Error(MachineErrc::unsupported,
                     "expected version " + std::to_string(KVM_API_VERSION) +
                         " of KVM's interface, found " + std::to_string(version));
    }
    Kvm kvm(std::move(fd));
    for (const auto& need : kNeeds) {
        if (!kvm.has(need.capability)) {
            return Error(MachineErrc::unsupported, std::string("expected a KVM with ") + need.name);
        }
    }
    return kvm;
}

bool Kvm::has(long capability) const {
    return ::ioctl(fd_.get(), KVM_CHECK_EXTENSION, capability) > 0;
}

Result<Vm> Kvm::create_vm() const {
    UniqueFd vm(::ioctl(fd_.get(), KVM_CREATE_VM, 0UL));
    if (!vm.valid()) {
        return os_error("make a virtual machine");
    }
    return Vm(std::move(vm));
}

Result<std::vector<kvm_cpuid_entry2>> Kvm::supported_cpuid() const {
    // KVM's own limit is 80 to 256 entries, by version.
    constexpr std::size_t kMaxEntries = 256;
    alignas(kvm_cpuid_entry2)
        std::array<std::uint8_t, kListHeadSize + kMaxEntries * sizeof(kvm_cpuid_entry2)>
            raw{};
    std::uint32_t count = kMaxEntries;
    std::memcpy(raw.data(), &count, sizeof count);
    CASEMATE_CHECK(check(::ioctl(fd_.get(), kGetSupportedCpuid, raw.data()),
                         "ask KVM for the processor's features"));
    std::memcpy(&count, raw.data(), sizeof count);
    std::vector<kvm_cpuid_entry2> entries(std::min<std::size_t>(count, kMaxEntries));
    std::memcpy(entries.data(), raw.data() + kListHeadSize,
                entries.size() * sizeof(kvm_cpuid_entry2));
    return entries;
}

Result<std::size_t> Kvm::run_area_size() const {
    const int size = ::ioctl(fd_.get(), KVM_GET_VCPU_MMAP_SIZE, 0);
    if (size < static_cast<int>(sizeof(kvm_run))) {
        return os_error("ask KVM for its run area's size");
    }
    return static_cast<std::size_t>(size);
}

Result<> set_cpuid(int vcpu, const std::vector<kvm_cpuid_entry2>& table) {
    Bytes raw(kListHeadSize + table.size() * sizeof(kvm_cpuid_entry2));
    const auto count = static_cast<std::uint32_t>(table.size());
    std::memcpy(raw.data(), &count, sizeof count);
    std::memcpy(raw.data() + kListHeadSize, table.data(), table.size() * sizeof(kvm_cpuid_entry2));
    return check(::ioctl(vcpu, kSetCpuid2, raw.data()), "set a vCPU's features");
}

}  // namespace casemate::machine
