// The security module from a shell inside the enclave.
#include <vector>

#include "guest/nsm_cli/run.hpp"

int main(int argc, char** argv) {
    const std::vector<std::string_view> arguments(argv + 1, argv + argc);
    return casemate::nsm_cli::run(arguments, stdout, stderr);
}
