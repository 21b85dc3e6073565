// Queue: the device's side of a split virtqueue (virtio 1.2, 2.7) in guest memory.
#pragma once

#include <cstdint>

#include "machine/guest_memory.hpp"
#include "virtio/errors.hpp"
#include "virtio/segments.hpp"

namespace casemate::virtio {

// QueueLayout: where the driver says that its rings are. Guest-physical addresses; size is the
// number of descriptors.
struct QueueLayout {
    std::uint16_t size = 0;
    std::uint64_t descriptors = 0;
    std::uint64_t available = 0;
    std::uint64_t used = 0;
};

// Chain: one descriptor chain. Device-readable buffers come first, device-writable ones after.
struct Chain {
    std::uint16_t head = 0;
    Segments readable;
    Segments writable;
};

// Queue reads each number of the guest's once and checks it there, so what it yields can be used
// as it is. Not safe for several threads at once. Views guest memory, which must outlive it.
class Queue {
public:
    // create checks the layout: VirtioErrc::bad_ring_size, VirtioErrc::bad_ring_address. With
    // event_index, notifications go by VIRTIO_F_EVENT_IDX.
    [[nodiscard]] static Result<Queue> create(const machine::GuestMemory& memory,
                                              const QueueLayout& layout, std::uint16_t max_size,
                                              bool event_index);

    // pop takes the next available chain; false when there is none. Errors: every VirtioErrc about
    // indices, descriptors and chains; the queue must not be used after one. A descriptor of no
    // bytes is allowed (Linux's NSM driver makes one of an empty request) and yields nothing.
    [[nodiscard]] Result<bool> pop(Chain& chain);
    // put_back makes the last count popped chains available again; none of them may have been
    // pushed.
    void put_back(std::uint16_t count);
    // push returns a chain of which the device has written that many bytes. The driver sees it
    // after the next publish.
    void push(std::uint16_t head, std::uint32_t written);
    // publish shows the driver what was pushed; true when it wants an interrupt for it.
    [[nodiscard]] bool publish();

    // silence asks the driver not to notify; listen asks it to, and tells whether chains have
    // become available meanwhile, for which no notification will come. Errors: as pop.
    void silence();
    [[nodiscard]] Result<bool> listen();

private:
    Queue() = default;
    [[nodiscard]] Result<bool> refresh();
    [[nodiscard]] Result<> walk(std::uint16_t head, Chain& chain) const;

    const machine::GuestMemory* memory_ = nullptr;
    std::uint16_t size_ = 0;
    bool event_index_ = false;
    std::uint8_t* descriptors_ = nullptr;
    std::uint8_t* available_ = nullptr;
    std::uint8_t* used_ = nullptr;

    // Indices are free-running, as in the rings.
    std::uint16_t next_available_ = 0;
    std::uint16_t known_available_ = 0;
    std::uint16_t next_used_ = 0;
    std::uint16_t published_used_ = 0;
};

}  // namespace casemate::virtio
