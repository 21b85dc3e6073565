#include "command_line/usage.hpp"

#include <algorithm>
#include <optional>

namespace casemate::command_line {

namespace {

constexpr int kUsageStatus = 2;
constexpr std::string_view kHelpDescription =
    "Print this message or the help of the given subcommand(s)";
constexpr std::string_view kMore = "\n\nFor more information, try '--help'.\n";

// The built-in options, which no Command lists.
constexpr std::string_view kHelp = "help";
constexpr std::string_view kVersion = "version";

using Indices = std::vector<std::size_t>;

template <class T>
bool contains(const std::vector<T>& list, const T& value) {
    return std::find(list.begin(), list.end(), value) != list.end();
}

template <class T>
void add_new(std::vector<T>& list, const T& value) {
    if (!contains(list, value)) {
        list.push_back(value);
    }
}

End failed(std::string sentence, const std::string& tip, const std::string& usage) {
    std::string text = "error: " + std::move(sentence);
    if (!tip.empty()) {
        text += "\n\n  tip: " + tip;
    }
    if (!usage.empty()) {
        text += "\n\nUsage: " + usage;
    }
    return {kUsageStatus, {}, text + std::string(kMore)};
}

std::string join(const std::vector<std::string>& words, std::string_view between) {
    std::string text;
    for (const std::string& word : words) {
        text += (text.empty() ? "" : std::string(between)) + word;
    }
    return text;
}

std::string possible_values(const Option& option) {
    return "[possible values: " + join(option.values, ", ") + "]";
}

// shown is an option as usage lines and errors have it.
std::string shown(const Option& option) {
    const std::string dots = option.many ? "..." : "";
    if (option.positional) {
        return "<" + option.name + ">" + dots;
    }
    return "--" + option.name + (option.value.empty() ? "" : " <" + option.value + ">" + dots);
}

std::string shown_positional(const Option& option, bool wanted) {
    if (option.expects == Expects::program) {
        return wanted ? "-- " + shown(option) : "[-- " + shown(option) + "]";
    }
    return wanted || option.required ? shown(option)
                                     : "[" + option.name + "]" + (option.many ? "..." : "");
}

// jaro is the Jaro similarity of two words, 0 to 1.
double jaro(std::string_view a, std::string_view b) {
    if (a.empty() || b.empty()) {
        return a.empty() && b.empty() ? 1.0 : 0.0;
    }
    const std::size_t half = std::max(a.size(), b.size()) / 2;
    const std::size_t range = half == 0 ? 0 : half - 1;
    std::vector<bool> taken(b.size());
    std::string from_a;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const std::size_t first = i > range ? i - range : 0;
        for (std::size_t j = first; j < std::min(b.size(), i + range + 1); ++j) {
            if (a[i] == b[j] && !taken[j]) {
                taken[j] = true;
                from_a += a[i];
                break;
            }
        }
    }
    std::size_t moved = 0;
    std::size_t next = 0;
    for (std::size_t j = 0; j < b.size(); ++j) {
        if (taken[j] && b[j] != from_a[next++]) {
            ++moved;
        }
    }
    const auto matches = static_cast<double>(from_a.size());
    const std::size_t transpositions = moved / 2;
    if (from_a.empty()) {
        return 0;
    }
    return (matches / static_cast<double>(a.size()) + matches / static_cast<double>(b.size()) +
            (matches - static_cast<double>(transpositions)) / matches) /
           3;
}

// Level: a command, as it was called.
struct Level {
    const Command* command = nullptr;
    // called: "casemate vsock connect".
    std::string called;
    bool root = false;
};

std::vector<std::string> long_names(const Command& command) {
    std::vector<std::string> names;
    for (const Option& option : command.options) {
        if (!option.positional) {
            names.push_back(option.name);
        }
    }
    names.emplace_back(kHelp);
    if (!command.version.empty()) {
        names.emplace_back(kVersion);
    }
    return names;
}

std::vector<std::string> command_names(const Command& command) {
    std::vector<std::string> names;
    for (const Command& each : command.commands) {
        names.push_back(each.name);
    }
    names.emplace_back(kHelp);
    return names;
}

// required lists what has always to be there.
Indices required(const Command& command) {
    Indices list;
    for (std::size_t i = 0; i < command.options.size(); ++i) {
        if (command.options[i].required) {
            list.push_back(i);
        }
    }
    return list;
}

// unrolled: each one after those that it needs, directly or not.
Indices unrolled(const Command& command, const Indices& list) {
    Indices out;
    for (const std::size_t each : list) {
        Indices seen = {each};
        for (std::size_t i = 0; i < seen.size(); ++i) {
            for (const std::size_t need : command.options[seen[i]].needs) {
                add_new(out, need);
                add_new(seen, need);
            }
        }
        add_new(out, each);
    }
    return out;
}

// usage_of: the options and arguments of a usage line, those of wanted and then the rest that is
// positional; each word with a space before it. The usage lines of errors, not those of help, leave
// out the program that may stand at the end: they are nitro-cli's, which has none.
std::string usage_of(const Command& command, const Indices& wanted, bool in_help = false) {
    std::string text;
    for (const std::size_t i : wanted) {
        if (!command.options[i].positional) {
            text += " " + shown(command.options[i]);
        }
    }
    for (std::size_t i = 0; i < command.options.size(); ++i) {
        if (command.options[i].positional &&
            (in_help || command.options[i].expects != Expects::program)) {
            text += " " + shown_positional(command.options[i], contains(wanted, i));
        }
    }
    return text;
}

std::string full_usage(const Level& level, bool in_help = false) {
    const Command& command = *level.command;
    const bool options = std::any_of(command.options.begin(), command.options.end(),
                                     [](const Option& o) { return !o.positional && !o.required; });
    std::string text = level.called + (options ? " [OPTIONS]" : "") +
                       usage_of(command, unrolled(command, required(command)), in_help);
    if (!command.commands.empty()) {
        text += level.root ? " [COMMAND]" : " <COMMAND>";
    }
    return text;
}

// usage_with: what is required and then what was used; the full usage when nothing was.
std::string usage_with(const Level& level, const Indices& needed, const Indices& used,
                       const std::string& built_in = {}) {
    if (used.empty() && built_in.empty()) {
        return full_usage(level);
    }
    Indices wanted = unrolled(*level.command, needed);
    for (const std::size_t each : used) {
        add_new(wanted, each);
    }
    return level.called + usage_of(*level.command, wanted) +
           (built_in.empty() ? "" : " --" + built_in) +
           (level.command->commands.empty() || level.root ? "" : " <COMMAND>");
}

// Entry: a line of help in two columns.
struct Entry {
    std::string left;
    std::string right;
};

// columns lays a section of help out. Where a description would be too far to the right to be read,
// all of the section's stand below their options.
std::string columns(const std::vector<Entry>& entries, std::size_t indent, bool may_wrap) {
    constexpr std::size_t kWidth = 100;
    constexpr std::size_t kMargins = 12;
    std::size_t longest = 0;
    for (const Entry& entry : entries) {
        longest = std::max(longest, entry.left.size());
    }
    const std::size_t taken = longest - indent + kMargins;
    const bool below = may_wrap && taken * 10 > kWidth * 4 &&
                       std::any_of(entries.begin(), entries.end(), [&](const Entry& entry) {
                           return taken > kWidth || entry.right.size() > kWidth - taken;
                       });
    std::string text;
    for (const Entry& entry : entries) {
        text += "  " + entry.left;
        if (below) {
            text += "\n          " + entry.right + "\n";
        } else {
            text += std::string(longest - entry.left.size() + 2, ' ') + entry.right + "\n";
        }
    }
    return text;
}

std::string described(const Option& option) {
    return option.description + (option.values.empty() ? "" : " " + possible_values(option));
}

std::string help_of(const Level& level) {
    const Command& command = *level.command;
    std::string text = command.description + "\n\nUsage: " + full_usage(level, true) + "\n";
    if (!command.commands.empty()) {
        std::vector<Entry> entries;
        for (const Command& each : command.commands) {
            entries.push_back({each.name, each.description});
        }
        entries.push_back({std::string(kHelp), std::string(kHelpDescription)});
        text += "\nCommands:\n" + columns(entries, 0, false);
    }
    std::vector<Entry> positionals;
    std::vector<Entry> options;
    for (const Option& option : command.options) {
        if (option.positional) {
            positionals.push_back({shown_positional(option, option.expects == Expects::program)
                                       .substr(option.expects == Expects::program ? 3 : 0),
                                   described(option)});
        } else {
            options.push_back({"    " + shown(option), described(option)});
        }
    }
    if (!positionals.empty()) {
        text += "\nArguments:\n" + columns(positionals, 0, true);
    }
    options.push_back({"-h, --help", "Print help"});
    if (!command.version.empty()) {
        options.push_back({"-V, --version", "Print version"});
    }
    text += "\nOptions:\n" + columns(options, 4, true);
    return command.footer.empty() ? text : text + "\n" + command.footer + "\n";
}

// Parser reads one command line, word by word.
class Parser {
public:
    Parser(const Command& root, const std::vector<std::string>& words)
        : words_(words), level_{&root, root.name, true} {}

