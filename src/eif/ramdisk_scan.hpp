// RamdiskScan: what Linux will find in an image's ramdisks, without unpacking them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace casemate::eif {

// RamdiskScan is fed an image's ramdisks, one behind the other, as the kernel sees them: cpio
// archives (newc), compressed ones and zeros in between, which may begin and end anywhere (Linux
// init/initramfs.c). Memory does not grow with them. Gzip is looked into; what other compressions
// hold is not, and said so.
class RamdiskScan {
public:
    // first_process is the path of what the kernel starts, "/init".
    explicit RamdiskScan(std::string_view first_process);
    RamdiskScan(RamdiskScan&&) noexcept;
    RamdiskScan& operator=(RamdiskScan&&) noexcept;
    RamdiskScan(const RamdiskScan&) = delete;
    RamdiskScan& operator=(const RamdiskScan&) = delete;
    ~RamdiskScan();

    // begin starts the next ramdisk, feed gives its bytes. From the first fault on nothing is
    // looked at any more: the kernel would not unpack it either.
    void begin();
    void feed(ByteView bytes);

    struct Ramdisk {
        // format of its beginning: "cpio", "gzip", "xz", …; empty for an empty one.
        std::string format;
        // entries that begin in it, as far as it was looked into.
        std::uint64_t entries = 0;
    };
    struct Found {
        std::vector<Ramdisk> ramdisks;
        // init: the first process's mode, as st_mode, and which ramdisk had it last.
        std::optional<std::uint32_t> init_mode;
        std::size_t init_ramdisk = 0;
        // nsm_module: there is a file nsm.ko in the root.
        bool nsm_module = false;
        // closed: something is in there that was not looked into.
        bool closed = false;
        // fault: what the kernel will not unpack, with everything behind it.
        std::optional<std::string> fault;
    };
    // finish gives what was found; the scan is of no use afterwards.
    [[nodiscard]] Found finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace casemate::eif
