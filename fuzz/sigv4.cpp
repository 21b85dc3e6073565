// Input: lines "METHOD TARGET" and "NAME: VALUE", an empty line, the body.
// Properties: whatever a request holds, verify answers; one that it accepts is refused with another
// body. A request that can be signed is accepted by verify, the key from the cache or not, and
// refused after a change of method, target, a signed header, body, or signature.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "sigv4/sign.hpp"
#include "sigv4/text.hpp"
#include "sigv4/verify.hpp"

using namespace casemate;

namespace {

constexpr std::string_view kId = "AKIDEXAMPLE";
constexpr std::string_view kSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
// 2015-08-30T12:36:00Z.
constexpr codec::Milliseconds kNow{std::chrono::seconds(1440938160)};

SecretBytes secret_of(std::string_view text) {
    const ByteView bytes = as_bytes(text);
    return SecretBytes(Bytes(bytes.begin(), bytes.end()));
}

struct Request {
    std::string method;
    std::string target;
    sigv4::Headers headers;
    std::string body;
};

std::string_view take_until(std::string_view& rest, char end) {
    const auto place = std::min(rest.find(end), rest.size());
    const std::string_view taken = rest.substr(0, place);
    rest.remove_prefix(std::min(place + 1, rest.size()));
    return taken;
}

Request parse(std::string_view input) {
    Request request;
    request.method = take_until(input, ' ');
    request.target = take_until(input, '\n');
    for (std::string_view line = take_until(input, '\n'); !line.empty();
         line = take_until(input, '\n')) {
        const std::string name(take_until(line, ':'));
        request.headers.emplace_back(name, line);
    }
    request.body = input;
    return request;
}

bool accepts(const Request& request, sigv4::SigningKeyCache* cache) {
    const sigv4::Lookup lookup = [](std::string_view id) -> Result<std::optional<sigv4::Known>> {
        if (id != kId) {
            return std::optional<sigv4::Known>();
        }
        return std::optional<sigv4::Known>(sigv4::Known{secret_of(kSecret), {}});
    };
    return sigv4::verify({request.method, request.target, request.headers, as_bytes(request.body)},
                         lookup, {.service = "kms", .region = "us-east-1"}, kNow, cache)
        .ok();
}

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

template <class Change>
void require_refused(Request request, sigv4::SigningKeyCache& cache, Change change) {
    change(request);
    require(!accepts(request, &cache));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Request request = parse(as_text({data, size}));
    const auto longer_body = [](Request& changed) { changed.body += 'x'; };
    sigv4::SigningKeyCache cache(4);
    if (accepts(request, nullptr)) {
        require_refused(request, cache, longer_body);
    }

    // What sign leaves to its caller: a body's hash, and a session token beside the credential.
    std::erase_if(request.headers, [](const sigv4::Header& header) {
        const std::string name = sigv4::lower(header.first);
        return name == "x-amz-security-token" || name == "x-amz-content-sha256";
    });
    const auto added =
        sigv4::sign({request.method, request.target, request.headers, as_bytes(request.body)},
                    {std::string(kId), secret_of(kSecret), {}}, {"us-east-1", "kms", kNow});
    if (!added) {
        return 0;
    }
    request.headers.insert(request.headers.end(), added->begin(), added->end());
    require(accepts(request, &cache));
    require(cache.size() == 1 && accepts(request, &cache));
    require_refused(request, cache, longer_body);
    require_refused(request, cache, [](Request& changed) { changed.method += 'x'; });
    require_refused(request, cache, [](Request& changed) { changed.target += 'x'; });
    require_refused(request, cache,
                    [](Request& changed) { changed.headers.back().second.back() ^= 1; });
    require_refused(request, cache,
                    [](Request& changed) { changed.headers.emplace_back("X-Amz-New", ""); });
    return 0;
}
