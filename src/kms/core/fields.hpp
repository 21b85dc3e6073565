// Fields: the members of a request, read one by one and checked as they are read. Names are AWS's
// ("KeyId"). A member that is null is absent; members that nobody asks for are ignored, as AWS
// does. Errors: KmsErrc serialization for a value of another JSON kind (or no base64), validation
// for one that is missing or beyond its bounds, with AWS's sentence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"
#include "kms/core/json.hpp"

namespace casemate::kms {

// Bounds of a length (in characters' bytes, bytes or items) or of a number, both included.
struct Bounds {
    std::int64_t least = 0;
    std::int64_t most = std::numeric_limits<std::int64_t>::max();
};

class Fields {
public:
    // input is borrowed.
    explicit Fields(const json::object& input) : input_(input) {}

    // has tells whether a member is there and not null.
    [[nodiscard]] bool has(std::string_view name) const;

    [[nodiscard]] Result<std::string> text(std::string_view name, Bounds length = {}) const;
    [[nodiscard]] Result<std::optional<std::string>> optional_text(std::string_view name,
                                                                   Bounds length = {}) const;
    // A blob is base64 in JSON; its bounds are of the bytes.
    [[nodiscard]] Result<Bytes> blob(std::string_view name, Bounds size) const;
    [[nodiscard]] Result<std::optional<Bytes>> optional_blob(std::string_view name,
                                                             Bounds size) const;
    // The same for what must not be seen.
    [[nodiscard]] Result<SecretBytes> secret_blob(std::string_view name, Bounds size) const;
    [[nodiscard]] Result<bool> truth(std::string_view name, bool otherwise) const;
    [[nodiscard]] Result<std::optional<std::int64_t>> optional_number(std::string_view name,
                                                                      Bounds bounds) const;
    // optional_time reads seconds since 1970, with a fraction or without.
    [[nodiscard]] Result<std::optional<Time>> optional_time(std::string_view name) const;
    // texts is empty where the member is absent.
    [[nodiscard]] Result<std::vector<std::string>> texts(std::string_view name,
                                                         Bounds count = {}) const;
    // objects gives the members of a list of objects; the views are the input's.
    [[nodiscard]] Result<std::vector<Fields>> objects(std::string_view name,
                                                      Bounds count = {}) const;
    // object gives the members of one object.
    [[nodiscard]] Result<std::optional<Fields>> object(std::string_view name) const;
    // optional_map reads an object of texts, as EncryptionContext is one.
    [[nodiscard]] Result<std::optional<std::map<std::string, std::string>>> optional_map(
        std::string_view name) const;

    // optional_choice reads one of an enumeration's names, by the function that knows them; all is
    // how the sentence lists them ("[SIGN_VERIFY, …]").
    template <class E>
    [[nodiscard]] Result<std::optional<E>> optional_choice(
        std::string_view name, std::optional<E> (*parse)(std::string_view text),
        std::string_view all) const {
        CASEMATE_TRY(const std::optional<std::string> found, optional_text(name));
        if (!found) {
            return std::optional<E>();
        }
        const std::optional<E> value = parse(*found);
        if (!value) {
            return not_in_set(name, *found, all);
        }
        return value;
    }
    template <class E>
    [[nodiscard]] Result<E> choice(std::string_view name,
                                   std::optional<E> (*parse)(std::string_view text),
                                   std::string_view all) const {
        CASEMATE_TRY(const std::optional<E> value, optional_choice<E>(name, parse, all));
        if (!value) {
            return missing(name);
        }
        return *value;
    }

    // The errors, for checks of operations' own.
    [[nodiscard]] static Error missing(std::string_view name);
    [[nodiscard]] static Error not_in_set(std::string_view name, std::string_view found,
                                          std::string_view all);
    // constraint: "Member must have length greater than or equal to 1".
    [[nodiscard]] static Error refused(std::string_view name, std::string_view found,
                                       std::string_view constraint);

private:
    [[nodiscard]] const json::value* find(std::string_view name) const;
    [[nodiscard]] Result<std::optional<std::string_view>> view(std::string_view name) const;

    const json::object& input_;
};

}  // namespace casemate::kms
