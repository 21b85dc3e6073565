#include "virtio/vsock/outbox.hpp"

#include <algorithm>
#include <cstring>

namespace casemate::virtio::vsock {

void Outbox::append(std::span<const iovec> parts, std::size_t skip) {
    for (const iovec& part : parts) {
        const std::size_t skipped = std::min(skip, part.iov_len);
        skip -= skipped;
        append_piece(static_cast<const std::uint8_t*>(part.iov_base) + skipped,
                     part.iov_len - skipped);
    }
}

void Outbox::append_piece(const std::uint8_t* from, std::size_t count) {
    ring_.resize(capacity_);
    count = std::min(count, capacity_ - size_);
    const std::size_t end = (first_ + size_) % capacity_;
    const std::size_t straight = std::min(count, capacity_ - end);
    std::memcpy(ring_.data() + end, from, straight);
    std::memcpy(ring_.data(), from + straight, count - straight);
    size_ += count;
}

std::array<iovec, 2> Outbox::peek() {
    if (size_ == 0) {
        return {};
    }
    const std::size_t straight = std::min(size_, capacity_ - first_);
    return {iovec{ring_.data() + first_, straight}, iovec{ring_.data(), size_ - straight}};
}

void Outbox::consume(std::size_t count) {
    size_ -= count;
    first_ = size_ == 0 ? 0 : (first_ + count) % capacity_;
}

}  // namespace casemate::virtio::vsock
