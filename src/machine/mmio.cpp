#include "machine/mmio.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "base/os_error.hpp"

namespace casemate::machine {

Result<> Bus::add(std::uint64_t address, std::uint64_t size, MmioDevice& device) {
    const auto end = checked_add(address, size);
    if (size == 0 || !end) {
        return Error(MachineErrc::bad_range, "a device of " + std::to_string(size) + " bytes at " +
                                                 std::to_string(address));
    }
    const auto next = devices_.lower_bound(address);
    const bool meets_next = next != devices_.end() && next->first < *end;
    const bool meets_previous =
        next != devices_.begin() && std::prev(next)->first + std::prev(next)->second.size > address;
    if (meets_next || meets_previous) {
        return Error(MachineErrc::bad_range,
                     "a device at " + std::to_string(address) + " overlaps another");
    }
    devices_.emplace(address, Entry{size, &device});
    return {};
}

std::pair<MmioDevice*, std::uint64_t> Bus::find(std::uint64_t address, std::uint64_t size) const {
    auto entry = devices_.upper_bound(address);
    if (entry == devices_.begin()) {
        return {nullptr, 0};
    }
    --entry;
    const std::uint64_t offset = address - entry->first;
    if (offset >= entry->second.size || size > entry->second.size - offset) {
        return {nullptr, 0};
    }
    return {entry->second.device, offset};
}

bool Bus::read(std::uint64_t address, MutableBytes data) const {
    const auto [device, offset] = find(address, data.size());
    if (device == nullptr) {
        return false;
    }
    std::fill(data.begin(), data.end(), std::uint8_t{0});
    device->read(offset, data);
    return true;
}

bool Bus::write(std::uint64_t address, ByteView data) const {
    const auto [device, offset] = find(address, data.size());
    if (device == nullptr) {
        return false;
    }
    device->write(offset, data);
    return true;
}

Result<InterruptLine> InterruptLine::create() {
    UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event.valid()) {
        return os_error("eventfd for an interrupt");
    }
    return InterruptLine(std::move(event));
}

void InterruptLine::raise() const {
    const std::uint64_t one = 1;
    // The only failure is a full counter, which is pending enough.
    [[maybe_unused]] const auto written = ::write(event_.get(), &one, sizeof one);
}

std::uint64_t InterruptLine::take() const {
    std::uint64_t count = 0;
    if (::read(event_.get(), &count, sizeof count) != static_cast<ssize_t>(sizeof count)) {
        return 0;
    }
    return count;
}

}  // namespace casemate::machine
