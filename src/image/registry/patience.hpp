// Patience: what is tried again, and when.
#pragma once

#include <chrono>

#include "base/result.hpp"
#include "http/message.hpp"

namespace casemate::image {

// kMaxWait: the longest time that a registry may ask for.
inline constexpr std::chrono::seconds kMaxWait{60};

// Patience lasts for three more attempts.
class Patience {
public:
    // with_connecting: also where a connection can't be made, because there was one before.
    explicit Patience(bool with_connecting) : with_connecting_(with_connecting) {}

    // after waits before another attempt and gives true, or false at once where another would be of
    // no use: for responses other than 408, 429, 500, 502, 503 and 504, and where Retry-After is
    // beyond kMaxWait; for errors other than a connection's.
    [[nodiscard]] bool after(const http::Response& response);
    [[nodiscard]] bool after(const Error& error);

private:
    bool wait(std::chrono::milliseconds at_least);

    bool with_connecting_;
    int left_ = 3;
    std::chrono::milliseconds delay_{400};
};

}  // namespace casemate::image
