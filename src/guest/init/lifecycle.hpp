// The lifecycle stream to the supervisor (protocol.hpp). AWS has nothing at its address, and it may
// break at any time: the enclave goes on without it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/fd.hpp"
#include "guest/init/outside.hpp"
#include "guest/init/protocol.hpp"

namespace casemate::guest {

class Lifecycle {
public:
    explicit Lifecycle(Connect connect) : connect_(connect) {}

    // begin starts to connect, without waiting.
    void begin();

    // descriptor and events to poll for; descriptor is -1 when there is no stream.
    [[nodiscard]] int descriptor() const { return fd_.get(); }
    [[nodiscard]] short events() const;

    // serve goes on after poll: says hello on a new connection, reads what came. It gives the
    // seconds of the last shutdown request in it, if there was one.
    [[nodiscard]] std::optional<std::uint32_t> serve();

    // beat says that this process still gets its turn; nobody has to be there to hear it.
    void beat();

    // report sends the last line (of protocol.hpp) and waits, 2 seconds at most, until the
    // supervisor has closed the stream: a reset right away would lose what is still on its way.
    void report(std::string_view line);

private:
    enum class State { idle, connecting, open, refused };

    bool finish_connecting();
    bool send(std::string_view line);
    void drop(State state);

    Connect connect_;
    UniqueFd fd_;
    State state_ = State::idle;
    LineReader lines_;
};

}  // namespace casemate::guest
