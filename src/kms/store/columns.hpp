// The kept things as rows: columns in the order of statements.hpp.
#pragma once

#include "base/result.hpp"
#include "kms/model.hpp"
#include "kms/store/database.hpp"

namespace casemate::kms {

// in_columns gives all columns of a thing.
[[nodiscard]] std::vector<Value> in_columns(const Key& key);
[[nodiscard]] std::vector<Value> in_columns(const Material& material);
[[nodiscard]] std::vector<Value> in_columns(const Alias& alias);
[[nodiscard]] std::vector<Value> in_columns(const Grant& grant);
[[nodiscard]] std::vector<Value> in_columns(const User& user);
[[nodiscard]] std::vector<Value> in_columns(const Setting& setting);

// read_row reads a thing back. Errors: StoreErrc damaged.
[[nodiscard]] Result<> read_row(const Row& row, Key& out);
[[nodiscard]] Result<> read_row(const Row& row, Material& out);
[[nodiscard]] Result<> read_row(const Row& row, Alias& out);
[[nodiscard]] Result<> read_row(const Row& row, Grant& out);
[[nodiscard]] Result<> read_row(const Row& row, User& out);
[[nodiscard]] Result<> read_row(const Row& row, Setting& out);

// Times are milliseconds since 1970. Lists and maps are counted texts: their number, then each
// one's length and bytes, the numbers of 4 bytes, big-endian.
[[nodiscard]] Value as_value(Time time);
[[nodiscard]] Value as_value(const std::optional<Time>& time);
[[nodiscard]] Value as_value(const std::optional<std::uint32_t>& number);
[[nodiscard]] Bytes encode_texts(const std::vector<std::string>& texts);
[[nodiscard]] Bytes encode_texts(const std::map<std::string, std::string>& texts);

}  // namespace casemate::kms
