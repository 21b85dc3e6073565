#include "guest/init/protocol.hpp"

#include <sys/wait.h>

#include <cstring>

#include "guest/init/text.hpp"

namespace casemate::guest {

std::string exit_report(int wait_status) {
    if (WIFSIGNALED(wait_status)) {
        return "exited signal " + std::to_string(WTERMSIG(wait_status)) + "\n";
    }
    return "exited status " + std::to_string(WEXITSTATUS(wait_status)) + "\n";
}

std::string exit_sentence(int wait_status) {
    if (WIFSIGNALED(wait_status)) {
        const int number = WTERMSIG(wait_status);
        const char* name = sigabbrev_np(number);
        return "the application was ended by signal " + std::to_string(number) +
               (name != nullptr ? " (SIG" + std::string(name) + ")" : "");
    }
    return "the application exited with status " + std::to_string(WEXITSTATUS(wait_status));
}

std::string failure_report(std::string_view sentence) {
    constexpr std::string_view kVerb = "failed ";
    return std::string(kVerb) + printable(sentence, kMaxLine - kVerb.size()) + "\n";
}

std::optional<std::uint32_t> parse_shutdown(std::string_view line) {
    constexpr std::string_view kVerb = "shutdown ";
    if (line.substr(0, kVerb.size()) != kVerb) {
        return std::nullopt;
    }
    return parse_decimal(line.substr(kVerb.size()), kMaxShutdownSeconds);
}

bool LineReader::feed(std::string_view bytes) {
    pending_ += bytes;
    std::size_t start = 0;
    for (;;) {
        const std::size_t end = pending_.find('\n', start);
        const std::size_t length = (end == std::string::npos ? pending_.size() : end) - start;
        if (length > kMaxLine) {
            return false;
        }
        if (end == std::string::npos) {
            return true;
        }
        start = end + 1;
    }
}

std::optional<std::string> LineReader::next() {
    const std::size_t end = pending_.find('\n');
    if (end == std::string::npos) {
        return std::nullopt;
    }
    std::string line = pending_.substr(0, end);
    pending_.erase(0, end + 1);
    return line;
}

}  // namespace casemate::guest
