#include "kms/cli/configuration.hpp"

#include <yaml-cpp/yaml.h>

#include <set>

#include "base/file.hpp"

namespace casemate::kms::cli {

namespace {

constexpr std::uint64_t kMaxFile = 1ULL << 20U;

std::size_t line_of(const YAML::Mark& mark) {
    return mark.line < 0 ? 1 : static_cast<std::size_t>(mark.line) + 1;
}

Error bad_file(const std::string& file, std::size_t line, const std::string& sentence) {
    return {ConfigurationErrc::bad_file, file + ", line " + std::to_string(line) + ": " + sentence};
}

Result<Setting> read_setting(const std::string& file, const YAML::Node& name,
                             const YAML::Node& value) {
    Setting out;
    out.line = line_of(name.Mark());
    if (!name.IsScalar()) {
        return bad_file(file, out.line, "expected the name of an option");
    }
    out.name = name.Scalar();
    if (value.IsScalar()) {
        out.values.push_back(value.Scalar());
        return out;
    }
    if (!value.IsSequence() || value.size() == 0) {
        return bad_file(file, out.line,
                        "expected a value or a list of values for \"" + out.name + "\"");
    }
    for (const YAML::Node& item : value) {
        if (!item.IsScalar()) {
            return bad_file(file, line_of(item.Mark()),
                            "expected a plain value in the list of \"" + out.name + "\"");
        }
        out.values.push_back(item.Scalar());
    }
    return out;
}

Result<std::vector<Setting>> read_settings(const std::string& file, const YAML::Node& root) {
    std::vector<Setting> out;
    if (root.IsNull()) {
        return out;
    }
    if (!root.IsMap()) {
        return bad_file(file, line_of(root.Mark()), "expected a map of options");
    }
    std::set<std::string> seen;
    for (const auto& entry : root) {
        CASEMATE_TRY(Setting setting, read_setting(file, entry.first, entry.second));
        if (!seen.insert(setting.name).second) {
            return bad_file(file, setting.line,
                            "expected each option once, found \"" + setting.name + "\" again");
        }
        out.push_back(std::move(setting));
    }
    return out;
}

}  // namespace

std::string_view describe(ConfigurationErrc code) {
    return code == ConfigurationErrc::bad_file ? "bad configuration" : "unreadable configuration";
}

Result<std::vector<Setting>> read_configuration(const std::string& file) {
    const auto content = read_file(file, kMaxFile);
    if (!content) {
        return Error(ConfigurationErrc::unreadable, file + ": " + content.error().message());
    }
    try {
        return read_settings(file, YAML::Load(std::string(as_text(*content))));
    } catch (const YAML::Exception& error) {
        return bad_file(file, line_of(error.mark), error.msg);
    }
}

}  // namespace casemate::kms::cli