    std::variant<Accepted, End> run() {
        while (!end_ && at_ < words_.size()) {
            word(words_[at_++]);
        }
        if (!end_) {
            close(waiting_);
        }
        if (!end_) {
            rules();
        }
        if (end_) {
            return *std::move(end_);
        }
        return std::move(accepted_);
    }

private:
    [[nodiscard]] const Command& command() const { return *level_.command; }
    [[nodiscard]] const Option& option(std::size_t i) const { return command().options[i]; }

    void fail(std::string sentence, const std::string& tip, const std::string& usage) {
        end_ = failed(std::move(sentence), tip, usage);
    }
    void show(std::string text) { end_ = End{0, std::move(text), {}}; }

    [[nodiscard]] Indices used() const {
        Indices list;
        for (const Given& given : accepted_.given) {
            list.push_back(given.option);
        }
        return list;
    }

    [[nodiscard]] bool is_given(std::size_t i) const { return contains(used(), i); }

    void word(const std::string& text) {
        if (only_positional_ || text == "-" || text.empty() || text[0] != '-') {
            value(text);
        } else if (text == "--") {
            only_positional_ = true;
        } else if (text[1] == '-') {
            long_option(text.substr(2));
        } else {
            letters(text);
        }
    }

    // close ends an option's values.
    void close(std::optional<std::size_t>& waiting) {
        if (waiting) {
            const std::size_t i = *waiting;
            waiting.reset();
            accept(i, std::move(values_));
            values_.clear();
        }
    }

