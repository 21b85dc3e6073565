#include "guest/nsm_cli/text.hpp"

#include <array>

#include "base/bytes.hpp"

namespace casemate::nsm_cli {

namespace {

std::string version_of(const NsmModule& module) {
    return std::to_string(module.version[0]) + "." + std::to_string(module.version[1]) + "." +
           std::to_string(module.version[2]);
}

std::string_view digest_of(const NsmModule& module) {
    constexpr std::array<std::string_view, 3> kNames{"SHA256", "SHA384", "SHA512"};
    return kNames.at(static_cast<std::size_t>(module.digest));
}

std::string locked_of(const NsmModule& module, std::string_view separator) {
    std::string text;
    for (const std::uint16_t index : module.locked_pcrs) {
        text += text.empty() ? "" : separator;
        text += std::to_string(index);
    }
    return text;
}

}  // namespace

std::string json_string(std::string_view text) {
    std::string out = "\"";
    for (const char letter : text) {
        const auto byte = static_cast<std::uint8_t>(letter);
        if (letter == '"' || letter == '\\') {
            out += '\\';
            out += letter;
        } else if (byte < 0x20 || byte == 0x7f) {
            out += "\\u00" + to_hex({&byte, 1});
        } else {
            out += letter;
        }
    }
    return out + '"';
}

std::string describe_json(const NsmModule& module) {
    return "{\n  \"module_id\": " + json_string(module.module_id) + ",\n  \"version\": \"" +
           version_of(module) + "\",\n  \"digest\": \"" + std::string(digest_of(module)) +
           "\",\n  \"max_pcrs\": " + std::to_string(module.max_pcrs) + ",\n  \"locked_pcrs\": [" +
           locked_of(module, ", ") + "]\n}\n";
}

std::string describe_text(const NsmModule& module) {
    return "module_id: " + module.module_id + "\nversion: " + version_of(module) +
           "\ndigest: " + std::string(digest_of(module)) +
           "\nmax_pcrs: " + std::to_string(module.max_pcrs) +
           "\nlocked_pcrs: " + locked_of(module, " ") + "\n";
}

std::string pcr_json(std::uint16_t index, const NsmPcr& pcr) {
    return "{\"index\": " + std::to_string(index) +
           ", \"locked\": " + (pcr.locked ? "true" : "false") + ", \"value\": \"" +
           to_hex(pcr.value) + "\"}\n";
}

std::string_view name_of(ErrorCode code) {
    constexpr std::array<std::string_view, 9> kNames{
        "Success",          "InvalidArgument", "InvalidIndex",  "InvalidResponse", "ReadOnlyIndex",
        "InvalidOperation", "BufferTooSmall",  "InputTooLarge", "InternalError"};
    return kNames.at(static_cast<std::size_t>(code));
}

}  // namespace casemate::nsm_cli
