// What casemate-nsm does, from its first packet to its last.
#pragma once

#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "nsm/control.hpp"
#include "nsm/pcr_bank.hpp"

namespace casemate::nsm {

// Prepared: an image is in guest memory; the answer is not sent yet.
struct Prepared {
    Loaded loaded;
    PcrBank bank;
    std::string module_id;
    // requests carries one request packet and one response packet in turn.
    UniqueFd requests;
};

// prepare receives Load from the control socket and does what it says. Neither the image nor guest
// memory is open or mapped any more when it returns. When the image is refused the supervisor has
// been told so. Errors: NsmErrc::bad_message for anything but one well-formed Load with its three
// descriptors; those of load; Errno of the socket.
[[nodiscard]] Result<Prepared> prepare(int control);

// serve answers Loaded, and then requests until the control socket or the request socket is closed
// by the other side, which is how it ends well. Errors: NsmErrc::bad_message for a further control
// packet, Errno of the sockets.
[[nodiscard]] Result<> serve(int control, Prepared prepared);

}  // namespace casemate::nsm
