#include "enclave/client.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <thread>

#include "base/event_loop.hpp"
#include "base/os_error.hpp"
#include "base/process.hpp"
#include "base/socket.hpp"
#include "enclave/control_server.hpp"
#include "enclave/errors.hpp"
#include "enclave/registry.hpp"
#include "enclave/vmm_link.hpp"

namespace casemate::enclave {

namespace {

Error no_answer(const std::string& id, const std::string& found) {
    return {EnclaveErrc::not_connected,
            "expected an answer of the supervisor of " + id + ", found " + found};
}

Result<UniqueFd> connect_control(const Paths& paths, const std::string& id) {
    if (!valid_id(id)) {
        return Error(EnclaveErrc::socket,
                     "expected an enclave's id, as run-enclave prints it, found \"" + id + "\"");
    }
    auto socket = try_connect_unix(paths.control(id), SOCK_STREAM | SOCK_NONBLOCK);
    if (!socket) {
        return Error(EnclaveErrc::socket, "expected a running enclave " + id + ", found " +
                                              socket.error().message() +
                                              "; `ps --all` lists the ended ones");
    }
    return socket;
}

// Conversations: the same request to several supervisors side by side.
class Conversations {
public:
    explicit Conversations(EventLoop loop) : loop_(std::move(loop)) {}

    void begin(const Paths& paths, const std::string& id, const std::string& request) {
        auto socket = connect_control(paths, id);
        if (!socket) {
            answers_.push_back({id, std::move(socket).error()});
            return;
        }
        // The request fits any socket's buffer.
        const auto sent = write_all(socket->get(), as_bytes(request));
        if (!sent) {
            answers_.push_back({id, no_answer(id, sent.error().message())});
            return;
        }
        const int fd = socket->get();
        open_[fd] = {id, std::move(*socket), {}};
        static_cast<void>(loop_.add(fd, EPOLLIN, [this, fd](std::uint32_t) { receive(fd); }));
    }

    // No time is for ever; interrupt ends the wait when it is readable, -1 is none.
    [[nodiscard]] std::vector<Answer> wait(std::optional<std::chrono::milliseconds> at_most,
                                           int interrupt) {
        if (!open_.empty()) {
            if (interrupt >= 0) {
                static_cast<void>(
                    loop_.add(interrupt, EPOLLIN, [this](std::uint32_t) { loop_.stop(); }));
            }
            if (at_most) {
                loop_.after(*at_most, [this] { loop_.stop(); });
            }
            static_cast<void>(loop_.run());
        }
        for (const auto& [fd, conversation] : open_) {
            answers_.push_back({conversation.id, no_answer(conversation.id, "none in time")});
        }
        return std::move(answers_);
    }

private:
    struct Conversation {
        std::string id;
        UniqueFd socket;
        std::string answer;
    };

    void receive(int fd) {
        Conversation& conversation = open_.at(fd);
        std::array<std::uint8_t, 16384> buffer{};
        const auto size = read_some(fd, buffer);
        if (!size && size.error().is(static_cast<Errno>(EAGAIN))) {
            return;
        }
        if (size && *size > 0 && conversation.answer.size() < kMaxRecordSize) {
            conversation.answer.append(as_text(ByteView(buffer).first(*size)));
            if (!conversation.answer.ends_with('\n')) {
                return;
            }
        }
        answers_.push_back({conversation.id, read_answer(conversation)});
        loop_.remove(fd);
        open_.erase(fd);
        if (open_.empty()) {
            loop_.stop();
        }
    }

    static Result<EnclaveRecord> read_answer(const Conversation& conversation) {
        if (!conversation.answer.ends_with('\n')) {
            return no_answer(conversation.id, "a closed connection");
        }
        CASEMATE_CHECK(control_answer_error(conversation.answer));
        return parse_record(conversation.answer);
    }

