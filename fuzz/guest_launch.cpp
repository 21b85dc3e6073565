// What the enclave's first process reads: the ramdisk's launch files, passwd and group, the
// lifecycle stream. The first byte chooses; fields are separated by 0xff.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "guest/init/accounts.hpp"
#include "guest/init/launch.hpp"
#include "guest/init/protocol.hpp"
#include "guest/init/text.hpp"

namespace {

using namespace casemate::guest;

void demand(bool property) {
    if (!property) {
        std::abort();
    }
}

std::optional<std::string> field(const std::vector<std::string_view>& fields, std::size_t index) {
    if (index >= fields.size()) {
        return std::nullopt;
    }
    return std::string(fields[index]);
}

// What is started can be handed to execve, and written as argv and environment again it is the
// same.
void check_launch(std::string_view input) {
    const auto fields = split(input, '\xff');
    LaunchFiles files{field(fields, 0), field(fields, 1), field(fields, 2),
                      field(fields, 3), field(fields, 4), field(fields, 5)};
    const auto launch = parse_launch(files);
    if (!launch) {
        return;
    }
    demand(!launch->arguments.empty() && !launch->arguments.front().empty());
    demand(find_variable(launch->environment, "PATH").has_value());
    demand(launch->directory.starts_with('/'));
    std::string argv;
    for (const std::string& argument : launch->arguments) {
        demand(argument.find('\0') == std::string::npos);
        argv += argument + '\0';
    }
    std::string environment;
    for (const std::string& entry : launch->environment) {
        demand(!entry.empty() && entry.find('\0') == std::string::npos);
        environment += entry + '\0';
    }
    files.argv = argv;
    files.environment = environment;
    const auto again = parse_launch(files);
    demand(again.ok() && again->arguments == launch->arguments &&
           again->environment == launch->environment);
    const auto path = find_variable(launch->environment, "PATH").value();
    demand(!command_candidates(launch->arguments.front(), path).empty());
}

// An identity is one that the kernel takes, and as numbers it means the same.
void check_accounts(std::string_view input) {
    const auto fields = split(input, '\xff');
    const std::string user = field(fields, 0).value_or("");
    const std::string passwd = field(fields, 1).value_or("");
    const std::string group = field(fields, 2).value_or("");
    const auto identity = resolve_identity(user, passwd, group);
    if (!identity) {
        return;
    }
    demand(identity->uid != 0xffff'ffff && identity->gid != 0xffff'ffff);
    const auto numbers = resolve_identity(
        std::to_string(identity->uid) + ":" + std::to_string(identity->gid), passwd, group);
    demand(numbers.ok() && numbers->uid == identity->uid && numbers->gid == identity->gid);
    demand(numbers->groups.empty());
}

std::vector<std::string> lines_of(std::string_view input, std::size_t piece, bool& good) {
    LineReader reader;
    std::vector<std::string> lines;
    good = true;
    for (; good && !input.empty(); input.remove_prefix(std::min(piece, input.size()))) {
        good = reader.feed(input.substr(0, piece));
        while (good) {
            auto line = reader.next();
            if (!line) {
                break;
            }
            lines.push_back(std::move(*line));
        }
    }
    return lines;
}

// Lines are the same however the stream was cut, and a shutdown request is never out of range.
void check_lines(std::string_view input) {
    bool whole_good = false;
    bool cut_good = false;
    const auto whole = lines_of(input, input.size() + 1, whole_good);
    const auto cut = lines_of(input, 1, cut_good);
    demand(whole_good == cut_good && (!whole_good || whole == cut));
    for (const std::string& line : cut) {
        demand(line.size() <= kMaxLine);
        const auto seconds = parse_shutdown(line);
        demand(!seconds || *seconds <= kMaxShutdownSeconds);
        const std::string report = failure_report(line);
        demand(report.size() <= kMaxLine + 1 && report.find('\n') == report.size() - 1);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string input(data + 1, data + size);
    switch (data[0]) {
        case 'l':
            check_launch(input);
            break;
        case 'a':
            check_accounts(input);
            break;
        case 's':
            check_lines(input);
            break;
        default:
            break;
    }
    return 0;
}
