// What casemate-nsm does, from its first packet to its last.
#pragma once

#include <functional>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "nsm/control.hpp"
#include "nsm/leaf_keys.hpp"
#include "nsm/pcr_bank.hpp"

namespace casemate::nsm {

// Prepared: an image is in guest memory; the answer is not sent yet.
struct Prepared {
    Loaded loaded;
    PcrBank bank;
    std::string module_id;
    // The first of them waits; its public part is in loaded.
    LeafKeys keys;
    // requests carries one request packet and one response packet in turn.
    UniqueFd requests;
};

// prepare receives Load from the control socket, does what it says, and makes the leaf key. Neither
// the image nor guest memory is open or mapped any more when it returns. When the image is refused
// the supervisor has been told so. Errors: NsmErrc::bad_message for anything but one well-formed
// Load with its three descriptors; those of load and of LeafKeys::make; Errno of the socket.
[[nodiscard]] Result<Prepared> prepare(int control);

// Log takes one line for people.
using Log = std::function<void(const std::string&)>;

// serve answers Loaded, and then requests until the control socket or the request socket is closed
// by the other side, which is how it ends well. Meanwhile it takes certificates from the control
// socket and asks for them when a key is due; certificates that can't be used are logged, and
// change nothing. Errors: NsmErrc::bad_message for any other control packet, Errno of the sockets.
[[nodiscard]] Result<> serve(int control, Prepared prepared, const Log& log);

}  // namespace casemate::nsm
