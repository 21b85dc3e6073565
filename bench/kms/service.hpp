// A casemate-kms of the benchmark's own, and clients of it.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/process.hpp"
#include "base/temporary_directory.hpp"
#include "crypto/tls.hpp"
#include "http/client.hpp"
#include "sigv4/sign.hpp"

namespace casemate::bench {

[[noreturn]] void fail(const std::string& what);

template <class T>
T expect(Result<T> result, std::string_view what) {
    if (!result) {
        fail(std::string(what) + ": " + result.error().message());
    }
    return std::move(result).value();
}

// Exchange: a request that is signed, ready to be sent any number of times while its date is good.
struct Exchange {
    http::Request request;
    // size of it in bytes, on the wire before TLS.
    std::size_t size = 0;
};

class Service {
public:
    // Starts PROGRAM serve on a free port of loopback, on one processor. options are added to its
    // command line; directory is its data's; a caller
    // of that name is added.
    Service(std::string program, std::string directory, const std::string& caller, int processor,
            std::vector<std::string> options);
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    // sign makes a request of an operation with its JSON.
    [[nodiscard]] Exchange sign(std::string_view operation, std::string_view json) const;
    // connect makes a connection, TLS included.
    [[nodiscard]] http::Connection connect() const;
    // ask performs one operation on a connection of its own; the answer must be a good one.
    [[nodiscard]] std::string ask(std::string_view operation, std::string_view json) const;
    // processor_seconds: what the service has taken of its processor so far.
    [[nodiscard]] double processor_seconds() const;
    // resident: its memory in KiB.
    [[nodiscard]] std::size_t resident() const;
    void stop();

private:
    std::string run(const std::vector<std::string>& arguments) const;

    std::string program_;
    std::string directory_;
    Process process_;
    UniqueFd output_;
    std::uint16_t port_ = 0;
    sigv4::Credential credential_;
    std::optional<crypto::TlsClientContext> trusted_;
};

}  // namespace casemate::bench
