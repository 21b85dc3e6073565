// casemate: the command line. Called as nitro-cli, it is nitro-cli.
#include <csignal>
#include <iostream>
#include <string>
#include <vector>

#include "base/standard_streams.hpp"
#include "cli/main.hpp"

int main(int argc, char** argv) {
    // A file that grows past the limit on file sizes is an error like a full disk, not a death that
    // leaves the file behind.
    (void)std::signal(SIGXFSZ, SIG_IGN);
    casemate::keep_standard_streams();
    return casemate::cli::run(std::vector<std::string>(argv, argv + argc), std::cout, std::cerr);
}
