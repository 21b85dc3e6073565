// MmioTransport: virtio over memory-mapped registers, version 2 (virtio 1.2, 4.2).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/event_loop.hpp"
#include "machine/guest_memory.hpp"
#include "machine/mmio.hpp"
#include "virtio/device.hpp"

namespace casemate::virtio {

// Registers (virtio 1.2, 4.2.2), as offsets. All are 32 bits wide and accessed as such.
enum class Register : std::uint64_t {
    magic_value = 0x000,
    version = 0x004,
    device_id = 0x008,
    vendor_id = 0x00c,
    device_features = 0x010,
    device_features_select = 0x014,
    driver_features = 0x020,
    driver_features_select = 0x024,
    queue_select = 0x030,
    queue_size_max = 0x034,
    queue_size = 0x038,
    queue_ready = 0x044,
    queue_notify = 0x050,
    interrupt_status = 0x060,
    interrupt_acknowledge = 0x064,
    status = 0x070,
    queue_descriptors_low = 0x080,
    queue_descriptors_high = 0x084,
    queue_available_low = 0x090,
    queue_available_high = 0x094,
    queue_used_low = 0x0a0,
    queue_used_high = 0x0a4,
    shared_memory_length_low = 0x0b0,
    shared_memory_length_high = 0x0b4,
    shared_memory_base_low = 0x0b8,
    shared_memory_base_high = 0x0bc,
    config_generation = 0x0fc,
    config = 0x100,
};

// Bits of the status register (virtio 1.2, 2.1).
inline constexpr std::uint32_t kStatusAcknowledge = 1;
inline constexpr std::uint32_t kStatusDriver = 2;
inline constexpr std::uint32_t kStatusDriverOk = 4;
inline constexpr std::uint32_t kStatusFeaturesOk = 8;
inline constexpr std::uint32_t kStatusNeedsReset = 64;
inline constexpr std::uint32_t kStatusFailed = 128;

// Bits of the interrupt status register.
inline constexpr std::uint32_t kInterruptUsedRing = 1;
inline constexpr std::uint32_t kInterruptConfig = 2;

// MmioTransport stands between the vCPU threads, which access its registers, and the event loop's
// thread, in which the device works. A reset takes effect before the guest's write returns; the
// device hears of it when it next gets to run, and can't touch the old rings in between.
class MmioTransport final : public machine::MmioDevice, public Transport {
public:
    // on_failure is told, in either thread and once per failure, why the device stopped; for a log.
    // A guest can cause any number of failures. It must not call the transport.
    using FailureHandler = std::function<void(const Error& reason)>;

    // create makes an eventfd per queue and watches it in loop. memory, interrupt, loop and device
    // stay the caller's and must outlive the transport. Errors: Errno.
    [[nodiscard]] static Result<std::unique_ptr<MmioTransport>> create(
        const machine::GuestMemory& memory, const machine::InterruptLine& interrupt,
        EventLoop& loop, Device& device, FailureHandler on_failure);
    ~MmioTransport() override;

    // notify_fd is the eventfd for KVM_IOEVENTFD: a 4-byte write of index to queue_notify. It stays
    // the transport's. A write that KVM does not take comes to the same end.
    [[nodiscard]] int notify_fd(std::size_t index) const { return notify_.at(index).get(); }
    [[nodiscard]] std::size_t queue_count() const { return notify_.size(); }

    // machine::MmioDevice
    void read(std::uint64_t offset, MutableBytes data) override;
    void write(std::uint64_t offset, ByteView data) override;

    // Transport
    [[nodiscard]] bool running() const override;
    [[nodiscard]] Queue* queue(std::size_t index) override;
    void publish(Queue& queue) override;
    void interrupt() override;
    void wake(std::size_t index) override;
    void fail(const Error& reason) override;

protected:
    void begin() override;
    void end() override;

private:
    struct QueueSlot {
        QueueLayout layout;
        std::optional<Queue> queue;
    };

    MmioTransport(const machine::GuestMemory& memory, const machine::InterruptLine& interrupt,
                  EventLoop& loop, Device& device, FailureHandler on_failure);
    [[nodiscard]] Result<> watch_queues();

    [[nodiscard]] std::uint32_t read_register(Register where);
    void write_register(Register where, std::uint32_t value);
    void write_queue_register(Register where, std::uint32_t value);
    void write_driver_features(std::uint32_t value);
    void write_status(std::uint32_t value);
    void reset();
    void enable_queue(std::size_t index);

    const machine::GuestMemory& memory_;
    const machine::InterruptLine& interrupt_;
    EventLoop& loop_;
    Device& device_;
    FailureHandler on_failure_;
    const std::uint64_t offered_features_;
    std::vector<UniqueFd> notify_;

    // These two are read and acknowledged by interrupt handlers in the guest, which must not wait
    // for a device at work.
    std::atomic<std::uint32_t> status_{0};
    std::atomic<std::uint32_t> interrupt_status_{0};

    // All below is guarded by the mutex.
    std::mutex mutex_;
    std::uint64_t driver_features_ = 0;
    std::uint32_t device_features_select_ = 0;
    std::uint32_t driver_features_select_ = 0;
    std::uint32_t queue_select_ = 0;
    std::vector<QueueSlot> queues_;
    // reset_pending: the driver has reset the device, which has not heard of it.
    bool reset_pending_ = false;
    bool interrupt_due_ = false;
};

}  // namespace casemate::virtio
