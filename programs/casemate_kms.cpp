// casemate-kms: the key management service and the commands for it.
#include <csignal>
#include <iostream>
#include <string>
#include <vector>

#include "enclave/paths.hpp"
#include "kms/cli/main.hpp"
#include "kms/vault/memory.hpp"

int main(int argc, char** argv) {
    const auto protected_memory = casemate::kms::protect_memory();
    if (!protected_memory) {
        std::cerr << "error: " << protected_memory.error().message() << std::endl;
        return 3;
    }
    const std::vector<std::string> arguments(argv, argv + argc);
    if (*protected_memory && arguments.size() > 1 && arguments[1] == "serve") {
        std::cerr << "warning: " << **protected_memory << std::endl;
    }
    // A file that grows past the limit on file sizes is an error like a full disk.
    static_cast<void>(std::signal(SIGXFSZ, SIG_IGN));
    casemate::kms::cli::Places places;
    const auto paths = casemate::enclave::find_paths();
    if (!paths) {
        std::cerr << "error: " << paths.error().message() << std::endl;
        return 3;
    }
    places.configuration = paths->configuration + "/kms.yaml";
    places.parent_ports = paths->parent_ports();
    places.make_directories = [&paths] { return casemate::enclave::make_directories(*paths); };
    places.authority_root = paths->authority() + "/root.pem";
    return casemate::kms::cli::run(arguments, places, std::cout, std::cerr);
}
