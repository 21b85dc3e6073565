// The module's messages as libnsm writes and reads them (formats.md 2.3).
//
// codec/cbor is the project's CBOR, and this is the one place that does not use it: its values and
// errors live in std::string, std::vector and std::variant, and a C program that links libnsm.a
// must not need the C++ library. What stands here allocates nothing, throws nothing, and knows just
// what the module's own answers are made of.
#pragma once

#include <array>
#include <string_view>

#include "base/bytes.hpp"
#include "guest/nsm/driver.hpp"
#include "nsm.h"

namespace casemate::libnsm {

// RequestWriter encodes a request, each number in its shortest form. What does not fit any more is
// dropped, and fits is false from then on.
class RequestWriter {
public:
    void put_map(std::size_t pairs) { put_head(5, pairs); }
    void put_text(std::string_view text);
    void put_bytes(ByteView bytes);
    void put_uint(std::uint64_t value) { put_head(0, value); }
    void put_null() { put(0xf6); }

    [[nodiscard]] bool fits() const { return fits_; }
    [[nodiscard]] ByteView view() const { return ByteView(bytes_).first(size_); }

private:
    void put_head(unsigned major, std::uint64_t value);
    void put(std::uint8_t byte);
    void append(const void* data, std::size_t size);

    std::array<std::uint8_t, kMaxRequest> bytes_;
    std::size_t size_ = 0;
    bool fits_ = true;
};

// ResponseReader reads items in definite lengths, forward only. Each read says whether the next
// item is what was asked for; after one that said no, the reader must not be used any more.
class ResponseReader {
public:
    explicit ResponseReader(ByteView response) : rest_(response) {}

    [[nodiscard]] bool read_uint(std::uint64_t most, std::uint64_t& out);
    [[nodiscard]] bool read_bytes(ByteView& out);
    [[nodiscard]] bool read_text(std::string_view& out);
    [[nodiscard]] bool read_bool(bool& out);
    [[nodiscard]] bool read_array(std::uint64_t& count);
    [[nodiscard]] bool read_map(std::uint64_t& pairs);
    // skip passes over one item of any kind with all that it contains, up to depth levels.
    [[nodiscard]] bool skip(unsigned depth);

    [[nodiscard]] bool at_text() const { return !rest_.empty() && rest_.rest()[0] >> 5U == 3; }
    [[nodiscard]] bool at_end() const { return rest_.empty(); }

private:
    [[nodiscard]] bool read_head(unsigned major, std::uint64_t& value);

    ByteReader rest_;
};

// read_acknowledgement reads the response to a request that is answered by its bare name.
[[nodiscard]] ErrorCode read_acknowledgement(ByteView response, std::string_view name);

// read_data reads {name: {key: bytes}}, into a view of the response.
[[nodiscard]] ErrorCode read_data(ByteView response, std::string_view name, std::string_view key,
                                  ByteView& data);

// read_register reads the response to DescribePCR.
[[nodiscard]] ErrorCode read_register(ByteView response, bool& lock, ByteView& data);

// read_description reads the response to DescribeNSM. On an error out is left alone.
[[nodiscard]] ErrorCode read_description(ByteView response, NsmDescription& out);

}  // namespace casemate::libnsm
