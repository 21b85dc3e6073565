// KMS's messages: JSON objects, written and read.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "kms_client/error.hpp"

namespace casemate::kms_client {

// Context: an encryption context, names and values.
using Context = std::vector<std::pair<std::string, std::string>>;

// ObjectWriter writes an object member by member. What it wrote may be secret: it is cleansed
// wherever it was, but for what finish gives away.
class ObjectWriter {
public:
    ObjectWriter() = default;
    ObjectWriter(const ObjectWriter&) = delete;
    ObjectWriter& operator=(const ObjectWriter&) = delete;
    ~ObjectWriter();

    void put_text(std::string_view name, std::string_view value);
    // put_optional_text leaves out an empty text.
    void put_optional_text(std::string_view name, std::string_view value);
    // put_bytes writes base64.
    void put_bytes(std::string_view name, ByteView value);
    void put_number(std::string_view name, std::uint64_t value);
    // put_texts and put_context leave out what has no members.
    void put_texts(std::string_view name, std::span<const std::string> values);
    void put_context(std::string_view name, const Context& context);

    // finish gives the object's text. Errors: bad_argument where a text was not UTF-8.
    [[nodiscard]] Result<std::string> finish();

private:
    void name(std::string_view name);
    void string(std::string_view value);

    std::string text_;
    bool sound_ = true;
};

// with_member gives the text of an object with one more member in front, whose value is JSON too.
// Errors: bad_argument for a text that is not in braces.
[[nodiscard]] Result<std::string> with_member(std::string_view object, std::string_view name,
                                              std::string_view value);

// Fields: the members of an object that are texts, by name.
class Fields {
public:
    // parse reads an object (RFC 8259, UTF-8) with nothing after it. Of a name that comes twice the
    // last one counts. Errors: bad_answer.
    [[nodiscard]] static Result<Fields> parse(std::string_view json);
    Fields(Fields&&) noexcept = default;
    Fields& operator=(Fields&&) noexcept = default;
    Fields(const Fields&) = delete;
    Fields& operator=(const Fields&) = delete;
    ~Fields();

    // text gives a member; nothing where there is none or it is no text.
    [[nodiscard]] std::optional<std::string_view> text(std::string_view name) const;
    // bytes decodes one from base64. Errors: bad_answer where there is none.
    [[nodiscard]] Result<Bytes> bytes(std::string_view name) const;
    // is_void tells whether a member is absent, null or an empty text.
    [[nodiscard]] bool is_void(std::string_view name) const;
    [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& all() const {
        return texts_;
    }

private:
    Fields() = default;

    std::vector<std::pair<std::string, std::string>> texts_;
    // Members that are neither texts nor null.
    std::vector<std::string> others_;
};

}  // namespace casemate::kms_client
