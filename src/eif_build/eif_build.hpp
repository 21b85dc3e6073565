// eif_build: an enclave image of a kernel, a command line and ramdisks (nitro-cli.md 6).
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace casemate::eif_build {

// run does what the command line says (arguments[0] is the program's name) and gives the exit
// status: 0; 2 for a wrong command line; 1 for everything else, and then the output file is what it
// was before. On success out has "Output file: PATH" and the measurements as JSON. A signal
// (SIGINT, SIGTERM, SIGHUP) ends the program, once nothing of the image is left.
[[nodiscard]] int run(const std::vector<std::string>& arguments, std::ostream& out,
                      std::ostream& err);

}  // namespace casemate::eif_build
