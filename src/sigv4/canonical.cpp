#include "sigv4/canonical.hpp"

#include <algorithm>
#include <utility>

#include "sigv4/authorization.hpp"
#include "sigv4/date.hpp"
#include "sigv4/text.hpp"

namespace casemate::sigv4 {

namespace {

Error malformed(std::string sentence) {
    return {SigErrc::malformed_request, std::move(sentence)};
}

bool is_control(char character) {
    return static_cast<std::uint8_t>(character) < 0x20 || character == 0x7f;
}

std::string normalize_path(std::string_view path) {
    std::vector<std::string_view> segments;
    const bool ends_in_slash = path.ends_with('/');
    while (!path.empty()) {
        const auto slash = std::min(path.find('/'), path.size());
        const std::string_view segment = path.substr(0, slash);
        path.remove_prefix(std::min(slash + 1, path.size()));
        if (segment == "..") {
            if (!segments.empty()) {
                segments.pop_back();
            }
        } else if (!segment.empty() && segment != ".") {
            segments.push_back(segment);
        }
    }
    std::string normal;
    for (const std::string_view segment : segments) {
        normal += '/';
        normal += segment;
    }
    if (normal.empty() || ends_in_slash) {
        normal += '/';
    }
    return normal;
}

Result<std::string> canonical_query(std::string_view query) {
    std::vector<std::pair<std::string, std::string>> parameters;
    bool more = !query.empty();
    while (more) {
        const auto ampersand = query.find('&');
        more = ampersand != std::string_view::npos;
        const std::string_view parameter = query.substr(0, ampersand);
        query.remove_prefix(more ? ampersand + 1 : query.size());
        if (parameters.size() == kMaxQueryParameters) {
            return malformed("expected at most " + std::to_string(kMaxQueryParameters) +
                             " parameters in the query");
        }
        const auto equals = std::min(parameter.find('='), parameter.size());
        const auto name = percent_decode(parameter.substr(0, equals));
        const auto value = percent_decode(parameter.substr(std::min(equals + 1, parameter.size())));
        if (!name || !value) {
            return malformed("expected two hexadecimal digits after each % in the query");
        }
        parameters.emplace_back(percent_encode(*name), percent_encode(*value));
    }
    std::sort(parameters.begin(), parameters.end());
    std::string canonical;
    for (const auto& [name, value] : parameters) {
        canonical += canonical.empty() ? "" : "&";
        canonical += name;
        canonical += '=';
        canonical += value;
    }
    return canonical;
}

}  // namespace

Result<CanonicalHeaders> CanonicalHeaders::from(std::span<const Header> headers) {
    if (headers.size() > kMaxHeaders) {
        return malformed("expected at most " + std::to_string(kMaxHeaders) + " headers, found " +
                         std::to_string(headers.size()));
    }
    CanonicalHeaders canonical;
    std::vector<CanonicalHeader>& all = canonical.headers_;
    all.reserve(headers.size());
    std::size_t bytes = 0;
    for (const auto& [name, value] : headers) {
        // Sizes of strings in memory: their sum can't overflow.
        bytes += name.size() + value.size();
        if (bytes > kMaxHeaderBytes) {
            return malformed("expected at most " + std::to_string(kMaxHeaderBytes) +
                             " bytes of headers");
        }
        if (!is_token(name)) {
            return malformed("expected a header's name to be a token");
        }
        if (std::any_of(value.begin(), value.end(),
                        [](char c) { return is_control(c) && c != '\t'; })) {
            return malformed("expected no control characters in a header's value");
        }
        all.push_back({lower(name), fold(value)});
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const auto& a, const auto& b) { return a.name < b.name; });
    std::size_t kept = 0;
    for (std::size_t i = 1; i < all.size(); ++i) {
        if (all[i].name == all[kept].name) {
            all[kept].value += "," + all[i].value;
            ++all[kept].count;
        } else if (++kept != i) {
            all[kept] = std::move(all[i]);
        }
    }
    all.resize(all.empty() ? 0 : kept + 1);
    return canonical;
}

const CanonicalHeader* CanonicalHeaders::find(std::string_view name) const {
    const auto at =
        std::lower_bound(headers_.begin(), headers_.end(), name,
                         [](const auto& header, auto wanted) { return header.name < wanted; });
    return at != headers_.end() && at->name == name ? &*at : nullptr;
}

Result<CanonicalTarget> CanonicalTarget::from(std::string_view target) {
    if (target.size() > kMaxTarget) {
        return malformed("expected a target of at most " + std::to_string(kMaxTarget) +
                         " bytes, found " + std::to_string(target.size()));
    }
    if (!target.starts_with('/') || std::any_of(target.begin(), target.end(), is_control)) {
        return malformed("expected a target that begins with / and has no control characters");
    }
    const auto question = std::min(target.find('?'), target.size());
    CASEMATE_TRY(std::string query,
                 canonical_query(target.substr(std::min(question + 1, target.size()))));
    return CanonicalTarget{percent_encode(normalize_path(target.substr(0, question)), "/"),
                           std::move(query)};
}

std::string canonical_request(std::string_view method, const CanonicalTarget& target,
                              const CanonicalHeaders& headers,
                              const std::vector<std::string>& signed_headers,
                              const crypto::Digest256& body_digest) {
    std::string text(method);
    text += '\n' + target.path + '\n' + target.query + '\n';
    for (const std::string& name : signed_headers) {
        text += name + ':' + headers.find(name)->value + '\n';
    }
    text += '\n' + join_signed_headers(signed_headers) + '\n' + to_hex(body_digest);
    return text;
}

std::string string_to_sign(std::chrono::sys_seconds time, const Scope& scope,
                           std::string_view canonical_request) {
    return std::string(kAlgorithm) + '\n' + format_amz_date(time) + '\n' + scope.text() + '\n' +
           to_hex(crypto::sha256(as_bytes(canonical_request)));
}

Result<> check_method(std::string_view method) {
    if (method.size() > kMaxMethod || !is_token(method)) {
        return malformed("expected a method that is a token of at most " +
                         std::to_string(kMaxMethod) + " characters");
    }
    return {};
}

}  // namespace casemate::sigv4
