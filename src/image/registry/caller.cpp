#include "image/registry/caller.hpp"

#include <algorithm>

#include "http/error.hpp"
#include "image/tree.hpp"

namespace casemate::image {

namespace {

void cleanse_text(std::string& text) {
    cleanse({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
}

// SecretRequest: a request whose headers and body don't stay in memory.
struct SecretRequest {
    explicit SecretRequest(const Call& call) {
        request.method = call.method;
        request.target = call.url.target;
        request.headers.reserve(call.headers.size() + 3);
        request.headers.emplace_back("Host", call.url.host_field());
        request.headers.emplace_back("User-Agent", "casemate");
        request.headers.insert(request.headers.end(), call.headers.begin(), call.headers.end());
        if (!call.authorization.empty()) {
            request.headers.emplace_back("Authorization", as_text(call.authorization));
        }
        request.body = as_text(call.body);
    }
    SecretRequest(const SecretRequest&) = delete;
    SecretRequest& operator=(const SecretRequest&) = delete;
    ~SecretRequest() {
        cleanse_text(request.body);
        for (http::Header& header : request.headers) {
            cleanse_text(header.second);
        }
    }

    http::Request request;
};

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Result<http::Url> next_url(const http::Url& from, const http::Response& response) {
    const std::string* location = http::find_header(response.headers, "Location");
    if (location == nullptr) {
        return Error(ImageErrc::registry,
                     "expected a Location in a redirect of " + from.origin() + ", found none");
    }
    auto to = from.resolve(*location);
    if (!to) {
        return Error(ImageErrc::registry,
                     "a redirect of " + from.origin() + ": " + to.error().detail());
    }
    if (from.secure && !to->secure) {
        return Error(ImageErrc::registry,
                     "expected " + from.origin() + " to redirect to https, found " + to->origin());
    }
    return to;
}

}  // namespace

Result<http::Response> Caller::call(const Call& call, const http::BodySink& sink) {
    const SecretRequest made(call);
    const std::string origin = call.url.origin();
    auto kept = kept_.extract(origin);
    if (!kept.empty()) {
        auto response = kept.mapped().stream(made.request, nullptr, sink);
        if (response || !response.error().is(http::HttpErrc::closed_before_response)) {
            if (kept.mapped().is_open()) {
                kept_.insert(std::move(kept));
            }
            return response;
        }
    }
    CASEMATE_TRY(http::Connection connection, hosts_->connect(call.url));
    auto response = connection.stream(made.request, nullptr, sink);
    if (connection.is_open()) {
        kept_.insert_or_assign(origin, std::move(connection));
    }
    return response;
}

Result<http::Response> Caller::follow(Call& call, const http::BodySink& sink) {
    const http::Url first = call.url;
    const ByteView authorization = call.authorization;
    for (int redirects = 0; redirects <= kMaxRedirects; ++redirects) {
        CASEMATE_TRY(http::Response response, this->call(call, sink));
        if (!is_redirect(response.status)) {
            return response;
        }
        CASEMATE_TRY(call.url, next_url(call.url, response));
        call.authorization = call.url.same_origin(first) ? authorization : ByteView();
    }
    return Error(ImageErrc::registry, "expected at most " + std::to_string(kMaxRedirects) +
                                          " redirects of " + first.text() + ", found more");
}

}  // namespace casemate::image
