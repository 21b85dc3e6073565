// Bytes: the forward-only reader and the appending writer through which every wire format of the
// project is parsed and made. No other room does pointer arithmetic on untrusted data.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace casemate {

using ByteView = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;
using Bytes = std::vector<std::uint8_t>;

// as_bytes views text as bytes; as_text views bytes as text. Neither copies.
[[nodiscard]] ByteView as_bytes(std::string_view text);
[[nodiscard]] std::string_view as_text(ByteView bytes);

// to_hex writes two lower-case digits a byte.
[[nodiscard]] std::string to_hex(ByteView bytes);

// from_hex reads digits of either case; nothing when the length is odd or a digit is not one.
[[nodiscard]] std::optional<Bytes> from_hex(std::string_view digits);

// checked_add and checked_multiply give nothing where the result does not fit.
template <std::unsigned_integral T>
[[nodiscard]] std::optional<T> checked_add(T a, T b) {
    T sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) {
        return std::nullopt;
    }
    return sum;
}

template <std::unsigned_integral T>
[[nodiscard]] std::optional<T> checked_multiply(T a, T b) {
    T product = 0;
    if (__builtin_mul_overflow(a, b, &product)) {
        return std::nullopt;
    }
    return product;
}

// align_up rounds up to a power of two; nothing where the result does not fit.
template <std::unsigned_integral T>
[[nodiscard]] std::optional<T> align_up(T value, T alignment) {
    const auto sum = checked_add<T>(value, alignment - 1);
    if (!sum) {
        return std::nullopt;
    }
    return *sum & ~(alignment - 1);
}

// ByteReader only moves forward. Each read says whether there was enough; a read that fails moves
// nothing and leaves its output alone. It views the bytes and does not own them.
class ByteReader {
public:
    explicit ByteReader(ByteView bytes) : rest_(bytes) {}

    [[nodiscard]] std::size_t remaining() const { return rest_.size(); }
    [[nodiscard]] bool empty() const { return rest_.empty(); }
    [[nodiscard]] ByteView rest() const { return rest_; }

    // read_be and read_le read an unsigned integer of out's size.
    template <std::unsigned_integral T>
    [[nodiscard]] bool read_be(T& out) {
        ByteView raw;
        if (!read_bytes(sizeof(T), raw)) {
            return false;
        }
        T value = 0;
        for (const std::uint8_t byte : raw) {
            value = static_cast<T>((static_cast<std::uint64_t>(value) << 8U) | byte);
        }
        out = value;
        return true;
    }

    template <std::unsigned_integral T>
    [[nodiscard]] bool read_le(T& out) {
        ByteView raw;
        if (!read_bytes(sizeof(T), raw)) {
            return false;
        }
        std::uint64_t value = 0;
        for (std::size_t i = sizeof(T); i > 0; --i) {
            value = (value << 8U) | raw[i - 1];
        }
        out = static_cast<T>(value);
        return true;
    }

    [[nodiscard]] bool read_u8(std::uint8_t& out) { return read_be(out); }

    // read_bytes views the next size bytes.
    [[nodiscard]] bool read_bytes(std::size_t size, ByteView& out) {
        if (size > rest_.size()) {
            return false;
        }
        out = rest_.first(size);
        rest_ = rest_.subspan(size);
        return true;
    }

    // copy_bytes copies the next out.size() bytes.
    [[nodiscard]] bool copy_bytes(MutableBytes out);

    [[nodiscard]] bool skip(std::size_t size) {
        ByteView ignored;
        return read_bytes(size, ignored);
    }

private:
    ByteView rest_;
};

// ByteWriter appends to a vector that the caller owns.
class ByteWriter {
public:
    explicit ByteWriter(Bytes& out) : out_(&out) {}

    template <std::unsigned_integral T>
    void put_be(T value) {
        for (std::size_t i = sizeof(T); i > 0; --i) {
            out_->push_back(
                static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> ((i - 1) * 8U)));
        }
    }

    template <std::unsigned_integral T>
    void put_le(T value) {
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            out_->push_back(
                static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (i * 8U)));
        }
    }

    void put_u8(std::uint8_t value) { out_->push_back(value); }
    void put_bytes(ByteView bytes) { out_->insert(out_->end(), bytes.begin(), bytes.end()); }
    void put_zeros(std::size_t count) { out_->insert(out_->end(), count, 0); }

private:
    Bytes* out_;
};

}  // namespace casemate
