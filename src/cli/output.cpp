#include "cli/output.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <ostream>
#include <utility>
#include <vector>

#include "base/fd.hpp"

namespace casemate::cli {

namespace {

constexpr std::string_view kHelpAddress =
    "https://docs.aws.amazon.com/enclaves/latest/user/cli-errors.html";

std::string backtrace(const std::string& action, std::string_view sentence, SourceLine where) {
    std::string file = where.file;
    file = file.substr(file.rfind('/') + 1);
    return "Backtrace:\n  Action: " + action + "\n  Subactions:\n    " + std::string(sentence) +
           "\n  Root error file: " + file + "\n  Root error line: " + std::to_string(where.line) +
           "\n  Version: " + CASEMATE_VERSION + "\n";
}

std::string log_name() {
    std::timespec now{};
    std::timespec_get(&now, TIME_UTC);
    std::tm utc{};
    ::gmtime_r(&now.tv_sec, &utc);
    char text[32];
    const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    const std::string fraction = std::to_string(1000000000 + now.tv_nsec).substr(1);
    return "err" + std::string(text, size) + "." + fraction + "+00:00.log";
}

// How many errors' logs are kept in a directory.
constexpr std::size_t kKeptLogs = 100;

// forget_old_logs: nitro-cli never removes them. Their names sort by time.
void forget_old_logs(const std::string& directory) {
    std::vector<std::filesystem::path> logs;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename();
        if (name.starts_with("err") && name.ends_with(".log")) {
            logs.push_back(entry->path());
        }
    }
    std::sort(logs.begin(), logs.end());
    for (std::size_t i = 0; i + kKeptLogs < logs.size(); ++i) {
        std::filesystem::remove(logs[i], error);
    }
}

// write_log gives the path of the log written, or nothing: a machine without the log directory must
// still be able to run every command.
std::string write_log(const std::string& directory, std::string_view text) {
    if (directory.empty()) {
        return {};
    }
    std::string path = directory + "/" + log_name();
    const auto fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
    if (!fd || !write_all(fd->get(), as_bytes(text))) {
        return {};
    }
    forget_old_logs(directory);
    return path;
}

constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::size_t kDefaultColumns = 80;
constexpr std::size_t kNarrowestBar = 10;
constexpr std::size_t kWidestBar = 40;
// Before that, how long the rest takes is a guess.
constexpr double kSecondsToJudge = 2;

std::size_t columns_of(int terminal) {
    winsize size{};
    const bool known = terminal >= 0 && ::ioctl(terminal, TIOCGWINSZ, &size) == 0;
    return known && size.ws_col > 0 ? size.ws_col : kDefaultColumns;
}

std::string time_text(double seconds) {
    const auto whole = static_cast<std::uint64_t>(std::lround(seconds));
    const std::string rest = std::to_string(100 + whole % 60).substr(1);
    return whole >= 3600 ? std::to_string(whole / 3600) + ":" +
                               std::to_string(100 + whole / 60 % 60).substr(1) + ":" + rest
                         : std::to_string(whole / 60) + ":" + rest;
}

struct Amount {
    std::uint64_t done;
    std::uint64_t total;
    double seconds;
};

// progress_line fits into the columns, the last one kept free: some terminals go on to the next
// line with it. The bar goes first, then the end of the line.
std::string progress_line(const std::string& step, const Amount& amount, std::size_t columns) {
    const double part = amount.total == 0
                            ? 1
                            : static_cast<double>(amount.done) / static_cast<double>(amount.total);
    const std::string percent = std::to_string(static_cast<int>(part * 100)) + "%";
    std::string behind = std::string(percent.size() < 4 ? 4 - percent.size() : 0, ' ') + percent +
                         "  " + std::to_string(amount.done >> 20U) + " of " +
                         std::to_string(amount.total >> 20U) + " MiB";
    if (amount.seconds >= kSecondsToJudge && amount.done > 0 && amount.done < amount.total) {
        behind += "  " + time_text(amount.seconds * (1 - part) / part) + " left";
    }
    std::string line = step + " ";
    const std::size_t used = line.size() + 2 + behind.size() + 1;
    if (used + kNarrowestBar <= columns) {
        const std::size_t width = std::min(columns - used, kWidestBar);
        const auto filled = static_cast<std::size_t>(part * static_cast<double>(width));
        line += "[" + std::string(filled, '#') + std::string(width - filled, '.') + "]";
    }
    line += behind;
    line.resize(std::min(line.size(), columns - 1));
    return line;
}

}  // namespace

Output::Output(std::ostream& out, std::ostream& err, OutputSettings settings)
    : out_(out), err_(err), settings_(std::move(settings)) {
}

int Output::result(const Json& json) {
    return text(json.pretty() + "\n");
}

int Output::text(std::string_view text) {
    clear_progress();
    out_ << text << std::flush;
    if (!out_) {
        return fail(ErrorCode::file_operation,
                    "File: 'standard output', failing operation: 'Write'");
    }
    return 0;
}

void Output::say(std::string_view line) {
    clear_progress();
    err_ << line << std::endl;
}

void Output::clear_progress() {
    if (!shown_.empty()) {
        // Return to the start of the line and erase it (ECMA-48 EL).
        err_ << "\r\033[K" << std::flush;
        shown_.clear();
    }
}

void Output::progress(std::string_view step, std::uint64_t done, std::uint64_t total) {
    if (!settings_.show_progress) {
        return;
    }
    const Clock::time_point now = Clock::now();
    const bool begins = step != step_;
    if (begins) {
        step_ = step;
        step_began_ = now;
    } else if (!shown_.empty() && done < total && now - shown_at_ < kRedraw) {
        return;
    }
    const std::chrono::duration<double> so_far = now - step_began_;
    std::string line = progress_line(step_, {std::min(done, total), total, so_far.count()},
                                     columns_of(settings_.terminal));
    if (line != shown_) {
        clear_progress();
        err_ << line << std::flush;
        shown_ = std::move(line);
        shown_at_ = now;
    }
}

int Output::fail(ErrorCode code, std::string_view sentence, SourceLine where) {
    clear_progress();
    std::string text =
        "[ " + label(code) + " ] " + std::string(text_of(code).name) + ". " + std::string(sentence);
    if (text.back() != '.') {
        text += '.';
    }
    settings_.log.write(LogLevel::error, text, where.file, where.line);
    const std::string trace = backtrace(action_, sentence, where);
    const std::string log = write_log(settings_.log_directory, text + "\n\n" + trace);
    err_ << text << "\n\nFor more details, please visit " << kHelpAddress << "#" << label(code)
         << "\n";
    if (settings_.backtrace) {
        err_ << "\n" << trace;
    }
    if (!log.empty()) {
        err_ << "\nIf you open a support ticket, please provide the error log found at \"" << log
             << "\"\n";
    }
    err_ << std::flush;
    return exit_status(code);
}

}  // namespace casemate::cli
