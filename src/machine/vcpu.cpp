#include "machine/vcpu.hpp"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/os_error.hpp"
#include "machine/boot.hpp"
#include "machine/kvm_calls.hpp"
#include "machine/text.hpp"
#include "machine/vcpu_report.hpp"

namespace casemate::machine {

namespace {

constexpr int kKickSignal = SIGUSR1;
// A vCPU thread handles one device access at a time; nothing in there is deep.
constexpr std::size_t kStackSize = 128UL << 10U;

// Model-specific registers (Intel SDM volume 4; AMD APM volume 2, appendix A).
constexpr std::uint32_t kMiscEnable = 0x1a0;
constexpr std::uint64_t kFastStrings = 1;
constexpr std::uint32_t kMtrrDefaultType = 0x2ff;
// Enabled, and everything is write-back: without it kernels take all memory for uncached.
constexpr std::uint64_t kMtrrWriteBack = 0x806;

// The CPUID leaf of the extended states (Intel SDM volume 1, 13.2).
constexpr std::uint32_t kExtendedState = 0xd;

// The local APIC's two interrupt pins, as firmware leaves them (Intel SDM volume 3, 11.5.1).
constexpr std::size_t kLocalVectorPin0 = 0x350;
constexpr std::size_t kLocalVectorPin1 = 0x360;
constexpr std::uint32_t kDeliverExternal = 0x700;
constexpr std::uint32_t kDeliverNonMaskable = 0x400;

void on_kick(int /*signal*/) {
}

Result<> check(int result, const char* what) {
    if (result < 0) {
        return os_error(what);
    }
    return {};
}

// exit_name names the exits that end a vCPU.
std::string exit_name(std::uint32_t reason) {
    switch (reason) {
        case KVM_EXIT_HLT:
            return "halt";
        case KVM_EXIT_SHUTDOWN:
            return "triple fault";
        case KVM_EXIT_FAIL_ENTRY:
            return "failed entry";
        case KVM_EXIT_INTERNAL_ERROR:
            return "internal error";
        default:
            return "exit " + std::to_string(reason);
    }
}

}  // namespace

Result<> use_kick_signal() {
    struct sigaction action {};
    action.sa_handler = on_kick;
    // Without SA_RESTART: the point is that KVM_RUN returns.
    return check(::sigaction(kKickSignal, &action, nullptr), "install the vCPUs' signal");
}

Vcpu::Vcpu(std::uint32_t id, const Buses& buses, const GuestMemory& memory, Ended ended)
    : id_(id), buses_(&buses), memory_(&memory), ended_(std::move(ended)) {
}

Vcpu::~Vcpu() {
    stop();
    if (run_ != nullptr) {
        ::munmap(run_, run_size_);
    }
}

Result<std::unique_ptr<Vcpu>> Vcpu::create(const Kvm& kvm, const Vm& vm, std::uint32_t id,
                                           const std::vector<kvm_cpuid_entry2>& cpuid,
                                           const Buses& buses, const GuestMemory& memory,
                                           Ended ended) {
    std::unique_ptr<Vcpu> vcpu(new Vcpu(id, buses, memory, std::move(ended)));
    CASEMATE_TRY(vcpu->fd_, vm.create_vcpu(id));
    CASEMATE_TRY(const auto size, kvm.run_area_size());
    CASEMATE_CHECK(vcpu->map_run_area(size));
    CASEMATE_CHECK(vcpu->set_up(cpuid));
    return vcpu;
}

Result<> Vcpu::map_run_area(std::size_t size) {
    void* area = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    if (area == MAP_FAILED) {
        return os_error("map a vCPU's run area");
    }
    run_ = static_cast<kvm_run*>(area);
    run_size_ = size;
    return {};
}

Result<> Vcpu::set_up(const std::vector<kvm_cpuid_entry2>& cpuid) const {
    CASEMATE_CHECK(set_cpuid(fd_.get(), cpuid));
    CASEMATE_CHECK(set_up_extended_state(cpuid));
    CASEMATE_CHECK(set_up_model_registers());
    return set_up_local_apic();
}

Result<> Vcpu::set_up_extended_state(const std::vector<kvm_cpuid_entry2>& cpuid) const {
    // XCR0 has every state that the guest may use, as firmware may leave it. Guests write it
    // themselves, but emulated processors (QEMU's TCG up to 7.2) don't tell KVM, which would go on
    // switching to the reset value, under the guest's feet.
    const auto leaf = std::find_if(cpuid.begin(), cpuid.end(), [](const auto& entry) {
        return entry.function == kExtendedState && entry.index == 0;
    });
    if (leaf == cpuid.end() || leaf->eax == 0) {
        return {};
    }
    kvm_xcrs registers{};
    registers.nr_xcrs = 1;
    registers.xcrs[0].value = (std::uint64_t{leaf->edx} << 32U) | leaf->eax;
    return check(::ioctl(fd_.get(), KVM_SET_XCRS, &registers), "set a vCPU's extended state");
}

Result<> Vcpu::set_up_model_registers() const {
    std::array<kvm_msr_entry, 2> entries{};
    entries[0].index = kMtrrDefaultType;
    entries[0].data = kMtrrWriteBack;
    entries[1].index = kMiscEnable;
    entries[1].data = kFastStrings;
    alignas(kvm_msr_entry) std::array<std::uint8_t, kListHeadSize + sizeof entries> raw{};
    const std::uint32_t count = entries.size();
    std::memcpy(raw.data(), &count, sizeof count);
    std::memcpy(raw.data() + kListHeadSize, entries.data(), sizeof entries);
    // KVM sets them in order as long as it knows them. The last one is Intel's alone.
    return check(::ioctl(fd_.get(), kSetMsrs, raw.data()), "set a vCPU's model registers");
}

Result<> Vcpu::set_up_local_apic() const {
    kvm_lapic_state state{};
    CASEMATE_CHECK(check(::ioctl(fd_.get(), KVM_GET_LAPIC, &state), "read a vCPU's local APIC"));
    std::memcpy(&state.regs[kLocalVectorPin0], &kDeliverExternal, sizeof kDeliverExternal);
    std::memcpy(&state.regs[kLocalVectorPin1], &kDeliverNonMaskable, sizeof kDeliverNonMaskable);
    return check(::ioctl(fd_.get(), KVM_SET_LAPIC, &state), "set a vCPU's local APIC");
}

Result<> Vcpu::enter_at(std::uint64_t entry) const {
    kvm_sregs segments{};
    CASEMATE_CHECK(check(::ioctl(fd_.get(), KVM_GET_SREGS, &segments), "read a vCPU's segments"));
    segments = boot_segments(segments);
    CASEMATE_CHECK(check(::ioctl(fd_.get(), KVM_SET_SREGS, &segments), "set a vCPU's segments"));
    kvm_regs registers = boot_registers(entry);
    return check(::ioctl(fd_.get(), KVM_SET_REGS, &registers), "set a vCPU's registers");
}

Result<> Vcpu::make_thread(std::optional<std::uint32_t> host_cpu) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kStackSize);
    if (host_cpu) {
        if (*host_cpu >= CPU_SETSIZE) {
            pthread_attr_destroy(&attributes);
            return Error(MachineErrc::bad_range, "expected a host CPU below " +
                                                     std::to_string(CPU_SETSIZE) + ", found " +
                                                     std::to_string(*host_cpu));
        }
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(*host_cpu, &set);
        pthread_attr_setaffinity_np(&attributes, sizeof set, &set);
    }
    pthread_t thread{};
    const int failure = ::pthread_create(&thread, &attributes, thread_main, this);
    pthread_attr_destroy(&attributes);
    if (failure != 0) {
        return os_error("make the thread of vCPU " + std::to_string(id_), failure);
    }
    thread_ = thread;
    ready_.acquire();
    return {};
}

