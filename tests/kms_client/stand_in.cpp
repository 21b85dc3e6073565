// The tests' own KMS, with which programs in other languages are tested, and a security module that
// it trusts:
//   stand-in DIRECTORY [ROOTS]
// DIRECTORY/kms.socket speaks KMS's protocol over TLS, ca.pem vouches for it and other-ca.pem does
// not. DIRECTORY/module.socket: a connection sends a public key, shuts down its sending side and
// gets an attestation document under root.pem. credentials.json is its one caller. Once "ready" is
// written to standard output, all of it works; it ends when standard input does.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "base/socket.hpp"
#include "guest/kms/stand_in_service_for_test.hpp"

namespace {

using namespace casemate;

void serve_module(int listener) {
    const UniqueFd connection(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    Bytes key(4096);
    std::size_t size = 0;
    while (size < key.size()) {
        const auto got = read_some(connection.get(), MutableBytes(key).subspan(size));
        if (!got || got.value() == 0) {
            break;
        }
        size += got.value();
    }
    const auto document = kms_client::forged_module()(ByteView(key).first(size));
    if (document) {
        static_cast<void>(write_all(connection.get(), *document));
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2 && argc != 3) {
        std::fprintf(stderr, "usage: stand-in DIRECTORY [ROOTS]\n");
        return 2;
    }
    const std::string directory = argv[1];
    std::vector<crypto::Certificate> trusted;
    if (argc == 3) {
        namespace forger = attestation::forger;
        trusted = forger::must(crypto::Certificate::all_from_pem(
            forger::must(read_file(argv[2], std::uint64_t{1} << 20U))));
    }
    const kms_client::StandInService service(std::move(trusted));
    for (const char* const name : {"kms.socket", "ca.pem", "other-ca.pem"}) {
        std::filesystem::create_symlink(service.path(name), directory + "/" + name);
    }
    const std::string credentials = R"({"AccessKeyId": ")" + std::string(kms_client::kCaller) +
                                    R"(", "SecretAccessKey": ")" +
                                    std::string(kms_client::kCallersSecret) + "\"}\n";
    const auto module = listen_unix(directory + "/module.socket", SOCK_STREAM | SOCK_NONBLOCK);
    const auto root =
        attestation::forger::forge(attestation::forger::plain({"kvm"}, kms_client::started()))
            .root()
            .to_pem();
    if (!module || !write_file_atomically(directory + "/root.pem", as_bytes(root)) ||
        !write_file_atomically(directory + "/credentials.json", as_bytes(credentials))) {
        std::fprintf(stderr, "stand-in: %s can't be used\n", directory.c_str());
        return 1;
    }
    std::puts("ready");
    std::fflush(stdout);
    while (true) {
        std::array<pollfd, 2> waiting{pollfd{STDIN_FILENO, POLLIN, 0},
                                      pollfd{module->get(), POLLIN, 0}};
        if (poll(waiting.data(), waiting.size(), -1) < 0 || waiting[0].revents != 0) {
            return 0;
        }
        serve_module(module->get());
    }
}
