// For tests: a security module behind /dev/nsm of this process, where the machine has none. It
// stands in for the kernel: open(2) and ioctl(2) of this process come here first.
#pragma once

#include <functional>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/fd.hpp"

namespace casemate::libnsm {

// StandInDriver: while it lives, /dev/nsm can be opened, and what is asked there is answered by a
// function: with bytes, or with an errno. One at a time.
class StandInDriver {
public:
    using Answer = std::variant<Bytes, int>;
    using Module = std::function<Answer(ByteView request)>;

    explicit StandInDriver(Module module);
    ~StandInDriver();
    StandInDriver(const StandInDriver&) = delete;
    StandInDriver& operator=(const StandInDriver&) = delete;

    // fd is the open device.
    [[nodiscard]] int fd() const { return device_.get(); }
    // requests is what was asked so far.
    [[nodiscard]] const std::vector<Bytes>& requests() const { return requests_; }
    // claim_size has the driver lie about the size of the next responses.
    void claim_size(std::uint64_t size) { claimed_ = size; }

    // What open and ioctl do with the device.
    [[nodiscard]] int open_device() const;
    [[nodiscard]] int answer_request(void* raw);

private:
    Module module_;
    UniqueFd device_;
    std::vector<Bytes> requests_;
    std::uint64_t claimed_ = 0;
};

}  // namespace casemate::libnsm
