#include "vmm/devices.hpp"

#include <atomic>
#include <string>
#include <vector>

#include "vmm/log.hpp"

namespace casemate::vmm {

namespace {

// A guest can break its device over and over; the log has enough of it soon.
constexpr int kMaxLoggedFailures = 8;

virtio::MmioTransport::FailureHandler log_failures(std::string_view name) {
    auto count = std::make_shared<std::atomic<int>>(0);
    return [count, device = std::string(name)](const Error& reason) {
        if (count->fetch_add(1) < kMaxLoggedFailures) {
            log("the guest broke its " + device + " device: " + reason.message());
        }
    };
}

}  // namespace

Devices::Devices(EventLoop& loop, virtio::vsock::VsockHost& host, std::uint32_t guest_cid,
                 UniqueFd nsm_socket, machine::InterruptLine vsock_line,
                 machine::InterruptLine nsm_line)
    : vsock_line_(std::move(vsock_line)),
      nsm_line_(std::move(nsm_line)),
      vsock_(loop, host, guest_cid),
      nsm_(loop, std::move(nsm_socket),
           [](const Error& reason) { log("the security module is gone: " + reason.message()); }) {
}

Result<std::unique_ptr<Devices>> Devices::create(EventLoop& loop,
                                                 const machine::GuestMemory& memory,
                                                 machine::Machine& machine,
                                                 virtio::vsock::VsockHost& host,
                                                 std::uint32_t guest_cid, UniqueFd nsm_socket) {
    CASEMATE_TRY(auto vsock_line, machine::InterruptLine::create());
    CASEMATE_TRY(auto nsm_line, machine::InterruptLine::create());
    std::unique_ptr<Devices> devices(new Devices(loop, host, guest_cid, std::move(nsm_socket),
                                                 std::move(vsock_line), std::move(nsm_line)));
    CASEMATE_TRY(devices->vsock_transport_,
                 connect(loop, memory, machine, devices->vsock_, devices->vsock_line_, "vsock"));
    CASEMATE_TRY(devices->nsm_transport_,
                 connect(loop, memory, machine, devices->nsm_, devices->nsm_line_, "nsm"));
    return devices;
}

Result<std::unique_ptr<virtio::MmioTransport>> Devices::connect(
    EventLoop& loop, const machine::GuestMemory& memory, machine::Machine& machine,
    virtio::Device& device, const machine::InterruptLine& line, std::string_view name) {
    CASEMATE_TRY(auto transport,
                 virtio::MmioTransport::create(memory, line, loop, device, log_failures(name)));
    std::vector<int> notify;
    for (std::size_t queue = 0; queue < transport->queue_count(); ++queue) {
        notify.push_back(transport->notify_fd(queue));
    }
    const auto notify_offset = static_cast<std::uint64_t>(virtio::Register::queue_notify);
    CASEMATE_CHECK(machine.add_device(*transport, line, notify_offset, notify));
    return transport;
}

}  // namespace casemate::vmm
