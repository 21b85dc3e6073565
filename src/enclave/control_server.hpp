// ControlServer: RUNTIME/enclaves/ID/control. A client sends one line of JSON and gets one back:
//     {"request": "describe"}   → the record (EnclaveRecord)
//     {"request": "terminate"}  → the record, once the enclave has ended; "timeout": N gives its
//                                 program that many seconds, instead of what run-enclave said
//     {"request": "wait"}       → the record, once the enclave has ended by whatever
//     {"request": "console"}    → {"console": true}, then the console's bytes
// or {"error": code, "reason": sentence}. Everybody who can reach the socket may describe;
// terminate, wait and console are for the enclave's owner and root (nitro-cli.md section 5).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/event_loop.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

namespace casemate::enclave {

inline constexpr std::size_t kMaxControlClients = 64;
// Of these, how many may be other users': the rest is kept for who may end the enclave.
inline constexpr std::size_t kMaxForeignClients = 32;
inline constexpr std::size_t kMaxControlRequest = 4096;
// How long a client has for its request, and for taking its answer.
inline constexpr std::chrono::seconds kControlTime{10};

// The most seconds that terminate may give (a day).
inline constexpr std::uint64_t kMaxShutdownSeconds = 86400;

struct ControlRequest {
    std::string name;
    std::optional<std::uint64_t> seconds;
};

class ControlServer {
public:
    struct Hooks {
        std::function<std::string()> describe;
        // The end was asked for; finish() answers it.
        std::function<void(std::optional<std::uint64_t> seconds)> terminate;
        // Takes the socket after the answer; an error is told to the client.
        std::function<Result<>()> console_allowed;
        std::function<void(UniqueFd socket)> console;
    };

    ControlServer(EventLoop& loop, Hooks hooks) : loop_(&loop), hooks_(std::move(hooks)) {}
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;
    ~ControlServer();

    [[nodiscard]] Result<> listen(const std::string& path);
    // finish answers everybody who asked for the end and accepts nobody more.
    void finish(const std::string& answer);
    // busy: some client has not got its whole answer yet.
    [[nodiscard]] bool busy() const;

private:
    struct Client {
        UniqueFd socket;
        EventLoop::TimerId timer = 0;
        std::string request;
        std::string answer;
        // Another user than the enclave's owner and root.
        bool foreign = true;
        bool waits_for_end = false;
        bool wants_console = false;
    };

    void accept_some();
    [[nodiscard]] bool has_room(bool foreign) const;
    void handle(int socket, std::uint32_t events);
    void read_request(Client& client);
    void serve(Client& client);
    void serve_privileged(Client& client, const ControlRequest& request);
    void answer(Client& client, const std::string& line);
    void refuse(Client& client, const Error& error);
    void push(Client& client);
    void drop(int socket);

    EventLoop* loop_;
    Hooks hooks_;
    UniqueFd listener_;
    std::map<int, Client> clients_;
};

// The requests and answers, for both sides.
[[nodiscard]] std::string control_request(const std::string& name,
                                          std::optional<std::uint64_t> seconds = std::nullopt);
[[nodiscard]] Result<ControlRequest> parse_control_request(std::string_view line);
[[nodiscard]] std::string control_error(const Error& error);
// control_answer_error gives the error an answer carries, nothing when it is not one.
[[nodiscard]] Result<> control_answer_error(std::string_view line);

}  // namespace casemate::enclave
