// Console: what the guest says on its serial port, on its way out of the VMM.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/event_loop.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"
#include "vmm/panic_scanner.hpp"

namespace casemate::vmm {

// Console takes bytes from the vCPUs' threads, which it never makes wait, and writes them to the
// supervisor's descriptor from the event loop. What does not fit into its buffer is dropped, and
// the reader told how much.
class Console {
public:
    static constexpr std::size_t kBufferSize = 64UL << 10U;
    // Bytes are gathered for that long before they are written: kernels send one at a time, and
    // waking two processes for each would be most of a boot's time.
    static constexpr std::chrono::milliseconds kGather{4};

    using Panicked = std::function<void(std::string line)>;

    // create makes a console that writes to output, which it owns; without output (production
    // mode) bytes are only looked at. panicked is called by the event loop.
    [[nodiscard]] static Result<std::unique_ptr<Console>> create(EventLoop& loop, UniqueFd output,
                                                                 Panicked panicked);
    Console(const Console&) = delete;
    Console& operator=(const Console&) = delete;
    ~Console();

    // put takes one byte, on any thread.
    void put(std::uint8_t byte);
    // flush writes what is left, waiting no longer than that for the reader, and tells of a panic
    // that was not told yet. On the loop's thread.
    void flush(std::chrono::milliseconds at_most);

private:
    Console(EventLoop& loop, UniqueFd output, UniqueFd wake, Panicked panicked);
    void wake() const;
    void woken();
    void drain();
    void tell_panic();
    // write_some takes bytes from the buffer and writes them; false when the reader must catch up.
    [[nodiscard]] bool write_some();
    void refill();

    EventLoop* loop_;
    UniqueFd output_;
    UniqueFd wake_;
    Panicked panicked_;
    // writing_ is what was taken from the buffer and not written yet; the loop's own.
    std::string writing_;
    bool waiting_for_reader_ = false;
    EventLoop::TimerId timer_ = 0;

    // All below is guarded by the mutex.
    std::mutex mutex_;
    PanicScanner scanner_;
    std::optional<std::string> panic_;
    std::string buffer_;
    std::uint64_t dropped_ = 0;
    // woken_: the loop knows that there is something, and will come for it.
    bool woken_ = false;
};

}  // namespace casemate::vmm
