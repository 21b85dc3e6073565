#include "kms/service/access_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "codec/rfc3339.hpp"
#include "kms/service/text.hpp"

namespace casemate::kms::service {

namespace json = boost::json;

namespace {

constexpr std::string_view kNone = "none";

void put_text(json::object& out, std::string_view name, std::string_view text) {
    constexpr std::size_t kMost = 1024;
    if (!text.empty()) {
        out[name] = printable(text, kMost);
    }
}

}  // namespace

Result<std::unique_ptr<AccessLog>> AccessLog::open(const std::string& path) {
    std::unique_ptr<AccessLog> log(new AccessLog(path));
    CASEMATE_CHECK(log->reopen());
    return log;
}

Result<> AccessLog::reopen() {
    if (path_.empty() || path_ == kNone) {
        return {};
    }
    CASEMATE_TRY(UniqueFd file, open_file(path_, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW));
    const std::lock_guard lock(mutex_);
    file_ = std::move(file);
    return {};
}

void AccessLog::put(const std::string& line) {
    if (path_ == kNone) {
        return;
    }
    const std::lock_guard lock(mutex_);
    static_cast<void>(write_all(path_.empty() ? STDERR_FILENO : file_.get(), as_bytes(line)));
}

void AccessLog::write(const AccessEntry& entry) {
    if (path_ == kNone) {
        return;
    }
    json::object out;
    out["time"] = codec::format_rfc3339(entry.time);
    put_text(out, "requestID", entry.request_id);
    put_text(out, "operation", entry.operation);
    put_text(out, "caller", entry.caller);
    put_text(out, "accessKeyId", entry.access_key_id);
    put_text(out, "source", entry.source);
    put_text(out, "listener", entry.listener);
    out["status"] = entry.status;
    put_text(out, "error", entry.error);
    put_text(out, "reason", entry.reason);
    out["bytesIn"] = entry.bytes_in;
    out["bytesOut"] = entry.bytes_out;
    out["microseconds"] =
        std::chrono::duration_cast<std::chrono::microseconds>(entry.duration).count();
    put(json::serialize(out) + "\n");
}

void AccessLog::say(Time time, std::string_view message) {
    json::object out;
    out["time"] = codec::format_rfc3339(time);
    put_text(out, "message", message);
    put(json::serialize(out) + "\n");
}

}  // namespace casemate::kms::service
