// Access log: one line of JSON a request, for operation; what is to be proved later is in the audit
// log.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

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

// All functions may be called from any thread. Lines are written together: at the latest
// kLongestWait after they were made, and all of them before the log goes.
class AccessLog {
public:
    static constexpr std::chrono::milliseconds kLongestWait{100};

    // open writes to a file (made with mode 0600, appended to); an empty path is standard error,
    // "none" nothing. Errors: of the operating system.
    [[nodiscard]] static Result<std::unique_ptr<AccessLog>> open(const std::string& path);

    AccessLog(const AccessLog&) = delete;
    AccessLog& operator=(const AccessLog&) = delete;
    ~AccessLog();

    // write writes a line; a line that can't be written is lost.
    void write(const AccessEntry& entry);
    // say writes a line about the service itself, at once: {"time":…,"message":…}.
    void say(Time time, std::string_view message);
    // reopen opens the file again, for who has moved it away. Errors: of the operating system; the
    // old file stays open then.
    [[nodiscard]] Result<> reopen();

private:
    explicit AccessLog(std::string path);
    void put(std::string line);
    void flush();
    void flush_regularly();

    const std::string path_;
    // file_mutex_ keeps lines in their order; taken before mutex_.
    std::mutex file_mutex_;
    UniqueFd file_;

    // mutex_ guards what follows.
    std::mutex mutex_;
    std::condition_variable changed_;
    std::string waiting_;
    bool ending_ = false;
    std::thread flusher_;
};

}  // namespace casemate::kms::service
