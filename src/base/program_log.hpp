// ProgramLog: the log that all programs of a machine share, nitro-cli's nitro_enclaves.log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace casemate {

// LogLevel, the gravest first.
enum class LogLevel : std::uint8_t { error, warn, info, debug, trace };

// log_level reads RUST_LOG's words, of either case; anything else, also nothing, is info.
[[nodiscard]] LogLevel log_level(std::string_view text);

class ProgramLog {
public:
    // A log that has grown to so many bytes becomes NAME.1, in the place of an earlier one.
    static constexpr std::uint64_t kMostBytes = 8U << 20U;
    // What a line holds at most; the rest of a longer one is left out.
    static constexpr std::size_t kMostLineBytes = 4096;

    // A log in a directory, of a process that is called id ("nitro-cli:12"); graver than or as
    // grave as level. Nothing happens yet. An empty directory: no log.
    ProgramLog(std::string directory, std::string id, LogLevel level);

    // from_environment takes the directory from NITRO_CLI_LOGS_PATH, else /var/log/nitro_enclaves,
    // and the level from RUST_LOG; the process's number is added to id.
    [[nodiscard]] static ProgramLog from_environment(std::string_view id);

    // directory_from_environment is where that log and the errors' logs are.
    [[nodiscard]] static std::string directory_from_environment();

    // write appends "[id][LEVEL][time][file:line] text", all at once; bytes that can't be printed
    // become "?". A log that can't be written is no error: nothing depends on it. The file is made
    // if its directory is there, for those of the directory's owner and group who may write there;
    // links are not followed.
    void write(LogLevel level, std::string_view text, const char* file = __builtin_FILE(),
               int line = __builtin_LINE()) const;

private:
    std::string directory_;
    std::string id_;
    LogLevel level_;
};

}  // namespace casemate