void Vcpu::ask_to_stop() {
    stopping_.store(true);
    // Either the thread has not entered the guest and sees this, or the signal makes it leave.
    __atomic_store_n(&run_->immediate_exit, std::uint8_t{1}, __ATOMIC_SEQ_CST);
    if (thread_) {
        ::pthread_kill(*thread_, kKickSignal);
    }
}

void Vcpu::stop() {
    if (!thread_) {
        return;
    }
    ask_to_stop();
    gate_.release();
    ::pthread_join(*thread_, nullptr);
    thread_.reset();
}

void* Vcpu::thread_main(void* self) {
    auto* vcpu = static_cast<Vcpu*>(self);
    vcpu->ready_.release();
    vcpu->gate_.acquire();
    if (auto end = vcpu->run_until_end()) {
        vcpu->ended_(std::move(*end));
    }
    return nullptr;
}

std::optional<End> Vcpu::run_until_end() {
    while (!stopping_.load()) {
        if (::ioctl(fd_.get(), KVM_RUN, 0) == 0) {
            if (auto end = handle_exit()) {
                return end;
            }
        } else if (errno != EINTR && errno != EAGAIN) {
            return End{ExitReason::failed,
                       report(os_error("run vCPU " + std::to_string(id_)).message())};
        }
    }
    return std::nullopt;
}