    EventLoop loop_;
    std::map<int, Conversation> open_;
    std::vector<Answer> answers_;
};

std::vector<Answer> ask(const Paths& paths, const std::vector<std::string>& ids,
                        const std::string& request,
                        std::optional<std::chrono::milliseconds> at_most, int interrupt = -1) {
    auto loop = EventLoop::create();
    if (!loop) {
        std::vector<Answer> answers;
        answers.reserve(ids.size());
        for (const std::string& id : ids) {
            answers.push_back({id, loop.error()});
        }
        return answers;
    }
    Conversations conversations(std::move(*loop));
    for (const std::string& id : ids) {
        conversations.begin(paths, id, request);
    }
    std::vector<Answer> answers = conversations.wait(at_most, interrupt);
    std::vector<Answer> ordered;
    for (const std::string& id : ids) {
        const auto found = std::find_if(answers.begin(), answers.end(),
                                        [&id](const Answer& answer) { return answer.id == id; });
        if (found != answers.end()) {
            ordered.push_back(std::move(*found));
        }
    }
    return ordered;
}

// read_line reads byte by byte: what follows the line is not this reader's.
Result<std::string> read_line(int socket, std::size_t limit, std::chrono::milliseconds at_most) {
    const auto until = EventLoop::Clock::now() + at_most;
    std::string line;
    while (line.size() < limit) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(until - EventLoop::Clock::now());
        pollfd waiting{socket, POLLIN, 0};
        if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) == 0) {
            return os_error("wait for an answer", ETIMEDOUT);
        }
        std::uint8_t byte = 0;
        const auto size = read_some(socket, MutableBytes(&byte, 1));
        if (!size && size.error().is(static_cast<Errno>(EAGAIN))) {
            continue;
        }
        CASEMATE_CHECK(size ? Result<>() : Result<>(size.error()));
        if (*size == 0) {
            return os_error("read an answer", ENODATA);
        }
        if (byte == '\n') {
            return line;
        }
        line.push_back(static_cast<char>(byte));
    }
    return os_error("read an answer of at most " + std::to_string(limit) + " bytes", EMSGSIZE);
}

LaunchFailure not_spawned(EnclaveErrc code, const std::string& reason) {
    return {static_cast<int>(code), reason, "", false, false};
}

// StartReports reads the supervisor's lines, and calls the start off when the caller says so.
class StartReports {
public:
    StartReports(int channel, int cancel) : fd_(channel), cancel_(cancel) {}

    [[nodiscard]] bool called_off() const { return called_off_; }
    // ended tells whether the supervisor is gone.
    [[nodiscard]] bool ended() const { return ended_; }

    // next waits for a line; nothing when the supervisor has ended.
    std::optional<std::string> next() {
        while (true) {
            if (called_off_ && EventLoop::Clock::now() > until_) {
                return std::nullopt;
            }
            const std::size_t end = rest_.find('\n');
            if (end != std::string::npos) {
                std::string line = rest_.substr(0, end);
                rest_.erase(0, end + 1);
                return line;
            }
            if (!wait()) {
                continue;
            }
            std::array<std::uint8_t, 16384> buffer{};
            const auto size = read_some(fd_, buffer);
            if (!size || *size == 0 || rest_.size() > 2 * kMaxRecordSize) {
                ended_ = true;
                return std::nullopt;
            }
            rest_.append(as_text(ByteView(buffer).first(*size)));
        }
    }

private:
    // True when there is something to read.
    bool wait() {
        std::array<pollfd, 2> ready{{{fd_, POLLIN, 0}, {cancel_, POLLIN, 0}}};
        constexpr int kTurn = 1000;
        if (::poll(ready.data(), ready.size(), called_off_ ? kTurn : -1) <= 0) {
            return false;
        }
        if (ready[1].revents != 0) {
            // The supervisor sees the end of this half, ends the enclave and tells when it has.
            ::shutdown(fd_, SHUT_WR);
            cancel_ = -1;
            called_off_ = true;
            until_ = EventLoop::Clock::now() + kTerminateTime;
        }
        return ready[0].revents != 0;
    }

