#include "kms/store/columns.hpp"

#include <limits>

namespace casemate::kms {

namespace {

// Columns reads a row from the left; the first column that is not what it should be is remembered.
class Columns {
public:
    explicit Columns(const Row& row) : row_(&row) {}

    void text(std::string& out) { take(out); }
    void bytes(Bytes& out) { take(out); }

    void time(Time& out) {
        std::int64_t number = 0;
        take(number);
        out = Time(std::chrono::milliseconds(number));
    }

    void optional_time(std::optional<Time>& out) {
        out.reset();
        if (!is_null()) {
            time(out.emplace());
        }
    }

    template <class T>
    void number(T& out) {
        std::int64_t number = 0;
        take(number);
        if (std::in_range<T>(number)) {
            out = static_cast<T>(number);
        } else {
            fail();
        }
    }

    void optional_number(std::optional<std::uint32_t>& out) {
        out.reset();
        if (!is_null()) {
            number(out.emplace());
        }
    }

    void flag(bool& out) {
        std::uint8_t value = 0;
        number(value);
        out = value == 1;
        if (value > 1) {
            fail();
        }
    }

    template <class E>
    void name(E& out, std::optional<E> (*parse)(std::string_view)) {
        std::string text;
        take(text);
        const std::optional<E> value = parse(text);
        if (value) {
            out = *value;
        } else {
            fail();
        }
    }

    void list(std::vector<std::string>& out) {
        Bytes encoded;
        take(encoded);
        if (!decode(encoded, out)) {
            fail();
        }
    }

    void map(std::map<std::string, std::string>& out) {
        std::vector<std::string> texts;
        list(texts);
        out.clear();
        for (std::size_t i = 0; i + 1 < texts.size(); i += 2) {
            out.emplace(std::move(texts[i]), std::move(texts[i + 1]));
        }
        if (texts.size() != 2 * out.size()) {
            fail();
        }
    }

    void optional_map(std::optional<std::map<std::string, std::string>>& out) {
        out.reset();
        if (!is_null()) {
            map(out.emplace());
        }
    }

    [[nodiscard]] Result<> finish(std::string_view what) const {
        if (bad_ || next_ != row_->size()) {
            return Error(StoreErrc::damaged, "expected the columns of a " + std::string(what) +
                                                 ", found another value in column " +
                                                 std::to_string(bad_.value_or(next_) + 1));
        }
        return {};
    }

private:
    void fail() {
        if (!bad_) {
            bad_ = next_ == 0 ? 0 : next_ - 1;
        }
    }

    [[nodiscard]] bool is_null() {
        if (next_ < row_->size() && std::holds_alternative<std::monostate>((*row_)[next_])) {
            ++next_;
            return true;
        }
        return false;
    }

    template <class T>
    void take(T& out) {
        const T* value = next_ < row_->size() ? std::get_if<T>(&(*row_)[next_]) : nullptr;
        ++next_;
        if (value != nullptr) {
            out = *value;
        } else {
            fail();
        }
    }

    static bool decode(ByteView encoded, std::vector<std::string>& out) {
        ByteReader reader(encoded);
        std::uint32_t count = 0;
        if (!reader.read_be(count)) {
            return false;
        }
        out.clear();
        for (std::uint32_t i = 0; i < count; ++i) {
            std::uint32_t size = 0;
            ByteView text;
            if (!reader.read_be(size) || !reader.read_bytes(size, text)) {
                return false;
            }
            out.emplace_back(as_text(text));
        }
        return reader.empty();
    }

