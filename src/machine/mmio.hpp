// Devices on the guest's buses: memory-mapped ones (64-bit addresses) and port ones (16-bit).
#pragma once

#include <cstdint>
#include <map>

#include "base/bytes.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"
#include "machine/errors.hpp"

namespace casemate::machine {

// MmioDevice: what answers a range of addresses. The vCPU threads call it, several at the same
// time, and the event loop's thread may be inside the device's other members meanwhile: a device
// guards its own state. Neither call may block.
class MmioDevice {
public:
    MmioDevice() = default;
    MmioDevice(const MmioDevice&) = delete;
    MmioDevice& operator=(const MmioDevice&) = delete;
    virtual ~MmioDevice() = default;

    // read fills data (1, 2, 4 or 8 bytes) with what is at offset in the device's range. It is
    // zeroed beforehand, so an offset without a register needs nothing done.
    virtual void read(std::uint64_t offset, MutableBytes data) = 0;
    // write gives the device 1, 2, 4 or 8 bytes, little-endian as the guest wrote them.
    virtual void write(std::uint64_t offset, ByteView data) = 0;
};

// Bus finds the device at an address. It does not own the devices. Adding ends before the vCPUs
// start; read and write may then be called by any thread.
class Bus {
public:
    // add puts a device at [address, address + size); MachineErrc::bad_range when that overlaps
    // another device, is empty, or overflows.
    [[nodiscard]] Result<> add(std::uint64_t address, std::uint64_t size, MmioDevice& device);

    // read and write say whether a device lies there and has all of the bytes; if not, data is left
    // alone and nothing happens.
    bool read(std::uint64_t address, MutableBytes data) const;
    bool write(std::uint64_t address, ByteView data) const;

private:
    struct Entry {
        std::uint64_t size;
        MmioDevice* device;
    };
    // find gives the device and the address's offset in it.
    [[nodiscard]] std::pair<MmioDevice*, std::uint64_t> find(std::uint64_t address,
                                                             std::uint64_t size) const;

    std::map<std::uint64_t, Entry> devices_;
};

// InterruptLine raises one edge-triggered interrupt of the guest, from any thread. It owns an
// eventfd that KVM watches (irqfd); in tests nobody does and the count can be read.
class InterruptLine {
public:
    [[nodiscard]] static Result<InterruptLine> create();

    // raise never blocks and never fails: an interrupt that is already pending stays so.
    void raise() const;
    // fd is the eventfd, for Vm::route_interrupt.
    [[nodiscard]] int fd() const { return event_.get(); }
    // take tells how often raise was called since it was last asked; only where KVM does not take
    // the interrupts itself.
    [[nodiscard]] std::uint64_t take() const;

private:
    explicit InterruptLine(UniqueFd event) : event_(std::move(event)) {}

    UniqueFd event_;
};

}  // namespace casemate::machine
