#include "virtio/queue.hpp"

#include <atomic>
#include <bit>
#include <string>

namespace casemate::virtio {

namespace {

static_assert(std::endian::native == std::endian::little, "the rings are little-endian");

// Structures of virtio 1.2, 2.7.5 to 2.7.8.
constexpr std::size_t kDescriptorSize = 16;
constexpr std::size_t kRingHeader = 4;
constexpr std::size_t kIndexOffset = 2;
constexpr std::size_t kAvailableEntry = 2;
constexpr std::size_t kUsedEntry = 8;
constexpr std::size_t kEventSize = 2;

constexpr std::uint16_t kDescriptorNext = 1;
constexpr std::uint16_t kDescriptorWrite = 2;
constexpr std::uint16_t kDescriptorIndirect = 4;
constexpr std::uint16_t kNoInterrupt = 1;
constexpr std::uint16_t kNoNotify = 1;

// The rings are shared with vCPUs that run meanwhile, so every access is an atomic one of the
// field's size: read once, never again by the compiler's leave. Alignment was checked in create.
//
// Order, and nowhere else in this room:
//  * the available index is read with acquire: the entries and descriptors behind it are read
//  after;
//  * the used index is stored with release: entries and buffers are written before;
//  * where each side stores its own and then reads the other's (used index, then used_event;
//    avail_event, then the available index), a sequentially consistent fence lies between, or both
//    sides could miss the other's store and wait for ever.
template <class T>
T load(std::uint8_t* at, std::memory_order order = std::memory_order_relaxed) {
    return std::atomic_ref<T>(*reinterpret_cast<T*>(at)).load(order);
}

template <class T>
void store(std::uint8_t* at, T value, std::memory_order order = std::memory_order_relaxed) {
    std::atomic_ref<T>(*reinterpret_cast<T*>(at)).store(value, order);
}

struct Descriptor {
    std::uint64_t address;
    std::uint32_t length;
    std::uint16_t flags;
    std::uint16_t next;
};

Descriptor load_descriptor(std::uint8_t* table, std::uint16_t index) {
    std::uint8_t* at = table + kDescriptorSize * index;
    return {load<std::uint64_t>(at), load<std::uint32_t>(at + 8), load<std::uint16_t>(at + 12),
            load<std::uint16_t>(at + 14)};
}

Result<std::uint8_t*> ring_at(const machine::GuestMemory& memory, std::string_view name,
                              std::uint64_t address, std::uint64_t size, std::uint64_t alignment) {
    if (address % alignment != 0) {
        return Error(VirtioErrc::bad_ring_address, "expected the " + std::string(name) +
                                                       " aligned to " + std::to_string(alignment) +
                                                       " bytes, found it at " +
                                                       std::to_string(address));
    }
    const auto ring = memory.slice(address, size);
    if (!ring) {
        return Error(VirtioErrc::bad_ring_address, "expected the " + std::string(name) +
                                                       " in RAM, found " + std::to_string(size) +
                                                       " bytes at " + std::to_string(address));
    }
    return ring->data();
}

}  // namespace

Result<Queue> Queue::create(const machine::GuestMemory& memory, const QueueLayout& layout,
                            std::uint16_t max_size, bool event_index) {
    if (!std::has_single_bit(layout.size) || layout.size > max_size) {
        return Error(VirtioErrc::bad_ring_size, "expected a power of two of at most " +
                                                    std::to_string(max_size) + ", found " +
                                                    std::to_string(layout.size));
    }
    const std::size_t size = layout.size;
    Queue queue;
    queue.memory_ = &memory;
    queue.size_ = layout.size;
    queue.event_index_ = event_index;
    CASEMATE_TRY(queue.descriptors_, ring_at(memory, "descriptor table", layout.descriptors,
                                             size * kDescriptorSize, kDescriptorSize));
    CASEMATE_TRY(queue.available_, ring_at(memory, "available ring", layout.available,
                                           kRingHeader + size * kAvailableEntry + kEventSize, 2));
    CASEMATE_TRY(queue.used_, ring_at(memory, "used ring", layout.used,
                                      kRingHeader + size * kUsedEntry + kEventSize, 4));
    return queue;
}

// refresh looks at how far the driver has got; true when chains are waiting.
Result<bool> Queue::refresh() {
    const auto index = load<std::uint16_t>(available_ + kIndexOffset, std::memory_order_acquire);
    const auto waiting = static_cast<std::uint16_t>(index - next_available_);
    if (waiting > size_) {
        return Error(VirtioErrc::bad_available_index, "expected at most " + std::to_string(size_) +
                                                          " waiting chains, found " +
                                                          std::to_string(waiting));
    }
    known_available_ = index;
    return waiting > 0;
}

Result<bool> Queue::pop(Chain& chain) {
    if (known_available_ == next_available_) {
        CASEMATE_TRY(const bool waiting, refresh());
        if (!waiting) {
            return false;
        }
    }
    const std::size_t entry = next_available_ % size_;
    const auto head = load<std::uint16_t>(available_ + kRingHeader + entry * kAvailableEntry);
    CASEMATE_CHECK(walk(head, chain));
    ++next_available_;
    return true;
}

Result<> Queue::walk(std::uint16_t head, Chain& chain) const {
    chain.head = head;
    chain.readable.clear();
    chain.writable.clear();
    std::uint16_t index = head;
    for (std::uint32_t seen = 0; seen < size_; ++seen) {
        if (index >= size_) {
            return Error(VirtioErrc::bad_descriptor, "expected a descriptor below " +
                                                         std::to_string(size_) + ", found " +
                                                         std::to_string(index));
        }
        const Descriptor descriptor = load_descriptor(descriptors_, index);
        if ((descriptor.flags & kDescriptorIndirect) != 0) {
            return Error(VirtioErrc::indirect_descriptor, "expected none: they are not offered");
        }
        const bool writable = (descriptor.flags & kDescriptorWrite) != 0;
        if (!writable && chain.writable.count() > 0) {
            return Error(VirtioErrc::wrong_direction,
                         "expected the buffers to be read before those to be written");
        }
        if (descriptor.length > 0) {
            const auto buffer = memory_->slice(descriptor.address, descriptor.length);
            if (!buffer) {
                return Error(VirtioErrc::bad_descriptor, "expected a buffer in RAM, found " +
                                                             std::to_string(descriptor.length) +
                                                             " bytes at " +
                                                             std::to_string(descriptor.address));
            }
            (writable ? chain.writable : chain.readable).add(*buffer);
        }
        if (chain.readable.size() + chain.writable.size() > UINT32_MAX) {
            break;
        }
        if ((descriptor.flags & kDescriptorNext) == 0) {
            return {};
        }
        index = descriptor.next;
    }
    return Error(VirtioErrc::endless_chain,
                 "expected at most " + std::to_string(size_) + " descriptors and less than 4 GiB");
}

void Queue::put_back(std::uint16_t count) {
    next_available_ = static_cast<std::uint16_t>(next_available_ - count);
}

void Queue::push(std::uint16_t head, std::uint32_t written) {
    std::uint8_t* at = used_ + kRingHeader + (next_used_ % size_) * kUsedEntry;
    store<std::uint32_t>(at, head);
    store<std::uint32_t>(at + 4, written);
    ++next_used_;
}

bool Queue::publish() {
    if (next_used_ == published_used_) {
        return false;
    }
    const std::uint16_t before = published_used_;
    published_used_ = next_used_;
    store<std::uint16_t>(used_ + kIndexOffset, next_used_, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!event_index_) {
        return (load<std::uint16_t>(available_) & kNoInterrupt) == 0;
    }
    // Virtio 1.2, 2.7.7.2: an interrupt is due when the index has passed used_event.
    const auto event =
        load<std::uint16_t>(available_ + kRingHeader + std::size_t{size_} * kAvailableEntry);
    return static_cast<std::uint16_t>(next_used_ - event - 1) <
           static_cast<std::uint16_t>(next_used_ - before);
}

void Queue::silence() {
    // With event indices an avail_event that stays behind is silence enough.
    if (!event_index_) {
        store<std::uint16_t>(used_, kNoNotify);
    }
}

Result<bool> Queue::listen() {
    if (event_index_) {
        store<std::uint16_t>(used_ + kRingHeader + std::size_t{size_} * kUsedEntry,
                             next_available_);
    } else {
        store<std::uint16_t>(used_, 0);
    }
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return refresh();
}

}  // namespace casemate::virtio
