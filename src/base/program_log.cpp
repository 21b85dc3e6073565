#include "base/program_log.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "base/environment.hpp"
#include "base/fd.hpp"

namespace casemate {

namespace {

constexpr std::array<std::string_view, 5> kNames = {"ERROR", "WARN", "INFO", "DEBUG", "TRACE"};
constexpr std::string_view kDefaultDirectory = "/var/log/nitro_enclaves";
constexpr const char* kFileName = "/nitro_enclaves.log";

// time_text is RFC 3339's, in UTC with milliseconds.
std::string time_text() {
    constexpr long kNanosPerMilli = 1000000;
    std::timespec now{};
    std::timespec_get(&now, TIME_UTC);
    std::tm utc{};
    ::gmtime_r(&now.tv_sec, &utc);
    char text[32];
    const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    const std::string milliseconds = std::to_string(1000 + now.tv_nsec / kNanosPerMilli);
    return std::string(text, size) + "." + milliseconds.substr(1) + "Z";
}

std::string printable(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        c = c < ' ' || c > '~' ? '?' : c;
    }
    return out;
}

// create makes the file. Who may write in the directory may write to its log; nobody else, whatever
// the umask.
UniqueFd create(const std::string& directory, const std::string& path) {
    constexpr unsigned kNotOthers = 0664;
    struct stat where {};
    if (::stat(directory.c_str(), &where) != 0) {
        return {};
    }
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (fd.valid()) {
        (void)::fchmod(fd.get(), where.st_mode & kNotOthers);
    }
    return fd;
}

UniqueFd open_log(const std::string& directory, const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    return fd.valid() ? std::move(fd) : create(directory, path);
}

// turned puts a log aside that is full; whether it did, so that the next one has to be opened. Of
// several processes that want to, one does.
bool turned(int fd, const std::string& path) {
    struct stat open {};
    struct stat named {};
    if (::fstat(fd, &open) != 0 ||
        static_cast<std::uint64_t>(open.st_size) < ProgramLog::kMostBytes ||
        ::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return false;
    }
    // Another process may have put it aside before this one had the lock.
    return ::lstat(path.c_str(), &named) == 0 &&
           (named.st_ino != open.st_ino || ::rename(path.c_str(), (path + ".1").c_str()) == 0);
}

bool plain_file(int fd) {
    struct stat status {};
    return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1;
}

}  // namespace

LogLevel log_level(std::string_view text) {
    for (std::size_t level = 0; level < kNames.size(); ++level) {
        const std::string_view name = kNames.at(level);
        bool same = name.size() == text.size();
        for (std::size_t i = 0; same && i < name.size(); ++i) {
            constexpr int kToUpper = 0x20;
            same = text[i] == name[i] || text[i] == (name[i] | kToUpper);
        }
        if (same) {
            return static_cast<LogLevel>(level);
        }
    }
    return LogLevel::info;
}

ProgramLog::ProgramLog(std::string directory, std::string id, LogLevel level)
    : directory_(std::move(directory)), id_(std::move(id)), level_(level) {
}

std::string ProgramLog::directory_from_environment() {
    const char* value = std::getenv("NITRO_CLI_LOGS_PATH");
    return value == nullptr ? std::string(kDefaultDirectory) : value;
}

ProgramLog ProgramLog::from_environment(std::string_view id) {
    return {directory_from_environment(), std::string(id) + ":" + std::to_string(::getpid()),
            log_level(environment("RUST_LOG"))};
}

void ProgramLog::write(LogLevel level, std::string_view text, const char* file, int line) const {
    if (directory_.empty() || level > level_) {
        return;
    }
    const std::string path = directory_ + kFileName;
    UniqueFd fd = open_log(directory_, path);
    if (fd.valid() && plain_file(fd.get()) && turned(fd.get(), path)) {
        fd = open_log(directory_, path);
    }
    if (!fd.valid() || !plain_file(fd.get())) {
        return;
    }
    std::string source = file;
    source.erase(0, source.find_first_not_of("./"));
    std::string out = "[" + id_ + "][" + std::string(kNames.at(static_cast<std::size_t>(level))) +
                      "][" + time_text() + "][" + source + ":" + std::to_string(line) + "] " +
                      std::string(text);
    out = printable(out.substr(0, kMostLineBytes - 1)) + "\n";
    (void)write_all(fd.get(), as_bytes(out));
}

}  // namespace casemate
