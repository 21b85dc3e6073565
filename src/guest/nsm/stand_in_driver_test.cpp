#include "guest/nsm/stand_in_driver.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <string_view>

namespace casemate::libnsm {

namespace {

StandInDriver* current = nullptr;

// _IOWR(0x0A, 0, struct nsm_raw) as linux/nsm.h has it on 64-bit machines.
constexpr unsigned long kNsmIoctlRaw = 0xC0200A00;

}  // namespace

StandInDriver::StandInDriver(Module module)
    : module_(std::move(module)), device_(memfd_create("nsm", MFD_CLOEXEC)) {
    EXPECT_EQ(current, nullptr);
    EXPECT_TRUE(device_.valid());
    current = this;
}

StandInDriver::~StandInDriver() {
    current = nullptr;
}

int StandInDriver::open_device() const {
    return fcntl(device_.get(), F_DUPFD_CLOEXEC, 3);
}

int StandInDriver::answer_request(void* raw) {
    std::array<std::uint64_t, 4> message{};
    std::memcpy(message.data(), raw, sizeof(message));
    const auto* request = reinterpret_cast<const std::uint8_t*>(message[0]);
    requests_.emplace_back(request, request + message[1]);
    const Answer answer = module_(requests_.back());
    if (const int* error = std::get_if<int>(&answer)) {
        errno = *error;
        return -1;
    }
    const Bytes& response = std::get<Bytes>(answer);
    const std::size_t size = std::min<std::size_t>(response.size(), message[3]);
    std::copy_n(response.begin(), size, reinterpret_cast<std::uint8_t*>(message[2]));
    message[3] = claimed_ != 0 ? claimed_ : size;
    std::memcpy(raw, message.data(), sizeof(message));
    return 0;
}

}  // namespace casemate::libnsm

using casemate::libnsm::current;
using casemate::libnsm::kNsmIoctlRaw;

// These come before the C library's.

extern "C" int ioctl(int fd, unsigned long request, ...) noexcept {
    va_list arguments;
    va_start(arguments, request);
    void* argument = va_arg(arguments, void*);
    va_end(arguments);
    if (current != nullptr && request == kNsmIoctlRaw) {
        return current->answer_request(argument);
    }
    return static_cast<int>(syscall(SYS_ioctl, fd, request, argument));
}

extern "C" int open(const char* path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const auto mode = va_arg(arguments, mode_t);
    va_end(arguments);
    if (current != nullptr && std::string_view(path) == "/dev/nsm") {
        return current->open_device();
    }
    return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}
