#include "image/registry/registry_reference.hpp"

#include <arpa/inet.h>

#include <algorithm>

#include "image/documents.hpp"
#include "image/tree.hpp"

namespace casemate::image {

namespace {

constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxTag = 128;
constexpr std::string_view kDockerHub = "docker.io";

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}

bool is_word(char c) {
    return is_lower(c) || is_upper(c) || is_digit(c) || c == '_';
}

bool is_tag(std::string_view text) {
    return !text.empty() && text.size() <= kMaxTag && is_word(text.front()) &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_word(c) || c == '.' || c == '-'; });
}

// is_path_component: small letters and digits, with one dot, one or two underscores or any number
// of dashes between them.
bool is_path_component(std::string_view text) {
    const auto plain = [](char c) { return is_lower(c) || is_digit(c); };
    if (text.empty() || !plain(text.front()) || !plain(text.back())) {
        return false;
    }
    for (std::size_t i = 0; i < text.size();) {
        std::size_t end = i;
        while (end < text.size() && !plain(text[end])) {
            ++end;
        }
        const std::string_view separator = text.substr(i, end - i);
        const bool dashes =
            std::all_of(separator.begin(), separator.end(), [](char c) { return c == '-'; });
        if (!dashes && separator != "." && separator != "_" && separator != "__") {
            return false;
        }
        i = end + 1;
    }
    return true;
}

bool is_path(std::string_view text) {
    while (true) {
        const std::size_t slash = text.find('/');
        if (!is_path_component(text.substr(0, slash))) {
            return false;
        }
        if (slash == std::string_view::npos) {
            return true;
        }
        text.remove_prefix(slash + 1);
    }
}

bool is_host_component(std::string_view text) {
    const auto plain = [](char c) { return is_lower(c) || is_upper(c) || is_digit(c); };
    return !text.empty() && plain(text.front()) && plain(text.back()) &&
           std::all_of(text.begin(), text.end(), [&](char c) { return plain(c) || c == '-'; });
}

bool is_host(std::string_view text) {
    if (text.starts_with('[') && text.ends_with(']')) {
        in6_addr address{};
        const std::string inside(text.substr(1, text.size() - 2));
        return inside.find('\0') == std::string::npos &&
               ::inet_pton(AF_INET6, inside.c_str(), &address) == 1;
    }
    while (true) {
        const std::size_t dot = text.find('.');
        if (!is_host_component(text.substr(0, dot))) {
            return false;
        }
        if (dot == std::string_view::npos) {
            return true;
        }
        text.remove_prefix(dot + 1);
    }
}

bool is_port(std::string_view text) {
    unsigned port = 0;
    for (const char c : text) {
        if (!is_digit(c) || text.size() > 5) {
            return false;
        }
        port = port * 10 + static_cast<unsigned>(c - '0');
    }
    return port >= 1 && port <= 65535;
}

bool is_registry(std::string_view text) {
    const std::size_t bracket = text.rfind(']');
    const std::size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
    return is_host(text.substr(0, colon)) &&
           (colon == std::string_view::npos || is_port(text.substr(colon + 1)));
}

bool names_registry(std::string_view first) {
    return first == "localhost" || first.find_first_of(".:") != std::string_view::npos ||
           std::any_of(first.begin(), first.end(), is_upper);
}

Error refuse(std::string_view text, const std::string& expected) {
    return {ImageErrc::bad_reference, "expected " + expected + ", found '" + printable(text) + "'"};
}

// take_selector takes @DIGEST and :TAG off the end of text.
Result<> take_selector(std::string_view whole, std::string_view& text,
                       RegistryReference& reference) {
    if (const std::size_t at = text.find('@'); at != std::string_view::npos) {
        CASEMATE_TRY(reference.digest, parse_digest(text.substr(at + 1)));
        text = text.substr(0, at);
    }
    const std::size_t colon = text.rfind(':');
    if (colon != std::string_view::npos && text.find('/', colon) == std::string_view::npos) {
        reference.tag = text.substr(colon + 1);
        text = text.substr(0, colon);
        if (!is_tag(reference.tag)) {
            return refuse(whole,
                          "a tag of at most 128 letters, digits, '_', '.' and '-' that begins "
                          "with neither '.' nor '-'");
        }
    } else if (!reference.digest) {
        reference.tag = "latest";
    }
    return {};
}

}  // namespace

Result<RegistryReference> RegistryReference::parse(std::string_view text) {
    RegistryReference reference;
    std::string_view rest = text;
    CASEMATE_CHECK(take_selector(text, rest, reference));
    if (rest.size() == 64 && from_hex(rest)) {
        return refuse(text, "an image's name, not the 64 digits of an identity");
    }
    const std::size_t slash = rest.find('/');
    if (slash != std::string_view::npos && names_registry(rest.substr(0, slash))) {
        reference.registry = rest.substr(0, slash);
        rest.remove_prefix(slash + 1);
    } else {
        reference.registry = kDockerHub;
    }
    if (reference.registry == "index.docker.io") {
        reference.registry = kDockerHub;
    }
    reference.repository = rest;
    if (!is_registry(reference.registry)) {
        return refuse(text, "the registry as HOST or HOST:PORT before the first '/'");
    }
    if (!is_path(rest)) {
        return refuse(text,
                      "an image's name of small letters, digits and single '.', '_' or '-' "
                      "between them, with '/' between its parts");
    }
    if (reference.registry == kDockerHub && rest.find('/') == std::string_view::npos) {
        reference.repository.insert(0, "library/");
    }
    if (reference.name().size() > kMaxName) {
        return refuse(text, "an image's name of at most 255 characters");
    }
    return reference;
}

std::string RegistryReference::text() const {
    return name() + (tag.empty() ? "" : ":" + tag) + (digest ? "@" + digest_text(*digest) : "");
}

std::string RegistryReference::selector() const {
    return digest ? digest_text(*digest) : tag;
}

}  // namespace casemate::image
