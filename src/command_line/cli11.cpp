#include "command_line/cli11.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <array>

namespace casemate::command_line {

namespace {

// A value's kind travels in CLI11's type name, "kind=value-name". Kinds are in Expects' order.
constexpr std::array<std::string_view, 8> kKinds = {
    "TEXT", "FILE", "FOLDER", "ENCLAVE-ID", "ENCLAVE-NAME", "ANY-ENCLAVE", "ERROR-CODE", "PROGRAM"};

// options_of gives an application's own options, those of its option groups included and without
// help and version.
std::vector<const CLI::Option*> options_of(const CLI::App& app) {
    std::vector<const CLI::Option*> options;
    for (const CLI::Option* option : app.get_options()) {
        if (option != app.get_help_ptr() && option != app.get_version_ptr()) {
            options.push_back(option);
        }
    }
    for (const CLI::App* group : app.get_subcommands({})) {
        if (group->get_name().empty()) {
            const auto more = options_of(*group);
            options.insert(options.end(), more.begin(), more.end());
        }
    }
    return options;
}

std::string name_of(const CLI::Option& option) {
    return option.nonpositional() ? option.get_lnames().at(0) : option.get_name(true);
}

// members: the values of CLI::IsMember or a CLI::Transformer, "...{a,b}" or "...{a->0,b->1}".
std::vector<std::string> members(const std::string& type) {
    std::vector<std::string> values;
    const std::size_t open = type.find('{');
    const std::size_t close = type.find('}', open);
    if (close == std::string::npos) {
        return values;
    }
    for (std::size_t at = open + 1; at < close;) {
        const std::size_t end = std::min(type.find(',', at), close);
        const std::string value = type.substr(at, end - at);
        values.push_back(value.substr(0, value.find("->")));
        at = end + 1;
    }
    return values;
}

Option option_of(const CLI::Option& from) {
    Option to;
    to.name = name_of(from);
    to.positional = !from.nonpositional();
    to.description = from.get_description();
    to.required = from.get_required();
    const std::string type = from.get_type_name();
    to.values = members(type);
    const std::size_t end = std::min(type.find(':'), type.size());
    const std::size_t equals = type.find('=');
    const auto kind =
        std::find(kKinds.begin(), kKinds.end(), type.substr(0, std::min(equals, end)));
    to.expects = kind == kKinds.end() ? Expects::text : static_cast<Expects>(kind - kKinds.begin());
    if (from.get_items_expected_max() > 0) {
        to.value = equals < end ? type.substr(equals + 1, end - equals - 1) : to.name;
        to.many = from.get_expected_max() > 1 && from.get_allow_extra_args();
        to.repeatable = from.get_expected_max() > 1 && !from.get_allow_extra_args();
    }
    return to;
}

template <class List>
std::vector<std::size_t> indices(const std::vector<const CLI::Option*>& all, const List& some) {
    std::vector<std::size_t> list;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (std::find(some.begin(), some.end(), all[i]) != some.end()) {
            list.push_back(i);
        }
    }
    return list;
}

std::string without_name(const std::string& sentence, const CLI::Option& option) {
    const std::string prefix = option.get_name() + ": ";
    return sentence.substr(0, prefix.size()) == prefix ? sentence.substr(prefix.size()) : sentence;
}

}  // namespace

CLI::Option* expects(CLI::Option* option, Expects expects, std::string_view value_name) {
    std::string type(kKinds.at(static_cast<std::size_t>(expects)));
    if (!value_name.empty()) {
        type += "=" + std::string(value_name);
    }
    return option->type_name(std::move(type));
}

Command describe(const CLI::App& app, const std::vector<Unless>& unless) {
    Command command;
    command.name = app.get_name();
    command.description = app.get_description();
    command.footer = app.get_footer();
    const auto options = options_of(app);
    for (const CLI::Option* from : options) {
        Option& to = command.options.emplace_back(option_of(*from));
        to.excludes = indices(options, from->get_excludes());
        to.needs = indices(options, from->get_needs());
        for (const Unless& rule : unless) {
            if (rule.option == from) {
                (rule.needs ? to.needs_unless : to.required_unless) = indices(options, rule.others);
            }
        }
    }
    for (const CLI::App* each : app.get_subcommands({})) {
        if (!each->get_name().empty()) {
            command.commands.push_back(describe(*each, unless));
        }
    }
    return command;
}

Chosen choose(CLI::App& app, const Command& command, const std::vector<std::size_t>& path) {
    Chosen chosen{&app, &command};
    for (const std::size_t index : path) {
        chosen.command = &chosen.command->commands.at(index);
        chosen.app = chosen.app->get_subcommand(chosen.command->name);
    }
    return chosen;
}

std::optional<End> apply(CLI::App& app, const Command& command, const std::vector<Given>& given) {
    const auto options = options_of(app);
    for (const Given& each : given) {
        // options_of takes what is const too; these are app's own.
        auto* option = const_cast<CLI::Option*>(options.at(each.option));
        const std::vector<std::string> values =
            each.values.empty() ? std::vector<std::string>{"true"} : each.values;
        for (const std::string& value : values) {
            option->add_result(value);
        }
        try {
            option->run_callback();
        } catch (const CLI::Error& error) {
            return invalid_value(command.options.at(each.option), values.back(),
                                 without_name(error.what(), *option));
        }
    }
    return std::nullopt;
}

}  // namespace casemate::command_line
