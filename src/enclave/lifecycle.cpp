#include "enclave/lifecycle.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>

namespace casemate::enclave {

namespace {

std::optional<int> whole_number(std::string_view text, int lowest, int highest) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < lowest ||
        value > highest) {
        return std::nullopt;
    }
    return value;
}

std::optional<std::string_view> after(std::string_view line, std::string_view prefix) {
    if (!line.starts_with(prefix)) {
        return std::nullopt;
    }
    return line.substr(prefix.size());
}

std::optional<InitLine> parse_line(std::string_view line) {
    if (const auto version = after(line, "casemate-init ")) {
        const auto number = whole_number(*version, 1, 2);
        return number ? std::optional<InitLine>(InitHello{*number >= 2}) : std::nullopt;
    }
    if (line == "alive") {
        return InitAlive{};
    }
    if (const auto status = after(line, "exited status ")) {
        const auto number = whole_number(*status, 0, 255);
        return number ? std::optional<InitLine>(InitExited{*number}) : std::nullopt;
    }
    if (const auto signal = after(line, "exited signal ")) {
        const auto number = whole_number(*signal, 1, 64);
        return number ? std::optional<InitLine>(InitSignalled{*number}) : std::nullopt;
    }
    if (const auto sentence = after(line, "failed ")) {
        return InitFailed{printable(*sentence, kMaxInitLine)};
    }
    return std::nullopt;
}

std::string signal_text(int signal) {
    const char* name = sigdescr_np(signal);
    return "signal " + std::to_string(signal) +
           (name != nullptr ? " (" + std::string(name) + ")" : "");
}

struct Reported {
    End operator()(const InitHello&) const { return {}; }
    End operator()(const InitAlive&) const { return {}; }
    End operator()(const InitExited& line) const {
        return {EndKind::exited,
                "its program ended with exit status " + std::to_string(line.status),
                line.status,
                {}};
    }
    End operator()(const InitSignalled& line) const {
        return {EndKind::killed_inside,
                "its program was killed by " + signal_text(line.signal),
                {},
                line.signal};
    }
    End operator()(const InitFailed& line) const {
        return {EndKind::init_failed, "init could not start the program: " + line.sentence, {}, {}};
    }
};

End machine_end(const machine::Exited& exited) {
    const std::string detail = exited.detail.empty() ? "" : ": " + exited.detail;
    switch (exited.reason) {
        case machine::ExitReason::guest_reset:
            return {EndKind::guest_reset, "the guest reset itself and did not say why", {}, {}};
        case machine::ExitReason::guest_shutdown:
            return {EndKind::guest_reset, "the guest shut down by a triple fault" + detail, {}, {}};
        case machine::ExitReason::stopped:
            return {EndKind::terminated, "the machine was stopped", {}, {}};
        case machine::ExitReason::failed:
            break;
        // The detail names the step by itself.
        case machine::ExitReason::not_created:
        case machine::ExitReason::no_memory:
        case machine::ExitReason::not_loaded:
        case machine::ExitReason::no_vcpu:
        case machine::ExitReason::not_started:
            return {EndKind::machine_failed, exited.detail, {}, {}};
    }
    return {EndKind::machine_failed, "the machine failed" + detail, {}, {}};
}

// A duration to the tenth of a second: "0.3 s".
std::string seconds_text(std::chrono::milliseconds time) {
    const auto tenths = time.count() / 100;
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

// What became of the program in the time that it was given.
std::string time_text(const Evidence& evidence, const End& told) {
    if (!evidence.allowed) {
        return "";
    }
    const bool in_time = evidence.report_after && *evidence.report_after < *evidence.allowed;
    if (!in_time && told.signal == SIGKILL) {
        return ", as it did not end within " + seconds_text(*evidence.allowed);
    }
    return evidence.report_after ? " after " + seconds_text(*evidence.report_after) : "";
}

// The program's own status stands beside another reason too, when init reported it.
End with_report(End end, const Evidence& evidence) {
    if (!evidence.report) {
        if (evidence.allowed) {
            end.reason += "; the machine was stopped, as init did not end its program within " +
                          seconds_text(*evidence.allowed);
        }
        return end;
    }
    const End told = std::visit(Reported{}, *evidence.report);
    end.exit_status = told.exit_status;
    end.signal = told.signal;
    if (told.exit_status || told.signal) {
        end.reason += "; " + told.reason + time_text(evidence, told);
    }
    return end;
}

}  // namespace

