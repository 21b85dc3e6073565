// guest-peer: what the tests run inside an enclave. One static program with a subcommand for each
// thing that a test needs a guest to do; README.md lists them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace casemate::guest_peer {

inline constexpr std::uint32_t kEchoPort = 5000;
inline constexpr std::uint32_t kSinkPort = 5001;
inline constexpr std::uint32_t kSourcePort = 5002;
inline constexpr std::uint32_t kCommandPort = 5003;
inline constexpr std::uint32_t kFanoutPort = 6000;
inline constexpr std::uint32_t kParentCid = 3;

// say writes one line to the console.
void say(const std::string& sentence);

// number reads a decimal number; the process ends with a message where text is none.
std::uint64_t number(std::string_view text);

// Handler serves one accepted or connected stream, which is closed afterwards.
using Handler = void (*)(int stream, std::uint64_t parameter);

// listen_on binds the port on VMADDR_CID_ANY; the process ends with a message where it can't.
int listen_on(std::uint32_t port);
// serve_listener gives each stream a thread of its own, for ever.
[[noreturn]] void serve_listener(int listener, Handler handler, std::uint64_t parameter);
// serve_in_background does the same in another thread.
void serve_in_background(std::uint32_t port, Handler handler, std::uint64_t parameter = 0);
// in_background runs function(argument) in a thread of its own.
void in_background(void* (*function)(void*), void* argument);

// connect_to gives a stream, or -1 and errno.
int connect_to(std::uint32_t cid, std::uint32_t port);

// write_all gives false when the peer is gone; read_line reads up to a newline, "" at the end.
bool write_all(int stream, const void* bytes, std::size_t size);
bool write_text(int stream, std::string_view text);
std::string read_line(int stream);

// The services. echo sends back what comes and half-closes after its peer did; sink answers
// "CRC32 LENGTH\n" (hexadecimal, decimal) at the end of the stream; source sends parameter bytes of
// the pattern; requested_source first reads how many from a decimal line.
void echo(int stream, std::uint64_t parameter);
void sink(int stream, std::uint64_t parameter);
void source(int stream, std::uint64_t parameter);
void requested_source(int stream, std::uint64_t parameter);
// commands answers each line by one line: "ok …" or "error …".
void commands(int stream, std::uint64_t parameter);

// execute runs one command of the command port, in words, and returns its answer.
std::string execute(const std::vector<std::string>& words);

// What commands are made of.
std::string try_connect(std::uint32_t cid, std::uint32_t port);
std::string upload(std::uint32_t cid, std::uint32_t port, std::uint64_t bytes);
std::string fan_out(std::uint64_t streams, std::uint32_t port);
// nsm_request: "describe", "pcr N", "random", "raw HEX" or "nothing" (no bytes at all) to /dev/nsm;
// the response in hexadecimal. "time COUNT HEX" asks that often and gives each round trip's
// nanoseconds.
std::string nsm_request(const std::vector<std::string>& words);
// run_program runs a program with arguments to its end and answers "ok STATUS OUTPUT ERRORS", both
// in hexadecimal and "-" where they are empty; the status is 128 + the signal where one ended it.
std::string run_program(const std::vector<std::string>& words);
// file_contents answers the first bytes of a file in hexadecimal.
std::string file_contents(const std::string& path, std::uint64_t bytes);
// leave_orphans makes processes whose parent ends before them, and waits until process 1 has
// collected each.
std::string leave_orphans(std::uint64_t count);
// panic_kernel does not return when it succeeds; it returns why it did not.
std::string panic_kernel();
std::string errno_text(int error);

}  // namespace casemate::guest_peer
