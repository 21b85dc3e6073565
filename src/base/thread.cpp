#include "base/thread.hpp"

#include <string>
#include <system_error>
#include <utility>

#include "base/os_error.hpp"

namespace casemate {

Result<std::thread> start_thread(std::string_view who, std::function<void()> work) {
    try {
        return std::thread(std::move(work));
    } catch (const std::system_error& error) {
        return os_error("start a thread of " + std::string(who), error.code().value());
    }
}

}  // namespace casemate