std::optional<End> Vcpu::handle_exit() {
    switch (run_->exit_reason) {
        case KVM_EXIT_IO:
            handle_port();
            return std::nullopt;
        case KVM_EXIT_MMIO:
            handle_memory();
            return std::nullopt;
        case KVM_EXIT_INTR:
            return std::nullopt;
        case KVM_EXIT_SYSTEM_EVENT:
            return End{run_->system_event.type == KVM_SYSTEM_EVENT_RESET
                           ? ExitReason::guest_reset
                           : ExitReason::guest_shutdown,
                       "the guest asked KVM for it"};
        case KVM_EXIT_SHUTDOWN:
            return End{ExitReason::guest_shutdown, report(exit_name(run_->exit_reason))};
        default:
            return End{ExitReason::failed, report(exit_name(run_->exit_reason))};
    }
}

void Vcpu::handle_port() {
    // KVM fills in the structure and the guest can't write to it, so what it says of itself holds:
    // size is 1, 2 or 4 and the data is inside the run area.
    const auto& io = run_->io;
    auto* data = reinterpret_cast<std::uint8_t*>(run_) + io.data_offset;
    for (std::uint32_t i = 0; i < io.count; ++i, data += io.size) {
        const MutableBytes item(data, io.size);
        if (io.direction == KVM_EXIT_IO_OUT) {
            buses_->ports.write(io.port, item);
        } else if (!buses_->ports.read(io.port, item)) {
            std::fill(item.begin(), item.end(), std::uint8_t{0xff});
        }
    }
}

void Vcpu::handle_memory() {
    auto& access = run_->mmio;
    const MutableBytes data(access.data, std::min<std::size_t>(access.len, sizeof access.data));
    if (access.is_write != 0) {
        buses_->memory.write(access.phys_addr, data);
    } else if (!buses_->memory.read(access.phys_addr, data)) {
        std::fill(data.begin(), data.end(), std::uint8_t{0xff});
    }
}

std::string Vcpu::report(const std::string& why) const {
    kvm_regs registers{};
    kvm_sregs segments{};
    const bool known = ::ioctl(fd_.get(), KVM_GET_REGS, &registers) == 0 &&
                       ::ioctl(fd_.get(), KVM_GET_SREGS, &segments) == 0;
    // The first line is the host's matter, the rest the guest's.
    std::string text = "vCPU " + std::to_string(id_) + ": " + why;
    if (run_->exit_reason == KVM_EXIT_INTERNAL_ERROR) {
        text += run_->internal.suberror == KVM_INTERNAL_ERROR_EMULATION
                    ? ": this KVM can't interpret the guest's instruction"
                    : ", suberror " + std::to_string(run_->internal.suberror);
    } else if (run_->exit_reason == KVM_EXIT_FAIL_ENTRY) {
        text += ", hardware reason " + hex(run_->fail_entry.hardware_entry_failure_reason);
    }
    text += "\n";
    return known ? text + describe_registers(registers, segments, *memory_) : text;
}

}  // namespace casemate::machine
