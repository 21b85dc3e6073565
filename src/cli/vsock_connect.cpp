#include <sys/socket.h>

#include "base/socket.hpp"
#include "cli/enclaves.hpp"
#include "cli/verbs.hpp"

namespace casemate::cli {

namespace {

// The guest's answer, up to its line feed; empty when the stream was closed instead.
std::string read_answer(int socket) {
    std::string line;
    char byte = 0;
    while (line.size() < 64 && ::recv(socket, &byte, 1, 0) == 1) {
        line.push_back(byte);
        if (byte == '\n') {
            return line;
        }
    }
    return "";
}

}  // namespace

int vsock_connect(const VsockConnectArguments& arguments, Output& output) {
    output.set_action("Connect to Enclave");
    const auto paths = enclave::find_paths();
    if (!paths) {
        return output.fail(ErrorCode::file_operation, paths.error());
    }
    const auto socket = connect_unix(paths->cid(arguments.cid), SOCK_STREAM);
    if (!socket) {
        return output.fail(ErrorCode::socket, "expected a running enclave with CID " +
                                                  std::to_string(arguments.cid) + ", found " +
                                                  socket.error().message());
    }
    const std::string line = "CONNECT " + std::to_string(arguments.port) + "\n";
    const auto sent = write_all(socket->get(), as_bytes(line));
    if (!sent || !read_answer(socket->get()).starts_with("OK ")) {
        return output.fail(ErrorCode::socket, "expected a listener at port " +
                                                  std::to_string(arguments.port) + " of CID " +
                                                  std::to_string(arguments.cid) +
                                                  ", found that the connection was refused");
    }
    const auto pumped = pump(socket->get());
    return pumped ? 0 : output.fail(ErrorCode::socket, pumped.error());
}

}  // namespace casemate::cli