    void accept(std::size_t i, std::vector<std::string> values) {
        const Option& what = option(i);
        if (values.empty() && !what.value.empty()) {
            fail("a value is required for '" + shown(what) + "' but none was supplied" +
                     (what.values.empty() ? "" : "\n  " + possible_values(what)),
                 {}, {});
            return;
        }
        for (const std::string& each : values) {
            if (!what.values.empty() && !contains(what.values, each)) {
                const auto meant = similar(each, what.values);
                fail("invalid value '" + each + "' for '" + shown(what) + "'\n  " +
                         possible_values(what),
                     meant.empty() ? "" : "a similar value exists: '" + meant.back() + "'", {});
                return;
            }
        }
        for (Given& given : accepted_.given) {
            if (given.option == i) {
                if (!what.repeatable && !what.positional) {
                    fail("the argument '" + shown(what) + "' cannot be used multiple times", {},
                         full_usage(level_));
                    return;
                }
                given.values.insert(given.values.end(), values.begin(), values.end());
                return;
            }
        }
        accepted_.given.push_back({i, std::move(values)});
    }

    void value(const std::string& text) {
        if (waiting_ && !only_positional_) {
            values_.push_back(text);
            if (!option(*waiting_).many) {
                close(waiting_);
            }
            return;
        }
        if (!only_positional_ && !command().commands.empty()) {
            subcommand(text);
            return;
        }
        if (!only_positional_) {
            close(waiting_);
        }
        if (!end_) {
            positional(text);
        }
    }

    void subcommand(const std::string& text) {
        const auto& commands = command().commands;
        const auto found = std::find_if(commands.begin(), commands.end(),
                                        [&](const Command& each) { return each.name == text; });
        if (found != commands.end()) {
            accepted_.path.push_back(static_cast<std::size_t>(found - commands.begin()));
            level_ = {&*found, level_.called + " " + text, false};
        } else if (text == kHelp) {
            help_command();
        } else {
            auto meant = similar(text, command_names(command()));
            std::string tip;
            if (!meant.empty()) {
                tip = meant.size() == 1 ? "a similar subcommand exists: '"
                                        : "some similar subcommands exist: '";
                tip += join(meant, "', '") + "'";
            }
            fail("unrecognized subcommand '" + text + "'", tip, full_usage(level_));
        }
    }

