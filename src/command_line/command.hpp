// Command: a command line as data: what there is to type, said once. Parsing, usage errors, help
// and shell completion are made from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace casemate::command_line {

// Expects: what a value is, for shells that complete it.
enum class Expects : std::uint8_t {
    text,
    file,
    folder,
    enclave_id,
    enclave_name,
    // any_enclave: the id of one, ended ones included.
    any_enclave,
    error_code,
    // program: a program and its arguments, which stand after "--".
    program,
};

// Option: an option, or a positional argument.
struct Option {
    // name without dashes; of a positional argument, what usage lines call it.
    std::string name;
    // value is what usage lines call the value; empty: a flag.
    std::string value;
    std::string description;
    Expects expects = Expects::text;
    // values are the only ones possible, unless empty.
    std::vector<std::string> values;
    bool positional = false;
    bool required = false;
    // many: takes one or more values, up to the next option.
    bool many = false;
    // repeatable: may be given again, one value each time.
    bool repeatable = false;
    // Indices into Command::options. excludes is symmetric; required_unless: one of them, if this
    // one is not given; none: not required.
    std::vector<std::size_t> excludes;
    std::vector<std::size_t> needs;
    // needs_unless: beside one of them, needs does not count.
    std::vector<std::size_t> needs_unless;
    std::vector<std::size_t> required_unless;
};

struct Command {
    std::string name;
    std::string description;
    // footer stands below the help.
    std::string footer;
    // version: what --version prints; empty: there is none.
    std::string version;
    std::vector<Option> options;
    // commands: subcommands, of which one is needed; "help" beside them is understood.
    std::vector<Command> commands;
};

}  // namespace casemate::command_line
