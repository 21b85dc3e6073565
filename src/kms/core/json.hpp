// JSON as the service reads and writes it: Boost.JSON in memory that is cleansed when it goes, for
// requests and answers hold secrets.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/storage_ptr.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "kms/error.hpp"
#include "kms/model.hpp"

namespace casemate::kms {

namespace json = boost::json;

// Answer: what an operation gives: the members of AWS's response.
using Answer = json::object;

// cleansing_memory makes storage whose blocks are overwritten before they are freed.
[[nodiscard]] json::storage_ptr cleansing_memory();

// parse_object reads a request's body: one JSON object, nested at most 16 deep, well-formed UTF-8,
// nothing after it; an empty body is {}. Errors: KmsErrc serialization.
[[nodiscard]] Result<json::object> parse_object(std::string_view text,
                                                const json::storage_ptr& memory);

// put_blob adds a member in base64, without leaving copies elsewhere.
void put_blob(Answer& answer, std::string_view name, ByteView bytes);

// time_value is a point in time as AWS writes it: seconds since 1970, with a fraction if it has
// one.
[[nodiscard]] json::value time_value(Time time);

}  // namespace casemate::kms
