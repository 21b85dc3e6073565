#include "virtio/segments.hpp"

#include <algorithm>
#include <cstring>

namespace casemate::virtio {

namespace {

// for_each_piece calls visit(address, size) for the pieces of [offset, offset + size).
template <class Visit>
void for_each_piece(const std::vector<iovec>& parts, std::uint64_t offset, std::uint64_t size,
                    Visit visit) {
    for (const iovec& part : parts) {
        if (size == 0) {
            return;
        }
        if (offset >= part.iov_len) {
            offset -= part.iov_len;
            continue;
        }
        const std::uint64_t piece = std::min<std::uint64_t>(part.iov_len - offset, size);
        visit(static_cast<std::uint8_t*>(part.iov_base) + offset, piece);
        offset = 0;
        size -= piece;
    }
}

}  // namespace

void Segments::clear() {
    parts_.clear();
    size_ = 0;
}

void Segments::add(MutableBytes buffer) {
    if (!buffer.empty()) {
        parts_.push_back(iovec{buffer.data(), buffer.size()});
        size_ += buffer.size();
    }
}

bool Segments::read(std::uint64_t offset, MutableBytes out) const {
    if (offset > size_ || out.size() > size_ - offset) {
        return false;
    }
    std::uint8_t* to = out.data();
    for_each_piece(parts_, offset, out.size(), [&to](const std::uint8_t* from, std::size_t size) {
        std::memcpy(to, from, size);
        to += size;
    });
    return true;
}

bool Segments::write(std::uint64_t offset, ByteView bytes) const {
    if (offset > size_ || bytes.size() > size_ - offset) {
        return false;
    }
    const std::uint8_t* from = bytes.data();
    for_each_piece(parts_, offset, bytes.size(), [&from](std::uint8_t* to, std::size_t size) {
        std::memcpy(to, from, size);
        from += size;
    });
    return true;
}

void Segments::gather(std::uint64_t offset, std::uint64_t size, std::vector<iovec>& out) const {
    for_each_piece(parts_, offset, size, [&out](std::uint8_t* at, std::size_t length) {
        out.push_back(iovec{at, length});
    });
}

}  // namespace casemate::virtio
