// Segments: the buffers of a descriptor chain in one direction, as one run of bytes.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <vector>

#include "base/bytes.hpp"

namespace casemate::virtio {

// Segments views guest memory that was checked when it was added; it owns none of it. The guest may
// change those bytes at any time: copy what is decided by, once. Its storage is kept by clear(), so
// that a reused object allocates nothing.
class Segments {
public:
    void clear();
    // add appends a buffer; an empty one is left out.
    void add(MutableBytes buffer);

    // size is the number of bytes in all buffers; count the number of buffers.
    [[nodiscard]] std::uint64_t size() const { return size_; }
    [[nodiscard]] std::size_t count() const { return parts_.size(); }

    // read copies out.size() bytes from offset on; write copies bytes to there. False, and nothing
    // done, unless all of them lie inside.
    [[nodiscard]] bool read(std::uint64_t offset, MutableBytes out) const;
    [[nodiscard]] bool write(std::uint64_t offset, ByteView bytes) const;

    // gather appends to out the pieces that make up size bytes from offset on; as many of them as
    // there are.
    void gather(std::uint64_t offset, std::uint64_t size, std::vector<iovec>& out) const;

private:
    std::vector<iovec> parts_;
    std::uint64_t size_ = 0;
};

}  // namespace casemate::virtio
