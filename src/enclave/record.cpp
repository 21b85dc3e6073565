#include "enclave/record.hpp"

#include <array>
#include <boost/json.hpp>
#include <chrono>
#include <ctime>
#include <sstream>

#include "base/file.hpp"
#include "eif/metadata.hpp"
#include "enclave/errors.hpp"

namespace casemate::enclave {

namespace json = boost::json;

namespace {

template <class Enum>
struct Named {
    Enum value;
    std::string_view name;
};

constexpr std::array<Named<EnclaveState>, 4> kStates{{
    {EnclaveState::empty, "EMPTY"},
    {EnclaveState::running, "RUNNING"},
    {EnclaveState::terminating, "TERMINATING"},
    {EnclaveState::ended, "ENDED"},
}};

constexpr std::array<Named<EndKind>, 12> kEndKinds{{
    {EndKind::exited, "exited"},
    {EndKind::killed_inside, "killed-inside"},
    {EndKind::init_failed, "init-failed"},
    {EndKind::guest_panic, "guest-panic"},
    {EndKind::guest_reset, "guest-reset"},
    {EndKind::terminated, "terminated"},
    {EndKind::heartbeat_timeout, "heartbeat-timeout"},
    {EndKind::process_ended, "process-ended"},
    {EndKind::unhealthy, "unhealthy"},
    {EndKind::machine_failed, "machine-failed"},
    {EndKind::start_failed, "start-failed"},
    {EndKind::supervisor_killed, "supervisor-killed"},
}};

constexpr std::array<Named<HealthState>, 4> kHealths{{
    {HealthState::starting, "starting"},
    {HealthState::healthy, "healthy"},
    {HealthState::unhealthy, "unhealthy"},
    {HealthState::unknown, "unknown"},
}};

template <class Enum, std::size_t N>
std::string_view find_name(const std::array<Named<Enum>, N>& table, Enum value) {
    for (const auto& entry : table) {
        if (entry.value == value) {
            return entry.name;
        }
    }
    return "";
}

json::value optional_number(const std::optional<int>& number) {
    return number ? json::value(*number) : json::value(nullptr);
}

json::object end_object(const End& end) {
    return {{"kind", name_of(end.kind)},
            {"reason", end.reason},
            {"exit_status", optional_number(end.exit_status)},
            {"signal", optional_number(end.signal)}};
}

// Reader collects the first member that is missing or of another type.
class Reader {
public:
    explicit Reader(const json::object& object) : object_(&object) {}

    std::string text(const char* key) {
        const json::value* value = find(key);
        if (value == nullptr || !value->is_string()) {
            return fail(key, "text"), std::string();
        }
        return std::string(value->get_string());
    }

    template <class Integer>
    Integer number(const char* key) {
        const json::value* value = find(key);
        boost::system::error_code error;
        const Integer number =
            value != nullptr && value->is_number() ? value->to_number<Integer>(error) : Integer{};
        if (value == nullptr || !value->is_number() || error) {
            fail(key, "a number");
        }
        return number;
    }

    std::optional<int> maybe_number(const char* key) {
        const json::value* value = find(key);
        if (value != nullptr && value->is_null()) {
            return std::nullopt;
        }
        return number<int>(key);
    }

    bool flag(const char* key) {
        const json::value* value = find(key);
        if (value == nullptr || !value->is_bool()) {
            return fail(key, "true or false"), false;
        }
        return value->get_bool();
    }

    const json::array* list(const char* key) {
        const json::value* value = find(key);
        if (value == nullptr || !value->is_array()) {
            return fail(key, "a list"), nullptr;
        }
        return &value->get_array();
    }

    const json::object* object(const char* key) {
        const json::value* value = find(key);
        if (value == nullptr || !value->is_object()) {
            return fail(key, "an object"), nullptr;
        }
        return &value->get_object();
    }

    template <class Enum, std::size_t N>
    Enum named(const char* key, const std::array<Named<Enum>, N>& table) {
        const std::string name = text(key);
        for (const auto& entry : table) {
            if (entry.name == name) {
                return entry.value;
            }
        }
        return fail(key, "a known name"), Enum{};
    }

