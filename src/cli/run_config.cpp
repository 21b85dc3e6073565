#include "cli/run_config.hpp"

#include <boost/json.hpp>
#include <limits>

#include "base/file.hpp"
#include "cli/json_output.hpp"
#include "cli/values.hpp"

namespace casemate::cli {

namespace {

namespace bj = boost::json;

constexpr std::uint64_t kMaxConfigSize = 1ULL << 20U;
// So that the size in bytes is a number too.
constexpr std::uint64_t kMaxMib = std::numeric_limits<std::uint64_t>::max() >> 20U;
constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();

// ConfigReader takes members out of the object and keeps the first thing that is wrong.
class ConfigReader {
public:
    explicit ConfigReader(const bj::object& object) : object_(object) {}

    [[nodiscard]] std::optional<CommandError> take_error() { return std::move(error_); }

    std::optional<std::string> text(const char* key) {
        const bj::value* value = find(key);
        if (value != nullptr && !value->is_string()) {
            refuse(key, "text");
            return std::nullopt;
        }
        return value == nullptr ? std::nullopt
                                : std::optional<std::string>(value->get_string().c_str());
    }

    bool flag(const char* key) {
        const bj::value* value = find(key);
        if (value != nullptr && !value->is_bool()) {
            refuse(key, "true or false");
        }
        return value != nullptr && value->is_bool() && value->get_bool();
    }

    std::optional<std::uint64_t> number(const char* key, std::uint64_t most) {
        const bj::value* value = find(key);
        return value == nullptr ? std::nullopt : to_number(*value, key, most);
    }

    std::vector<std::uint32_t> numbers(const char* key) {
        std::vector<std::uint32_t> out;
        const bj::value* value = find(key);
        if (value == nullptr) {
            return out;
        }
        if (!value->is_array()) {
            refuse(key, "an array of numbers");
            return out;
        }
        for (const bj::value& item : value->get_array()) {
            out.push_back(static_cast<std::uint32_t>(to_number(item, key, kMax32).value_or(0)));
        }
        return out;
    }

private:
    // find takes null for absent.
    [[nodiscard]] const bj::value* find(const char* key) const {
        const bj::value* value = object_.if_contains(key);
        return value == nullptr || value->is_null() ? nullptr : value;
    }

    std::optional<std::uint64_t> to_number(const bj::value& value, const char* key,
                                           std::uint64_t most) {
        boost::system::error_code error;
        const auto number = value.to_number<std::uint64_t>(error);
        if (error || value.is_double() || number > most) {
            refuse(key, "a number of 0 to " + std::to_string(most));
            return std::nullopt;
        }
        return number;
    }

    void refuse(const std::string& key, const std::string& expected) {
        if (!error_) {
            error_ = CommandError{ErrorCode::serialization,
                                  "Expected `" + key + "` to be " + expected +
                                      " in the configuration file, found something else."};
        }
    }

    const bj::object& object_;
    std::optional<CommandError> error_;
};

WatchArguments read_watch(ConfigReader& reader) {
    const auto number = [&reader](const char* key) -> std::optional<std::uint32_t> {
        const auto value = reader.number(key, kMax32);
        return value ? std::optional(static_cast<std::uint32_t>(*value)) : std::nullopt;
    };
    WatchArguments watch;
    watch.health_port = number("health_port");
    watch.health_interval_seconds = number("health_interval");
    watch.health_retries = number("health_retries");
    watch.health_start_seconds = number("health_start_period");
    watch.liveness_seconds = number("liveness_timeout");
    watch.shutdown_seconds = number("shutdown_timeout");
    watch.restart = reader.text("restart");
    return watch;
}

CommandError missing(ErrorCode code, const std::string& key) {
    return {code, "Expected `" + key + "` in the configuration file, found none."};
}

}  // namespace

std::variant<RunEnclaveArguments, CommandError> parse_run_config(std::string_view text) {
    boost::system::error_code error;
    const bj::value root = bj::parse(bj::string_view(text.data(), text.size()), error);
    if (error) {
        const auto json = Json::parse(text);
        return CommandError{
            ErrorCode::serialization,
            "The configuration file: " + (json ? error.message() : json.error().detail()) + "."};
    }
    if (!root.is_object()) {
        return CommandError{ErrorCode::serialization,
                            "Expected the configuration file to be a JSON object, found another "
                            "kind of value."};
    }
    ConfigReader reader(root.get_object());
    RunEnclaveArguments arguments;
    const auto eif_path = reader.text("eif_path");
    const auto memory = reader.number("memory_mib", kMaxMib);
    const auto cpu_count = reader.number("cpu_count", kMax32);
    arguments.cpu_ids = reader.numbers("cpu_ids");
    arguments.enclave_cid = reader.number("enclave_cid", std::numeric_limits<std::uint64_t>::max());
    arguments.enclave_name = reader.text("enclave_name");
    arguments.attach_console = reader.flag("attach_console");
    arguments.debug_mode = reader.flag("debug_mode") || arguments.attach_console;
    arguments.watch = read_watch(reader);
    if (auto refused = reader.take_error()) {
        return *std::move(refused);
    }
    if (auto refused = check_watch(arguments.watch)) {
        return *std::move(refused);
    }
    if (!eif_path || !memory) {
        // As nitro-cli: a file without them is not of the form it has to be.
        return missing(ErrorCode::serialization, eif_path ? "memory_mib" : "eif_path");
    }
    if (cpu_count.has_value() == !arguments.cpu_ids.empty()) {
        return cpu_count ? CommandError{ErrorCode::conflicting_arguments,
                                        "Expected one of `cpu_ids` and `cpu_count` in the "
                                        "configuration file, found both."}
                         : missing(ErrorCode::missing_argument, "cpu_ids` or `cpu_count");
    }
    if (arguments.enclave_cid) {
        if (auto refused = check_enclave_cid(*arguments.enclave_cid)) {
            return *std::move(refused);
        }
    }
    arguments.eif_path = *eif_path;
    arguments.memory_mib = *memory;
    if (cpu_count) {
        arguments.cpu_count = static_cast<std::uint32_t>(*cpu_count);
    }
    return arguments;
}

std::variant<RunEnclaveArguments, CommandError> read_run_config(const std::string& path) {
    const auto bytes = read_file(path, kMaxConfigSize);
    if (!bytes) {
        return CommandError{
            ErrorCode::file_operation,
            "File: '" + path + "', failing operation: 'Open'. " + bytes.error().message() + "."};
    }
    return parse_run_config(as_text(*bytes));
}

}  // namespace casemate::cli
