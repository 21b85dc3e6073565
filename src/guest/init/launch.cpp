#include "guest/init/launch.hpp"

#include <algorithm>

#include "guest/init/error.hpp"
#include "guest/init/text.hpp"

namespace casemate::guest {

namespace {

Result<std::vector<std::string>> parse_arguments(const LaunchFiles& files) {
    std::vector<std::string> arguments;
    if (files.argv && !files.argv->empty()) {
        if (files.argv->back() != '\0') {
            return unexpected(GuestErrc::bad_launch_file, "each argument in /argv to end in NUL",
                              "the last one without");
        }
        for (const std::string_view argument : split_entries(*files.argv, '\0')) {
            arguments.emplace_back(argument);
        }
    } else if (files.cmd) {
        for (const std::string_view line : split_entries(*files.cmd, '\n')) {
            arguments.emplace_back(line);
        }
    }
    if (arguments.empty()) {
        arguments.emplace_back("sh");
    }
    if (arguments.front().empty()) {
        return unexpected(GuestErrc::bad_launch_file, "a command as the first argument",
                          "an empty one");
    }
    for (const std::string& argument : arguments) {
        if (argument.find('\0') != std::string::npos) {
            return unexpected(GuestErrc::bad_launch_file, "text in /cmd", "a NUL byte");
        }
    }
    return arguments;
}

Result<std::vector<std::string>> parse_environment(const LaunchFiles& files) {
    std::vector<std::string_view> entries;
    if (files.environment) {
        if (!files.environment->empty() && files.environment->back() != '\0') {
            return unexpected(GuestErrc::bad_launch_file,
                              "each variable in /environment to end in NUL",
                              "the last one without");
        }
        entries = split_entries(*files.environment, '\0');
    } else if (files.env) {
        if (files.env->find('\0') != std::string::npos) {
            return unexpected(GuestErrc::bad_launch_file, "text in /env", "a NUL byte");
        }
        entries = split_entries(*files.env, '\n');
    }
    std::vector<std::string> environment;
    for (const std::string_view entry : entries) {
        if (!entry.empty()) {
            environment.emplace_back(entry);
        }
    }
    if (!find_variable(environment, "PATH")) {
        environment.push_back("PATH=" + std::string(kDefaultPath));
    }
    return environment;
}

// A file of one line, with or without its newline.
Result<std::string> parse_line(const std::string& text, std::string_view name) {
    const auto lines = split_entries(text, '\n');
    if (lines.size() > 1 || text.find('\0') != std::string::npos) {
        return unexpected(GuestErrc::bad_launch_file, "one line of text in /" + std::string(name),
                          lines.size() > 1 ? "more" : "a NUL byte");
    }
    return std::string(lines.empty() ? std::string_view() : lines.front());
}

}  // namespace

Result<Launch> parse_launch(const LaunchFiles& files) {
    Launch launch;
    CASEMATE_TRY(launch.arguments, parse_arguments(files));
    CASEMATE_TRY(launch.environment, parse_environment(files));
    CASEMATE_TRY(launch.directory, parse_line(files.workdir.value_or(""), "workdir"));
    if (launch.directory.empty() || launch.directory.front() != '/') {
        launch.directory.insert(0, 1, '/');
    }
    if (files.argv || files.environment || files.workdir || files.user) {
        CASEMATE_TRY(launch.user, parse_line(files.user.value_or(""), "user"));
    }
    return launch;
}

std::optional<std::string_view> find_variable(const std::vector<std::string>& environment,
                                              std::string_view name) {
    const auto found =
        std::find_if(environment.rbegin(), environment.rend(), [&](const std::string& entry) {
            return entry.size() > name.size() && entry.compare(0, name.size(), name) == 0 &&
                   entry[name.size()] == '=';
        });
    if (found == environment.rend()) {
        return std::nullopt;
    }
    return std::string_view(*found).substr(name.size() + 1);
}

std::vector<std::string> command_candidates(std::string_view command, std::string_view path) {
    std::vector<std::string> candidates;
    if (command.find('/') != std::string_view::npos) {
        candidates.emplace_back(command);
        return candidates;
    }
    for (const std::string_view list : {path, kDefaultPath}) {
        for (const std::string_view folder : split(list, ':')) {
            // An empty entry is the current folder (POSIX).
            std::string candidate(folder.empty() ? std::string_view(".") : folder);
            candidate += '/';
            candidate += command;
            if (std::find(candidates.begin(), candidates.end(), candidate) == candidates.end()) {
                candidates.push_back(std::move(candidate));
            }
        }
    }
    return candidates;
}

}  // namespace casemate::guest
