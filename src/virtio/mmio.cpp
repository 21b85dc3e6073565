#include "virtio/mmio.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/os_error.hpp"

namespace casemate::virtio {

namespace {

constexpr std::uint32_t kMagic = 0x74726976;  // "virt"
constexpr std::uint32_t kVersion = 2;
constexpr std::uint32_t kVendor = 0x4d534143;  // "CASM"
// No shared memory region has this length (virtio 1.2, 4.2.2.1).
constexpr std::uint32_t kNoSharedMemory = UINT32_MAX;
constexpr std::uint64_t kLowHalf = 0xffff'ffff;

std::uint64_t with_low(std::uint64_t whole, std::uint32_t low) {
    return (whole & ~kLowHalf) | low;
}

std::uint64_t with_high(std::uint64_t whole, std::uint32_t high) {
    return (whole & kLowHalf) | (static_cast<std::uint64_t>(high) << 32U);
}

std::uint32_t half(std::uint64_t whole, std::uint32_t select) {
    return select > 1 ? 0 : static_cast<std::uint32_t>(whole >> (select * 32U));
}

}  // namespace

MmioTransport::MmioTransport(const machine::GuestMemory& memory,
                             const machine::InterruptLine& interrupt, EventLoop& loop,
                             Device& device, FailureHandler on_failure)
    : memory_(memory),
      interrupt_(interrupt),
      loop_(loop),
      device_(device),
      on_failure_(std::move(on_failure)),
      offered_features_(device.features() | kFeatureVersion1),
      queues_(device.queue_sizes().size()) {
}

Result<std::unique_ptr<MmioTransport>> MmioTransport::create(
    const machine::GuestMemory& memory, const machine::InterruptLine& interrupt, EventLoop& loop,
    Device& device, FailureHandler on_failure) {
    std::unique_ptr<MmioTransport> transport(
        new MmioTransport(memory, interrupt, loop, device, std::move(on_failure)));
    CASEMATE_CHECK(transport->watch_queues());
    device.attach(*transport);
    return transport;
}

Result<> MmioTransport::watch_queues() {
    for (std::size_t index = 0; index < queues_.size(); ++index) {
        UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!event.valid()) {
            return os_error("make an event descriptor");
        }
        // Edge-triggered and never read: each write wakes the loop once, without a read apiece. The
        // count would need centuries to fill.
        CASEMATE_CHECK(loop_.add(event.get(), EPOLLIN | EPOLLET, [this, index](std::uint32_t) {
            const Session session(*this);
            if (running()) {
                device_.queue_notified(index);
            }
        }));
        notify_.push_back(std::move(event));
    }
    return {};
}

MmioTransport::~MmioTransport() {
    for (const UniqueFd& event : notify_) {
        loop_.remove(event.get());
    }
}

// --- the vCPUs' side ---

void MmioTransport::read(std::uint64_t offset, MutableBytes data) {
    const auto config_start = static_cast<std::uint64_t>(Register::config);
    if (offset >= config_start) {
        const ByteView config = device_.config();
        const std::uint64_t from = offset - config_start;
        if (from < config.size()) {
            const ByteView rest = config.subspan(from);
            std::memcpy(data.data(), rest.data(), std::min(rest.size(), data.size()));
        }
        return;
    }
    if (data.size() == sizeof(std::uint32_t) && offset % sizeof(std::uint32_t) == 0) {
        const std::uint32_t value = read_register(static_cast<Register>(offset));
        std::memcpy(data.data(), &value, sizeof(value));
    }
}

void MmioTransport::write(std::uint64_t offset, ByteView data) {
    // The configuration spaces of all devices here are read-only.
    if (offset < static_cast<std::uint64_t>(Register::config) &&
        data.size() == sizeof(std::uint32_t) && offset % sizeof(std::uint32_t) == 0) {
        std::uint32_t value = 0;
        std::memcpy(&value, data.data(), sizeof(value));
        write_register(static_cast<Register>(offset), value);
    }
}

