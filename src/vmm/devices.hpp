// Devices: the enclave's two virtio devices on their transports.
#pragma once

#include <cstdint>
#include <memory>

#include "base/event_loop.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"
#include "machine/guest_memory.hpp"
#include "machine/machine.hpp"
#include "machine/mmio.hpp"
#include "virtio/mmio.hpp"
#include "virtio/nsm/device.hpp"
#include "virtio/vsock/device.hpp"

namespace casemate::vmm {

class Devices {
public:
    // create puts vsock on the machine's first virtio page and the security module on the second.
    // All arguments but nsm_socket stay the caller's and outlive the devices; the devices outlive
    // the machine's vCPUs.
    [[nodiscard]] static Result<std::unique_ptr<Devices>> create(
        EventLoop& loop, const machine::GuestMemory& memory, machine::Machine& machine,
        virtio::vsock::VsockHost& host, std::uint32_t guest_cid, UniqueFd nsm_socket);

    [[nodiscard]] virtio::vsock::VsockDevice& vsock() { return vsock_; }

private:
    Devices(EventLoop& loop, virtio::vsock::VsockHost& host, std::uint32_t guest_cid,
            UniqueFd nsm_socket, machine::InterruptLine vsock_line,
            machine::InterruptLine nsm_line);
    [[nodiscard]] static Result<std::unique_ptr<virtio::MmioTransport>> connect(
        EventLoop& loop, const machine::GuestMemory& memory, machine::Machine& machine,
        virtio::Device& device, const machine::InterruptLine& line, std::string_view name);

    machine::InterruptLine vsock_line_;
    machine::InterruptLine nsm_line_;
    virtio::vsock::VsockDevice vsock_;
    virtio::NsmDevice nsm_;
    std::unique_ptr<virtio::MmioTransport> vsock_transport_;
    std::unique_ptr<virtio::MmioTransport> nsm_transport_;
};

}  // namespace casemate::vmm
