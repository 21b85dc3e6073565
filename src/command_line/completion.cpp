#include "command_line/completion.hpp"

#include <algorithm>
#include <string_view>

namespace casemate::command_line {

namespace {

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    for (std::size_t at = text.find(from); at != std::string::npos;
         at = text.find(from, at + to.size())) {
        text.replace(at, from.size(), to);
    }
    return text;
}

// quoted is text as one word of a shell.
std::string quoted(const std::string& text) {
    return "'" + replaced(text, "'", "'\\''") + "'";
}

std::string joined(const std::vector<std::string>& words, std::string_view between = " ") {
    std::string text;
    for (const std::string& word : words) {
        text += (text.empty() ? "" : std::string(between)) + word;
    }
    return text;
}

// function is a name for shell functions: "_casemate".
std::string function(const std::string& name) {
    return "_" + replaced(name, "-", "_");
}

// Visited commands come with the path by which they are called, "/vsock/connect"; the root's is "".
template <class Visit>
void visit(const Command& command, const std::string& path, const Visit& visitor) {
    visitor(command, path);
    for (const Command& each : command.commands) {
        visit(each, path + "/" + each.name, visitor);
    }
}

// How both shells ask the program for enclaves: $1 is the key of the JSON, the rest the arguments.
constexpr std::string_view kAsk =
    R"sh( 2>/dev/null </dev/null | sed -n "s/^    \"$key\": \"\(.*\)\",\$/\1/p")sh";

std::string error_codes() {
    constexpr int kLast = 60;
    std::string text;
    for (int code = 0; code <= kLast; ++code) {
        text += (code == 0 ? "E" : " E") + std::string(code < 10 ? "0" : "") + std::to_string(code);
    }
    return text;
}

// bash_values is the command that offers an option's values.
std::string bash_values(const Option& option, const std::string& name) {
    if (!option.values.empty()) {
        return name + "_words " + quoted(joined(option.values));
    }
    switch (option.expects) {
        case Expects::file:
        case Expects::program:
            return name + "_files -f";
        case Expects::folder:
            return name + "_files -d";
        case Expects::enclave_id:
            return name + "_enclaves EnclaveID describe-enclaves";
        case Expects::enclave_name:
            return name + "_enclaves EnclaveName describe-enclaves";
        case Expects::any_enclave:
            return name + "_enclaves EnclaveID ps --all --output json";
        case Expects::error_code:
            return name + "_words " + quoted(error_codes());
        case Expects::text:
            return ":";
    }
    return ":";
}

// What the script's functions share; NAME stands for the function's name.
constexpr std::string_view kBashFunctions = R"sh(
NAME_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current")
}

NAME_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -- "$current")
}

NAME_enclaves() {
    local key=$1 found=() each
    shift
    mapfile -t found < <("${COMP_WORDS[0]}" "$@"ASK)
    for each in "${found[@]}"; do
        [[ $each == "$current"* ]] && COMPREPLY+=("$(printf %q "$each")")
    done
    return 0
}

# Options that were given already are not offered again, unless they may be.
NAME_options() {
    local word given=" ${COMP_WORDS[*]:1:COMP_CWORD-1} " offered=""
    for word in $1; do
        [[ $given == *" $word "* && " $2 " != *" $word "* ]] || offered+="$word "
    done
    NAME_words "$offered"
}
)sh";

std::string bash_options(const Command& command) {
    std::vector<std::string> words;
    std::vector<std::string> again;
    for (const Command& each : command.commands) {
        words.push_back(each.name);
    }
    for (const Option& option : command.options) {
        if (!option.positional) {
            words.push_back("--" + option.name);
        }
        if (option.repeatable) {
            again.push_back("--" + option.name);
        }
    }
    if (!command.commands.empty()) {
        words.emplace_back("help");
    }
    words.emplace_back("--help");
    if (!command.version.empty()) {
        words.emplace_back("--version");
    }
    return quoted(joined(words)) + " " + quoted(joined(again));
}

// bash_positional is what a word that is no option can be.
std::string bash_positional(const Command& command, const std::string& name) {
    for (const Option& option : command.options) {
        if (option.positional && option.expects != Expects::program) {
            return bash_values(option, name);
        }
    }
    return {};
}

// Table: the three "case" statements of the bash script.
struct Table {
    std::string paths;
    std::string values;
    std::string words;
    std::string programs;
};

void add_to(Table& table, const Command& command, const std::string& path,
            const std::string& name) {
    if (!path.empty()) {
        table.paths += "            " + quoted(path) + ") path=" + quoted(path) + " ;;\n";
    }
    for (const Option& option : command.options) {
        if (option.expects == Expects::program) {
            table.programs +=
                "            " + quoted(path) + ") " + bash_values(option, name) + "; return ;;\n";
        }
        if (!option.positional && !option.value.empty()) {
            table.values += "        " + quoted(path + " --" + option.name) + ") " +
                            bash_values(option, name) + "; return ;;\n";
        }
    }
    const std::string options = name + "_options " + bash_options(command);
    const std::string positional = bash_positional(command, name);
    table.words += "        " + quoted(path) + ") ";
    table.words += positional.empty() ? options
                                      : "if [[ $current == -* ]]; then " + options + "; else " +
                                            positional + "; fi";
    table.words += " ;;\n";
}

std::string zsh_text(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '[' || c == ']' || c == ':' || c == '\\') {
            out += '\\';
        }
        out += c;
    }
    return out;
}