std::uint32_t MmioTransport::read_register(Register where) {
    switch (where) {
        case Register::magic_value:
            return kMagic;
        case Register::version:
            return kVersion;
        case Register::device_id:
            return device_.id();
        case Register::vendor_id:
            return kVendor;
        case Register::interrupt_status:
            return interrupt_status_.load();
        case Register::status:
            return status_.load();
        case Register::shared_memory_length_low:
        case Register::shared_memory_length_high:
        case Register::shared_memory_base_low:
        case Register::shared_memory_base_high:
            return kNoSharedMemory;
        case Register::device_features: {
            const std::lock_guard lock(mutex_);
            return half(offered_features_, device_features_select_);
        }
        case Register::queue_size_max: {
            const std::lock_guard lock(mutex_);
            return queue_select_ < queues_.size() ? device_.queue_sizes()[queue_select_] : 0;
        }
        case Register::queue_ready: {
            const std::lock_guard lock(mutex_);
            return queue_select_ < queues_.size() && queues_[queue_select_].queue ? 1 : 0;
        }
        default:
            // Write-only ones; and config_generation, since no configuration ever changes.
            return 0;
    }
}

void MmioTransport::write_register(Register where, std::uint32_t value) {
    // The two of the fast path need no lock.
    if (where == Register::queue_notify) {
        wake(value);
        return;
    }
    if (where == Register::interrupt_acknowledge) {
        interrupt_status_.fetch_and(~value);
        return;
    }
    const std::lock_guard lock(mutex_);
    switch (where) {
        case Register::device_features_select:
            device_features_select_ = value;
            break;
        case Register::driver_features_select:
            driver_features_select_ = value;
            break;
        case Register::driver_features:
            write_driver_features(value);
            break;
        case Register::queue_select:
            queue_select_ = value;
            break;
        case Register::status:
            write_status(value);
            break;
        default:
            write_queue_register(where, value);
            break;
    }
}

void MmioTransport::write_driver_features(std::uint32_t value) {
    // Virtio 1.2, 3.1.1: between DRIVER and FEATURES_OK.
    const std::uint32_t phase = status_ & (kStatusDriver | kStatusFeaturesOk);
    if (phase != kStatusDriver || driver_features_select_ > 1) {
        return;
    }
    driver_features_ = driver_features_select_ == 0 ? with_low(driver_features_, value)
                                                    : with_high(driver_features_, value);
}

void MmioTransport::write_status(std::uint32_t value) {
    if (value == 0) {
        reset();
        return;
    }
    // NEEDS_RESET is the device's own bit: the driver neither sets nor clears it.
    const std::uint32_t now = status_;
    std::uint32_t next = (value & 0xffU & ~kStatusNeedsReset) | (now & kStatusNeedsReset);
    if ((now & ~next) != 0) {
        return;  // a bit is only taken back by a reset
    }
    const auto has = [&next](std::uint32_t bits) { return (next & bits) == bits; };
    if (has(kStatusDriver) && !has(kStatusAcknowledge)) {
        return;
    }
    if (has(kStatusFeaturesOk) && (now & kStatusFeaturesOk) == 0) {
        // A device that can't take the features leaves FEATURES_OK clear (virtio 1.2, 2.2.2).
        const bool acceptable = (driver_features_ & ~offered_features_) == 0 &&
                                (driver_features_ & kFeatureVersion1) != 0;
        if (!acceptable || !has(kStatusDriver)) {
            next &= ~(kStatusFeaturesOk | kStatusDriverOk);
        }
    }
    if (has(kStatusDriverOk) && !has(kStatusFeaturesOk)) {
        return;
    }
    status_ = next;
    if (has(kStatusDriverOk) && (now & kStatusDriverOk) == 0) {
        // The driver may have made chains available, and even said so, before.
        for (std::size_t index = 0; index < queues_.size(); ++index) {
            wake(index);
        }
    }
}

void MmioTransport::reset() {
    status_ = 0;
    interrupt_status_ = 0;
    driver_features_ = 0;
    device_features_select_ = 0;
    driver_features_select_ = 0;
    queue_select_ = 0;
    for (QueueSlot& slot : queues_) {
        slot = QueueSlot{};
    }
    interrupt_due_ = false;
    reset_pending_ = true;
    wake(0);
}

