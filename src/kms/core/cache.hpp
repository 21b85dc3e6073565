// Cache: the things of a store that were used last, each with the store's generation at which it
// was known to be true (Repository::generation).
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace casemate::kms {

// Any number of threads may use it. T is cheap to copy (a shared pointer).
template <class T>
class Cache {
public:
    struct Entry {
        T value;
        std::uint64_t generation = 0;
    };

    // capacity: how many are kept, at least 1; the one used longest ago goes first.
    explicit Cache(std::size_t capacity) : capacity_(capacity) {}

    // find gives what is kept under a name; whether it is still true the caller tells by the
    // generation.
    [[nodiscard]] std::optional<Entry> find(std::string_view name) {
        const std::lock_guard lock(mutex_);
        const auto found = by_name_.find(name);
        if (found == by_name_.end()) {
            return std::nullopt;
        }
        order_.splice(order_.begin(), order_, found->second);
        return found->second->entry;
    }

    // put keeps a value; an older generation never replaces a newer one.
    void put(std::string_view name, T value, std::uint64_t generation) {
        const std::lock_guard lock(mutex_);
        const auto found = by_name_.find(name);
        if (found != by_name_.end()) {
            if (generation >= found->second->entry.generation) {
                found->second->entry = {std::move(value), generation};
            }
            order_.splice(order_.begin(), order_, found->second);
            return;
        }
        order_.push_front({std::string(name), {std::move(value), generation}});
        by_name_.emplace(order_.front().name, order_.begin());
        if (order_.size() > capacity_) {
            by_name_.erase(order_.back().name);
            order_.pop_back();
        }
    }

    void forget(std::string_view name) {
        const std::lock_guard lock(mutex_);
        const auto found = by_name_.find(name);
        if (found != by_name_.end()) {
            const auto place = found->second;
            by_name_.erase(found);
            order_.erase(place);
        }
    }

    [[nodiscard]] std::size_t size() const {
        const std::lock_guard lock(mutex_);
        return order_.size();
    }

private:
    struct Kept {
        std::string name;
        Entry entry;
    };

    const std::size_t capacity_;
    mutable std::mutex mutex_;
    // The one used last is in front.
    std::list<Kept> order_;
    std::unordered_map<std::string_view, typename std::list<Kept>::iterator> by_name_;
};

}  // namespace casemate::kms