// zsh_values is the action of _arguments; a space before it keeps it as it is.
std::string zsh_values(const Option& option, const std::string& name) {
    if (!option.values.empty()) {
        return "(" + joined(option.values) + ")";
    }
    switch (option.expects) {
        case Expects::file:
            return "_files";
        case Expects::folder:
            return "_files -/";
        case Expects::program:
            return "_normal";
        case Expects::enclave_id:
            return " " + name + "_enclaves EnclaveID describe-enclaves";
        case Expects::enclave_name:
            return " " + name + "_enclaves EnclaveName describe-enclaves";
        case Expects::any_enclave:
            return " " + name + "_enclaves EnclaveID ps --all --output json";
        case Expects::error_code:
            return "(" + error_codes() + ")";
        case Expects::text:
            return " ";
    }
    return " ";
}

// zsh_option is an option as _arguments takes it.
std::string zsh_option(const Command& command, const Option& option, const std::string& name) {
    if (option.positional) {
        if (option.expects == Expects::program) {
            return {};
        }
        return quoted(std::string(option.many ? "*" : "") + ":" + zsh_text(option.name) + ":" +
                      zsh_values(option, name));
    }
    std::string excluded;
    for (const std::size_t i : option.excludes) {
        excluded += (excluded.empty() ? "--" : " --") + command.options[i].name;
    }
    std::string text = option.repeatable ? "*" : "(" + excluded + ")";
    text += "--" + option.name + (option.value.empty() ? "" : "=") + "[" +
            zsh_text(option.description) + "]";
    if (!option.value.empty()) {
        text += ":" + zsh_text(option.value) + ":" + zsh_values(option, name);
    }
    return quoted(text);
}

std::string zsh_function(const Command& command, const std::string& path, const std::string& root) {
    const std::string name = root + replaced(replaced(path, "/", "__"), "-", "_");
    std::string text = name + "() {\n";
    if (path.empty()) {
        text += "    local program=$words[1]\n";
    }
    text +=
        "    local curcontext=$curcontext state line\n    typeset -A opt_args\n"
        "    _arguments -C -S '(-h --help)'{-h,--help}'[Print help]'";
    if (!command.version.empty()) {
        text += " \\\n        '(-V --version)'{-V,--version}'[Print version]'";
    }
    for (const Option& option : command.options) {
        const std::string spec = zsh_option(command, option, root);
        text += spec.empty() ? "" : " \\\n        " + spec;
    }
    if (command.commands.empty()) {
        return text + "\n}\n\n";
    }
    std::string described = "        command)\n            local -a commands=(";
    std::string dispatch = "        argument)\n            case $line[1] in\n";
    for (const Command& each : command.commands) {
        described += "\n                " + quoted(each.name + ":" + zsh_text(each.description));
        dispatch += "                " + each.name + ") " + name + "__" +
                    replaced(each.name, "-", "_") + " ;;\n";
    }
    return text +
           " \\\n        '1:command:->command' '*::argument:->argument'\n    case $state in\n" +
           described +
           "\n                'help:Print help')\n            _describe command commands\n"
           "            ;;\n" +
           dispatch + "            esac\n            ;;\n    esac\n}\n\n";
}

}  // namespace

std::string bash_completion(const Command& root, const std::vector<std::string>& names) {
    const std::string name = function(names.at(0));
    Table table;
    visit(root, "", [&](const Command& command, const std::string& path) {
        add_to(table, command, path, name);
    });
    return "# Completes the command lines of " + joined(names, " and ") + " in bash.\n" +
           replaced(replaced(std::string(kBashFunctions), "NAME", name), "ASK", kAsk) + "\n" +
           name +
           "() {\n"
           "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local path='' i\n"
           "    COMPREPLY=()\n"
           "    # Bash makes three words of --option=value.\n"
           "    if [[ $current == '=' ]]; then\n"
           "        current=''\n"
           "    elif [[ $previous == '=' ]]; then\n"
           "        previous=${COMP_WORDS[COMP_CWORD-2]}\n"
           "    fi\n"
           "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        if [[ ${COMP_WORDS[i]} == '--' ]]; then\n"
           "            case $path in\n" +
           table.programs +
           "            esac\n"
           "            return\n"
           "        fi\n"
           "        case $path/${COMP_WORDS[i]} in\n" +
           table.paths +
           "        esac\n"
           "    done\n"
           "    case \"$path $previous\" in\n" +
           table.values +
           "    esac\n"
           "    case $path in\n" +
           table.words +
           "    esac\n"
           "}\n\n"
           "complete -F " +
           name + " " + joined(names) + "\n";
}

std::string zsh_completion(const Command& root, const std::vector<std::string>& names) {
    const std::string name = function(names.at(0));
    std::string text = "#compdef " + joined(names) + "\n# Completes the command lines of " +
                       joined(names, " and ") + " in zsh.\n\n" + name +
                       "_enclaves() {\n"
                       "    local key=$1 found\n"
                       "    shift\n"
                       "    found=(${(f)\"$($program \"$@\"" +
                       std::string(kAsk) +
                       ")\"})\n"
                       "    compadd -a found\n"
                       "}\n\n";
    visit(root, "", [&](const Command& command, const std::string& path) {
        text += zsh_function(command, path, name);
    });
    return text + "if [[ $funcstack[1] == " + name + " ]]; then\n    " + name +
           " \"$@\"\nelse\n    compdef " + name + " " + joined(names) + "\nfi\n";
}

}  // namespace casemate::command_line
