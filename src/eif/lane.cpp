#include "eif/lane.hpp"

#include <system_error>
#include <utility>

namespace casemate::eif {

Lane::Lane(std::size_t depth) : depth_(depth) {
    if (depth_ == 0) {
        return;
    }
    try {
        thread_ = std::thread([this] { work(); });
    } catch (const std::system_error&) {
        depth_ = 0;
    }
}

Lane::~Lane() {
    if (!thread_.joinable()) {
        return;
    }
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void Lane::post(Job job) {
    if (depth_ == 0) {
        job();
        return;
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return jobs_.size() < depth_; });
    jobs_.push_back(std::move(job));
    if (jobs_.size() == 1) {
        changed_.notify_all();
    }
}

void Lane::drain() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return jobs_.empty() && !busy_; });
}

void Lane::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [&] { return !jobs_.empty() || ending_; });
        if (jobs_.empty()) {
            return;
        }
        // The whole queue at once: on a busy machine each time that one thread has to wait for
        // another costs as much as hashing a MiB.
        std::deque<Job> batch = std::exchange(jobs_, {});
        busy_ = true;
        lock.unlock();
        changed_.notify_all();
        while (!batch.empty()) {
            batch.front()();
            batch.pop_front();
        }
        lock.lock();
        busy_ = false;
        changed_.notify_all();
    }
}

}  // namespace casemate::eif
