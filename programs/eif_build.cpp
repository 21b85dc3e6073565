// eif_build: an enclave image of a kernel and ramdisks, as AWS's program of that name makes it.
#include "eif_build/eif_build.hpp"

#include <csignal>
#include <iostream>

int main(int argc, char** argv) {
    // A file that grows past the limit on file sizes is an error like a full disk, not a death that
    // leaves the file behind.
    (void)std::signal(SIGXFSZ, SIG_IGN);
    return casemate::eif_build::run(std::vector<std::string>(argv, argv + argc), std::cout,
                                    std::cerr);
}
