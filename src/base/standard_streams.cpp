#include "base/standard_streams.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace casemate {

void keep_standard_streams() {
    for (int fd = 0; fd <= STDERR_FILENO; ++fd) {
        if (::fcntl(fd, F_GETFD) < 0) {
            // The lowest number that is free is this one.
            (void)::open("/dev/null", O_RDONLY);
        }
    }
}

}  // namespace casemate
