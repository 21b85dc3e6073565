#include "virtio/vsock/packet.hpp"

#include <concepts>

namespace casemate::virtio::vsock {

namespace {

// A header has a fixed size, so these two need no check per field, nor a vector to append to.
class FieldReader {
public:
    explicit FieldReader(const std::uint8_t* at) : at_(at) {}

    template <std::unsigned_integral T>
    T take() {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            value |= static_cast<std::uint64_t>(*at_++) << (8 * i);
        }
        return static_cast<T>(value);
    }

private:
    const std::uint8_t* at_;
};

class FieldWriter {
public:
    explicit FieldWriter(std::uint8_t* at) : at_(at) {}

    template <std::unsigned_integral T>
    void put(T value) {
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            *at_++ = static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * i));
        }
    }

private:
    std::uint8_t* at_;
};

}  // namespace

Header decode_header(std::span<const std::uint8_t, kHeaderSize> bytes) {
    FieldReader reader(bytes.data());
    Header header;
    header.source_cid = reader.take<std::uint64_t>();
    header.destination_cid = reader.take<std::uint64_t>();
    header.source_port = reader.take<std::uint32_t>();
    header.destination_port = reader.take<std::uint32_t>();
    header.length = reader.take<std::uint32_t>();
    header.type = reader.take<std::uint16_t>();
    header.operation = static_cast<Operation>(reader.take<std::uint16_t>());
    header.flags = reader.take<std::uint32_t>();
    header.buffer_size = reader.take<std::uint32_t>();
    header.forwarded = reader.take<std::uint32_t>();
    return header;
}

void encode_header(const Header& header, std::span<std::uint8_t, kHeaderSize> bytes) {
    FieldWriter writer(bytes.data());
    writer.put(header.source_cid);
    writer.put(header.destination_cid);
    writer.put(header.source_port);
    writer.put(header.destination_port);
    writer.put(header.length);
    writer.put(header.type);
    writer.put(static_cast<std::uint16_t>(header.operation));
    writer.put(header.flags);
    writer.put(header.buffer_size);
    writer.put(header.forwarded);
}

}  // namespace casemate::virtio::vsock