    void fail(const char* key, std::string_view expected) {
        if (problem_.empty()) {
            problem_ = "expected \"" + std::string(key) + "\" to be " + std::string(expected);
        }
    }
    [[nodiscard]] const std::string& problem() const { return problem_; }

private:
    [[nodiscard]] const json::value* find(const char* key) const {
        return object_->if_contains(key);
    }

    const json::object* object_;
    std::string problem_;
};

void read_registers(const json::object& object, Reader& reader,
                    std::map<std::uint16_t, std::string>& registers) {
    for (const auto& [key, value] : object) {
        std::uint16_t index = 0;
        std::istringstream digits{std::string(key)};
        if (!(digits >> index) || !digits.eof() || !value.is_string()) {
            reader.fail("measurements", "registers by number");
            return;
        }
        registers[index] = std::string(value.get_string());
    }
}

void read_children(const json::array& list, Reader& reader, EnclaveRecord& record) {
    for (const json::value& value : list) {
        if (!value.is_object()) {
            reader.fail("children", "a list of objects");
            return;
        }
        Reader child(value.get_object());
        record.children.push_back({child.text("name"), child.number<pid_t>("pid"),
                                   child.number<std::uint64_t>("start_ticks")});
        if (!child.problem().empty()) {
            reader.fail("children", "processes");
        }
    }
}

std::optional<End> read_end(Reader& reader, const char* key) {
    const json::object* object = reader.object(key);
    if (object == nullptr) {
        return std::nullopt;
    }
    Reader end(*object);
    End read{end.named("kind", kEndKinds), end.text("reason"), end.maybe_number("exit_status"),
             end.maybe_number("signal")};
    if (!end.problem().empty()) {
        reader.fail(key, "an end");
    }
    return read;
}

json::object watch_object(const EnclaveRecord& record) {
    json::object watch{{"health", name_of(record.health)},  {"health_reason", record.health_reason},
                       {"health_port", record.health_port}, {"restart", record.restart},
                       {"restarts", record.restarts},       {"shutdown_ms", record.shutdown_ms}};
    if (record.last_end) {
        watch["last_end"] = end_object(*record.last_end);
    }
    return watch;
}

void read_watch(Reader& reader, EnclaveRecord& record) {
    const json::object* object = reader.object("watch");
    if (object == nullptr) {
        return;
    }
    Reader watch(*object);
    record.health = watch.named("health", kHealths);
    record.health_reason = watch.text("health_reason");
    record.health_port = watch.number<std::uint32_t>("health_port");
    record.restart = watch.text("restart");
    record.restarts = watch.number<std::uint64_t>("restarts");
    record.shutdown_ms = watch.number<std::uint64_t>("shutdown_ms");
    if (object->contains("last_end")) {
        record.last_end = read_end(watch, "last_end");
    }
    if (!watch.problem().empty()) {
        reader.fail("watch", "what was seen of it");
    }
}

json::object registers_object(const std::map<std::uint16_t, std::string>& registers) {
    json::object object;
    for (const auto& [index, value] : registers) {
        object[std::to_string(index)] = value;
    }
    return object;
}

}  // namespace

std::string_view name_of(EnclaveState state) {
    return find_name(kStates, state);
}

std::string_view name_of(EndKind kind) {
    return find_name(kEndKinds, kind);
}

std::string to_json(const EnclaveRecord& record) {
    json::object object{{"id", record.id},
                        {"name", record.name},
                        {"supervisor", record.supervisor},
                        {"owner", record.owner},
                        {"cid", record.cid},
                        {"memory_mib", record.memory_mib},
                        {"debug", record.debug},
                        {"image_path", record.image_path},
                        {"acceleration", record.acceleration},
                        {"state", name_of(record.state)},
                        {"created_ms", record.created_ms},
                        {"started_ms", record.started_ms},
                        {"ended_ms", record.ended_ms},
                        {"image_metadata", record.image_metadata}};
    json::array cpus;
    for (const std::uint32_t cpu : record.cpu_ids) {
        cpus.emplace_back(cpu);
    }
    object["cpu_ids"] = std::move(cpus);
    object["measurements"] = registers_object(record.measurements);
    object["attested"] = registers_object(record.attested);
    json::array children;
    for (const ChildProcess& child : record.children) {
        children.push_back(json::object{
            {"name", child.name}, {"pid", child.pid}, {"start_ticks", child.start_ticks}});
    }
    object["children"] = std::move(children);
    if (record.end) {
        object["end"] = end_object(*record.end);
    }
    object["watch"] = watch_object(record);
    return json::serialize(object);
}

Result<EnclaveRecord> parse_record(std::string_view text) {
    boost::system::error_code error;
    const json::value value =
        json::parse(json::string_view(text.data(), text.size()), error, {}, {.max_depth = 8});
    if (error || !value.is_object()) {
        return Error(EnclaveErrc::json, "expected an enclave's record, found " +
                                            (error ? error.message() : "no object"));
    }
    const json::object& object = value.get_object();
    Reader reader(object);
    EnclaveRecord record;
    record.id = reader.text("id");
    record.name = reader.text("name");
    record.supervisor = reader.number<pid_t>("supervisor");
    record.owner = reader.number<uid_t>("owner");
    record.cid = reader.number<std::uint32_t>("cid");
    record.memory_mib = reader.number<std::uint64_t>("memory_mib");
    record.debug = reader.flag("debug");
    record.image_path = reader.text("image_path");
    record.acceleration = reader.text("acceleration");
    record.state = reader.named("state", kStates);
    record.created_ms = reader.number<std::int64_t>("created_ms");
    record.started_ms = reader.number<std::int64_t>("started_ms");
    record.ended_ms = reader.number<std::int64_t>("ended_ms");
    record.image_metadata = reader.text("image_metadata");
    if (const json::array* cpus = reader.list("cpu_ids")) {
        for (const json::value& cpu : *cpus) {
            boost::system::error_code wrong;
            record.cpu_ids.push_back(cpu.is_number() ? cpu.to_number<std::uint32_t>(wrong) : 0);
            if (!cpu.is_number() || wrong) {
                reader.fail("cpu_ids", "a list of numbers");
            }
        }
    }
    if (const json::object* measurements = reader.object("measurements")) {
        read_registers(*measurements, reader, record.measurements);
    }
    if (object.contains("attested")) {
        if (const json::object* attested = reader.object("attested")) {
            read_registers(*attested, reader, record.attested);
        }
    }
    if (const json::array* children = reader.list("children")) {
        read_children(*children, reader, record);
    }
    if (object.contains("end")) {
        record.end = read_end(reader, "end");
    }
    read_watch(reader, record);
    if (!reader.problem().empty()) {
        return Error(EnclaveErrc::json, reader.problem() + " in an enclave's record");
    }
    return record;
}

std::string presentable_metadata(ByteView section) {
    return eif::parse_metadata(section) ? std::string(as_text(section)) : std::string();
}

std::int64_t now_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

std::string timestamp(std::int64_t milliseconds) {
    const std::time_t seconds = milliseconds / 1000;
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    std::string fraction = std::to_string(1000 + milliseconds % 1000);
    fraction.front() = '.';
    return std::string(text.data(), size) + fraction + "Z";
}

std::optional<std::uint64_t> process_start_ticks(pid_t pid) {
    const auto content = read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
    if (!content) {
        return std::nullopt;
    }
    // The name in parentheses may hold spaces: fields are counted from its end, where field 3 is.
    const std::string text(as_text(*content));
    const std::size_t name_end = text.rfind(')');
    if (name_end == std::string::npos) {
        return std::nullopt;
    }
    std::istringstream fields(text.substr(name_end + 1));
    std::string field;
    for (int index = 3; index <= 22; ++index) {
        if (!(fields >> field)) {
            return std::nullopt;
        }
    }
    std::uint64_t ticks = 0;
    std::istringstream digits(field);
    if (!(digits >> ticks)) {
        return std::nullopt;
    }
    return ticks;
}

}  // namespace casemate::enclave
