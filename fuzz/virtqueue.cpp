// Whatever a guest writes into its rings and says of them: a queue yields buffers inside of RAM, no
// more chains than there are waiting, no longer than its table, or it refuses.
#include <algorithm>
#include <cstdlib>

#include "virtio/testing/guest_driver.hpp"

namespace {

using namespace casemate;
using virtio::testing::GuestRam;

constexpr std::uint64_t kRamSize = 16ULL * 4096;
constexpr std::uint16_t kMaxSize = 64;

void check(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void check_inside(const GuestRam& ram, const virtio::Segments& segments) {
    const MutableBytes all = ram.at(0, kRamSize);
    std::vector<iovec> parts;
    segments.gather(0, segments.size(), parts);
    std::uint64_t total = 0;
    for (const iovec& part : parts) {
        const auto* from = static_cast<const std::uint8_t*>(part.iov_base);
        check(part.iov_len > 0 && from >= all.data() && part.iov_len <= all.size() &&
              from - all.data() <= static_cast<std::ptrdiff_t>(all.size() - part.iov_len));
        total += part.iov_len;
    }
    check(total == segments.size() && parts.size() == segments.count());
}

void drive(const GuestRam& ram, virtio::Queue& queue, std::uint16_t size, ByteReader& input) {
    virtio::Chain chain;
    std::uint16_t outstanding = 0;
    std::uint8_t command = 0;
    for (int steps = 0; steps < 512 && input.read_u8(command); ++steps) {
        if (command % 8 == 0) {
            if (!queue.listen()) {
                return;
            }
        } else if (command % 8 == 1 && outstanding > 0) {
            queue.put_back(1);
            --outstanding;
        } else if (command % 8 == 2) {
            static_cast<void>(queue.publish());
        } else {
            const auto popped = queue.pop(chain);
            if (!popped) {
                return;
            }
            if (!*popped) {
                continue;
            }
            ++outstanding;
            check(chain.head < size);
            check(chain.readable.count() + chain.writable.count() <= size);
            check_inside(ram, chain.readable);
            check_inside(ram, chain.writable);
            if (command % 8 == 3) {
                queue.push(chain.head, command);
                outstanding = 0;
            }
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const GuestRam ram(kRamSize);
    ByteReader input(ByteView(data, size));
    // Layout, flags, then how many of the remaining bytes are commands; the rest is memory.
    std::uint8_t log_size = 0;
    std::uint8_t flags = 0;
    std::uint16_t descriptors = 0;
    std::uint16_t available = 0;
    std::uint16_t used = 0;
    std::uint8_t command_count = 0;
    ByteView commands;
    if (!input.read_u8(log_size) || !input.read_u8(flags) || !input.read_le(descriptors) ||
        !input.read_le(available) || !input.read_le(used) || !input.read_u8(command_count) ||
        !input.read_bytes(command_count, commands)) {
        return 0;
    }
    const MutableBytes all = ram.at(0, kRamSize);
    std::memset(all.data(), 0, all.size());
    const std::size_t filled = std::min<std::size_t>(input.remaining(), kRamSize);
    std::memcpy(all.data(), input.rest().data(), filled);

    virtio::QueueLayout layout;
    layout.size = static_cast<std::uint16_t>((flags & 2U) != 0 ? log_size : 1U << (log_size % 8));
    const std::uint64_t high = (flags & 4U) != 0 ? 0xffff'ffff'ffff'0000ULL : 0;
    layout.descriptors = high | descriptors;
    layout.available = available;
    layout.used = used;
    auto queue = virtio::Queue::create(ram.memory(), layout, kMaxSize, (flags & 1U) != 0);
    const bool good_size =
        layout.size > 0 && layout.size <= kMaxSize && (layout.size & (layout.size - 1)) == 0;
    check(!queue || (good_size && layout.descriptors % 16 == 0 &&
                     layout.descriptors + 16ULL * layout.size <= kRamSize &&
                     layout.available + 6U + 2ULL * layout.size <= kRamSize &&
                     layout.used + 6U + 8ULL * layout.size <= kRamSize));
    if (queue) {
        ByteReader reader(commands);
        drive(ram, *queue, layout.size, reader);
    }
    return 0;
}
