#include "http/input.hpp"

#include <cstring>
#include <utility>

#include "base/secret.hpp"

namespace casemate::http {

namespace {

// A TLS record, and more than most requests.
constexpr std::size_t kFirstCapacity = 16384;

}  // namespace

Input::~Input() {
    clear();
}

std::string_view Input::view() const {
    return as_text(ByteView(bytes_.get(), end_).subspan(begin_));
}

MutableBytes Input::room() {
    if (end_ == capacity_) {
        move_to(begin_ > capacity_ / 2 ? capacity_
                                       : (capacity_ == 0 ? kFirstCapacity : 2 * capacity_));
    }
    return MutableBytes(bytes_.get(), capacity_).subspan(end_);
}

void Input::consume(std::size_t size) {
    cleanse(MutableBytes(bytes_.get(), end_).subspan(begin_, size));
    begin_ += size;
    if (begin_ == end_) {
        begin_ = 0;
        end_ = 0;
    }
}

void Input::move_to(std::size_t capacity) {
    const std::size_t size = end_ - begin_;
    auto moved = std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
    if (size > 0) {
        std::memcpy(moved.get(), bytes_.get() + begin_, size);
    }
    clear();
    bytes_ = std::move(moved);
    capacity_ = capacity;
    begin_ = 0;
    end_ = size;
}

}  // namespace casemate::http
