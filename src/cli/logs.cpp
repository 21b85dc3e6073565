#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <array>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "cli/enclaves.hpp"
#include "cli/verbs.hpp"
#include "enclave/console.hpp"
#include "enclave/registry.hpp"

namespace casemate::cli {

namespace {

// The end of a full file tells so, so it may be a little longer than its limit.
constexpr std::uint64_t kMost = enclave::kMaxLogSize + 4096;
// How often a file that is followed is looked at.
constexpr int kLookMilliseconds = 200;

std::string_view last_lines(std::string_view text, std::size_t count) {
    if (count == 0) {
        return "";
    }
    std::size_t begin = text.ends_with('\n') ? text.size() - 1 : text.size();
    for (std::size_t i = 0; i < count && begin != std::string_view::npos && begin != 0; ++i) {
        begin = text.rfind('\n', begin - 1);
    }
    return begin == std::string_view::npos || begin == 0 ? text : text.substr(begin + 1);
}

// Tail shows what a file has now, and then what comes. A file that is not there yet is empty.
class Tail {
public:
    explicit Tail(std::string path) : path_(std::move(path)) {}

    [[nodiscard]] int show(const std::optional<std::uint32_t>& lines, Output& output) {
        const auto content = read_file(path_, kMost);
        if (!content) {
            return 0;
        }
        shown_ = content->size();
        const std::string_view text = as_text(*content);
        return output.text(lines ? last_lines(text, *lines) : text);
    }

    // more shows what has come since; something tells whether there was any.
    [[nodiscard]] int more(bool& something, Output& output) {
        const auto file = open_file(path_, O_RDONLY);
        const auto size = file ? file_size(file->get()) : Result<std::uint64_t>(0);
        if (!size || *size <= shown_) {
            return 0;
        }
        std::array<std::uint8_t, 65536> buffer{};
        const MutableBytes part =
            MutableBytes(buffer).first(std::min<std::uint64_t>(buffer.size(), *size - shown_));
        if (!read_exactly_at(file->get(), shown_, part)) {
            return 0;
        }
        shown_ += part.size();
        something = true;
        return output.text(as_text(part));
    }

private:
    std::string path_;
    std::uint64_t shown_ = 0;
};

bool has_ended(const enclave::Paths& paths, const std::string& id) {
    const auto living = enclave::Registry(paths).living();
    return std::find(living.begin(), living.end(), id) == living.end();
}

int follow(const enclave::Paths& paths, const std::string& id, std::array<Tail, 2>& tails,
           Output& output) {
    while (true) {
        // Asked before the look: what was written until the end is shown.
        const bool ended = has_ended(paths, id);
        bool something = false;
        for (Tail& tail : tails) {
            if (const int status = tail.more(something, output); status != 0) {
                return status;
            }
        }
        if (ended && !something) {
            return 0;
        }
        ::poll(nullptr, 0, something ? 0 : kLookMilliseconds);
    }
}

// The id of the last enclave with that name, ended or not.
std::optional<std::string> last_named(const enclave::Paths& paths, const std::string& name) {
    const auto records = enclave::Registry(paths).histories();
    const auto found = std::find_if(records.rbegin(), records.rend(),
                                    [&name](const auto& record) { return record.name == name; });
    return found == records.rend() ? std::nullopt : std::optional(found->id);
}

}  // namespace

int logs(const LogsArguments& arguments, Output& output) {
    output.set_action("Enclave Logs");
    const auto paths = enclave::find_paths();
    if (!paths) {
        return output.fail(ErrorCode::file_operation, paths.error());
    }
    const auto id = arguments.selector.id
                        ? arguments.selector.id
                        : last_named(*paths, arguments.selector.name.value_or(""));
    if (!id) {
        return output.fail(ErrorCode::naming,
                           "expected the name of an enclave, as `casemate ps --all` shows it");
    }
    if (!enclave::valid_id(*id)) {
        return output.fail(ErrorCode::invalid_argument,
                           "expected an enclave's id, as `casemate ps --all` shows it");
    }
    const std::string directory = paths->history(*id);
    const auto log = open_file(directory + "/log", O_RDONLY);
    if (!log) {
        return output.fail(ErrorCode::file_operation,
                           "expected the log of " + *id + ", found " + log.error().message() +
                               "; `casemate ps --all` shows the enclaves that are remembered");
    }
    std::array<Tail, 2> tails{Tail(directory + "/log"), Tail(directory + "/console.log")};
    for (Tail& tail : tails) {
        if (const int status = tail.show(arguments.tail, output); status != 0) {
            return status;
        }
    }
    return arguments.follow ? follow(*paths, *id, tails, output) : 0;
}

}  // namespace casemate::cli
