// Secrets: bytes that are cleansed when they go, and comparison that tells nothing by its duration.
#pragma once

#include "base/bytes.hpp"

namespace casemate {

// cleanse overwrites bytes in a way that the compiler can't leave out.
void cleanse(MutableBytes bytes);

// constant_time_equal compares two byte strings in a time that depends on their sizes alone.
[[nodiscard]] bool constant_time_equal(ByteView a, ByteView b);

// SecretBytes owns bytes that nobody else may see: they are cleansed at the end, never copied and
// never printed.
class SecretBytes {
public:
    SecretBytes() = default;
    // Takes the bytes over.
    explicit SecretBytes(Bytes&& bytes) : bytes_(std::move(bytes)) {}
    // size zero bytes, to be filled through mutable_view.
    explicit SecretBytes(std::size_t size) : bytes_(size) {}
    SecretBytes(const SecretBytes&) = delete;
    SecretBytes& operator=(const SecretBytes&) = delete;
    SecretBytes(SecretBytes&& other) noexcept;
    SecretBytes& operator=(SecretBytes&& other) noexcept;
    ~SecretBytes();

    [[nodiscard]] ByteView view() const { return bytes_; }
    [[nodiscard]] MutableBytes mutable_view() { return bytes_; }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] bool empty() const { return bytes_.empty(); }

private:
    Bytes bytes_;
};

}  // namespace casemate
