// CmosClock: the real-time clock at 0x70 and 0x71 (Motorola MC146818A data sheet), read-only and
// always telling the host's time in UTC.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>

#include "machine/mmio.hpp"

namespace casemate::machine {

class CmosClock final : public MmioDevice {
public:
    using Now = std::function<std::chrono::system_clock::time_point()>;

    static constexpr std::uint64_t kPort = 0x70;
    static constexpr std::uint64_t kPorts = 2;

    explicit CmosClock(Now now = std::chrono::system_clock::now) : now_(std::move(now)) {}

    void read(std::uint64_t offset, MutableBytes data) override;
    void write(std::uint64_t offset, ByteView data) override;

private:
    [[nodiscard]] std::uint8_t read_register() const;

    Now now_;
    std::mutex mutex_;
    std::uint8_t index_ = 0;
};

}  // namespace casemate::machine
