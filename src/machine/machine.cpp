#include "machine/machine.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <string>

#include "base/os_error.hpp"
#include "machine/boot.hpp"
#include "machine/cpuid.hpp"
#include "machine/step.hpp"

namespace casemate::machine {

Machine::Machine(Vm vm, Kvm kvm, const GuestMemory& memory, MachineOptions options, UniqueFd ended,
                 InterruptLine serial_line)
    : vm_(std::move(vm)),
      kvm_(std::move(kvm)),
      memory_(&memory),
      options_(std::move(options)),
      ended_event_(std::move(ended)),
      serial_line_(std::move(serial_line)),
      serial_(serial_line_, options_.console),
      i8042_([this] {
          end_with({ExitReason::guest_reset, "the guest reset its processor"});
      }) {
}

Machine::~Machine() {
    stop();
}

Result<std::unique_ptr<Machine>> Machine::create(UniqueFd kvm_fd, const GuestMemory& memory,
                                                 MachineOptions options) {
    const bool pinned_evenly =
        options.pinned_cpus.empty() || options.pinned_cpus.size() == options.vcpu_count;
    if (options.vcpu_count == 0 || options.vcpu_count > kMaxVcpus || !pinned_evenly) {
        return Error(MachineErrc::bad_range, "expected 1 to " + std::to_string(kMaxVcpus) +
                                                 " vCPUs, each pinned or none, found " +
                                                 std::to_string(options.vcpu_count) + " and " +
                                                 std::to_string(options.pinned_cpus.size()) +
                                                 " pins");
    }
    CASEMATE_TRY(auto kvm, at_step(StepErrc::create_vm, Kvm::take(std::move(kvm_fd))));
    CASEMATE_TRY(auto vm, at_step(StepErrc::create_vm, kvm.create_vm()));
    CASEMATE_TRY(auto serial_line, InterruptLine::create());
    UniqueFd ended(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!ended.valid()) {
        return os_error("eventfd for the machine's end");
    }
    std::unique_ptr<Machine> machine(new Machine(std::move(vm), std::move(kvm), memory,
                                                 std::move(options), std::move(ended),
                                                 std::move(serial_line)));
    CASEMATE_CHECK(machine->set_up());
    return machine;
}

Result<> Machine::set_up() {
    CASEMATE_CHECK(at_step(StepErrc::create_vm, vm_.make_interrupt_controllers()));
    CASEMATE_CHECK(at_step(StepErrc::set_memory, vm_.set_memory(*memory_)));
    CASEMATE_CHECK(vm_.route_interrupt(Serial::kIrq, serial_line_));
    CASEMATE_CHECK(buses_.ports.add(Serial::kPort, Serial::kPorts, serial_));
    CASEMATE_CHECK(buses_.ports.add(I8042::kPort, I8042::kPorts, i8042_));
    return buses_.ports.add(CmosClock::kPort, CmosClock::kPorts, cmos_);
}

Result<> Machine::add_device(MmioDevice& device, const InterruptLine& line,
                             std::uint64_t notify_offset, const std::vector<int>& notify) {
    const std::uint64_t address = kDeviceHole + device_count_ * kVirtioMmioSize;
    CASEMATE_CHECK(buses_.memory.add(address, kVirtioMmioSize, device));
    CASEMATE_CHECK(vm_.route_interrupt(kFirstDeviceIrq + device_count_, line));
    for (std::uint32_t queue = 0; queue < notify.size(); ++queue) {
        CASEMATE_CHECK(vm_.watch_write(address + notify_offset, queue, notify[queue]));
    }
    ++device_count_;
    return {};
}

Result<> Machine::load(const BootImage& image) {
    CASEMATE_CHECK(at_step(StepErrc::load_image, check_boot_image(image, *memory_)));
    CASEMATE_CHECK(at_step(StepErrc::load_image,
                           write_boot_data(*memory_, image, options_.vcpu_count, device_count_)));
    return at_step(StepErrc::add_vcpu, make_vcpus(image.entry));
}

Result<> Machine::make_vcpus(std::uint64_t entry) {
    CASEMATE_TRY(const auto supported, kvm_.supported_cpuid());
    for (std::uint32_t id = 0; id < options_.vcpu_count; ++id) {
        CASEMATE_TRY(auto vcpu,
                     Vcpu::create(kvm_, vm_, id, guest_cpuid(supported, id, options_.vcpu_count),
                                  buses_, *memory_, [this](End end) { end_with(std::move(end)); }));
        vcpus_.push_back(std::move(vcpu));
    }
    CASEMATE_CHECK(vcpus_.front()->enter_at(entry));
    for (std::uint32_t id = 0; id < options_.vcpu_count; ++id) {
        const auto host_cpu =
            options_.pinned_cpus.empty() ? std::nullopt : std::optional(options_.pinned_cpus[id]);
        CASEMATE_CHECK(vcpus_[id]->make_thread(host_cpu));
    }
    return {};
}

void Machine::start() {
    for (const auto& vcpu : vcpus_) {
        vcpu->run();
    }
}

void Machine::stop() {
    end_with({ExitReason::stopped, "the supervisor stopped the machine"});
    for (const auto& vcpu : vcpus_) {
        vcpu->stop();
    }
}

std::optional<End> Machine::end() const {
    const std::lock_guard lock(mutex_);
    return end_;
}

void Machine::end_with(End end) {
    const std::lock_guard lock(mutex_);
    if (end_) {
        return;
    }
    end_ = std::move(end);
    for (const auto& vcpu : vcpus_) {
        vcpu->ask_to_stop();
    }
    const std::uint64_t one = 1;
    // The counter is written once, so it can't be full.
    [[maybe_unused]] const auto written = ::write(ended_event_.get(), &one, sizeof one);
}

}  // namespace casemate::machine
