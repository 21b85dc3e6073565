#include "guest/nsm_cli/arguments.hpp"

#include <algorithm>

namespace casemate::nsm_cli {

namespace {

Error misused(std::string_view expected, std::string_view found) {
    return {CliErrc::misused,
            "expected " + std::string(expected) + ", found " + std::string(found)};
}

// Taken: an option, and how many of the given arguments it was.
struct Taken {
    std::string_view name;
    std::string_view value;
    std::size_t count = 1;
};

Result<Taken> take_option(std::span<const std::string_view> given, std::span<const Option> known) {
    const std::string_view text = given.front().substr(2);
    const std::size_t equals = text.find('=');
    const std::string_view name = text.substr(0, equals);
    const auto option = std::find_if(known.begin(), known.end(),
                                     [&](const Option& one) { return one.name == name; });
    if (option == known.end()) {
        return misused("an option of this command", given.front());
    }
    if (!option->takes_value) {
        return equals == std::string_view::npos
                   ? Result<Taken>(Taken{option->name, {}})
                   : misused("--" + std::string(name) + " without a value", given.front());
    }
    if (equals != std::string_view::npos) {
        return Taken{option->name, text.substr(equals + 1)};
    }
    if (given.size() < 2) {
        return misused("a value after " + std::string(given.front()), "none");
    }
    return Taken{option->name, given[1], 2};
}

}  // namespace

std::string_view describe(CliErrc code) {
    switch (code) {
        case CliErrc::misused:
            return "bad arguments";
        case CliErrc::refused:
            return "refused";
        case CliErrc::no_module:
            return "no security module";
    }
    return "error";
}

std::optional<std::string_view> Arguments::value(std::string_view name) const {
    const auto found = options.find(name);
    return found != options.end() ? std::optional(found->second) : std::nullopt;
}

Result<Arguments> parse_arguments(std::span<const std::string_view> given,
                                  std::span<const Option> known, std::size_t words) {
    Arguments arguments;
    bool only_words = false;
    while (!given.empty()) {
        if (!only_words && given.front() == "--") {
            only_words = true;
            given = given.subspan(1);
            continue;
        }
        if (!only_words && given.front().starts_with("--")) {
            CASEMATE_TRY(const Taken taken, take_option(given, known));
            if (!arguments.options.emplace(taken.name, taken.value).second) {
                return misused("--" + std::string(taken.name) + " once", "it twice");
            }
            given = given.subspan(taken.count);
            continue;
        }
        if (arguments.words.size() == words) {
            return misused("nothing more", given.front());
        }
        arguments.words.push_back(given.front());
        given = given.subspan(1);
    }
    return arguments;
}

}  // namespace casemate::nsm_cli
