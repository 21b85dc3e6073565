#include "image/registry/patience.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <thread>

#include "http/error.hpp"

namespace casemate::image {

namespace {

// retry_after reads the header's seconds. A date is not read: clocks differ.
std::optional<std::chrono::seconds> retry_after(const http::Response& response) {
    const std::string* text = http::find_header(response.headers, "Retry-After");
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    if (text == nullptr || text->empty() || !std::all_of(text->begin(), text->end(), digit)) {
        return std::nullopt;
    }
    return std::chrono::seconds(text->size() > 9 ? 999999999 : std::stol(*text));
}

}  // namespace

bool Patience::after(const http::Response& response) {
    const int status = response.status;
    if (status != 408 && status != 429 && status != 500 && status != 502 && status != 503 &&
        status != 504) {
        return false;
    }
    const auto asked = retry_after(response);
    return (!asked || *asked <= kMaxWait) && wait(asked.value_or(std::chrono::seconds(0)));
}

bool Patience::after(const Error& error) {
    const auto code = error.code_as<http::HttpErrc>();
    const bool again =
        code == http::HttpErrc::timed_out || code == http::HttpErrc::connection_lost ||
        code == http::HttpErrc::closed_before_response || code == http::HttpErrc::bad_message ||
        (with_connecting_ && code == http::HttpErrc::cannot_connect);
    return again && wait(std::chrono::milliseconds(0));
}

bool Patience::wait(std::chrono::milliseconds at_least) {
    if (left_ == 0) {
        return false;
    }
    --left_;
    std::this_thread::sleep_for(std::max(at_least, delay_));
    delay_ *= 3;
    return true;
}

}  // namespace casemate::image