    int fd_;
    int cancel_;
    bool called_off_ = false;
    bool ended_ = false;
    EventLoop::Clock::time_point until_;
    std::string rest_;
};

LaunchFailure called_off(const std::string& id, bool gone) {
    return {static_cast<int>(EnclaveErrc::not_connected),
            gone ? "the enclave was not started, and nothing of it is left"
                 : "the enclave's supervisor did not say in time that nothing of it is left",
            id, true, true};
}

std::variant<Launched, LaunchFailure> follow_start(
    StartReports& reports, const Paths& paths, const std::function<void(const std::string&)>& say) {
    while (const auto line = reports.next()) {
        auto report = parse_start_report(*line);
        if (!report) {
            return not_spawned(EnclaveErrc::not_connected, report.error().message());
        }
        if (const auto* progress = std::get_if<Progress>(&*report)) {
            if (!reports.called_off()) {
                say(progress->text);
            }
        } else if (auto* started = std::get_if<StartedReport>(&*report)) {
            if (!reports.called_off()) {
                return Launched{std::move(started->record)};
            }
            // Too late to stop the start, so the enclave is ended.
            const auto ended = terminate(paths, {started->record.id});
            return called_off(started->record.id, ended.front().record.ok());
        } else if (auto* failed = std::get_if<FailedReport>(&*report)) {
            return reports.called_off() ? called_off(failed->id, true)
                                        : LaunchFailure{failed->code, std::move(failed->reason),
                                                        std::move(failed->id), true, false};
        }
    }
    if (reports.called_off()) {
        return called_off("", reports.ended());
    }
    return not_spawned(EnclaveErrc::not_connected,
                       "expected the supervisor to report, found that it was killed");
}

}  // namespace

Result<> check_readable(const Paths& paths) {
    std::error_code error;
    const std::filesystem::directory_iterator list(paths.enclaves(), error);
    if (error && error != std::errc::no_such_file_or_directory) {
        return Error(EnclaveErrc::read_from_disk,
                     "expected to list the running enclaves in " + paths.enclaves() + ", found " +
                         std::string(describe(static_cast<Errno>(error.value()))) +
                         "; CASEMATE_RUNTIME_DIR names another directory");
    }
    return {};
}

std::vector<Answer> describe_all(const Paths& paths) {
    // One that is about to listen, or has ceased to, answers or is gone a moment later.
    constexpr std::chrono::milliseconds kMoment{20};
    Registry registry(paths);
    const auto until = EventLoop::Clock::now() + kDescribeTime;
    const std::string request = control_request("describe");
    std::vector<Answer> answers = ask(paths, registry.living(), request, kDescribeTime);
    const auto is_silent = [](const Answer& answer) { return !answer.record.ok(); };
    while (std::any_of(answers.begin(), answers.end(), is_silent)) {
        const std::vector<std::string> still = registry.living();
        std::erase_if(answers, [&](const Answer& answer) {
            return is_silent(answer) &&
                   std::find(still.begin(), still.end(), answer.id) == still.end();
        });
        if (EventLoop::Clock::now() >= until) {
            break;
        }
        std::this_thread::sleep_for(kMoment);
        for (Answer& answer : answers) {
            if (is_silent(answer)) {
                answer = std::move(ask(paths, {answer.id}, request, kDescribeTime).front());
            }
        }
    }
    std::erase_if(answers, [](const Answer& answer) {
        return answer.record.ok() && answer.record->state == EnclaveState::ended;
    });
    return answers;
}

std::vector<Answer> terminate(const Paths& paths, const std::vector<std::string>& ids,
                              std::optional<std::uint64_t> seconds) {
    std::chrono::milliseconds longest = std::chrono::seconds(seconds.value_or(0));
    for (const std::string& id : ids) {
        const auto record = Registry(paths).read_living(id);
        if (!seconds && record) {
            // A record says what it likes: a day is the most that a supervisor gives.
            constexpr std::uint64_t kMost = kMaxShutdownSeconds * 1000;
            longest = std::max(longest, std::chrono::milliseconds(
                                            std::min<std::uint64_t>(record->shutdown_ms, kMost)));
        }
    }
    return ask(paths, ids, control_request("terminate", seconds), longest + kTerminateTime);
}

