// eif_build's command line (nitro-cli.md 6).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "command_line/usage.hpp"
#include "eif/format.hpp"

namespace casemate::eif_build {

enum class Algorithm : std::uint8_t { sha256, sha384, sha512 };

struct Arguments {
    std::string kernel;
    std::optional<std::string> kernel_config;
    std::string cmdline;
    std::string output;
    // At least one.
    std::vector<std::string> ramdisks;
    // Both or none.
    std::optional<std::string> signing_certificate;
    std::optional<std::string> private_key;
    std::optional<std::string> image_name;
    std::optional<std::string> image_version;
    // metadata_file: custom metadata, a JSON file.
    std::optional<std::string> metadata_file;
    eif::Architecture architecture = eif::Architecture::x86_64;
    // What is given here counts, whatever kernel_config says.
    std::optional<std::string> build_time;
    std::optional<std::string> build_tool;
    std::optional<std::string> build_tool_version;
    std::optional<std::string> operating_system;
    std::optional<std::string> kernel_version;
    // algorithm of the measurements that are printed.
    Algorithm algorithm = Algorithm::sha384;
};

using UsageEnd = command_line::End;

// parse reads a command line; arguments[0] is the program's name.
[[nodiscard]] std::variant<Arguments, UsageEnd> parse(const std::vector<std::string>& arguments);

}  // namespace casemate::eif_build
