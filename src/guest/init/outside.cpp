#include "guest/init/outside.hpp"

#include <sys/socket.h>
// After sys/socket.h, which it needs and does not include.
#include <linux/vm_sockets.h>

#include <cerrno>

#include "base/os_error.hpp"

namespace casemate::guest {

Result<UniqueFd> connect_vsock(Address address, bool wait) {
    UniqueFd fd(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | (wait ? 0 : SOCK_NONBLOCK), 0));
    if (!fd.valid()) {
        return os_error("make a vsock socket");
    }
    sockaddr_vm target{};
    target.svm_family = AF_VSOCK;
    target.svm_cid = address.cid;
    target.svm_port = address.port;
    const auto* generic = reinterpret_cast<const sockaddr*>(&target);
    if (connect(fd.get(), generic, sizeof(target)) != 0 && errno != EINPROGRESS) {
        return os_error("connect over vsock");
    }
    return fd;
}

}  // namespace casemate::guest
