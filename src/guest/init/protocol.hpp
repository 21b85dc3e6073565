// The lifecycle stream between the enclave's first process and its supervisor: lines of text.
//     init → supervisor   casemate-init 2, then alive every five seconds, then at most one of
//                         exited status N | exited signal N | failed SENTENCE
//     supervisor → init   shutdown SECONDS
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace casemate::guest {

inline constexpr std::string_view kHello = "casemate-init 2\n";
inline constexpr std::string_view kAlive = "alive\n";
inline constexpr std::size_t kMaxLine = 256;
inline constexpr std::uint32_t kMaxShutdownSeconds = 86'400;

// exit_report makes the line, with its newline, of a status that waitpid gave of an ended process.
[[nodiscard]] std::string exit_report(int wait_status);

// exit_sentence says the same for the console: "the application exited with status 3".
[[nodiscard]] std::string exit_sentence(int wait_status);

// failure_report makes the line of a failure; what the sentence must not hold is replaced.
[[nodiscard]] std::string failure_report(std::string_view sentence);

// parse_shutdown reads "shutdown SECONDS" (0 to kMaxShutdownSeconds); nothing for any other line.
[[nodiscard]] std::optional<std::uint32_t> parse_shutdown(std::string_view line);

// LineReader cuts a stream into lines of at most kMaxLine bytes.
class LineReader {
public:
    // feed takes bytes that arrived; false when a line is longer than kMaxLine, after which the
    // stream makes no sense any more.
    [[nodiscard]] bool feed(std::string_view bytes);

    // next gives the oldest whole line without its newline.
    [[nodiscard]] std::optional<std::string> next();

private:
    std::string pending_;
};

}  // namespace casemate::guest
