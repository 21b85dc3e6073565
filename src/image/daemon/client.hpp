// A client of the Docker Engine API, as Docker's daemon and Podman's service speak it. Paths have
// no version: the daemon's own then.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "http/body.hpp"
#include "http/client.hpp"
#include "image/content.hpp"
#include "image/daemon/endpoint.hpp"
#include "image/image.hpp"
#include "image/spool.hpp"

namespace casemate::image {

// Inspection: what a daemon says about an image.
struct Inspection {
    // id: "sha256:…".
    std::string id;
    std::string architecture;
    std::string operating_system;
    // size in bytes, as the daemon counts; 0 where it does not say.
    std::uint64_t size = 0;
    // json: all of it.
    std::string json;
};

// parse_inspection. Errors: ImageErrc malformed.
[[nodiscard]] Result<Inspection> parse_inspection(std::string_view json);

// DaemonClient: each call has a connection of its own. Errors of all: ImageErrc daemon for what the
// daemon refuses, with its own words; http's, named after the endpoint; malformed, too_large and
// truncated for answers against the API.
class DaemonClient {
public:
    using Say = std::function<void(std::string_view)>;

    // open makes sure that a daemon answers (GET /_ping).
    [[nodiscard]] static Result<DaemonClient> open(DaemonEndpoint endpoint);

    // inspect gives nothing where the daemon does not have the image.
    [[nodiscard]] Result<std::optional<Inspection>> inspect(const std::string& name) const;

    // pull makes the daemon fetch an image, with the credentials that credentials_for finds, for a
    // platform ("linux/arm64") where that is not empty.
    [[nodiscard]] Result<> pull(const std::string& name, const std::string& platform,
                                const Progress& progress, const Say& say) const;

    // export_image writes the archive of an image ("docker save") into the spool, of limit bytes at
    // most.
    [[nodiscard]] Result<Content> export_image(const Inspection& image, Spool& spool,
                                               std::uint64_t limit, const Progress& progress) const;

    // build makes the daemon build an image of a tar archive with a Dockerfile and give it a name.
    [[nodiscard]] Result<> build(http::BodySource context, const std::string& name,
                                 const std::string& platform, const Say& say) const;

    [[nodiscard]] std::string where() const { return endpoint_.text(); }

private:
    explicit DaemonClient(DaemonEndpoint endpoint) : endpoint_(std::move(endpoint)) {}

    [[nodiscard]] Result<http::Connection> connect() const;
    [[nodiscard]] http::Request request(std::string method, std::string target) const;
    [[nodiscard]] Result<http::Response> get(const std::string& target) const;
    [[nodiscard]] Result<> work(const http::Request& request, http::BodySource* upload,
                                const Progress& progress, const Say& say) const;

    DaemonEndpoint endpoint_;
};

}  // namespace casemate::image
