// For tests of key management: answers looked into, errors compared with their sentences.
#pragma once

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <string>
#include <string_view>

#include "kms/core/core_for_test.hpp"

namespace casemate::kms {

// text_of gives a member of an answer; "" and a failure where it is no text.
inline std::string text_of(const json::object& answer, std::string_view member) {
    const json::value* value = answer.if_contains(member);
    if (value == nullptr || !value->is_string()) {
        ADD_FAILURE() << "expected the text " << member << ", found " << json::serialize(answer);
        return {};
    }
    return std::string(value->get_string());
}

// names_of gives the members' texts of a list of objects, or the texts of a list of texts.
inline std::vector<std::string> names_of(const Answer& answer, std::string_view list,
                                         std::string_view member = {}) {
    std::vector<std::string> names;
    for (const json::value& item : answer.at(list).as_array()) {
        names.emplace_back(member.empty() ? std::string(item.as_string())
                                          : text_of(item.as_object(), member));
    }
    return names;
}

// metadata_of gives the KeyMetadata in an answer.
inline json::object metadata_of(const Result<Answer>& answer) {
    if (!answer) {
        ADD_FAILURE() << answer.error().message();
        return {};
    }
    return answer->at("KeyMetadata").as_object();
}

// make_key asks for a key of one's own and gives its id.
inline std::string make_key(CoreForTest& service, std::string_view input = "{}",
                            Caller who = CoreForTest::caller()) {
    return text_of(metadata_of(service.ask("CreateKey", input, std::move(who))), "KeyId");
}

// with_key makes a request: {"KeyId": id, MORE}.
inline std::string with_key(std::string_view id, std::string_view more = {}) {
    std::string text = R"({"KeyId":")" + std::string(id) + '"';
    if (!more.empty()) {
        text.append(",").append(more);
    }
    return text + "}";
}

// message_of is "Type: sentence" of an error; "" of an answer.
inline std::string message_of(const Result<Answer>& answer) {
    return answer ? std::string() : answer.error().message();
}

}  // namespace casemate::kms
