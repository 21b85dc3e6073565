// Guest: one running virtual machine, whoever runs it, that a benchmark boots and talks to over
// vsock.
#pragma once

#include <memory>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace casemate::bench {

class Guest {
public:
    Guest() = default;
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;
    // The destructor ends the machine.
    virtual ~Guest() = default;

    // connect opens a stream to the guest's vsock port.
    [[nodiscard]] virtual Result<UniqueFd> connect(std::uint32_t port) = 0;
    // overhead_kib is what the machine's processes take beyond the guest's memory, in KiB.
    [[nodiscard]] virtual std::uint64_t overhead_kib() const = 0;
};

// The files of the benchmark's initramfs that every guest is made from.
inline constexpr const char* kImage = "/guest/image.eif";
inline constexpr const char* kKernel = "/guest/vmlinux";
inline constexpr const char* kRamdisk = "/guest/ramdisk";
inline constexpr const char* kCommandLine = "/guest/cmdline";
inline constexpr std::uint64_t kGuestMemory = 192ULL << 20U;

// measure_image has casemate-nsm load the image once, as happens outside the software host.
struct MeasuredImage;
[[nodiscard]] Result<std::shared_ptr<MeasuredImage>> measure_image();

// boot_casemate returns when the guest's init has come to its heartbeat.
[[nodiscard]] Result<std::unique_ptr<Guest>> boot_casemate(const MeasuredImage& image,
                                                           std::uint32_t vcpus);
// boot_qemu has no vsock device and returns when the guest's init says so. machine is QEMU's:
// "microvm" or "q35".
[[nodiscard]] Result<std::unique_ptr<Guest>> boot_qemu(const std::string& machine,
                                                       std::uint32_t vcpus);
// boot_vhost_vsock is a microvm with the kernel's vhost-vsock. The parent there has CID 2 alone, so
// init would not find it: the test program is the first process itself.
[[nodiscard]] Result<std::unique_ptr<Guest>> boot_vhost_vsock();

// private_kib is what a process has in memory, in KiB, but for mappings of guest memory.
[[nodiscard]] std::uint64_t private_kib(int pid);

}  // namespace casemate::bench
