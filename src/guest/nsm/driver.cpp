#include "guest/nsm/driver.hpp"

#include <sys/ioctl.h>

#include <cerrno>

namespace casemate::libnsm {

namespace {

// linux/nsm.h, which older headers lack: an address and a size, twice.
struct NsmRaw {
    std::uint64_t request;
    std::uint64_t request_size;
    std::uint64_t response;
    std::uint64_t response_size;
};
constexpr unsigned long kNsmIoctlRaw = _IOWR(0x0A, 0, NsmRaw);

}  // namespace

ErrorCode exchange(int fd, ByteView request, MutableBytes buffer, ByteView& answer) {
    NsmRaw raw{reinterpret_cast<std::uintptr_t>(request.data()), request.size(),
               reinterpret_cast<std::uintptr_t>(buffer.data()), buffer.size()};
    if (ioctl(fd, kNsmIoctlRaw, &raw) != 0) {
        return errno == EMSGSIZE ? ERROR_CODE_INPUT_TOO_LARGE : ERROR_CODE_INTERNAL_ERROR;
    }
    if (raw.response_size > buffer.size()) {
        return ERROR_CODE_INTERNAL_ERROR;
    }
    answer = buffer.first(raw.response_size);
    return ERROR_CODE_SUCCESS;
}

}  // namespace casemate::libnsm