    const Row* row_;
    std::size_t next_ = 0;
    std::optional<std::size_t> bad_;
};

void put_text(ByteWriter& writer, const std::string& text) {
    writer.put_be(static_cast<std::uint32_t>(text.size()));
    writer.put_bytes(as_bytes(text));
}

Value name(std::string_view text) {
    return std::string(text);
}

}  // namespace

Value as_value(Time time) {
    return std::int64_t{time.time_since_epoch().count()};
}

Value as_value(const std::optional<Time>& time) {
    return time ? as_value(*time) : Value();
}

Value as_value(const std::optional<std::uint32_t>& number) {
    return number ? Value(std::int64_t{*number}) : Value();
}

Bytes encode_texts(const std::vector<std::string>& texts) {
    Bytes encoded;
    ByteWriter writer(encoded);
    writer.put_be(static_cast<std::uint32_t>(texts.size()));
    for (const std::string& text : texts) {
        put_text(writer, text);
    }
    return encoded;
}

Bytes encode_texts(const std::map<std::string, std::string>& texts) {
    Bytes encoded;
    ByteWriter writer(encoded);
    writer.put_be(static_cast<std::uint32_t>(2 * texts.size()));
    for (const auto& [key, value] : texts) {
        put_text(writer, key);
        put_text(writer, value);
    }
    return encoded;
}

std::vector<Value> in_columns(const Key& key) {
    return {key.id,
            key.arn,
            name(name_of(key.spec)),
            name(name_of(key.usage)),
            name(name_of(key.state)),
            name(name_of(key.origin)),
            key.description,
            as_value(key.created),
            as_value(key.deletion_date),
            key.policy,
            encode_texts(key.tags),
            as_value(key.rotation_days),
            as_value(key.next_rotation),
            key.current_material,
            as_value(key.valid_to),
            static_cast<std::int64_t>(key.version)};
}

std::vector<Value> in_columns(const Material& material) {
    return {material.key_id,
            material.id,
            std::int64_t{material.sequence},
            material.wrapped,
            as_value(material.created),
            material.public_key,
            material.rotation};
}

std::vector<Value> in_columns(const Alias& alias) {
    return {alias.account, alias.name, alias.key_id, as_value(alias.created),
            as_value(alias.updated)};
}

std::vector<Value> in_columns(const Grant& grant) {
    return {grant.id,
            grant.key_id,
            grant.name,
            grant.grantee,
            grant.retiring_principal,
            grant.issuing_account,
            encode_texts(grant.operations),
            grant.context ? Value(encode_texts(*grant.context)) : Value(),
            std::int64_t{grant.subset ? 1 : 0},
            as_value(grant.created)};
}

std::vector<Value> in_columns(const User& user) {
    return {user.access_key_id,  user.name,   user.arn,
            user.wrapped_secret, user.policy, as_value(user.created)};
}

std::vector<Value> in_columns(const Setting& setting) {
    return {setting.name, setting.value};
}

Result<> read_row(const Row& row, Key& out) {
    Columns columns(row);
    columns.text(out.id);
    columns.text(out.arn);
    columns.name(out.spec, parse_key_spec);
    columns.name(out.usage, parse_key_usage);
    columns.name(out.state, parse_key_state);
    columns.name(out.origin, parse_origin);
    columns.text(out.description);
    columns.time(out.created);
    columns.optional_time(out.deletion_date);
    columns.text(out.policy);
    columns.map(out.tags);
    columns.optional_number(out.rotation_days);
    columns.optional_time(out.next_rotation);
    columns.text(out.current_material);
    columns.optional_time(out.valid_to);
    columns.number(out.version);
    return columns.finish("key");
}

Result<> read_row(const Row& row, Material& out) {
    Columns columns(row);
    columns.text(out.key_id);
    columns.text(out.id);
    columns.number(out.sequence);
    columns.bytes(out.wrapped);
    columns.time(out.created);
    columns.bytes(out.public_key);
    columns.text(out.rotation);
    return columns.finish("key's material");
}

Result<> read_row(const Row& row, Alias& out) {
    Columns columns(row);
    columns.text(out.account);
    columns.text(out.name);
    columns.text(out.key_id);
    columns.time(out.created);
    columns.time(out.updated);
    return columns.finish("alias");
}

Result<> read_row(const Row& row, Grant& out) {
    Columns columns(row);
    columns.text(out.id);
    columns.text(out.key_id);
    columns.text(out.name);
    columns.text(out.grantee);
    columns.text(out.retiring_principal);
    columns.text(out.issuing_account);
    columns.list(out.operations);
    columns.optional_map(out.context);
    columns.flag(out.subset);
    columns.time(out.created);
    return columns.finish("grant");
}

Result<> read_row(const Row& row, User& out) {
    Columns columns(row);
    columns.text(out.access_key_id);
    columns.text(out.name);
    columns.text(out.arn);
    columns.bytes(out.wrapped_secret);
    columns.text(out.policy);
    columns.time(out.created);
    return columns.finish("caller");
}

Result<> read_row(const Row& row, Setting& out) {
    Columns columns(row);
    columns.text(out.name);
    columns.bytes(out.value);
    return columns.finish("setting");
}

}  // namespace casemate::kms
