// KMS from a shell inside the enclave.
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstdlib>
#include <vector>

#include "guest/kms/tool.hpp"

int main(int argc, char** argv) {
    using namespace casemate::kms_client;
    // Secrets pass through: no core dumps, no other process of the same user looking in.
    const rlimit none{0, 0};
    static_cast<void>(setrlimit(RLIMIT_CORE, &none));
    static_cast<void>(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
    const std::vector<std::string_view> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
    return run_tool(arguments,
                    {stdin, stdout, stderr, [](const char* name) { return std::getenv(name); },
                     security_module()});
}
