#include "command_line/completion.hpp"

#include "cli/verbs.hpp"

namespace casemate::cli {

int completion(const CompletionArguments& arguments, Output& output) {
    const auto command = describe_command_line("casemate");
    const std::vector<std::string> names = {"casemate", "nitro-cli"};
    return output.text(arguments.shell == "zsh" ? command_line::zsh_completion(command, names)
                                                : command_line::bash_completion(command, names));
}

}  // namespace casemate::cli
