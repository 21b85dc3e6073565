#include "machine/i8042.hpp"

namespace casemate::machine {

namespace {

constexpr std::uint64_t kData = 0;
constexpr std::uint64_t kStatusAndCommand = 4;

// Status: output full; system flag (self-test passed); keyboard not locked.
constexpr std::uint8_t kOutputFull = 0x01;
constexpr std::uint8_t kReady = 0x14;

// Commands: IBM PS/2 Hardware Interface Technical Reference, "Keyboard/Auxiliary Device
// Controller".
constexpr std::uint8_t kReadConfiguration = 0x20;
constexpr std::uint8_t kWriteConfiguration = 0x60;
constexpr std::uint8_t kTestAuxiliary = 0xa9;
constexpr std::uint8_t kSelfTest = 0xaa;
constexpr std::uint8_t kTestKeyboard = 0xab;
constexpr std::uint8_t kReadOutputPort = 0xd0;
constexpr std::uint8_t kWriteOutputPort = 0xd1;
constexpr std::uint8_t kLastParameterCommand = 0xd4;
constexpr std::uint8_t kReset = 0xfe;

constexpr std::uint8_t kSelfTestPassed = 0x55;
// The data line of a port where nothing is plugged in: stuck high.
constexpr std::uint8_t kDataLineHigh = 0x04;
constexpr std::uint8_t kOutputPortIdle = 0x03;

}  // namespace

void I8042::read(std::uint64_t offset, MutableBytes data) {
    const std::lock_guard lock(mutex_);
    if (offset == kStatusAndCommand) {
        data[0] = output_ ? kReady | kOutputFull : kReady;
    } else if (offset == kData) {
        data[0] = output_.value_or(0);
        output_.reset();
    }
}

void I8042::write(std::uint64_t offset, ByteView data) {
    const std::lock_guard lock(mutex_);
    if (offset == kStatusAndCommand) {
        command(data[0]);
    } else if (offset == kData) {
        data_written(data[0]);
    }
}

void I8042::command(std::uint8_t value) {
    expecting_.reset();
    switch (value) {
        case kReadConfiguration:
            output_ = configuration_;
            return;
        case kSelfTest:
            output_ = kSelfTestPassed;
            return;
        case kTestKeyboard:
        case kTestAuxiliary:
            output_ = kDataLineHigh;
            return;
        case kReadOutputPort:
            output_ = kOutputPortIdle;
            return;
        case kReset:
            reset_();
            return;
        default:
            if (value == kWriteConfiguration ||
                (value >= kWriteOutputPort && value <= kLastParameterCommand)) {
                expecting_ = value;
            }
            return;
    }
}

void I8042::data_written(std::uint8_t value) {
    if (expecting_ == kWriteConfiguration) {
        configuration_ = value;
    } else if (expecting_ == kWriteOutputPort && (value & 1U) == 0) {
        // Bit 0 of the output port is the processor's reset line.
        reset_();
    }
    // Anything else would go to a keyboard or a mouse, and there is none to answer.
    expecting_.reset();
}

}  // namespace casemate::machine
