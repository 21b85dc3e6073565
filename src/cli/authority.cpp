#include "authority/authority.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "authority/instance.hpp"
#include "base/file.hpp"
#include "cli/verbs.hpp"
#include "codec/rfc3339.hpp"
#include "enclave/certification.hpp"
#include "enclave/paths.hpp"

namespace casemate::cli {

namespace {

using authority::Authority;
using authority::AuthorityErrc;
using authority::Level;
using crypto::Seconds;

// Fields of a page: names padded to one width, values behind them.
std::string page(const std::vector<std::pair<std::string, std::string>>& fields) {
    std::size_t width = 0;
    for (const auto& [name, value] : fields) {
        width = std::max(width, name.size());
    }
    std::string text;
    for (const auto& [name, value] : fields) {
        text += name;
        text += ":";
        text.append(width - name.size() + 2, ' ');
        text += value;
        text += "\n";
    }
    return text;
}

using Row = std::array<std::string, 5>;

std::string table(const std::vector<Row>& rows) {
    std::array<std::size_t, 5> widths{};
    for (const Row& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths.at(i) = std::max(widths.at(i), row.at(i).size());
        }
    }
    std::string text;
    for (const Row& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            line += row.at(i) + std::string(widths.at(i) - row.at(i).size() + 2, ' ');
        }
        text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return text;
}

std::string time_text(Seconds time) {
    return codec::format_rfc3339(time);
}

// The time from now on in the two units that matter: "29 d 23 h", "2 h 59 min".
std::string left_text(Seconds time, Seconds now) {
    using std::chrono::days;
    using std::chrono::duration_cast;
    using std::chrono::hours;
    using std::chrono::minutes;
    if (time <= now) {
        return "over";
    }
    const auto left = time - now;
    const auto whole = duration_cast<days>(left);
    constexpr days kYear{365};
    if (whole >= kYear) {
        return std::to_string(whole / kYear) + " y " + std::to_string((whole % kYear).count()) +
               " d";
    }
    if (whole.count() > 0) {
        return std::to_string(whole.count()) + " d " +
               std::to_string(duration_cast<hours>(left - whole).count()) + " h";
    }
    const auto full = duration_cast<hours>(left);
    return std::to_string(full.count()) + " h " +
           std::to_string(duration_cast<minutes>(left - full).count()) + " min";
}

bool is_root(const Level& level) {
    return level.name == "root";
}

std::string renewal_text(const Level& level, Seconds now) {
    if (is_root(level)) {
        return "never by itself";
    }
    return level.renewal <= now ? "with the next enclave" : time_text(level.renewal);
}

std::string status_text(const std::vector<Level>& levels, Seconds now) {
    std::vector<Row> rows{{"CERTIFICATE", "VALID UNTIL", "LEFT", "RENEWED FROM", "KEY"}};
    std::string warnings;
    for (const Level& level : levels) {
        rows.push_back({level.name, time_text(level.not_after), left_text(level.not_after, now),
                        renewal_text(level, now), level.key});
        if (!level.warning.empty()) {
            warnings += "\nWarning: " + level.warning + ".\n";
        }
    }
    return table(rows) + warnings;
}

Json status_json(const std::vector<Level>& levels) {
    Json list = Json::array();
    for (const Level& level : levels) {
        Json entry = Json::object();
        entry.add("Certificate", level.name);
        entry.add("Subject", level.subject);
        entry.add("Fingerprint", to_hex(level.fingerprint));
        entry.add("NotBefore", time_text(level.not_before));
        entry.add("NotAfter", time_text(level.not_after));
        entry.add("RenewedFrom", is_root(level) ? Json() : Json(time_text(level.renewal)));
        entry.add("Key", level.key);
        entry.add("Warning", level.warning);
        list.append(std::move(entry));
    }
    return list;
}

int fail(const Error& error, Output& output) {
    return output.fail(error.is(AuthorityErrc::bad_request) ? ErrorCode::invalid_argument
                                                            : ErrorCode::file_operation,
                       error);
}

// What the subcommands work on.
struct Context {
    Authority authority;
    authority::Instance instance;
    Seconds now;
    Output& output;

    [[nodiscard]] int show() {
        const auto levels = authority.status(now);
        if (!levels) {
            return fail(levels.error(), output);
        }
        const Level& root = levels->front();
        const int written = output.text(page(
            {{"Root", root.subject},
             {"SHA-256", to_hex(root.fingerprint)},
             {"Valid until", time_text(root.not_after)},
             {"Certificate", authority.root_path()},
             {"Instance", instance.instance_id},
             {"Region", instance.region},
             {"Role", instance.role_arn.empty() ? "none (PCR3 is zero)" : instance.role_arn}}));
        if (!root.warning.empty()) {
            output.say("Warning: " + root.warning + ".");
        }
        return written;
    }

    [[nodiscard]] int status(bool json) {
        const auto levels = authority.status(now);
        if (!levels) {
            return fail(levels.error(), output);
        }
        return json ? output.result(status_json(*levels)) : output.text(status_text(*levels, now));
    }

    [[nodiscard]] int export_root(const std::optional<std::string>& file) {
        const auto pem = authority.root_pem();
        if (!pem) {
            return fail(pem.error(), output);
        }
        if (!file) {
            return output.text(*pem);
        }
        constexpr unsigned kForEverybody = 0644;
        const auto written = write_file_atomically(*file, as_bytes(*pem), kForEverybody);
        return written ? 0 : fail(written.error(), output);
    }

    [[nodiscard]] int made(const Result<>& done) {
        return done ? show() : fail(done.error(), output);
    }
};

}  // namespace

int authority(const AuthorityArguments& arguments, Output& output) {
    output.set_action("Attestation Authority");
    const auto paths = enclave::find_paths();
    if (!paths) {
        return fail(paths.error(), output);
    }
    auto instance = enclave::read_identity(*paths);
    if (!instance) {
        return fail(instance.error(), output);
    }
    const Seconds now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    Context context{Authority(paths->authority(), *instance), *instance, now, output};
    const authority::TokenKeys keys{arguments.root_key, arguments.region_key};
    switch (arguments.action) {
        case AuthorityAction::init:
            return context.made(context.authority.init(keys, now));
        case AuthorityAction::show:
            return context.show();
        case AuthorityAction::export_root:
            return context.export_root(arguments.output_file);
        case AuthorityAction::status:
            return context.status(arguments.json);
        case AuthorityAction::rotate:
            break;
    }
    return context.made(context.authority.rotate(arguments.root, keys, now));
}

}  // namespace casemate::cli
