#include "cli/enclaves.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include "base/os_error.hpp"
#include "cli/measurements_json.hpp"
#include "eif/metadata.hpp"
#include "enclave/client.hpp"
#include "enclave/errors.hpp"

namespace casemate::cli {

namespace {

using Clock = std::chrono::steady_clock;

Json cpu_list(const std::vector<std::uint32_t>& ids) {
    Json list = Json::array();
    for (const std::uint32_t id : ids) {
        list.append(Json(id));
    }
    return list;
}

Json registers_json(const std::map<std::uint16_t, std::string>& registers) {
    Json json = Json::object();
    json.add("HashAlgorithm", "Sha384 { ... }");
    for (const auto& [index, value] : registers) {
        json.add("PCR" + std::to_string(index), value);
    }
    return json;
}

void add_end(Json& json, const enclave::End& end) {
    json.add("EndKind", enclave::name_of(end.kind));
    json.add("Reason", end.reason);
    json.add("ExitStatus", end.exit_status ? Json(*end.exit_status) : Json());
    json.add("Signal", end.signal ? Json(*end.signal) : Json());
}

Json end_json(const enclave::End& end) {
    Json json = Json::object();
    add_end(json, end);
    return json;
}

// Milliseconds until a point in time, for poll; -1 without one.
int left_until(const std::optional<Clock::time_point>& until) {
    if (!until) {
        return -1;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - Clock::now());
    return static_cast<int>(std::max<std::int64_t>(0, left.count()));
}

// Pump moves one buffer at a time in each direction; it never reads what it can't yet write.
class Pump {
public:
    explicit Pump(int socket) : socket_(socket) {}

