#include "machine/serial.hpp"

namespace casemate::machine {

namespace {

enum class Register : std::uint8_t {
    data = 0,              // divisor's low byte while the latch is open
    interrupt_enable = 1,  // divisor's high byte while the latch is open
    interrupt_identity = 2,
    line_control = 3,
    modem_control = 4,
    line_status = 5,
    modem_status = 6,
    scratch = 7,
};

constexpr std::uint8_t kReceiveInterrupt = 0x01;
constexpr std::uint8_t kTransmitInterrupt = 0x02;

constexpr std::uint8_t kNoInterrupt = 0x01;
constexpr std::uint8_t kTransmitterEmpty = 0x02;
constexpr std::uint8_t kDataReceived = 0x04;
constexpr std::uint8_t kFifosEnabled = 0xc0;

constexpr std::uint8_t kFifoEnable = 0x01;
constexpr std::uint8_t kDivisorLatch = 0x80;
constexpr std::uint8_t kLoopback = 0x10;

constexpr std::uint8_t kDataReady = 0x01;
constexpr std::uint8_t kHoldingAndShiftEmpty = 0x60;

// What a cable to a terminal that is there looks like: DCD, DSR, CTS.
constexpr std::uint8_t kModemReady = 0xb0;

}  // namespace

void Serial::read(std::uint64_t offset, MutableBytes data) {
    const std::lock_guard lock(mutex_);
    // A wider access reaches the following registers, as on the ISA bus.
    for (std::size_t i = 0; i < data.size(); ++i) {
        data[i] = read_register(offset + i);
    }
}

void Serial::write(std::uint64_t offset, ByteView data) {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < data.size(); ++i) {
        write_register(offset + i, data[i]);
    }
}

bool Serial::divisor_latched() const {
    return (line_control_ & kDivisorLatch) != 0;
}

std::uint8_t Serial::read_register(std::uint64_t offset) {
    switch (static_cast<Register>(offset)) {
        case Register::data: {
            if (divisor_latched()) {
                return static_cast<std::uint8_t>(divisor_);
            }
            const std::uint8_t byte = received_.value_or(0);
            received_.reset();
            return byte;
        }
        case Register::interrupt_enable:
            return divisor_latched() ? static_cast<std::uint8_t>(divisor_ >> 8U)
                                     : interrupt_enable_;
        case Register::interrupt_identity:
            return identify_interrupt();
        case Register::line_control:
            return line_control_;
        case Register::modem_control:
            return modem_control_;
        case Register::line_status:
            return received_ ? kHoldingAndShiftEmpty | kDataReady : kHoldingAndShiftEmpty;
        case Register::modem_status:
            return modem_status();
        case Register::scratch:
            return scratch_;
    }
    return 0;
}

void Serial::write_register(std::uint64_t offset, std::uint8_t value) {
    switch (static_cast<Register>(offset)) {
        case Register::data:
            if (divisor_latched()) {
                divisor_ = static_cast<std::uint16_t>((divisor_ & 0xff00U) | value);
            } else {
                send(value);
            }
            return;
        case Register::interrupt_enable:
            if (divisor_latched()) {
                divisor_ =
                    static_cast<std::uint16_t>((divisor_ & 0xffU) | (std::uint32_t{value} << 8U));
            } else {
                enable_interrupts(value);
            }
            return;
        case Register::interrupt_identity:
            fifo_ = (value & kFifoEnable) != 0;
            return;
        case Register::line_control:
            line_control_ = value;
            return;
        case Register::modem_control:
            modem_control_ = value & 0x1fU;
            return;
        case Register::scratch:
            scratch_ = value;
            return;
        case Register::line_status:
        case Register::modem_status:
            return;
    }
}

void Serial::send(std::uint8_t byte) {
    if ((modem_control_ & kLoopback) != 0) {
        received_ = byte;
        if ((interrupt_enable_ & kReceiveInterrupt) != 0) {
            interrupt_->raise();
        }
        return;
    }
    sink_(byte);
    // The byte is gone at once, so the holding register is empty again.
    if ((interrupt_enable_ & kTransmitInterrupt) != 0) {
        transmitter_empty_ = true;
        interrupt_->raise();
    }
}

void Serial::enable_interrupts(std::uint8_t value) {
    const std::uint8_t enabled = value & 0x0fU;
    const bool transmit_is_new =
        (enabled & kTransmitInterrupt) != 0 && (interrupt_enable_ & kTransmitInterrupt) == 0;
    interrupt_enable_ = enabled;
    // Enabling it with an empty register interrupts at once: drivers start sending that way.
    if (transmit_is_new) {
        transmitter_empty_ = true;
        interrupt_->raise();
    } else if ((enabled & kTransmitInterrupt) == 0) {
        transmitter_empty_ = false;
    }
}

std::uint8_t Serial::identify_interrupt() {
    const std::uint8_t fifos = fifo_ ? kFifosEnabled : std::uint8_t{0};
    if (received_ && (interrupt_enable_ & kReceiveInterrupt) != 0) {
        return fifos | kDataReceived;
    }
    if (transmitter_empty_) {
        // Reading the identity takes the interrupt back (data sheet, table III).
        transmitter_empty_ = false;
        return fifos | kTransmitterEmpty;
    }
    return fifos | kNoInterrupt;
}

std::uint8_t Serial::modem_status() const {
    if ((modem_control_ & kLoopback) == 0) {
        return kModemReady;
    }
    // In loopback the four outputs come back as inputs: RTS as CTS, DTR as DSR, OUT1 as RI, OUT2 as
    // DCD. Drivers recognize the chip by it.
    const unsigned outputs = modem_control_;
    const unsigned cts = (outputs & 0x02U) << 3U;
    const unsigned dsr = (outputs & 0x01U) << 5U;
    const unsigned ri = (outputs & 0x04U) << 4U;
    const unsigned dcd = (outputs & 0x08U) << 4U;
    return static_cast<std::uint8_t>(cts | dsr | ri | dcd);
}

}  // namespace casemate::machine
