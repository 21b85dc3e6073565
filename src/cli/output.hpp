// Output: where a command's results, its progress and its errors go.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>

#include "base/program_log.hpp"
#include "base/result.hpp"
#include "cli/error_codes.hpp"
#include "cli/json_output.hpp"

namespace casemate::cli {

// OutputSettings: what the environment says.
struct OutputSettings {
    // show_progress: standard error is a terminal.
    bool show_progress = false;
    // terminal is asked for its width; without one (-1) it has 80 columns.
    int terminal = -1;
    // backtrace: BACKTRACE=1, as nitro-cli has it.
    bool backtrace = false;
    // log_directory gets one file per error, if it exists; NITRO_CLI_LOGS_PATH.
    std::string log_directory;
    // log gets a line for each error.
    ProgramLog log{{}, {}, LogLevel::info};
};

// SourceLine: where in the source an error was reported. (clang 14 has no std::source_location.)
struct SourceLine {
    const char* file;
    int line;

    [[nodiscard]] static SourceLine here(const char* file = __builtin_FILE(),
                                         int line = __builtin_LINE()) {
        return {file, line};
    }
};

class Output {
public:
    // Output to two streams that outlive it. action names the command in the error log.
    Output(std::ostream& out, std::ostream& err, OutputSettings settings);

    // set_action names what the command does ("Build Enclave"), for backtraces.
    void set_action(std::string action) { action_ = std::move(action); }

    // result prints a value on standard output, in nitro-cli's layout; the exit status comes back:
    // 0, or E19's when it could not be written.
    [[nodiscard]] int result(const Json& json);
    // text prints text on standard output as it is; the exit status comes back.
    [[nodiscard]] int text(std::string_view text);
    // say prints a line on standard error.
    void say(std::string_view line);
    // progress shows how far a step is, in bytes, on a terminal only: a bar of one line with the
    // percentage and, after the first seconds, the time left. The next line of any kind replaces
    // it. It can be called often: the line is written 10 times a second at most.
    void progress(std::string_view step, std::uint64_t done, std::uint64_t total);

    // fail prints an error in nitro-cli's shape (nitro-cli.md 3), writes it to the log directory if
    // there is one, and gives the exit status. A sentence that does not end in a full stop gets
    // one.
    [[nodiscard]] int fail(ErrorCode code, std::string_view sentence,
                           SourceLine where = SourceLine::here());
    [[nodiscard]] int fail(const CommandError& error, SourceLine where = SourceLine::here()) {
        return fail(error.code, error.sentence, where);
    }
    // fail with an error that a room gave.
    [[nodiscard]] int fail(ErrorCode code, const Error& error,
                           SourceLine where = SourceLine::here()) {
        return fail(code, error.message(), where);
    }

private:
    using Clock = std::chrono::steady_clock;

    void clear_progress();

    std::ostream& out_;
    std::ostream& err_;
    OutputSettings settings_;
    std::string action_;
    // The last line shown as progress, its step, and when that began and the line was written.
    std::string shown_;
    std::string step_;
    Clock::time_point step_began_;
    Clock::time_point shown_at_;
};

}  // namespace casemate::cli
