// Machine: one virtual machine with its processors, its PC devices and a place for virtio devices.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "machine/boot_image.hpp"
#include "machine/cmos.hpp"
#include "machine/guest_memory.hpp"
#include "machine/i8042.hpp"
#include "machine/kvm.hpp"
#include "machine/mmio.hpp"
#include "machine/serial.hpp"
#include "machine/vcpu.hpp"

namespace casemate::machine {

struct MachineOptions {
    std::uint32_t vcpu_count = 1;
    // host CPUs to pin the vCPUs to: one each, or none.
    std::vector<std::uint32_t> pinned_cpus;
    // console takes each byte of the serial port, on a vCPU's thread; it must not block.
    Serial::Sink console;
};

// Machine is made, given its devices and its image, and then started. Everything but start's
// consequences happens on the caller's thread.
class Machine {
public:
    // create makes the machine around guest memory that outlives it. kvm is /dev/kvm, already
    // opened. Errors: StepErrc for what KVM refuses, MachineErrc::bad_range for vCPU numbers
    // outside 1 to kMaxVcpus, Errno.
    [[nodiscard]] static Result<std::unique_ptr<Machine>> create(UniqueFd kvm,
                                                                 const GuestMemory& memory,
                                                                 MachineOptions options);
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;
    // The destructor stops the vCPUs.
    ~Machine();

    // add_device puts a device on the next virtio-mmio page and has its line raise that page's
    // interrupt. notify holds an eventfd for each queue, signalled when the guest writes the
    // queue's number to the register at notify_offset. Device, line and eventfds stay the caller's
    // and outlive the machine.
    [[nodiscard]] Result<> add_device(MmioDevice& device, const InterruptLine& line,
                                      std::uint64_t notify_offset, const std::vector<int>& notify);

    // load writes the boot data for the image that is in guest memory, and makes the vCPUs with
    // their threads, which wait. After the last add_device. Errors: StepErrc::load_image, add_vcpu.
    [[nodiscard]] Result<> load(const BootImage& image);

    // start lets the vCPUs run. Once, after load.
    void start();

    // stop stops the vCPUs and waits for them; the end is "stopped" unless there is one already.
    void stop();

    // ended_fd becomes readable when the machine has come to its end; it stays the machine's.
    [[nodiscard]] int ended_fd() const { return ended_event_.get(); }
    // end is the first end that came; nothing while the machine runs.
    [[nodiscard]] std::optional<End> end() const;

private:
    Machine(Vm vm, Kvm kvm, const GuestMemory& memory, MachineOptions options, UniqueFd ended,
            InterruptLine serial_line);
    [[nodiscard]] Result<> set_up();
    [[nodiscard]] Result<> make_vcpus(std::uint64_t entry);
    void end_with(End end);

    Vm vm_;
    Kvm kvm_;
    const GuestMemory* memory_;
    MachineOptions options_;
    UniqueFd ended_event_;
    InterruptLine serial_line_;
    Serial serial_;
    I8042 i8042_;
    CmosClock cmos_;
    Buses buses_;
    std::uint32_t device_count_ = 0;
    mutable std::mutex mutex_;
    std::optional<End> end_;
    // Last: their threads use everything above.
    std::vector<std::unique_ptr<Vcpu>> vcpus_;
};

}  // namespace casemate::machine
