// The messages with which a Docker daemon tells how its work goes on: JSON objects, one after the
// other (Docker Engine API, POST /build and POST /images/create).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "image/error.hpp"

namespace casemate::image {

// DaemonMessage: one of them, as far as it is of use. Texts are as the daemon sent them.
struct DaemonMessage {
    // stream: output of a build; status: what is being done, and id to what.
    std::string stream;
    std::string status;
    std::string id;
    // error: why the work has failed.
    std::string error;
    // current and total: bytes done; 0 where it does not say.
    std::uint64_t current = 0;
    std::uint64_t total = 0;

    bool operator==(const DaemonMessage&) const = default;
};

// kMaxMessage and kMaxMessages bound one message, and all of a piece of work together, in bytes.
inline constexpr std::uint64_t kMaxMessage = 1U << 20U;
inline constexpr std::uint64_t kMaxMessages = 256U << 20U;

// DaemonMessages parses them as they come in.
class DaemonMessages {
public:
    using Take = std::function<Result<>(const DaemonMessage&)>;

    // take is called with each message; its error is put's.
    explicit DaemonMessages(Take take, std::uint64_t limit = kMaxMessages);
    DaemonMessages(const DaemonMessages&) = delete;
    DaemonMessages& operator=(const DaemonMessages&) = delete;
    ~DaemonMessages();

    // put takes the next bytes. Errors: ImageErrc malformed for what is not JSON objects, or has
    // members of another kind than the API says; too_large.
    [[nodiscard]] Result<> put(ByteView bytes);
    // finish is called at the end. Errors: ImageErrc truncated within a message.
    [[nodiscard]] Result<> finish() const;

private:
    class Parser;

    Take take_;
    std::uint64_t left_;
    std::unique_ptr<Parser> parser_;
};

// shown makes one line of a daemon's text that is safe on a terminal: without control characters.
[[nodiscard]] std::string shown(std::string_view text);

}  // namespace casemate::image
