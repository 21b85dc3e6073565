#include "http/wait.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace casemate::http {

Result<> wait_for(int socket, short events, std::chrono::steady_clock::time_point deadline) {
    using Clock = std::chrono::steady_clock;
    pollfd one{};
    one.fd = socket;
    one.events = events;
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        if (left.count() <= 0) {
            return Error(HttpErrc::timed_out, "the deadline has passed");
        }
        constexpr auto kLongest = std::chrono::milliseconds(60000);
        const int ready = ::poll(&one, 1, static_cast<int>(std::min(left, kLongest).count()));
        if (ready > 0) {
            return {};
        }
        if (ready < 0 && errno != EINTR) {
            return Error(HttpErrc::connection_lost, "the socket can't be waited for");
        }
    }
}

}  // namespace casemate::http
