#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "peer.hpp"

namespace casemate::guest_peer {

namespace {

// The answer of the command that ran at the start; written before anybody can ask for it.
std::string first_answer;

void serve_answer(int stream, std::uint64_t) {
    write_text(stream, first_answer + "\n");
}

[[noreturn]] void serve_all() {
    serve_in_background(kEchoPort, echo);
    serve_in_background(kSinkPort, sink);
    serve_in_background(kSourcePort, requested_source);
    const int listener = listen_on(kCommandPort);
    say("serving");
    serve_listener(listener, commands, 0);
}

[[noreturn]] void serve_on(const std::string& port, Handler handler, std::uint64_t parameter) {
    serve_listener(listen_on(static_cast<std::uint32_t>(number(port))), handler, parameter);
}

[[noreturn]] void run(const std::vector<std::string>& words) {
    const std::string verb = words.empty() ? "serve" : words[0];
    const std::size_t count = words.size();
    if (verb == "serve" && count <= 1) {
        serve_all();
    }
    if ((verb == "echo" || verb == "ping-pong") && count == 2) {
        serve_on(words[1], echo, 0);
    }
    if (verb == "sink" && count == 2) {
        serve_on(words[1], sink, 0);
    }
    if (verb == "source" && count == 3) {
        serve_on(words[1], source, number(words[2]));
    }
    if (verb == "exit" && count == 2) {
        std::exit(static_cast<int>(number(words[1])));
    }
    if (verb == "abort") {
        std::abort();
    }
    // Any other command is executed once; its answer goes to the console and to whoever asks.
    first_answer = execute(words);
    say(first_answer);
    serve_listener(listen_on(kCommandPort), serve_answer, 0);
}

}  // namespace

}  // namespace casemate::guest_peer

int main(int argc, char** argv) {
    casemate::guest_peer::run(std::vector<std::string>(argv + 1, argv + argc));
}
