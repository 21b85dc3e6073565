#include "http/message.hpp"

#include <algorithm>

#include "http/wire.hpp"

namespace casemate::http {

const std::string* find_header(const Headers& headers, std::string_view name) {
    const auto found = std::find_if(headers.begin(), headers.end(), [&](const Header& header) {
        return equal_ignoring_case(header.first, name);
    });
    return found == headers.end() ? nullptr : &found->second;
}

}  // namespace casemate::http
