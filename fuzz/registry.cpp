// Properties of the texts around registries, the first byte choosing which: what is accepted,
// written again, is understood the same; what goes into a request has nothing in it that could end
// a header.
#include <algorithm>
#include <cstdlib>

#include "http/url.hpp"
#include "image/registry/answers.hpp"
#include "image/registry/challenge.hpp"
#include "image/registry/registry_reference.hpp"

namespace {

using namespace casemate;
using namespace casemate::image;

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

bool is_visible(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

void check_reference(std::string_view text) {
    if (const auto reference = RegistryReference::parse(text); reference) {
        const auto again = RegistryReference::parse(reference->text());
        require(again && *again == *reference);
        require(is_visible(reference->text()));
        require(http::Url::parse("https://" + reference->registry).ok());
    }
}

void check_url(std::string_view text) {
    const auto base = http::Url::parse("https://registry.example/v2/");
    for (const auto& url : {http::Url::parse(text), base->resolve(text)}) {
        if (url) {
            const auto again = http::Url::parse(url->text());
            require(again && *again == *url);
            require(is_visible(url->target) && is_visible(url->host_field()));
            require(url->target.starts_with('/') && url->same_origin(*again));
        }
    }
    require(is_visible(http::escape_query(text)));
}

void check_challenge(std::string_view text) {
    const auto challenges = parse_challenges(text);
    if (!challenges) {
        return;
    }
    std::string all;
    for (const Challenge& one : *challenges) {
        all += (all.empty() ? "" : ", ") + one.text();
    }
    const auto again = parse_challenges(all);
    require(again && *again == *challenges);
}

void check_answers(ByteView text) {
    if (const auto token = parse_token(text); token) {
        require(!token->text.empty() && is_visible(as_text(token->text.view())));
    }
    const auto clean = [](std::string_view shown) {
        return std::none_of(shown.begin(), shown.end(),
                            [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; });
    };
    require(clean(error_text(text)));
    static_cast<void>(declared_media_type(text));
    if (const auto answer = parse_helper_answer(text); answer) {
        require(clean(answer->user));
        require(answer->password.empty() != answer->identity_token.empty());
        require(is_visible(as_text(registry_auth(*answer, "docker.io").view())));
    }
    if (const auto file = parse_auth_file(text); file) {
        for (const auto& [name, entry] : file->entries) {
            require(credential_key(name) == name && clean(entry.user));
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const ByteView rest = ByteView(data, size).subspan(1);
    switch (data[0]) {
        case 'r':
            check_reference(as_text(rest));
            break;
        case 'u':
            check_url(as_text(rest));
            break;
        case 'c':
            check_challenge(as_text(rest));
            break;
        default:
            check_answers(rest);
    }
    return 0;
}
