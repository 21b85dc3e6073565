// Caller: HTTP requests by URL, over connections that are kept, with redirects.
#pragma once

#include <map>
#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "http/body.hpp"
#include "http/client.hpp"
#include "http/url.hpp"
#include "image/registry/hosts.hpp"

namespace casemate::image {

// kMaxRedirects: how many are followed.
inline constexpr int kMaxRedirects = 8;

// Call: one request.
struct Call {
    std::string method = "GET";
    http::Url url;
    http::Headers headers;
    // authorization: of the header of that name; empty for none. It goes to the origin of url only,
    // wherever redirects lead.
    ByteView authorization;
    // body has a Content-Type in headers.
    ByteView body;
};

// Caller is for one thread; hosts may be shared and must outlive it.
class Caller {
public:
    explicit Caller(Hosts& hosts) : hosts_(&hosts) {}

    // call makes one request. The body of a 2xx goes to the sink, any other into the response.
    // Errors: Hosts::connect's, http::Connection::stream's.
    [[nodiscard]] Result<http::Response> call(const Call& call, const http::BodySink& sink);

    // follow does the same and follows redirects, never from https to http; call.url is in the end
    // that of the response. Errors: call's, and ImageErrc registry for a redirect that can't be
    // followed.
    [[nodiscard]] Result<http::Response> follow(Call& call, const http::BodySink& sink);

private:
    Hosts* hosts_;
    // By origin; what is here was open when it was put here.
    std::map<std::string, http::Connection> kept_;
};

}  // namespace casemate::image
