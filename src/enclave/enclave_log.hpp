// EnclaveLog: STATE/enclaves/ID/log: what the supervisor says and what its processes print.
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/event_loop.hpp"
#include "base/fd.hpp"
#include "base/program_log.hpp"
#include "base/result.hpp"
#include "enclave/console.hpp"

namespace casemate::enclave {

// The longest line of a process that is passed on as a reason, in bytes.
inline constexpr std::size_t kMaxReason = 1024;

class EnclaveLog {
public:
    explicit EnclaveLog(EventLoop& loop) : pipe_(loop) {}

    // open appends to the file, which becomes this process's standard error too: what libraries and
    // the runtime print belongs there.
    [[nodiscard]] Result<> open(const std::string& path);
    // share has say write to the log of all programs, too, from now on.
    void share(ProgramLog log) { shared_ = std::move(log); }
    // say writes one line with the time before it; without a file it is lost.
    void say(const std::string& line);
    // input is what the enclave's processes print to.
    [[nodiscard]] int input() const { return input_.get(); }
    // drain takes what they have already printed.
    void drain() { pipe_.drain(); }

    // The last line that the security module printed, which has its name before it, and that any
    // other process did, since the last call of forget_words.
    [[nodiscard]] const std::string& module_last_words() const { return module_last_words_; }
    [[nodiscard]] const std::string& last_words() const { return last_words_; }
    void forget_words();

private:
    void take(ByteView bytes);

    CappedFile file_;
    ProgramLog shared_{{}, {}, LogLevel::info};
    PipeReader pipe_;
    UniqueFd input_;
    // What has been printed of a line that has not ended.
    std::string line_;
    std::string module_last_words_;
    std::string last_words_;
};

}  // namespace casemate::enclave
