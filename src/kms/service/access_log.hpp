// Access log: one line of JSON a request, for operation; what is to be proved later is in the audit
// log.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "kms/model.hpp"

namespace casemate::kms::service {

// AccessEntry: what is told of a request. Empty texts are left out. Nothing of a body, a key or a
// signature belongs here.
struct AccessEntry {
    Time time;
    std::string request_id;
    std::string operation;
    std::string caller;
    std::string access_key_id;
    std::string source;
    std::string listener;
    int status = 0;
    std::string error;
    // reason: why, where the caller was told less.
    std::string reason;
    std::size_t bytes_in = 0;
    std::size_t bytes_out = 0;
    std::chrono::steady_clock::duration duration{};
};

// All functions may be called from any thread.
class AccessLog {
public:
    // open writes to a file (made with mode 0600, appended to); an empty path is standard error,
    // "none" nothing. Errors: of the operating system.
    [[nodiscard]] static Result<std::unique_ptr<AccessLog>> open(const std::string& path);

    // write writes a line; a line that can't be written is lost.
    void write(const AccessEntry& entry);
    // say writes a line about the service itself: {"time":…,"message":…}.
    void say(Time time, std::string_view message);
    // reopen opens the file again, for who has moved it away. Errors: of the operating system; the
    // old file stays open then.
    [[nodiscard]] Result<> reopen();

private:
    explicit AccessLog(std::string path) : path_(std::move(path)) {}
    void put(const std::string& line);

    const std::string path_;
    std::mutex mutex_;
    UniqueFd file_;
};

}  // namespace casemate::kms::service
