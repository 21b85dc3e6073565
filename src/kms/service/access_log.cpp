#include "kms/service/access_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "base/thread.hpp"
#include "codec/rfc3339.hpp"
#include "kms/service/json_line.hpp"
#include "kms/service/text.hpp"

namespace casemate::kms::service {

namespace {

constexpr std::string_view kNone = "none";
// Lines that wait, in bytes: who makes more writes them himself.
constexpr std::size_t kMostWaiting = 65536;

void put_text(JsonLine& out, std::string_view name, std::string_view text) {
    constexpr std::size_t kMost = 1024;
    if (!text.empty()) {
        out.text(name, printable(text, kMost));
    }
}

}  // namespace

AccessLog::AccessLog(std::string path) : path_(std::move(path)) {
}

AccessLog::~AccessLog() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_all();
    if (flusher_.joinable()) {
        flusher_.join();
    }
    flush();
}

Result<std::unique_ptr<AccessLog>> AccessLog::open(const std::string& path) {
    std::unique_ptr<AccessLog> log(new AccessLog(path));
    CASEMATE_CHECK(log->reopen());
    CASEMATE_TRY(log->flusher_,
                 start_thread("the access log", [of = log.get()] { of->flush_regularly(); }));
    return log;
}

Result<> AccessLog::reopen() {
    if (path_.empty() || path_ == kNone) {
        return {};
    }
    CASEMATE_TRY(UniqueFd file, open_file(path_, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW));
    flush();
    const std::lock_guard lock(file_mutex_);
    file_ = std::move(file);
    return {};
}

void AccessLog::flush() {
    const std::lock_guard file_lock(file_mutex_);
    std::string lines;
    {
        const std::lock_guard lock(mutex_);
        lines.swap(waiting_);
    }
    if (!lines.empty()) {
        static_cast<void>(write_all(path_.empty() ? STDERR_FILENO : file_.get(), as_bytes(lines)));
    }
}

void AccessLog::flush_regularly() {
    std::unique_lock lock(mutex_);
    while (!ending_) {
        changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
        // Others' lines come to the first one meanwhile.
        changed_.wait_for(lock, kLongestWait, [this] { return ending_; });
        lock.unlock();
        flush();
        lock.lock();
    }
}

void AccessLog::put(std::string line) {
    if (path_ == kNone) {
        return;
    }
    line += '\n';
    bool is_first = false;
    bool is_much = false;
    {
        const std::lock_guard lock(mutex_);
        is_first = waiting_.empty();
        waiting_ += line;
        is_much = waiting_.size() >= kMostWaiting;
    }
    if (is_first) {
        changed_.notify_all();
    }
    if (is_much) {
        flush();
    }
}

void AccessLog::write(const AccessEntry& entry) {
    if (path_ == kNone) {
        return;
    }
    JsonLine out;
    out.text("time", codec::format_rfc3339(entry.time));
    put_text(out, "requestID", entry.request_id);
    put_text(out, "operation", entry.operation);
    put_text(out, "caller", entry.caller);
    put_text(out, "accessKeyId", entry.access_key_id);
    put_text(out, "source", entry.source);
    put_text(out, "listener", entry.listener);
    out.number("status", entry.status);
    put_text(out, "error", entry.error);
    put_text(out, "reason", entry.reason);
    out.number("bytesIn", static_cast<std::int64_t>(entry.bytes_in));
    out.number("bytesOut", static_cast<std::int64_t>(entry.bytes_out));
    out.number("microseconds",
               std::chrono::duration_cast<std::chrono::microseconds>(entry.duration).count());
    put(std::move(out).take());
}

void AccessLog::say(Time time, std::string_view message) {
    JsonLine out;
    out.text("time", codec::format_rfc3339(time));
    put_text(out, "message", message);
    put(std::move(out).take());
    flush();
}

}  // namespace casemate::kms::service