Result<EnclaveRecord> wait_for_end(const Paths& paths, const std::string& id, int interrupt) {
    auto answer = std::move(
        ask(paths, {id}, control_request("wait"), std::nullopt, interrupt).front().record);
    if (answer || answer.error().is(EnclaveErrc::not_permitted)) {
        return answer;
    }
    pollfd interrupted{interrupt, POLLIN, 0};
    if (interrupt >= 0 && ::poll(&interrupted, 1, 0) > 0) {
        EnclaveRecord record;
        record.id = id;
        return record;
    }
    // It ended before it was asked, or its supervisor was killed: the registry knows.
    for (EnclaveRecord& record : Registry(paths).histories()) {
        if (record.id == id && record.end) {
            return std::move(record);
        }
    }
    return answer;
}

Result<EnclaveRecord> describe(const Paths& paths, const std::string& id) {
    return std::move(ask(paths, {id}, control_request("describe"), kDescribeTime).front().record);
}

Result<std::string> find_by_name(const Paths& paths, const std::string& name) {
    CASEMATE_CHECK(check_readable(paths));
    std::vector<std::string> found;
    for (const Answer& answer : describe_all(paths)) {
        if (answer.record && answer.record->name == name) {
            found.push_back(answer.id);
        }
    }
    if (found.size() != 1) {
        return Error(EnclaveErrc::naming,
                     found.empty() ? "No enclave matched the given name \"" + name + "\"."
                                   : "Conflicting enclave names have been found: " +
                                         std::to_string(found.size()) + " enclaves are named \"" +
                                         name + "\".");
    }
    return found.front();
}

Result<UniqueFd> open_console(const Paths& paths, const std::string& id) {
    auto socket = connect_control(paths, id);
    if (!socket) {
        return Error(EnclaveErrc::console, socket.error().detail());
    }
    CASEMATE_CHECK(write_all(socket->get(), as_bytes(control_request("console"))));
    const auto line = read_line(socket->get(), kMaxControlRequest, kDescribeTime);
    if (!line) {
        return Error(EnclaveErrc::console,
                     "expected the console of " + id + ", found " + line.error().message());
    }
    CASEMATE_CHECK(control_answer_error(*line));
    CASEMATE_CHECK(set_nonblocking(socket->get(), false));
    return socket;
}

std::variant<Launched, LaunchFailure> launch(const StartConfiguration& configuration,
                                             const std::function<void(const std::string&)>& say,
                                             int cancel) {
    auto channel = make_socket_pair(SOCK_STREAM);
    if (!channel) {
        return not_spawned(EnclaveErrc::socket_pair,
                           "expected two sockets for the supervisor, found " +
                               channel.error().message() +
                               "; the limit of open files (ulimit -n) may be too low");
    }
    SpawnOptions options;
    options.program = configuration.paths.program("casemate-enclave");
    options.environment = supervisor_environment(configuration.paths);
    options.passed_fds = {channel->second.get()};
    options.standard_error = -1;
    options.die_with_parent = false;
    options.new_session = true;
    auto process = Process::spawn(options);
    if (!process) {
        return not_spawned(EnclaveErrc::process_spawn, "expected to start " + options.program +
                                                           ", found " + process.error().message());
    }
    channel->second.reset();
    static_cast<void>(write_all(channel->first.get(), as_bytes(to_json(configuration) + "\n")));
    const auto went = process->wait();
    if (went && went->exit_code != 0) {
        return not_spawned(EnclaveErrc::daemonize,
                           "expected the supervisor to go into the background, found that its "
                           "process ended with " +
                               went->text() +
                               "; the limit of processes (ulimit -u) may be reached");
    }
    StartReports reports(channel->first.get(), cancel);
    return follow_start(reports, configuration.paths, say);
}

}  // namespace casemate::enclave
