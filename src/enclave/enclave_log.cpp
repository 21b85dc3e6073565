#include "enclave/enclave_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "enclave/lifecycle.hpp"
#include "enclave/record.hpp"

namespace casemate::enclave {

Result<> EnclaveLog::open(const std::string& path) {
    CASEMATE_TRY(UniqueFd file, open_file(path, O_WRONLY | O_CREAT | O_APPEND, 0600));
    if (::dup2(file.get(), 2) < 0) {
        return os_error("make the log standard error");
    }
    file_ = CappedFile(std::move(file));
    CASEMATE_TRY(input_, pipe_.open([this](ByteView bytes) { take(bytes); }));
    return {};
}

void EnclaveLog::say(const std::string& line) {
    file_.write(as_bytes(timestamp(now_ms()) + " " + line + "\n"));
    shared_.write(LogLevel::info, line);
}

void EnclaveLog::forget_words() {
    module_last_words_.clear();
    last_words_.clear();
}

void EnclaveLog::take(ByteView bytes) {
    file_.write(bytes);
    for (const std::uint8_t byte : bytes) {
        if (byte == '\n') {
            std::string& words =
                line_.starts_with(kModuleProgram) ? module_last_words_ : last_words_;
            words = printable(line_, kMaxReason);
            line_.clear();
        } else if (line_.size() < kMaxReason) {
            line_.push_back(static_cast<char>(byte));
        }
    }
}

}  // namespace casemate::enclave
