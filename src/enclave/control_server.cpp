#include "enclave/control_server.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "base/os_error.hpp"
#include "base/socket.hpp"
#include "enclave/errors.hpp"

namespace casemate::enclave {

namespace json = boost::json;

namespace {

bool may_command(int socket) {
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return false;
    }
    return peer.uid == 0 || peer.uid == ::geteuid();
}

json::value parse_line(std::string_view line) {
    boost::system::error_code error;
    json::value value =
        json::parse(json::string_view(line.data(), line.size()), error, {}, {.max_depth = 8});
    return error ? json::value() : value;
}

}  // namespace

std::string control_request(const std::string& name, std::optional<std::uint64_t> seconds) {
    json::object request{{"request", name}};
    if (seconds) {
        request["timeout"] = *seconds;
    }
    return json::serialize(request) + "\n";
}

Result<ControlRequest> parse_control_request(std::string_view line) {
    const json::value value = parse_line(line);
    const json::value* request =
        value.is_object() ? value.get_object().if_contains("request") : nullptr;
    if (request == nullptr || !request->is_string()) {
        return Error(EnclaveErrc::invalid_command,
                     "expected {\"request\": …} on one line, found something else");
    }
    ControlRequest read{std::string(request->get_string()), {}};
    if (const json::value* timeout = value.get_object().if_contains("timeout")) {
        boost::system::error_code wrong;
        read.seconds = timeout->is_number() ? timeout->to_number<std::uint64_t>(wrong) : 0;
        if (!timeout->is_number() || wrong || *read.seconds > kMaxShutdownSeconds) {
            return Error(EnclaveErrc::invalid_command, "expected a timeout of 0 to " +
                                                           std::to_string(kMaxShutdownSeconds) +
                                                           " seconds, found something else");
        }
    }
    return read;
}

std::string control_error(const Error& error) {
    return json::serialize(json::object{{"error", nitro_code(error, EnclaveErrc::invalid_command)},
                                        {"reason", error.detail()}});
}

Result<> control_answer_error(std::string_view line) {
    const json::value value = parse_line(line);
    if (!value.is_object()) {
        return Error(EnclaveErrc::json, "expected an object as the enclave's answer");
    }
    const json::value* code = value.get_object().if_contains("error");
    if (code == nullptr) {
        return {};
    }
    const json::value* reason = value.get_object().if_contains("reason");
    boost::system::error_code error;
    const int number = code->is_number() ? code->to_number<int>(error) : 0;
    return Error(static_cast<EnclaveErrc>(number), reason != nullptr && reason->is_string()
                                                       ? std::string(reason->get_string())
                                                       : "no reason given");
}

ControlServer::~ControlServer() {
    while (!clients_.empty()) {
        drop(clients_.begin()->first);
    }
    loop_->remove(listener_.get());
}

Result<> ControlServer::listen(const std::string& path) {
    CASEMATE_TRY(listener_, listen_unix(path, SOCK_STREAM | SOCK_NONBLOCK, 0666));
    return loop_->add(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept_some(); });
}

void ControlServer::accept_some() {
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid()) {
        return;
    }
    const int fd = socket.get();
    const bool foreign = !may_command(fd);
    // Clients above the limit are sent away: this one's time is not theirs to take.
    if (!has_room(foreign) ||
        !loop_->add(fd, EPOLLIN, [this, fd](std::uint32_t events) { handle(fd, events); })) {
        return;
    }
    Client& client = clients_[fd];
    client.socket = std::move(socket);
    client.foreign = foreign;
    client.timer = loop_->after(kControlTime, [this, fd] { drop(fd); });
}

bool ControlServer::has_room(bool foreign) const {
    const auto others = std::count_if(clients_.begin(), clients_.end(),
                                      [](const auto& entry) { return entry.second.foreign; });
    return clients_.size() < kMaxControlClients &&
           !(foreign && static_cast<std::size_t>(others) >= kMaxForeignClients);
}

void ControlServer::handle(int socket, std::uint32_t events) {
    const auto found = clients_.find(socket);
    if (found == clients_.end()) {
        return;
    }
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
        drop(socket);
        return;
    }
    if ((events & EPOLLOUT) != 0) {
        push(found->second);
        return;
    }
    read_request(found->second);
}

void ControlServer::read_request(Client& client) {
    std::array<char, 1024> buffer{};
    const ssize_t size = ::recv(client.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (client.waits_for_end && size == 0) {
        // It has shut its sending side and may still want the answer.
        static_cast<void>(loop_->change(client.socket.get(), 0));
        return;
    }
    client.request.append(buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    if (size <= 0 || client.request.size() > kMaxControlRequest) {
        drop(client.socket.get());
        return;
    }
    if (!client.waits_for_end && client.request.find('\n') != std::string::npos) {
        serve(client);
    }
}

void ControlServer::serve(Client& client) {
    const auto request = parse_control_request(
        std::string_view(client.request).substr(0, client.request.find('\n')));
    if (!request) {
        refuse(client, request.error());
        return;
    }
    if (request->name == "describe") {
        answer(client, hooks_.describe());
        return;
    }
    serve_privileged(client, *request);
}

void ControlServer::serve_privileged(Client& client, const ControlRequest& request) {
    const std::string& name = request.name;
    if (name != "terminate" && name != "wait" && name != "console") {
        refuse(client,
               Error(EnclaveErrc::invalid_command,
                     "expected describe, terminate, wait or console, found another request"));
        return;
    }
    if (client.foreign) {
        refuse(client, Error(EnclaveErrc::not_permitted,
                             "only the user who started the enclave, and root, may do that"));
        return;
    }
    if (name != "console") {
        loop_->cancel(client.timer);
        client.waits_for_end = true;
        if (name == "terminate") {
            hooks_.terminate(request.seconds);
        }
        return;
    }
    const auto allowed = hooks_.console_allowed();
    if (!allowed) {
        refuse(client, allowed.error());
        return;
    }
    client.wants_console = true;
    answer(client, json::serialize(json::object{{"console", true}}));
}

void ControlServer::refuse(Client& client, const Error& error) {
    answer(client, control_error(error));
}

void ControlServer::answer(Client& client, const std::string& line) {
    client.answer = line + "\n";
    push(client);
}

void ControlServer::push(Client& client) {
    const int fd = client.socket.get();
    while (!client.answer.empty()) {
        const ssize_t sent =
            ::send(fd, client.answer.data(), client.answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            static_cast<void>(loop_->change(fd, EPOLLOUT));
            return;
        }
        if (sent < 0) {
            drop(fd);
            return;
        }
        client.answer.erase(0, static_cast<std::size_t>(sent));
    }
    UniqueFd console = client.wants_console ? std::move(client.socket) : UniqueFd();
    drop(fd);
    if (console.valid()) {
        hooks_.console(std::move(console));
    }
}

void ControlServer::drop(int socket) {
    const auto found = clients_.find(socket);
    if (found != clients_.end()) {
        loop_->remove(socket);
        loop_->cancel(found->second.timer);
        clients_.erase(found);
    }
}

void ControlServer::finish(const std::string& line) {
    loop_->remove(listener_.get());
    listener_.reset();
    std::vector<int> waiting;
    for (const auto& [fd, client] : clients_) {
        if (client.waits_for_end) {
            waiting.push_back(fd);
        }
    }
    for (const int fd : waiting) {
        Client& client = clients_.at(fd);
        client.timer = loop_->after(kControlTime, [this, fd] { drop(fd); });
        answer(client, line);
    }
}

bool ControlServer::busy() const {
    return !clients_.empty();
}

}  // namespace casemate::enclave
