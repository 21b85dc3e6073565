// A guest with a vsock driver, for tests: rings like Linux's, and packets as the test wants them.
#pragma once

#include <deque>
#include <map>
#include <memory>

#include "virtio/testing/guest_driver.hpp"
#include "virtio/vsock/device.hpp"

namespace casemate::virtio::testing {

inline constexpr std::uint32_t kGuestCid = 16;

// RecordingHost notes what the guest asks for; tests answer.
class RecordingHost final : public vsock::VsockHost {
public:
    struct Request {
        std::uint64_t id = 0;
        std::uint32_t cid = 0;
        std::uint32_t port = 0;
        std::uint32_t source_port = 0;
    };
    void request_connection(std::uint64_t id, std::uint32_t cid, std::uint32_t port,
                            std::uint32_t source_port) override {
        requests.push_back({id, cid, port, source_port});
    }
    std::deque<Request> requests;
};

// GuestPacket: one packet as it came out of a receive buffer.
struct GuestPacket {
    vsock::Header header;
    Bytes payload;
};

// VsockGuest is a whole machine around one vsock device: memory, loop, transport, driver.
class VsockGuest {
public:
    struct Options {
        std::uint64_t features = kFeatureVersion1 | kFeatureEventIndex;
        std::uint32_t receive_buffer = 4096;
        std::size_t receive_buffers = 256;
        vsock::VsockDevice::Timeouts timeouts{};
    };
    enum Index : std::uint32_t { kReceive = 0, kTransmit = 1, kEvent = 2 };
    static constexpr std::uint32_t kSlotSize = vsock::kMaxPayload + 4096;
    static constexpr std::size_t kSlots = 64;

    VsockGuest() : VsockGuest(Options{}) {}
    explicit VsockGuest(const Options& options)
        : options_(options),
          device(loop, host, kGuestCid, options.timeouts),
          transport(must(MmioTransport::create(
              ram.memory(), line, loop, device,
              [this](const Error& reason) { failures.push_back(reason.message()); }))),
          driver(*transport) {
        bring_up();
    }

    // bring_up resets the device and starts a driver afresh.
    void bring_up() {
        const bool event_index = (options_.features & kFeatureEventIndex) != 0;
        receive = std::make_unique<GuestQueue>(ram, 0x1000, std::uint16_t{256}, event_index);
        transmit = std::make_unique<GuestQueue>(ram, 0x4000, std::uint16_t{256}, event_index);
        event = std::make_unique<GuestQueue>(ram, 0x8000, std::uint16_t{16}, event_index);
        slot_of_.clear();
        slots_.clear();
        for (std::size_t i = 0; i < kSlots; ++i) {
            slots_.push_back(i);
        }
        if (!driver.negotiate(options_.features) || !driver.set_up(kReceive, receive->layout()) ||
            !driver.set_up(kTransmit, transmit->layout()) ||
            !driver.set_up(kEvent, event->layout())) {
            std::abort();
        }
        driver.start();
        receive->want_interrupt();
        offer_receive_buffers(options_.receive_buffers);
        run();
    }

    // run lets the device do all that it can.
    void run() {
        for (int i = 0; i < 6; ++i) {
            if (!loop.run_once(std::chrono::milliseconds(0)).ok()) {
                std::abort();
            }
        }
    }

    void offer_receive_buffers(std::size_t count) {
        for (; count > 0 && receive->free_descriptors() > 0; --count) {
            const std::uint64_t address = kReceiveArea + next_buffer_ * options_.receive_buffer;
            next_buffer_ = (next_buffer_ + 1) % 256;
            const auto head = receive->add({}, {{address, options_.receive_buffer}});
            buffer_of_[*head] = address;
        }
        if (receive->wants_kick()) {
            driver.kick(kReceive);
        }
    }

    // collect takes what the device has delivered; with replenish the buffers go straight back.
    std::vector<GuestPacket> collect(bool replenish = true) {
        static_cast<void>(driver.interrupts());
        std::vector<GuestPacket> packets;
        while (const auto used = receive->take()) {
            const std::uint64_t address = buffer_of_[static_cast<std::uint16_t>(used->head)];
            const ByteView bytes = ram.at(address, used->written);
            GuestPacket packet;
            packet.header = vsock::decode_header(bytes.first<vsock::kHeaderSize>());
            packet.payload.assign(bytes.begin() + vsock::kHeaderSize, bytes.end());
            packets.push_back(std::move(packet));
        }
        receive->want_interrupt();
        if (replenish && !packets.empty()) {
            offer_receive_buffers(packets.size());
        }
        return packets;
    }

    // room tells how many packets can be sent before the device must have taken some.
    std::size_t room() {
        while (const auto used = transmit->take()) {
            slots_.push_back(slot_of_[static_cast<std::uint16_t>(used->head)]);
        }
        return slots_.size();
    }

    // put sends a packet as Linux does: header and payload in descriptors of their own.
    void put(const vsock::Header& header, ByteView payload = {}) {
        if (room() == 0) {
            std::abort();
        }
        const std::size_t slot = slots_.front();
        slots_.pop_front();
        const std::uint64_t address = kTransmitArea + slot * kSlotSize;
        std::array<std::uint8_t, vsock::kHeaderSize> raw{};
        vsock::encode_header(header, raw);
        std::memcpy(ram.at(address, raw.size()).data(), raw.data(), raw.size());
        std::vector<Buffer> buffers{{address, vsock::kHeaderSize}};
        if (!payload.empty()) {
            std::memcpy(ram.at(address + 64, payload.size()).data(), payload.data(),
                        payload.size());
            buffers.push_back({address + 64, static_cast<std::uint32_t>(payload.size())});
        }
        slot_of_[*transmit->add(buffers, {})] = slot;
    }
    void kick() {
        if (transmit->wants_kick()) {
            driver.kick(kTransmit);
        }
    }
    void send(const vsock::Header& header, ByteView payload = {}) {
        put(header, payload);
        kick();
        run();
    }

private:
    Options options_;
    static constexpr std::uint64_t kReceiveArea = 0x10000;
    static constexpr std::uint64_t kTransmitArea = 0x200000;
    std::uint64_t next_buffer_ = 0;
    std::map<std::uint16_t, std::uint64_t> buffer_of_;
    std::map<std::uint16_t, std::size_t> slot_of_;
    std::deque<std::size_t> slots_;

public:
    GuestRam ram{16 << 20U};
    EventLoop loop = must(EventLoop::create());
    machine::InterruptLine line = must(machine::InterruptLine::create());
    RecordingHost host;
    vsock::VsockDevice device;
    std::vector<std::string> failures;
    std::unique_ptr<MmioTransport> transport;
    GuestDriver driver;
    std::unique_ptr<GuestQueue> receive;
    std::unique_ptr<GuestQueue> transmit;
    std::unique_ptr<GuestQueue> event;
};

// packet makes a header from the guest's port to the host's.
inline vsock::Header packet(vsock::Operation operation, std::uint32_t guest_port,
                            std::uint32_t host_port, std::uint64_t host_cid = vsock::kParentCid) {
    vsock::Header header;
    header.source_cid = kGuestCid;
    header.destination_cid = host_cid;
    header.source_port = guest_port;
    header.destination_port = host_port;
    header.operation = operation;
    header.buffer_size = 256 * 1024;
    return header;
}

}  // namespace casemate::virtio::testing
