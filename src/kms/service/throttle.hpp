// Throttle: how many requests a caller may send.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace casemate::kms::service {

// A bucket of tokens for each caller: rate of them a second, at most burst at once. Any number of
// threads may ask.
class Throttle {
public:
    using Clock = std::chrono::steady_clock;

    // rate 0 lets everything through.
    Throttle(double rate, double burst) : rate_(rate), burst_(burst < 1 ? 1 : burst) {}

    // admit tells whether a caller may send one more now.
    [[nodiscard]] bool admit(std::string_view caller, Clock::time_point now);

private:
    struct Bucket {
        double tokens = 0;
        Clock::time_point filled;
    };

    const double rate_;
    const double burst_;
    std::mutex mutex_;
    // Callers are authenticated, so there are no more of them than access keys; full buckets are
    // forgotten all the same when there are many.
    std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace casemate::kms::service
