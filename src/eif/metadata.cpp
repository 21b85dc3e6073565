#include "eif/metadata.hpp"

#include <boost/json.hpp>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <utility>
#include <vector>

#include "base/environment.hpp"
#include "eif/error.hpp"

namespace casemate::eif {

namespace {

namespace json = boost::json;

Error refusal(std::string sentence) {
    return Error(EifErrc::bad_metadata, std::move(sentence));
}

Result<json::value> parse_json(std::string_view text, const std::string& what) {
    boost::system::error_code error;
    json::value value = json::parse(json::string_view(text.data(), text.size()), error);
    if (error) {
        return refusal("expected " + what + " to be JSON: " + error.message());
    }
    return value;
}

std::string serialized(const json::value* value) {
    return value == nullptr ? "null" : json::serialize(*value);
}

Result<> get_string(const json::object& object, std::string_view key, std::string& out) {
    const json::value* value = object.if_contains(json::string_view(key.data(), key.size()));
    if (value == nullptr || !value->is_string()) {
        return refusal("expected the text \"" + std::string(key) + "\", found " +
                       (value == nullptr ? "none" : "a value of another kind"));
    }
    out.assign(value->get_string().begin(), value->get_string().end());
    return {};
}

Result<> get_build(const json::object& object, Metadata& out) {
    const json::value* value = object.if_contains("BuildMetadata");
    if (value == nullptr || !value->is_object()) {
        return refusal("expected an object \"BuildMetadata\", found none");
    }
    const json::object& build = value->get_object();
    CASEMATE_CHECK(get_string(build, "BuildTime", out.build_time));
    CASEMATE_CHECK(get_string(build, "BuildTool", out.build_tool));
    CASEMATE_CHECK(get_string(build, "BuildToolVersion", out.build_tool_version));
    CASEMATE_CHECK(get_string(build, "OperatingSystem", out.operating_system));
    return get_string(build, "KernelVersion", out.kernel_version);
}

std::string rfc3339(std::time_t seconds, long nanoseconds) {
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    char text[64];
    const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    std::string result(text, size);
    if (nanoseconds != 0) {
        std::snprintf(text, sizeof text, ".%09ld", nanoseconds);
        result += text;
    }
    return result + "+00:00";
}

}  // namespace

Result<Bytes> encode(const Metadata& metadata) {
    CASEMATE_TRY(json::value docker_info, parse_json(metadata.docker_info, "the image's own data"));
    CASEMATE_TRY(json::value custom, parse_json(metadata.custom, "the custom metadata"));
    // Boost keeps the order in which keys are put in.
    json::object build;
    build["BuildTime"] = metadata.build_time;
    build["BuildTool"] = metadata.build_tool;
    build["BuildToolVersion"] = metadata.build_tool_version;
    build["OperatingSystem"] = metadata.operating_system;
    build["KernelVersion"] = metadata.kernel_version;
    json::object root;
    root["ImageName"] = metadata.image_name;
    root["ImageVersion"] = metadata.image_version;
    root["BuildMetadata"] = std::move(build);
    root["DockerInfo"] = std::move(docker_info);
    root["CustomMetadata"] = std::move(custom);
    const std::string text = json::serialize(root);
    const ByteView view = as_bytes(text);
    return Bytes(view.begin(), view.end());
}

Result<Metadata> parse_metadata(ByteView section) {
    CASEMATE_TRY(const json::value root, parse_json(as_text(section), "the metadata section"));
    if (!root.is_object()) {
        return refusal("expected the metadata section to be a JSON object, found another value");
    }
    const json::object& object = root.get_object();
    Metadata metadata;
    CASEMATE_CHECK(get_string(object, "ImageName", metadata.image_name));
    CASEMATE_CHECK(get_string(object, "ImageVersion", metadata.image_version));
    CASEMATE_CHECK(get_build(object, metadata));
    metadata.docker_info = serialized(object.if_contains("DockerInfo"));
    metadata.custom = serialized(object.if_contains("CustomMetadata"));
    return metadata;
}

Result<std::string> build_time_text() {
    const std::string text = environment("SOURCE_DATE_EPOCH");
    if (text.empty()) {
        std::timespec now{};
        std::timespec_get(&now, TIME_UTC);
        return rfc3339(now.tv_sec, now.tv_nsec);
    }
    // The last second of the year 9999: RFC 3339 has four digits for a year.
    constexpr std::int64_t kLast = 253402300799;
    std::int64_t seconds = -1;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || seconds < 0 ||
        seconds > kLast) {
        return refusal("expected SOURCE_DATE_EPOCH to be seconds since 1970, found \"" + text +
                       "\"");
    }
    return rfc3339(static_cast<std::time_t>(seconds), 0);
}

Result<KernelIdentity> parse_kernel_config(std::string_view text) {
    for (int line = 1; line < 3; ++line) {
        const auto end = text.find('\n');
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    }
    text = text.substr(0, text.find('\n'));
    std::vector<std::string> words(1);
    for (const char character : text) {
        if (character == ' ' || character == '/' || character == '-') {
            words.emplace_back();
        } else {
            words.back() += character;
        }
    }
    if (words.size() < 4 || words[0] != "#" || words[1].empty() || words[3].empty()) {
        return refusal(
            "expected \"# Linux/ARCH VERSION Kernel Configuration\" in the third line of "
            "the kernel's configuration, found \"" +
            std::string(text) + "\"");
    }
    return KernelIdentity{words[1], words[3]};
}

}  // namespace casemate::eif
