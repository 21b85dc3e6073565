// Lane: one thread that does jobs in the order they were given, behind a short queue.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace casemate::eif {

class Lane {
public:
    using Job = std::function<void()>;

    // Lane with a queue of depth jobs, beside at most as many that its thread has taken. With depth
    // 0, and where no thread can be had, a job is done by whoever gives it.
    explicit Lane(std::size_t depth);
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;
    // The destructor does the jobs that are left and ends the thread.
    ~Lane();

    // post gives a job, waiting while the queue is full.
    void post(Job job);
    // drain waits until every job has been done; what they wrote is visible to the caller.
    void drain();

private:
    void work();

    std::size_t depth_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Job> jobs_;
    bool busy_ = false;
    bool ending_ = false;
    std::thread thread_;
};

}  // namespace casemate::eif
