// Vcpu: one virtual processor and the thread that runs it.
#pragma once

#include <linux/kvm.h>
#include <pthread.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "machine/control.hpp"
#include "machine/guest_memory.hpp"
#include "machine/kvm.hpp"
#include "machine/mmio.hpp"

namespace casemate::machine {

// End: why a machine does not run any more.
struct End {
    ExitReason reason = ExitReason::failed;
    std::string detail;

    bool operator==(const End&) const = default;
};

// Buses: what the guest's accesses outside of its memory reach. Nothing there reads as all ones and
// takes writes without effect, as on a PC.
struct Buses {
    Bus ports;
    Bus memory;
};

class Vcpu {
public:
    // Ended is called once, on the vCPU's thread, when the vCPU has come to an end by itself.
    using Ended = std::function<void(End)>;

    // create makes vCPU id of the machine with its CPUID table and local APIC. The buses and the
    // memory must outlive it.
    [[nodiscard]] static Result<std::unique_ptr<Vcpu>> create(
        const Kvm& kvm, const Vm& vm, std::uint32_t id, const std::vector<kvm_cpuid_entry2>& cpuid,
        const Buses& buses, const GuestMemory& memory, Ended ended);
    Vcpu(const Vcpu&) = delete;
    Vcpu& operator=(const Vcpu&) = delete;
    // The destructor stops the thread.
    ~Vcpu();

    // enter_at sets the registers for the 64-bit boot protocol; the other vCPUs wait for the guest
    // to start them.
    [[nodiscard]] Result<> enter_at(std::uint64_t entry) const;
    // make_thread makes the thread, pinned to a host CPU if one is given. It is past all that
    // threads do to begin with, and waits for run.
    [[nodiscard]] Result<> make_thread(std::optional<std::uint32_t> host_cpu);
    // run lets the thread enter the guest. Once.
    void run() { gate_.release(); }
    // ask_to_stop has the thread leave the guest and end soon, from any thread.
    void ask_to_stop();
    // stop does that and waits. Not from the vCPU's own thread.
    void stop();

private:
    Vcpu(std::uint32_t id, const Buses& buses, const GuestMemory& memory, Ended ended);
    [[nodiscard]] Result<> map_run_area(std::size_t size);
    [[nodiscard]] Result<> set_up(const std::vector<kvm_cpuid_entry2>& cpuid) const;
    [[nodiscard]] Result<> set_up_extended_state(const std::vector<kvm_cpuid_entry2>& cpuid) const;
    [[nodiscard]] Result<> set_up_model_registers() const;
    [[nodiscard]] Result<> set_up_local_apic() const;
    static void* thread_main(void* self);
    [[nodiscard]] std::optional<End> run_until_end();
    [[nodiscard]] std::optional<End> handle_exit();
    void handle_port();
    void handle_memory();
    [[nodiscard]] std::string report(const std::string& why) const;

    const std::uint32_t id_;
    const Buses* buses_;
    const GuestMemory* memory_;
    Ended ended_;
    UniqueFd fd_;
    kvm_run* run_ = nullptr;
    std::size_t run_size_ = 0;
    std::optional<pthread_t> thread_;
    std::binary_semaphore ready_{0};
    // gate_ is opened by run and by stop.
    std::counting_semaphore<2> gate_{0};
    std::atomic<bool> stopping_{false};
};

// use_kick_signal installs the handler of the signal that makes vCPU threads leave the guest; once,
// before any Vcpu.
[[nodiscard]] Result<> use_kick_signal();

}  // namespace casemate::machine
