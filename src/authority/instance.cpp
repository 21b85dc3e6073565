#include "authority/instance.hpp"

#include <sys/random.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "crypto/digest.hpp"

namespace casemate::authority {

namespace {

constexpr std::size_t kMaxFile = 65536;
constexpr std::size_t kMaxRegion = 15;
// IAM's limit of an ARN.
constexpr std::size_t kMaxRoleArn = 2048;
// The digits of EC2's ids, old and new.
constexpr std::size_t kShortId = 8;
constexpr std::size_t kLongId = 17;
constexpr std::size_t kMachineIdDigits = 32;

bool is_hex(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_instance_id(std::string_view text) {
    return text.starts_with("i-") && (text.size() == 2 + kShortId || text.size() == 2 + kLongId) &&
           is_hex(text.substr(2));
}

bool is_region(std::string_view text) {
    return !text.empty() && text.size() <= kMaxRegion &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
           });
}

// arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE, where some parts are empty.
bool is_arn(std::string_view text) {
    constexpr auto kColons = 5;
    return text.starts_with("arn:") && text.size() <= kMaxRoleArn && !text.ends_with(':') &&
           std::count(text.begin(), text.end(), ':') >= kColons &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// A key of the file: where its value goes and what it may be.
struct Key {
    std::string_view name;
    std::string Instance::*member;
    bool (*fits)(std::string_view);
    std::string_view expected;
};

constexpr Key kKeys[] = {
    {"instance_id", &Instance::instance_id, is_instance_id,
     "\"i-\" and 8 or 17 hexadecimal digits in lower case"},
    {"region", &Instance::region, is_region, "1 to 15 of a-z, 0-9 and \"-\""},
    {"role_arn", &Instance::role_arn, is_arn,
     "an ARN, for example arn:aws:iam::123456789012:role/name"},
};

Error bad(const std::string& file, const YAML::Mark& mark, const std::string& detail) {
    // yaml-cpp counts lines from 0.
    const std::string line = mark.line >= 0 ? ", line " + std::to_string(mark.line + 1) : "";
    return {AuthorityErrc::bad_instance, file + line + ": " + detail};
}

Result<> read_entry(const std::string& file, const YAML::Node& name, const YAML::Node& value,
                    std::set<std::string>& seen, Instance& out) {
    const std::string key = name.IsScalar() ? name.Scalar() : "";
    const auto* known = std::find_if(std::begin(kKeys), std::end(kKeys),
                                     [&key](const Key& entry) { return entry.name == key; });
    if (known == std::end(kKeys)) {
        return bad(file, name.Mark(),
                   "expected the keys instance_id, region and role_arn, found " +
                       (name.IsScalar() ? "\"" + key + "\"" : std::string("another kind of key")));
    }
    if (!seen.insert(key).second) {
        return bad(file, name.Mark(), "expected " + key + " once, found it again");
    }
    if (!value.IsScalar() || !known->fits(value.Scalar())) {
        return bad(file, value.Mark(),
                   key + ": expected " + std::string(known->expected) + ", found " +
                       (value.IsScalar() ? "\"" + value.Scalar() + "\"" : "no such text"));
    }
    out.*(known->member) = value.Scalar();
    return {};
}

// The one place where yaml-cpp's exceptions end.
Result<Instance> parse(const std::string& file, std::string_view text) {
    try {
        const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
        Instance instance;
        if (documents.empty() || (documents.size() == 1 && documents.front().IsNull())) {
            return instance;
        }
        if (documents.size() != 1 || !documents.front().IsMap()) {
            return bad(file, documents.front().Mark(),
                       "expected one list of keys and values, found another document");
        }
        std::set<std::string> seen;
        for (const auto& entry : documents.front()) {
            CASEMATE_CHECK(read_entry(file, entry.first, entry.second, seen, instance));
        }
        return instance;
    } catch (const YAML::Exception& error) {
        return bad(file, error.mark, "expected YAML, found that " + error.msg);
    }
}

std::string stripped(ByteView content) {
    std::string text(as_text(content));
    std::erase_if(text, [](unsigned char c) { return c <= ' ' || c == 0x7f; });
    return text;
}

// Boards of other makers than EC2's carry any text there.
std::optional<std::string> id_of_board(const std::string& path) {
    const auto tag = read_file(path, kMaxFile);
    std::string text = tag ? stripped(*tag) : "";
    return is_instance_id(text) ? std::optional(std::move(text)) : std::nullopt;
}

std::optional<std::string> id_of_machine(const std::string& path) {
    const auto content = read_file(path, kMaxFile);
    const std::string id = content ? stripped(*content) : "";
    // A machine that has not started for the first time has "uninitialized" there.
    if (id.size() != kMachineIdDigits || !is_hex(id)) {
        return std::nullopt;
    }
    const auto digest = crypto::sha256(as_bytes("casemate instance id of machine " + id));
    return "i-" + to_hex(digest).substr(0, kLongId);
}

Result<std::string> read_kept_id(const std::string& path) {
    CASEMATE_TRY(const Bytes content, read_file(path, kMaxFile));
    std::string id = stripped(content);
    if (!is_instance_id(id)) {
        return Error(AuthorityErrc::bad_instance,
                     path + ": expected an instance id, found \"" + id +
                         "\"; remove the file, and a new one is drawn");
    }
    return id;
}

// Of two processes that draw one at the same time, one is first and both take its.
Result<std::string> kept_id(const std::string& path) {
    const auto no_file = [](const Error& error) { return error.is(static_cast<Errno>(ENOENT)); };
    auto kept = read_kept_id(path);
    if (kept || !no_file(kept.error())) {
        return kept;
    }
    Bytes random((kLongId + 1) / 2);
    if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
        return os_error("draw an instance id");
    }
    const std::string id = "i-" + to_hex(random).substr(0, kLongId);
    const std::string aside = path + "." + std::to_string(::getpid());
    CASEMATE_CHECK(write_file_atomically(aside, as_bytes(id + "\n"), 0600));
    const bool linked = ::link(aside.c_str(), path.c_str()) == 0 || errno == EEXIST;
    const int error = errno;
    ::unlink(aside.c_str());
    if (!linked) {
        return os_error("make " + path, error);
    }
    return read_kept_id(path);
}

}  // namespace

Result<Instance> read_instance(const std::string& file, const std::string& state,
                               const InstanceSources& sources) {
    Instance instance;
    const auto content = read_file(file, kMaxFile);
    if (content) {
        CASEMATE_TRY(instance, parse(file, as_text(*content)));
    } else if (!content.error().is(static_cast<Errno>(ENOENT))) {
        return content.error();
    }
    if (instance.region.empty()) {
        instance.region = "local";
    }
    if (!instance.instance_id.empty()) {
        return instance;
    }
    if (auto id = id_of_board(sources.asset_tag)) {
        instance.instance_id = *std::move(id);
    } else if (auto derived = id_of_machine(sources.machine_id)) {
        instance.instance_id = *std::move(derived);
    } else {
        CASEMATE_TRY(instance.instance_id, kept_id(state + "/instance-id"));
    }
    return instance;
}

}  // namespace casemate::authority
