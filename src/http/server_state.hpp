// What the connections of a server share.
#pragma once

#include <atomic>
#include <cstdint>

#include "http/server.hpp"

namespace casemate::http {

// Counters: Statistics, while they are counted.
struct Counters {
    using Counter = std::atomic<std::uint64_t>;

    Counter open = 0;
    Counter idle = 0;
    Counter accepted = 0;
    Counter refused_connections = 0;
    Counter refused_connections_of_address = 0;
    Counter accept_failures = 0;
    Counter handshake_failures = 0;
    Counter requests = 0;
    Counter handler_failures = 0;
    Counter bad_requests = 0;
    Counter too_large = 0;
    Counter handshake_timeouts = 0;
    Counter idle_timeouts = 0;
    Counter request_timeouts = 0;
    Counter write_timeouts = 0;
    Counter aborted = 0;
    Counter bytes_in = 0;
    Counter bytes_out = 0;

    [[nodiscard]] Statistics snapshot() const;
};

// count adds to a counter, which orders nothing else.
inline void count(Counters::Counter& counter, std::uint64_t more = 1) {
    counter.fetch_add(more, std::memory_order_relaxed);
}

inline void uncount(Counters::Counter& counter) {
    counter.fetch_sub(1, std::memory_order_relaxed);
}

// ServerState lives as long as any connection.
struct ServerState {
    Limits limits;
    Handler handler;
    RefusalHandler refusals;
    Counters counters;
    // stopping: connections end as soon as no request has begun.
    std::atomic<bool> stopping = false;
};

}  // namespace casemate::http
