// A driver model for tests: what Linux does with virtio-mmio and split rings, written against the
// specification and independently of the device's side. Tests may also write any nonsense directly.
#pragma once

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "machine/guest_memory.hpp"
#include "virtio/mmio.hpp"

namespace casemate::virtio::testing {

// must takes the value of a Result that a test relies on.
template <class T>
T must(Result<T> result) {
    if (!result) {
        std::abort();
    }
    return std::move(result).value();
}

// GuestRam is a guest's memory of that many bytes from address 0.
class GuestRam {
public:
    explicit GuestRam(std::uint64_t size = 8 << 20U)
        : memory_(must(machine::GuestMemory::map_regions(
              must(make_memory_file("test-guest", size)).get(), {{0, size, 0}}))) {}

    [[nodiscard]] const machine::GuestMemory& memory() const { return memory_; }
    [[nodiscard]] MutableBytes at(std::uint64_t address, std::uint64_t size) const {
        return must(memory_.slice(address, size));
    }
    template <class T>
    void put(std::uint64_t address, T value) const {
        std::memcpy(at(address, sizeof(T)).data(), &value, sizeof(T));
    }
    template <class T>
    [[nodiscard]] T get(std::uint64_t address) const {
        T value{};
        std::memcpy(&value, at(address, sizeof(T)).data(), sizeof(T));
        return value;
    }

private:
    machine::GuestMemory memory_;
};

// Buffer: one descriptor's worth of guest memory.
struct Buffer {
    std::uint64_t address = 0;
    std::uint32_t size = 0;
};

// GuestQueue is the driver's side of a queue whose rings begin at base (16-byte aligned).
class GuestQueue {
public:
    GuestQueue(const GuestRam& ram, std::uint64_t base, std::uint16_t size, bool event_index)
        : ram_(&ram), size_(size), event_index_(event_index), base_(base), taken_(size, 0) {
        for (std::uint16_t i = 0; i < size; ++i) {
            free_.push_back(static_cast<std::uint16_t>(size - 1 - i));
        }
        const MutableBytes rings = ram.at(base, bytes(size));
        std::memset(rings.data(), 0, rings.size());
    }

    // bytes is how much memory the rings of such a queue take.
    [[nodiscard]] static std::uint64_t bytes(std::uint16_t size) {
        return std::uint64_t{size} * 28 + 64;
    }
    [[nodiscard]] QueueLayout layout() const {
        return {static_cast<std::uint16_t>(size_), base_, available(), used()};
    }
    [[nodiscard]] std::uint64_t descriptor(std::uint16_t index) const {
        return base_ + std::uint64_t{16} * index;
    }
    [[nodiscard]] std::uint64_t available() const { return base_ + 16 * size_; }
    [[nodiscard]] std::uint64_t used() const {
        return (available() + 6U + 2 * size_ + 3U) & ~std::uint64_t{3};
    }
    [[nodiscard]] std::size_t free_descriptors() const { return free_.size(); }

    void write_descriptor(std::uint16_t index, Buffer buffer, std::uint16_t flags,
                          std::uint16_t next) const {
        ram_->put<std::uint64_t>(descriptor(index), buffer.address);
        ram_->put<std::uint32_t>(descriptor(index) + 8, buffer.size);
        ram_->put<std::uint16_t>(descriptor(index) + 12, flags);
        ram_->put<std::uint16_t>(descriptor(index) + 14, next);
    }

    // add makes a chain available; nothing when there are too few descriptors. The head is told.
    std::optional<std::uint16_t> add(const std::vector<Buffer>& readable,
                                     const std::vector<Buffer>& writable) {
        const std::size_t count = readable.size() + writable.size();
        if (count == 0 || count > free_.size()) {
            return std::nullopt;
        }
        std::vector<std::uint16_t> chain;
        for (std::size_t i = 0; i < count; ++i) {
            chain.push_back(free_.back());
            free_.pop_back();
        }
        for (std::size_t i = 0; i < count; ++i) {
            const bool last = i + 1 == count;
            const bool write = i >= readable.size();
            write_descriptor(chain[i], write ? writable[i - readable.size()] : readable[i],
                             static_cast<std::uint16_t>((last ? 0U : 1U) | (write ? 2U : 0U)),
                             last ? 0 : chain[i + 1]);
        }
        taken_[chain[0]] = static_cast<std::uint16_t>(count);
        offer(chain[0]);
        return chain[0];
    }

    // offer puts any head in the available ring.
    void offer(std::uint16_t head) {
        ram_->put<std::uint16_t>(available() + 4U + 2 * (next_ % size_), head);
        set_available_index(++next_);
    }
    void set_available_index(std::uint16_t index) {
        next_ = index;
        word(available() + 2).store(index, std::memory_order_seq_cst);
    }

    // wants_kick tells whether the device asked to be notified of what was added since the last.
    bool wants_kick() {
        const std::uint16_t before = std::exchange(kicked_, next_);
        if (!event_index_) {
            return (word(used()).load() & 1U) == 0;
        }
        const std::uint16_t event = word(used() + 4U + 8 * size_).load();
        return static_cast<std::uint16_t>(next_ - event - 1) <
               static_cast<std::uint16_t>(next_ - before);
    }

