// I8042: the keyboard controller at 0x60 and 0x64, without a keyboard. It answers what drivers ask
// to find out that there is nothing, and resets the machine, which is how an enclave ends.
#pragma once

#include <functional>
#include <mutex>
#include <optional>

#include "machine/mmio.hpp"

namespace casemate::machine {

class I8042 final : public MmioDevice {
public:
    static constexpr std::uint64_t kPort = 0x60;
    // 0x61 is the interval timer's, in KVM: the bus never asks this device for it.
    static constexpr std::uint64_t kPorts = 5;

    // reset is called on the vCPU's thread that wrote 0xfe.
    explicit I8042(std::function<void()> reset) : reset_(std::move(reset)) {}

    void read(std::uint64_t offset, MutableBytes data) override;
    void write(std::uint64_t offset, ByteView data) override;

private:
    void command(std::uint8_t value);
    void data_written(std::uint8_t value);

    std::function<void()> reset_;
    std::mutex mutex_;
    // configuration_ is the controller's command byte: the keyboard and the auxiliary port are
    // disabled, the self-test has passed.
    std::uint8_t configuration_ = 0x34;
    // output_ is the byte that waits at port 0x60.
    std::optional<std::uint8_t> output_;
    // expecting_ is the command whose parameter comes next.
    std::optional<std::uint8_t> expecting_;
};

}  // namespace casemate::machine
