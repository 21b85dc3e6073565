#include "kms/core/fields.hpp"

#include <cmath>

#include "codec/base64.hpp"

namespace casemate::kms {

namespace {

// AWS's sentences name members as its Java code does: "keyId".
std::string member_name(std::string_view name) {
    std::string text(name);
    if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') {
        text[0] = static_cast<char>(text[0] - 'A' + 'a');
    }
    return text;
}

Error wrong_kind(std::string_view name, std::string_view wanted) {
    return {KmsErrc::serialization, "expected " + std::string(wanted) + " for " +
                                        std::string(name) + ", found another JSON value"};
}

// check_length: sizes are told as AWS does, values only where they are no blobs.
Result<> check_length(std::string_view name, std::string_view found, std::size_t size,
                      Bounds bounds) {
    const auto length = static_cast<std::int64_t>(size);
    if (length < bounds.least) {
        return Fields::refused(
            name, found,
            "Member must have length greater than or equal to " + std::to_string(bounds.least));
    }
    if (length > bounds.most) {
        return Fields::refused(
            name, found,
            "Member must have length less than or equal to " + std::to_string(bounds.most));
    }
    return {};
}

// without_value is AWS's sentence about a member that is marked as sensitive: "Value at 'plaintext'
// failed …".
Error without_value(const Error& refused) {
    std::string sentence = refused.detail();
    sentence.erase(sentence.find(" ''"), 3);
    return {KmsErrc::validation, std::move(sentence)};
}

// The longest value that is repeated in a sentence, in bytes.
constexpr std::size_t kMaxShown = 256;

std::string shown(std::string_view text) {
    std::string result;
    for (const char letter : text.substr(0, kMaxShown)) {
        const auto byte = static_cast<unsigned char>(letter);
        result += byte < 0x20 || byte == 0x7f ? '?' : letter;
    }
    return text.size() > kMaxShown ? result + "..." : result;
}

}  // namespace

Error Fields::missing(std::string_view name) {
    return {KmsErrc::validation, "1 validation error detected: Value null at '" +
                                     member_name(name) +
                                     "' failed to satisfy constraint: Member must not be null"};
}

Error Fields::refused(std::string_view name, std::string_view found, std::string_view constraint) {
    return {KmsErrc::validation, "1 validation error detected: Value '" + shown(found) + "' at '" +
                                     member_name(name) +
                                     "' failed to satisfy constraint: " + std::string(constraint)};
}

Error Fields::not_in_set(std::string_view name, std::string_view found, std::string_view all) {
    return refused(name, found, "Member must satisfy enum value set: " + std::string(all));
}

const json::value* Fields::find(std::string_view name) const {
    const json::value* value = input_.if_contains(name);
    return value == nullptr || value->is_null() ? nullptr : value;
}

bool Fields::has(std::string_view name) const {
    return find(name) != nullptr;
}

Result<std::optional<std::string_view>> Fields::view(std::string_view name) const {
    const json::value* value = find(name);
    if (value == nullptr) {
        return std::optional<std::string_view>();
    }
    const json::string* text = value->if_string();
    if (text == nullptr) {
        return wrong_kind(name, "a text");
    }
    return std::optional<std::string_view>(std::string_view(text->data(), text->size()));
}

Result<std::optional<std::string>> Fields::optional_text(std::string_view name,
                                                         Bounds length) const {
    CASEMATE_TRY(const std::optional<std::string_view> found, view(name));
    if (!found) {
        return std::optional<std::string>();
    }
    CASEMATE_CHECK(check_length(name, *found, found->size(), length));
    return std::optional<std::string>(*found);
}

Result<std::string> Fields::text(std::string_view name, Bounds length) const {
    CASEMATE_TRY(std::optional<std::string> found, optional_text(name, length));
    if (!found) {
        return missing(name);
    }
    return *std::move(found);
}

Result<std::optional<Bytes>> Fields::optional_blob(std::string_view name, Bounds size) const {
    CASEMATE_TRY(const std::optional<std::string_view> found, view(name));
    if (!found) {
        return std::optional<Bytes>();
    }
    std::optional<Bytes> bytes = codec::decode_base64(*found);
    if (!bytes) {
        return Error(KmsErrc::serialization,
                     "expected base64 for " + std::string(name) + ", found a text that is none");
    }
    const Result<> fits = check_length(name, "java.nio.HeapByteBuffer", bytes->size(), size);
    if (!fits) {
        cleanse(*bytes);
        return fits.error();
    }
    return bytes;
}

Result<Bytes> Fields::blob(std::string_view name, Bounds size) const {
    CASEMATE_TRY(std::optional<Bytes> found, optional_blob(name, size));
    if (!found) {
        return missing(name);
    }
    return *std::move(found);
}

