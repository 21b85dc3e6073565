#include "cli/main.hpp"

#include <unistd.h>

#include <iostream>

#include "base/environment.hpp"

namespace casemate::cli {

namespace {

OutputSettings settings_from_environment() {
    OutputSettings settings;
    settings.show_progress = ::isatty(STDERR_FILENO) == 1;
    settings.terminal = STDERR_FILENO;
    settings.backtrace = environment("BACKTRACE") == "1";
    settings.log_directory = ProgramLog::directory_from_environment();
    settings.log = ProgramLog::from_environment("nitro-cli");
    return settings;
}

}  // namespace

int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
    const OutputSettings settings = settings_from_environment();
    Output output(out, err, settings);
    const Parsed parsed = parse(arguments, environment("CASEMATE_ACCEL"));
    if (const auto* end = std::get_if<UsageEnd>(&parsed)) {
        err << end->standard_error << std::flush;
        const int written = output.text(end->standard_output);
        return end->status != 0 ? end->status : written;
    }
    settings.log.write(LogLevel::info, "Start Nitro CLI");
    if (const auto* error = std::get_if<CommandError>(&parsed)) {
        output.set_action("Parse Arguments");
        return output.fail(*error);
    }
    return dispatch(*std::get_if<Invocation>(&parsed), output);
}

}  // namespace casemate::cli
