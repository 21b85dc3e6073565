#include "cli/output.hpp"

#include <fcntl.h>

#include <algorithm>
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
    // The division first: a product could overflow.
    const std::uint64_t percent =
        total < 100 ? (total == 0 ? 100 : done * 100 / total) : done / (total / 100);
    std::string line =
        std::string(step) + " " + std::to_string(percent > 100 ? 100 : percent) + "%";
    if (line != shown_) {
        clear_progress();
        err_ << line << std::flush;
        shown_ = std::move(line);
    }
}

int Output::fail(ErrorCode code, std::string_view sentence, SourceLine where) {
    clear_progress();
    std::string text =
        "[ " + label(code) + " ] " + std::string(text_of(code).name) + ". " + std::string(sentence);
    if (text.back() != '.') {
        text += '.';
    }
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
