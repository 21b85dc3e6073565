#include "kms/cli/console.hpp"

#include <ostream>

namespace casemate::kms::cli {

int Console::text(std::string_view text) {
    out_ << text << std::flush;
    return out_ ? kDone : fail("standard output can't be written");
}

void Console::say(std::string_view line) {
    err_ << line << std::endl;
}

int Console::fail(std::string_view sentence, int status) {
    err_ << "error: " << sentence << std::endl;
    return status;
}

}  // namespace casemate::kms::cli