Result<SecretBytes> Fields::secret_blob(std::string_view name, Bounds size) const {
    CASEMATE_TRY(Bytes found, blob(name, {}));
    SecretBytes secret(std::move(found));
    const Result<> fits = check_length(name, "", secret.size(), size);
    if (!fits) {
        return without_value(fits.error());
    }
    return secret;
}

Result<bool> Fields::truth(std::string_view name, bool otherwise) const {
    const json::value* value = find(name);
    if (value == nullptr) {
        return otherwise;
    }
    const bool* truth = value->if_bool();
    if (truth == nullptr) {
        return wrong_kind(name, "true or false");
    }
    return *truth;
}

Result<std::optional<std::int64_t>> Fields::optional_number(std::string_view name,
                                                            Bounds bounds) const {
    const json::value* value = find(name);
    if (value == nullptr) {
        return std::optional<std::int64_t>();
    }
    boost::system::error_code error;
    const auto number = value->is_number() ? value->to_number<std::int64_t>(error) : 0;
    if (!value->is_number() || error) {
        return wrong_kind(name, "a whole number");
    }
    if (number < bounds.least) {
        return refused(
            name, std::to_string(number),
            "Member must have value greater than or equal to " + std::to_string(bounds.least));
    }
    if (number > bounds.most) {
        return refused(
            name, std::to_string(number),
            "Member must have value less than or equal to " + std::to_string(bounds.most));
    }
    return std::optional<std::int64_t>(number);
}

Result<std::optional<Time>> Fields::optional_time(std::string_view name) const {
    const json::value* value = find(name);
    if (value == nullptr) {
        return std::optional<Time>();
    }
    boost::system::error_code error;
    const double seconds = value->is_number() ? value->to_number<double>(error) : 0;
    // The year 9999: what every clock and calendar here can tell.
    constexpr double kLast = 253'402'300'799.0;
    if (!value->is_number() || error || !std::isfinite(seconds) || seconds < 0 || seconds > kLast) {
        return wrong_kind(name, "seconds since 1970");
    }
    return std::optional<Time>(
        Time(std::chrono::milliseconds(static_cast<std::int64_t>(std::llround(seconds * 1000)))));
}

Result<std::vector<std::string>> Fields::texts(std::string_view name, Bounds count) const {
    const json::value* value = find(name);
    if (value == nullptr) {
        return std::vector<std::string>();
    }
    const json::array* list = value->if_array();
    if (list == nullptr) {
        return wrong_kind(name, "a list");
    }
    CASEMATE_CHECK(check_length(name, "list", list->size(), count));
    std::vector<std::string> found;
    found.reserve(list->size());
    for (const json::value& item : *list) {
        const json::string* text = item.if_string();
        if (text == nullptr) {
            return wrong_kind(name, "a list of texts");
        }
        found.emplace_back(text->data(), text->size());
    }
    return found;
}

Result<std::vector<Fields>> Fields::objects(std::string_view name, Bounds count) const {
    const json::value* value = find(name);
    if (value == nullptr) {
        return std::vector<Fields>();
    }
    const json::array* list = value->if_array();
    if (list == nullptr) {
        return wrong_kind(name, "a list");
    }
    CASEMATE_CHECK(check_length(name, "list", list->size(), count));
    std::vector<Fields> found;
    found.reserve(list->size());
    for (const json::value& item : *list) {
        const json::object* object = item.if_object();
        if (object == nullptr) {
            return wrong_kind(name, "a list of objects");
        }
        found.emplace_back(*object);
    }
    return found;
}

Result<std::optional<Fields>> Fields::object(std::string_view name) const {
    const json::value* value = find(name);
    if (value == nullptr) {
        return std::optional<Fields>();
    }
    const json::object* object = value->if_object();
    if (object == nullptr) {
        return wrong_kind(name, "an object");
    }
    return std::optional<Fields>(Fields(*object));
}

Result<std::optional<std::map<std::string, std::string>>> Fields::optional_map(
    std::string_view name) const {
    using Map = std::map<std::string, std::string>;
    const json::value* value = find(name);
    if (value == nullptr) {
        return std::optional<Map>();
    }
    const json::object* object = value->if_object();
    if (object == nullptr) {
        return wrong_kind(name, "an object of texts");
    }
    Map found;
    for (const auto& [key, item] : *object) {
        const json::string* text = item.if_string();
        if (text == nullptr) {
            return wrong_kind(name, "an object of texts");
        }
        found.emplace(key, std::string_view(text->data(), text->size()));
    }
    return std::optional<Map>(std::move(found));
}

}  // namespace casemate::kms
