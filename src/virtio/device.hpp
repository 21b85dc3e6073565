// What a virtio device and its transport are to each other.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.hpp"
#include "virtio/queue.hpp"

namespace casemate::virtio {

// Feature bits that belong to the rings and the transport (virtio 1.2, 6).
inline constexpr std::uint64_t kFeatureEventIndex = 1ULL << 29U;
inline constexpr std::uint64_t kFeatureVersion1 = 1ULL << 32U;

// Transport: the queues of one device, as the device sees them. Everything but enter is called
// inside a Session only.
class Transport {
public:
    // Session: while it lives, the vCPUs can neither reset the device nor change its queues. Its
    // end raises the interrupt that published chains have asked for.
    class Session {
    public:
        explicit Session(Transport& transport) : transport_(&transport) { transport.begin(); }
        ~Session() { transport_->end(); }
        Session(const Session&) = delete;
        Session& operator=(const Session&) = delete;

    private:
        Transport* transport_;
    };

    Transport() = default;
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;
    virtual ~Transport() = default;

    // running: the driver has said DRIVER_OK, and nothing has failed since.
    [[nodiscard]] virtual bool running() const = 0;
    // queue gives the queue of that number; nothing when the driver has not set it up.
    [[nodiscard]] virtual Queue* queue(std::size_t index) = 0;
    // publish shows the driver what was pushed and notes whether it wants an interrupt.
    virtual void publish(Queue& queue) = 0;
    // interrupt raises what has been noted at once, not at the end of the session.
    virtual void interrupt() = 0;
    // wake has the event loop call the device's queue_notified(index) soon.
    virtual void wake(std::size_t index) = 0;
    // fail stops the device until the driver resets it (virtio 1.2, 2.1.2: DEVICE_NEEDS_RESET).
    virtual void fail(const Error& reason) = 0;

protected:
    virtual void begin() = 0;
    virtual void end() = 0;
};

// Device: one kind of virtio device. Its members are called by the event loop's thread inside a
// session, except for the first four, which are the same for ever and called by any thread.
class Device {
public:
    Device() = default;
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;
    virtual ~Device() = default;

    // id is the device's number (virtio 1.2, 5).
    [[nodiscard]] virtual std::uint32_t id() const = 0;
    // features that are offered, VERSION_1 left out.
    [[nodiscard]] virtual std::uint64_t features() const = 0;
    // queue_sizes gives the largest size of each queue.
    [[nodiscard]] virtual std::span<const std::uint16_t> queue_sizes() const = 0;
    // config is the device's configuration space, which never changes.
    [[nodiscard]] virtual ByteView config() const = 0;

    // attach tells the device its transport, once, before anything else. It outlives the device's
    // use.
    virtual void attach(Transport& transport) = 0;
    // reset forgets everything of the driver that was: it may have been reset at any moment, with
    // chains popped and not returned. The queues that transport gives are the new driver's.
    virtual void reset() = 0;
    // queue_notified: the driver has made chains available, or the device woke itself. Only called
    // while running.
    virtual void queue_notified(std::size_t index) = 0;
};

}  // namespace casemate::virtio
