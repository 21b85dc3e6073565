// A C++ program on casemate/nsm.hpp, as it is installed: module_id, or why there is none.
#include <casemate/nsm.hpp>
#include <cerrno>
#include <cstdio>

int main() {
    const auto module = casemate::SecurityModule::open();
    if (!module) {
        std::perror("/dev/nsm");
        return 2;
    }
    const auto description = module->describe();
    std::puts(description ? description->module_id.c_str()
                          : casemate::describe(description.error()).data());
    return description ? 0 : 1;
}