    // help_command: "help" with the words after it.
    void help_command() {
        while (at_ < words_.size()) {
            const std::string& name = words_[at_++];
            if (name == kHelp && !command().commands.empty()) {
                show(std::string(kHelpDescription) + "\n\nUsage: " + level_.called +
                     " help [COMMAND]...\n");
                return;
            }
            const auto& commands = command().commands;
            const auto found = std::find_if(commands.begin(), commands.end(),
                                            [&](const Command& each) { return each.name == name; });
            if (found == commands.end()) {
                fail("unrecognized subcommand '" + name + "'", {}, full_usage(level_));
                return;
            }
            level_ = {&*found, level_.called + " " + name, false};
        }
        show(help_of(level_));
    }

    void positional(const std::string& text) {
        for (std::size_t i = 0; i < command().options.size(); ++i) {
            const Option& each = option(i);
            if (each.positional && (each.many || !is_given(i)) &&
                (each.expects != Expects::program || only_positional_)) {
                accept(i, {text});
                return;
            }
        }
        const auto names = command_names(command());
        const bool misplaced =
            only_positional_ && !command().commands.empty() && contains(names, text);
        fail("unexpected argument '" + text + "' found",
             misplaced ? "subcommand '" + text + "' exists; to use it, remove the '--' before it"
                       : "",
             full_usage(level_));
    }

    void long_option(const std::string& text) {
        const std::size_t equals = text.find('=');
        const std::string name = text.substr(0, equals);
        std::optional<std::string> attached;
        if (equals != std::string::npos) {
            attached = text.substr(equals + 1);
        }
        const bool version = name == kVersion && !command().version.empty();
        const auto& options = command().options;
        const auto found = std::find_if(options.begin(), options.end(), [&](const Option& each) {
            return !each.positional && each.name == name;
        });
        if (found == options.end() && name != kHelp && !version) {
            unknown(name);
            return;
        }
        close(waiting_);
        if (end_) {
            return;
        }
        if (found != options.end()) {
            known(static_cast<std::size_t>(found - options.begin()), attached);
        } else if (attached) {
            fail("unexpected value '" + *attached + "' for '--" + name +
                     "' found; no more were expected",
                 {}, usage_with(level_, required(command()), used(), name));
        } else {
            built_in(version);
        }
    }

    void built_in(bool version) { show(version ? command().version + "\n" : help_of(level_)); }

    void known(std::size_t i, const std::optional<std::string>& attached) {
        const Option& what = option(i);
        if (what.value.empty()) {
            if (attached) {
                fail("unexpected value '" + *attached + "' for '" + shown(what) +
                         "' found; no more were expected",
                     {}, usage_with(level_, required(command()), {i}));
            } else {
                accept(i, {});
            }
        } else if (attached) {
            accept(i, {*attached});
        } else {
            waiting_ = i;
        }
    }

    // unknown: the option is none of this command's. What an option before it lacks does not matter
    // any more.
    void unknown(const std::string& name) {
        if (!values_.empty()) {
            close(waiting_);
            end_.reset();
        }
        const std::string sentence = "unexpected argument '--" + name + "' found";
        Indices with = used();
        const auto meant = similar(name, long_names(command()));
        if (meant.empty()) {
            fail(sentence, elsewhere(name), usage_with(level_, required(command()), with));
            return;
        }
        std::string built_in = meant.back();
        for (std::size_t i = 0; i < command().options.size(); ++i) {
            if (!option(i).positional && option(i).name == meant.back()) {
                add_new(with, i);
                built_in.clear();
            }
        }
        fail(sentence, "a similar argument exists: '--" + meant.back() + "'",
             usage_with(level_, required(command()), with, built_in));
    }

    // elsewhere: whether a subcommand that is named later has such an option.
    [[nodiscard]] std::string elsewhere(const std::string& name) const {
        for (std::size_t i = at_; i < words_.size(); ++i) {
            for (const Command& each : command().commands) {
                const auto meant = similar(name, long_names(each));
                if (each.name == words_[i] && !meant.empty()) {
                    return "'" + each.name + " --" + meant.back() + "' exists";
                }
            }
        }
        return {};
    }