void MmioTransport::write_queue_register(Register where, std::uint32_t value) {
    // Virtio 1.2, 3.1.1: queues are set up between FEATURES_OK and DRIVER_OK. Taking one away is
    // always allowed.
    constexpr std::uint32_t kWatched = kStatusFeaturesOk | kStatusDriverOk | kStatusNeedsReset;
    if (queue_select_ >= queues_.size()) {
        return;
    }
    QueueSlot& slot = queues_[queue_select_];
    if (where == Register::queue_ready && value == 0) {
        slot.queue.reset();
        return;
    }
    if ((status_ & kWatched) != kStatusFeaturesOk || slot.queue) {
        return;
    }
    switch (where) {
        case Register::queue_size:
            // A size that does not fit is refused when the queue is made ready, as zero.
            slot.layout.size = value > UINT16_MAX ? 0 : static_cast<std::uint16_t>(value);
            break;
        case Register::queue_descriptors_low:
            slot.layout.descriptors = with_low(slot.layout.descriptors, value);
            break;
        case Register::queue_descriptors_high:
            slot.layout.descriptors = with_high(slot.layout.descriptors, value);
            break;
        case Register::queue_available_low:
            slot.layout.available = with_low(slot.layout.available, value);
            break;
        case Register::queue_available_high:
            slot.layout.available = with_high(slot.layout.available, value);
            break;
        case Register::queue_used_low:
            slot.layout.used = with_low(slot.layout.used, value);
            break;
        case Register::queue_used_high:
            slot.layout.used = with_high(slot.layout.used, value);
            break;
        case Register::queue_ready:
            enable_queue(queue_select_);
            break;
        default:
            break;
    }
}

void MmioTransport::enable_queue(std::size_t index) {
    auto queue = Queue::create(memory_, queues_[index].layout, device_.queue_sizes()[index],
                               (driver_features_ & kFeatureEventIndex) != 0);
    if (!queue) {
        fail(std::move(queue).error().while_doing("queue " + std::to_string(index)));
        return;
    }
    queues_[index].queue = std::move(queue).value();
}

// --- the device's side ---

void MmioTransport::begin() {
    mutex_.lock();
    if (reset_pending_) {
        reset_pending_ = false;
        device_.reset();
    }
}

void MmioTransport::end() {
    interrupt();
    mutex_.unlock();
}

bool MmioTransport::running() const {
    return (status_ & (kStatusDriverOk | kStatusNeedsReset | kStatusFailed)) == kStatusDriverOk;
}

Queue* MmioTransport::queue(std::size_t index) {
    return index < queues_.size() && queues_[index].queue ? &*queues_[index].queue : nullptr;
}

void MmioTransport::publish(Queue& queue) {
    interrupt_due_ = queue.publish() || interrupt_due_;
}

void MmioTransport::interrupt() {
    if (interrupt_due_) {
        interrupt_due_ = false;
        interrupt_status_.fetch_or(kInterruptUsedRing);
        interrupt_.raise();
    }
}

void MmioTransport::wake(std::size_t index) {
    if (index < notify_.size()) {
        const std::uint64_t one = 1;
        // It could only fail with a full count, and then the loop has been woken already.
        [[maybe_unused]] const auto written = ::write(notify_[index].get(), &one, sizeof(one));
    }
}

void MmioTransport::fail(const Error& reason) {
    const std::uint32_t now = status_;
    if ((now & kStatusNeedsReset) != 0) {
        return;
    }
    // Virtio 1.2, 2.1.2: after DRIVER_OK the driver is told by a configuration interrupt. Whoever
    // sees the status finds the interrupt too.
    const bool tell = (now & kStatusDriverOk) != 0;
    if (tell) {
        interrupt_status_.fetch_or(kInterruptConfig);
    }
    status_ = now | kStatusNeedsReset;
    if (tell) {
        interrupt_.raise();
    }
    if (on_failure_) {
        on_failure_(reason);
    }
}

}  // namespace casemate::virtio