std::string printable(std::string_view text, std::size_t limit) {
    std::string out(text.substr(0, limit));
    std::replace_if(
        out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return out;
}

bool InitLines::accept(const InitLine& line) {
    const bool hello = std::holds_alternative<InitHello>(line);
    if (reported_ || hello == greeted_) {
        return false;
    }
    greeted_ = true;
    reported_ = !hello && !std::holds_alternative<InitAlive>(line);
    return true;
}

std::vector<InitLine> InitLines::feed(ByteView bytes) {
    std::vector<InitLine> lines;
    for (const std::uint8_t byte : bytes) {
        if (broken_) {
            break;
        }
        if (byte != '\n') {
            rest_.push_back(static_cast<char>(byte));
            broken_ = rest_.size() >= kMaxInitLine;
            continue;
        }
        const auto line = parse_line(rest_);
        rest_.clear();
        if (!line || !accept(*line)) {
            broken_ = true;
            break;
        }
        lines.push_back(*line);
    }
    return lines;
}

EnclaveErrc code_of_exit(machine::ExitReason reason) {
    switch (reason) {
        case machine::ExitReason::not_created:
            return EnclaveErrc::machine_not_created;
        case machine::ExitReason::no_memory:
            return EnclaveErrc::memory_refused;
        case machine::ExitReason::not_loaded:
            return EnclaveErrc::image_not_loaded;
        case machine::ExitReason::no_vcpu:
            return EnclaveErrc::cpu_refused;
        case machine::ExitReason::not_started:
            return EnclaveErrc::machine_not_started;
        case machine::ExitReason::guest_reset:
        case machine::ExitReason::guest_shutdown:
        case machine::ExitReason::stopped:
        case machine::ExitReason::failed:
            break;
    }
    return EnclaveErrc::boot_failed;
}

End conclude(const Evidence& evidence) {
    if (!evidence.start_failure.empty()) {
        return {EndKind::start_failed, evidence.start_failure, {}, {}};
    }
    if (!evidence.terminated_by.empty()) {
        return with_report({EndKind::terminated, "terminated by " + evidence.terminated_by, {}, {}},
                           evidence);
    }
    if (!evidence.unhealthy.empty()) {
        return with_report({EndKind::unhealthy, "unhealthy: " + evidence.unhealthy, {}, {}},
                           evidence);
    }
    for (const EndedProcess& process : evidence.processes) {
        if (!process.status.exit_code) {
            return with_report({EndKind::process_ended,
                                process.name + " was killed by " + process.status.text(),
                                {},
                                {}},
                               evidence);
        }
    }
    if (evidence.report) {
        return std::visit(Reported{}, *evidence.report);
    }
    if (!evidence.panic_line.empty()) {
        return {EndKind::guest_panic, "kernel panic: " + evidence.panic_line, {}, {}};
    }
    if (!evidence.heartbeat_failure.empty()) {
        const EndKind kind =
            evidence.heartbeat_timed_out ? EndKind::heartbeat_timeout : EndKind::machine_failed;
        return {kind, evidence.heartbeat_failure, {}, {}};
    }
    if (evidence.machine_exit) {
        return machine_end(*evidence.machine_exit);
    }
    for (const EndedProcess& process : evidence.processes) {
        const std::string& words =
            process.name == kModuleProgram ? evidence.module_last_words : evidence.last_words;
        return {EndKind::process_ended,
                process.name + " ended with " + process.status.text() +
                    (words.empty() ? " and did not say why" : "; its last words: " + words),
                {},
                {}};
    }
    return {EndKind::machine_failed, evidence.control_failure, {}, {}};
}

}  // namespace casemate::enclave
