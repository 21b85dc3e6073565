// Outbox: bytes that the guest has sent and the host's socket would not take yet.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace casemate::virtio::vsock {

// Outbox is a ring of fixed capacity whose memory is only taken when the first byte comes. Credit
// keeps a guest from sending more than the capacity.
class Outbox {
public:
    explicit Outbox(std::uint32_t capacity) : capacity_(capacity) {}

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }

    // append copies the bytes of parts after the first skip ones; the caller has seen to it that
    // they fit.
    void append(std::span<const iovec> parts, std::size_t skip);
    // peek views what is held, in order, in two pieces of which the second may be empty.
    [[nodiscard]] std::array<iovec, 2> peek();
    // consume drops the first count bytes, of at most size().
    void consume(std::size_t count);

private:
    void append_piece(const std::uint8_t* from, std::size_t count);

    std::uint32_t capacity_;
    std::vector<std::uint8_t> ring_;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

}  // namespace casemate::virtio::vsock
