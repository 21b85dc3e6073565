// Console: where a command's results and its errors go, and the exit statuses.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace casemate::kms::cli {

// Exit statuses.
inline constexpr int kDone = 0;
// kNo: the answer is no: a log that was changed, a request that is denied, a policy that is
// refused.
inline constexpr int kNo = 1;
inline constexpr int kUsage = 2;
inline constexpr int kFailed = 3;

class Console {
public:
    // The streams outlive it.
    Console(std::ostream& out, std::ostream& err) : out_(out), err_(err) {}

    // text prints on standard output; kDone, or kFailed where that can't be written.
    [[nodiscard]] int text(std::string_view text);
    // say prints a line on standard error.
    void say(std::string_view line);
    // fail prints "error: …" on standard error and gives the status back.
    [[nodiscard]] int fail(std::string_view sentence, int status = kFailed);
    [[nodiscard]] int fail(const Error& error, int status = kFailed) {
        return fail(error.message(), status);
    }

private:
    std::ostream& out_;
    std::ostream& err_;
};

}  // namespace casemate::kms::cli