    // Used: what came back.
    struct Used {
        std::uint32_t head = 0;
        std::uint32_t written = 0;
        bool operator==(const Used&) const = default;
    };
    std::optional<Used> take() {
        if (word(used() + 2).load(std::memory_order_seq_cst) == seen_) {
            return std::nullopt;
        }
        const std::uint64_t at = used() + 4U + 8 * (seen_ % size_);
        const Used used{ram_->get<std::uint32_t>(at), ram_->get<std::uint32_t>(at + 4)};
        ++seen_;
        release(used.head);
        return used;
    }
    [[nodiscard]] std::uint16_t used_index() const { return word(used() + 2).load(); }
    // want_interrupt: with event indices, for the next chain that comes back.
    void want_interrupt() const { word(available() + 4U + 2 * size_).store(seen_); }
    void refuse_interrupts() const { word(available()).store(1); }

private:
    [[nodiscard]] std::atomic_ref<std::uint16_t> word(std::uint64_t address) const {
        return std::atomic_ref<std::uint16_t>(
            *reinterpret_cast<std::uint16_t*>(ram_->at(address, 2).data()));
    }
    void release(std::uint32_t head) {
        if (head >= size_ || taken_[head] == 0) {
            return;
        }
        auto index = static_cast<std::uint16_t>(head);
        for (std::uint16_t left = std::exchange(taken_[head], 0); left > 0; --left) {
            free_.push_back(index);
            index = ram_->get<std::uint16_t>(descriptor(index) + 14);
        }
    }

    const GuestRam* ram_;
    // Wide, so that offsets are computed wide.
    std::uint64_t size_;
    bool event_index_;
    std::uint64_t base_;
    std::vector<std::uint16_t> taken_;
    std::vector<std::uint16_t> free_;
    std::uint16_t next_ = 0;
    std::uint16_t kicked_ = 0;
    std::uint16_t seen_ = 0;
};

// GuestDriver drives a transport's registers.
class GuestDriver {
public:
    explicit GuestDriver(MmioTransport& transport) : transport_(&transport) {}

    [[nodiscard]] std::uint32_t get(Register where) const {
        std::uint32_t value = 0;
        std::uint8_t raw[4] = {};
        transport_->read(static_cast<std::uint64_t>(where), raw);
        std::memcpy(&value, raw, sizeof(value));
        return value;
    }
    void set(Register where, std::uint32_t value) const {
        std::uint8_t raw[4] = {};
        std::memcpy(raw, &value, sizeof(value));
        transport_->write(static_cast<std::uint64_t>(where), raw);
    }

    [[nodiscard]] std::uint64_t offered() const {
        set(Register::device_features_select, 1);
        const std::uint64_t high = get(Register::device_features);
        set(Register::device_features_select, 0);
        return high << 32U | get(Register::device_features);
    }
    // negotiate goes as far as FEATURES_OK and tells whether the device agreed.
    [[nodiscard]] bool negotiate(std::uint64_t features) const {
        set(Register::status, 0);
        set(Register::status, kStatusAcknowledge);
        set(Register::status, kStatusAcknowledge | kStatusDriver);
        set(Register::driver_features_select, 1);
        set(Register::driver_features, static_cast<std::uint32_t>(features >> 32U));
        set(Register::driver_features_select, 0);
        set(Register::driver_features, static_cast<std::uint32_t>(features));
        add_status(kStatusFeaturesOk);
        return (get(Register::status) & kStatusFeaturesOk) != 0;
    }
    void add_status(std::uint32_t bits) const {
        set(Register::status, get(Register::status) | bits);
    }
    [[nodiscard]] bool set_up(std::uint32_t index, const QueueLayout& layout) const {
        set(Register::queue_select, index);
        set(Register::queue_size, layout.size);
        set(Register::queue_descriptors_low, static_cast<std::uint32_t>(layout.descriptors));
        set(Register::queue_descriptors_high,
            static_cast<std::uint32_t>(layout.descriptors >> 32U));
        set(Register::queue_available_low, static_cast<std::uint32_t>(layout.available));
        set(Register::queue_available_high, static_cast<std::uint32_t>(layout.available >> 32U));
        set(Register::queue_used_low, static_cast<std::uint32_t>(layout.used));
        set(Register::queue_used_high, static_cast<std::uint32_t>(layout.used >> 32U));
        set(Register::queue_ready, 1);
        return get(Register::queue_ready) == 1;
    }
    void start() const { add_status(kStatusDriverOk); }
    [[nodiscard]] bool needs_reset() const {
        return (get(Register::status) & kStatusNeedsReset) != 0;
    }
    void kick(std::uint32_t index) const { set(Register::queue_notify, index); }
    // interrupts reads and acknowledges, as an interrupt handler does.
    [[nodiscard]] std::uint32_t interrupts() const {
        const std::uint32_t pending = get(Register::interrupt_status);
        set(Register::interrupt_acknowledge, pending);
        return pending;
    }

private:
    MmioTransport* transport_;
};

}  // namespace casemate::virtio::testing
