// Keys that a JSON object has twice, of which Boost's json::parse would keep the last in silence.
// Inline, so that the room needs no library of Boost.JSON: its users link it.
#pragma once

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace casemate::codec {

// KeyWatcher listens to a parser and stops it at the second key of one name in one object.
struct KeyWatcher {
    static constexpr std::size_t max_object_size = std::size_t(-1);
    static constexpr std::size_t max_array_size = std::size_t(-1);
    static constexpr std::size_t max_key_size = std::size_t(-1);
    static constexpr std::size_t max_string_size = std::size_t(-1);
    using Code = boost::json::error_code;
    using Text = boost::json::string_view;

    std::vector<std::set<std::string>> objects;
    std::string key;
    std::optional<std::string> twice;

    bool on_document_begin(Code& /*code*/) { return true; }
    bool on_document_end(Code& /*code*/) { return true; }
    bool on_object_begin(Code& /*code*/) {
        objects.emplace_back();
        return true;
    }
    bool on_object_end(std::size_t /*size*/, Code& /*code*/) {
        objects.pop_back();
        return true;
    }
    bool on_array_begin(Code& /*code*/) { return true; }
    bool on_array_end(std::size_t /*size*/, Code& /*code*/) { return true; }
    bool on_key_part(Text part, std::size_t /*size*/, Code& /*code*/) {
        key.append(part.data(), part.size());
        return true;
    }
    bool on_key(Text part, std::size_t /*size*/, Code& code) {
        key.append(part.data(), part.size());
        const auto [place, is_new] = objects.back().insert(std::exchange(key, {}));
        if (!is_new) {
            twice = *place;
            code = boost::json::error::syntax;
            return false;
        }
        return true;
    }
    bool on_string_part(Text /*part*/, std::size_t /*size*/, Code& /*code*/) { return true; }
    bool on_string(Text /*part*/, std::size_t /*size*/, Code& /*code*/) { return true; }
    bool on_number_part(Text /*part*/, Code& /*code*/) { return true; }
    bool on_int64(std::int64_t /*value*/, Text /*text*/, Code& /*code*/) { return true; }
    bool on_uint64(std::uint64_t /*value*/, Text /*text*/, Code& /*code*/) { return true; }
    bool on_double(double /*value*/, Text /*text*/, Code& /*code*/) { return true; }
    bool on_bool(bool /*value*/, Code& /*code*/) { return true; }
    bool on_null(Code& /*code*/) { return true; }
    bool on_comment_part(Text /*part*/, Code& /*code*/) { return true; }
    bool on_comment(Text /*part*/, Code& /*code*/) { return true; }
};

// key_given_twice gives the first key that one object of a JSON text has twice; nothing where there
// is none before the text's end or the first place where it is no JSON as the options have it.
[[nodiscard]] inline std::optional<std::string> key_given_twice(
    std::string_view text, const boost::json::parse_options& options) {
    boost::json::error_code code;
    boost::json::basic_parser<KeyWatcher> watcher(options);
    watcher.write_some(false, text.data(), text.size(), code);
    return std::move(watcher.handler().twice);
}

}  // namespace casemate::codec
