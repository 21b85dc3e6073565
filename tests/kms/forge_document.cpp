// A security module for tests in other languages:
//   forge-document DIRECTORY
// writes the root of its documents to DIRECTORY/root.pem. Then each line of standard input asks for
// a document and gets it as a line, in base64:
//   KIND PUBLIC-KEY [INDEX=VALUE]...
// PUBLIC-KEY is a SubjectPublicKeyInfo in hexadecimal, or "-" for none; the others are registers.
// KIND is good; old: made an hour ago; strange: under another root of the same name; software,
// debug: so say its certificates; changed: with a bit of its payload turned.
#include <chrono>
#include <iostream>
#include <sstream>

#include "attestation/testing/forger.hpp"
#include "base/file.hpp"
#include "codec/base64.hpp"

namespace {

using namespace casemate;
namespace forger = attestation::forger;

// The hierarchy is of this moment for the whole run, since a root has to stay the same.
crypto::Seconds started() {
    static const auto now =
        std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    return now;
}

Bytes bytes_of(const std::string& digits) {
    return from_hex(digits).value();
}

forger::Forgery of_kind(const std::string& kind) {
    std::vector<std::string> labels{"kvm"};
    if (kind == "software") {
        labels = {"software"};
    } else if (kind == "debug") {
        labels.emplace_back("debug");
    }
    forger::Forgery forgery = forger::plain(labels, started());
    forgery.contents.timestamp = std::chrono::floor<std::chrono::milliseconds>(
        std::chrono::system_clock::now() - std::chrono::hours(kind == "old" ? 1 : 0));
    if (kind == "strange") {
        auto& root = forgery.certificates[forger::kRoot];
        root.subject_key = forger::key_of(forger::kStranger).public_key().spki();
        root.signer = forger::kStranger;
        forgery.certificates[forger::kRegion].signer = forger::kStranger;
    }
    if (kind == "changed") {
        forgery.edit_message = [](Bytes& message) { message[message.size() - 200] ^= 1U; };
    }
    return forgery;
}

std::string answer(const std::string& line) {
    std::istringstream words(line);
    std::string kind;
    std::string key;
    std::string measured;
    words >> kind >> key;
    forger::Forgery forgery = of_kind(kind);
    if (key != "-") {
        forgery.contents.public_key = bytes_of(key);
    }
    while (words >> measured) {
        const std::size_t equals = measured.find('=');
        const Bytes value = bytes_of(measured.substr(equals + 1));
        auto& pcr = forgery.contents
                        .pcrs[static_cast<std::uint16_t>(std::stoul(measured.substr(0, equals)))];
        std::copy_n(value.begin(), std::min(value.size(), pcr.size()), pcr.begin());
    }
    return codec::encode_base64(forger::forge(forgery).document);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: forge-document DIRECTORY\n";
        return 2;
    }
    const std::string root = forger::forge(of_kind("good")).root().to_pem();
    if (!write_file_atomically(argv[1] + std::string("/root.pem"), as_bytes(root))) {
        std::cerr << "forge-document: " << argv[1] << " can't be written\n";
        return 1;
    }
    std::string line;
    while (std::getline(std::cin, line)) {
        std::cout << answer(line) << std::endl;
    }
    return 0;
}
