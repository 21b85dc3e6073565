// Serial: the 16550A at 0x3f8, which only sends (National Semiconductor PC16550D data sheet).
#pragma once

#include <functional>
#include <mutex>
#include <optional>

#include "machine/mmio.hpp"

namespace casemate::machine {

class Serial final : public MmioDevice {
public:
    // Sink takes each byte that the guest sends, on the vCPU's thread. It must not block.
    using Sink = std::function<void(std::uint8_t)>;

    static constexpr std::uint64_t kPort = 0x3f8;
    static constexpr std::uint64_t kPorts = 8;
    static constexpr std::uint32_t kIrq = 4;

    // The interrupt line must outlive the device.
    Serial(const InterruptLine& interrupt, Sink sink)
        : interrupt_(&interrupt), sink_(std::move(sink)) {}

    void read(std::uint64_t offset, MutableBytes data) override;
    void write(std::uint64_t offset, ByteView data) override;

private:
    [[nodiscard]] bool divisor_latched() const;
    [[nodiscard]] std::uint8_t read_register(std::uint64_t offset);
    void write_register(std::uint64_t offset, std::uint8_t value);
    void send(std::uint8_t byte);
    void enable_interrupts(std::uint8_t value);
    [[nodiscard]] std::uint8_t identify_interrupt();
    [[nodiscard]] std::uint8_t modem_status() const;

    const InterruptLine* interrupt_;
    Sink sink_;
    std::mutex mutex_;
    std::uint8_t interrupt_enable_ = 0;
    std::uint8_t line_control_ = 0x03;
    std::uint8_t modem_control_ = 0x08;
    std::uint8_t scratch_ = 0;
    std::uint16_t divisor_ = 1;
    bool fifo_ = false;
    // transmitter_empty_ is the pending "holding register empty" interrupt.
    bool transmitter_empty_ = false;
    // received_ is what the guest has sent to itself in loopback mode.
    std::optional<std::uint8_t> received_;
};

}  // namespace casemate::machine
