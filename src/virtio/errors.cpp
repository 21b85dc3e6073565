#include "virtio/errors.hpp"

namespace casemate::virtio {

std::string_view describe(VirtioErrc code) {
    switch (code) {
        case VirtioErrc::bad_ring_address:
            return "bad ring address";
        case VirtioErrc::bad_ring_size:
            return "bad ring size";
        case VirtioErrc::bad_available_index:
            return "bad available index";
        case VirtioErrc::bad_descriptor:
            return "bad descriptor";
        case VirtioErrc::endless_chain:
            return "endless chain";
        case VirtioErrc::indirect_descriptor:
            return "indirect descriptor";
        case VirtioErrc::wrong_direction:
            return "wrong direction of a buffer";
        case VirtioErrc::short_buffer:
            return "short buffer";
    }
    return "unknown";
}

}  // namespace casemate::virtio