    // letters: of the options, help and version alone have one.
    void letters(const std::string& text) {
        const bool version = text[1] == 'V' && !command().version.empty();
        if (text[1] != 'h' && !version) {
            fail("unexpected argument '" + text.substr(0, 2) + "' found", {}, full_usage(level_));
            return;
        }
        close(waiting_);
        if (!end_) {
            built_in(version);
        }
    }

    void rules() {
        if (!command().commands.empty()) {
            end_ = End{kUsageStatus, {}, help_of(level_)};
            return;
        }
        conflicts();
        if (!end_) {
            missing();
        }
    }

    void conflicts() {
        for (const Given& given : accepted_.given) {
            std::vector<std::string> against;
            Indices with;
            for (const Given& other : accepted_.given) {
                if (contains(option(given.option).excludes, other.option)) {
                    against.push_back(shown(option(other.option)));
                } else {
                    with.push_back(other.option);
                }
            }
            if (!against.empty()) {
                fail("the argument '" + shown(option(given.option)) + "' cannot be used with" +
                         (against.size() == 1 ? " '" + against[0] + "'"
                                              : ":\n  " + join(against, "\n  ")),
                     {}, usage_with(level_, required(command()), with));
                return;
            }
        }
    }

    void missing() {
        Indices needed = required(command());
        for (const Given& given : accepted_.given) {
            const Indices& unless = option(given.option).needs_unless;
            if (std::any_of(unless.begin(), unless.end(),
                            [&](std::size_t o) { return is_given(o); })) {
                continue;
            }
            for (const std::size_t need : option(given.option).needs) {
                add_new(needed, need);
            }
        }
        Indices absent = unrolled(command(), needed);
        for (std::size_t i = 0; i < command().options.size(); ++i) {
            const Indices& others = option(i).required_unless;
            if (!others.empty() && std::none_of(others.begin(), others.end(),
                                                [&](std::size_t o) { return is_given(o); })) {
                add_new(absent, i);
            }
        }
        absent.erase(std::remove_if(absent.begin(), absent.end(),
                                    [&](std::size_t i) { return is_given(i); }),
                     absent.end());
        if (absent.empty()) {
            return;
        }
        std::string sentence = "the following required arguments were not provided:";
        for (const bool positional : {false, true}) {
            for (const std::size_t i : absent) {
                if (option(i).positional == positional) {
                    sentence += "\n  " + shown(option(i));
                }
            }
        }
        Indices with = used();
        with.insert(with.end(), absent.begin(), absent.end());
        fail(std::move(sentence), {}, usage_with(level_, needed, with));
    }

    const std::vector<std::string>& words_;
    Level level_;
    std::size_t at_ = 0;
    bool only_positional_ = false;
    // waiting_: the option whose values are being read, into values_.
    std::optional<std::size_t> waiting_;
    std::vector<std::string> values_;
    Accepted accepted_;
    std::optional<End> end_;
};

}  // namespace

std::variant<Accepted, End> judge(const Command& root, const std::vector<std::string>& arguments) {
    return Parser(root, arguments).run();
}

End invalid_value(const Option& option, std::string_view value, std::string_view sentence) {
    return failed("invalid value '" + std::string(value) + "' for '" + shown(option) +
                      "': " + std::string(sentence),
                  {}, {});
}

std::vector<std::string> similar(std::string_view word,
                                 const std::vector<std::string>& candidates) {
    // clap's threshold.
    constexpr double kSimilar = 0.7;
    std::vector<std::pair<double, std::string>> found;
    for (const std::string& candidate : candidates) {
        const double likeness = jaro(word, candidate);
        if (likeness > kSimilar) {
            const auto place =
                std::upper_bound(found.begin(), found.end(), likeness,
                                 [](double value, const auto& each) { return value < each.first; });
            found.insert(place, {likeness, candidate});
        }
    }
    std::vector<std::string> words;
    words.reserve(found.size());
    for (auto& each : found) {
        words.push_back(std::move(each.second));
    }
    return words;
}

}  // namespace casemate::command_line
