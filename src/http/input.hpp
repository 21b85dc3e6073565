// Input: bytes that came in and were not parsed yet. What is consumed is cleansed at once.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "base/bytes.hpp"

namespace casemate::http {

class Input {
public:
    Input() = default;
    Input(const Input&) = delete;
    Input& operator=(const Input&) = delete;
    ~Input();

    [[nodiscard]] std::string_view view() const;
    [[nodiscard]] bool empty() const { return begin_ == end_; }
    // room gives free memory, at least a byte; what was written to it is told by add.
    [[nodiscard]] MutableBytes room();
    void add(std::size_t size) { end_ += size; }
    // consume forgets the first size bytes.
    void consume(std::size_t size);
    // clear forgets all.
    void clear() { consume(end_ - begin_); }

private:
    void move_to(std::size_t capacity);

    std::unique_ptr<std::uint8_t[]> bytes_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

}  // namespace casemate::http
