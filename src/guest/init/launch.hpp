// What to start: read from the files at the top of the customer's ramdisk. `cmd` and `env` are
// AWS's (formats.md 3.2: one entry per line); `argv`, `environment` (each entry ended by NUL),
// `workdir` and `user` are written by this project's builder, so that arguments and variables may
// hold newlines and the image's WORKDIR and USER are honoured. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace casemate::guest {

// Where commands are looked for, and what the app gets as PATH when its image sets none (AWS).
inline constexpr std::string_view kDefaultPath = "/sbin:/usr/sbin:/bin:/usr/bin";

// LaunchFiles: the contents of the files, nothing where a file is not there.
struct LaunchFiles {
    std::optional<std::string> cmd = {};
    std::optional<std::string> env = {};
    std::optional<std::string> argv = {};
    std::optional<std::string> workdir = {};
    std::optional<std::string> user = {};
    std::optional<std::string> environment = {};
};

// Launch: never without an argument.
struct Launch {
    std::vector<std::string> arguments;
    std::vector<std::string> environment;  // NAME=value, PATH always among them
    std::string directory;                 // absolute
    // As in the image's configuration, "" for its default. Nothing when the ramdisk has AWS's files
    // only: then the app stays root and its environment is left as it is.
    std::optional<std::string> user;
};

// parse_launch decides what to start. argv goes before cmd, environment before env; where
// neither argv nor cmd names a command it is AWS's default, `sh`. GuestErrc::bad_launch_file when a
// file does not hold what it should.
[[nodiscard]] Result<Launch> parse_launch(const LaunchFiles& files);

// find_variable gives the value of NAME in a list of NAME=value; the last one counts.
[[nodiscard]] std::optional<std::string_view> find_variable(
    const std::vector<std::string>& environment, std::string_view name);

// command_candidates lists the files to try for a command, in order: itself when it has a slash,
// else one in each folder of path and then of kDefaultPath (AWS looks there whatever the image's
// PATH says).
[[nodiscard]] std::vector<std::string> command_candidates(std::string_view command,
                                                          std::string_view path);

}  // namespace casemate::guest
