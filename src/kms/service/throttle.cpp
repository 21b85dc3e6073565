#include "kms/service/throttle.hpp"

#include <algorithm>
#include <iterator>

namespace casemate::kms::service {

bool Throttle::admit(std::string_view caller, Clock::time_point now) {
    if (rate_ <= 0) {
        return true;
    }
    const std::lock_guard lock(mutex_);
    const auto tokens_of = [&](const Bucket& bucket) {
        const double seconds = std::chrono::duration<double>(now - bucket.filled).count();
        return std::min(burst_, bucket.tokens + std::max(0.0, seconds) * rate_);
    };
    constexpr std::size_t kMany = 4096;
    if (buckets_.size() >= kMany) {
        std::erase_if(buckets_,
                      [&](const auto& entry) { return tokens_of(entry.second) >= burst_; });
    }
    auto [found, made] = buckets_.try_emplace(std::string(caller));
    Bucket& bucket = found->second;
    bucket.tokens = made ? burst_ : tokens_of(bucket);
    bucket.filled = std::max(now, bucket.filled);
    if (bucket.tokens < 1) {
        return false;
    }
    bucket.tokens -= 1;
    return true;
}

}  // namespace casemate::kms::service