    Result<> run() {
        CASEMATE_CHECK(set_nonblocking(socket_, true));
        while (true) {
            const bool reads_input = !input_ended_ && to_socket_.empty();
            std::array<pollfd, 2> ready{
                {{reads_input ? STDIN_FILENO : -1, POLLIN, 0}, {socket_, socket_events(), 0}}};
            if (::poll(ready.data(), ready.size(), -1) < 0 && errno != EINTR) {
                return os_error("wait for input");
            }
            if (ready[0].revents != 0) {
                CASEMATE_CHECK(take_input());
            }
            CASEMATE_CHECK(give_socket());
            if ((ready[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
                CASEMATE_TRY(const bool more, take_socket());
                if (!more) {
                    return {};
                }
            }
        }
    }

private:
    [[nodiscard]] short socket_events() const {
        return static_cast<short>(to_socket_.empty() ? POLLIN : POLLIN | POLLOUT);
    }

    Result<> take_input() {
        to_socket_.resize(65536);
        auto size = read_some(STDIN_FILENO, to_socket_);
        to_socket_.resize(size ? *size : 0);
        CASEMATE_CHECK(size ? Result<>() : Result<>(size.error()));
        if (to_socket_.empty()) {
            input_ended_ = true;
            ::shutdown(socket_, SHUT_WR);
        }
        return {};
    }

    Result<> give_socket() {
        while (!to_socket_.empty()) {
            const ssize_t sent =
                ::send(socket_, to_socket_.data(), to_socket_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
                return {};
            }
            if (sent < 0 && errno == EPIPE) {
                // The peer wants nothing more; what it still says counts.
                to_socket_.clear();
                input_ended_ = true;
                return {};
            }
            if (sent < 0) {
                return os_error("write to the stream");
            }
            to_socket_.erase(to_socket_.begin(), to_socket_.begin() + sent);
        }
        return {};
    }

    // False at the end of the stream.
    Result<bool> take_socket() const {
        std::array<std::uint8_t, 65536> buffer{};
        const auto size = read_some(socket_, buffer);
        if (!size && size.error().is(static_cast<Errno>(EAGAIN))) {
            return true;
        }
        if (!size) {
            return size.error();
        }
        CASEMATE_CHECK(write_all(STDOUT_FILENO, ByteView(buffer).first(*size)));
        return *size > 0;
    }

    int socket_;
    Bytes to_socket_;
    bool input_ended_ = false;
};

// Copies until the end of the stream or the time; true unless standard output broke.
Result<> copy_out(int socket, const std::optional<Clock::time_point>& until) {
    CASEMATE_CHECK(set_nonblocking(socket, true));
    std::array<std::uint8_t, 65536> buffer{};
    while (true) {
        pollfd ready{socket, POLLIN, 0};
        const int count = ::poll(&ready, 1, left_until(until));
        if (count == 0) {
            return {};
        }
        const auto size = read_some(socket, buffer);
        if (!size && size.error().is(static_cast<Errno>(EAGAIN))) {
            continue;
        }
        if (!size || *size == 0) {
            return {};
        }
        CASEMATE_CHECK(write_all(STDOUT_FILENO, ByteView(buffer).first(*size)));
    }
}

}  // namespace

ErrorCode code_of(const Error& error, ErrorCode fallback) {
    const auto code = error.code_as<enclave::EnclaveErrc>();
    return code ? static_cast<ErrorCode>(*code) : fallback;
}

Json identity_json(const enclave::EnclaveRecord& record) {
    Json json = Json::object();
    json.add("EnclaveName", record.name);
    json.add("EnclaveID", record.id);
    json.add("ProcessID", record.supervisor);
    json.add("EnclaveCID", record.cid);
    json.add("NumberOfCPUs", record.cpu_ids.size());
    json.add("CPUIDs", cpu_list(record.cpu_ids));
    json.add("MemoryMiB", record.memory_mib);
    return json;
}

namespace {

// What describe-enclaves and ps have in common.
Json base_json(const enclave::EnclaveRecord& record, bool metadata) {
    Json json = identity_json(record);
    json.add("State", enclave::name_of(record.state));
    json.add("Flags", record.debug ? "DEBUG_MODE" : "NONE");
    json.add("Measurements", registers_json(record.measurements));
    if (metadata && !record.image_metadata.empty()) {
        const auto parsed = eif::parse_metadata(as_bytes(record.image_metadata));
        if (parsed) {
            static_cast<void>(add_metadata(json, *parsed));
        }
    }
    if (record.debug && !record.attested.empty()) {
        // Casemate's own, so last: Measurements are the image's, which no document of this enclave
        // carries.
        json.add("AttestedMeasurements", registers_json(record.attested));
    }
    return json;
}

}  // namespace

Json description_json(const enclave::EnclaveRecord& record, bool metadata) {
    Json json = base_json(record, metadata);
    const bool watched = record.health_port != 0 || record.restart != "no";
    if (watched || record.health == enclave::HealthState::unhealthy) {
        // Casemate's own too: without its options an enclave that is well has AWS's shape.
        json.add("Health", enclave::name_of(record.health));
    }
    return json;
}

Json history_json(const enclave::EnclaveRecord& record) {
    const auto time = [](std::int64_t milliseconds) {
        return milliseconds == 0 ? Json() : Json(enclave::timestamp(milliseconds));
    };
    Json json = base_json(record, false);
    json.add("Acceleration", record.acceleration);
    json.add("ImagePath", record.image_path);
    json.add("Created", time(record.created_ms));
    json.add("Started", time(record.started_ms));
    json.add("Ended", time(record.ended_ms));
    const bool lives = record.state != enclave::EnclaveState::ended;
    json.add("Health", lives ? Json(enclave::name_of(record.health)) : Json());
    json.add("HealthReason", record.health_reason.empty() ? Json() : Json(record.health_reason));
    json.add("Restart", record.restart);
    json.add("Restarts", record.restarts);
    json.add("LastEnd", record.last_end ? end_json(*record.last_end) : Json());
    if (record.end) {
        add_end(json, *record.end);
    }
    return json;
}

Result<std::string> selected(const enclave::Paths& paths, const EnclaveSelector& selector) {
    if (selector.id) {
        return *selector.id;
    }
    return enclave::find_by_name(paths, selector.name.value_or(""));
}

int failed_connections(std::size_t count, std::string_view sentence, Output& output) {
    output.say("Failed connections: " + std::to_string(count));
    return output.fail(ErrorCode::process_connection, sentence);
}

int follow_console(const enclave::Paths& paths, const std::string& id,
                   std::optional<std::uint64_t> seconds, Output& output) {
    const auto record = enclave::describe(paths, id);
    if (!record) {
        return output.fail(code_of(record.error(), ErrorCode::console_connection),
                           record.error().detail());
    }
    if (output.text("Connecting to the console for enclave " + std::to_string(record->cid) +
                    "...\n") != 0) {
        return output.fail(ErrorCode::console_write, "standard output is closed");
    }
    const auto socket = enclave::open_console(paths, id);
    if (!socket) {
        return output.fail(code_of(socket.error(), ErrorCode::console_connection),
                           socket.error().detail());
    }
    std::optional<Clock::time_point> until;
    if (seconds) {
        // A number of seconds that no clock reaches is for ever.
        constexpr std::uint64_t kForEver = 1ULL << 31U;
        if (*seconds < kForEver) {
            until = Clock::now() + std::chrono::seconds(*seconds);
        }
    }
    if (output.text("Successfully connected to the console.\n") != 0) {
        return output.fail(ErrorCode::console_write, "standard output is closed");
    }
    const auto copied = copy_out(socket->get(), until);
    return copied ? 0 : output.fail(ErrorCode::console_write, copied.error());
}

Result<> pump(int socket) {
    return Pump(socket).run();
}

}  // namespace casemate::cli
