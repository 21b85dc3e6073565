// How many attestation documents a second are signed and verified, each against the signatures and
// verifications of OpenSSL alone that they need, turn and turn about. bench/attestation_rates runs
// it.
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "attestation/verifier.hpp"
#include "authority/authority.hpp"
#include "base/fd.hpp"
#include "base/process.hpp"
#include "base/socket.hpp"
#include "base/temporary_directory.hpp"
#include "eif/forger.hpp"
#include "nsm/forged_kernel.hpp"
#include "nsm/forged_requests.hpp"
#include "nsm/requests.hpp"

namespace casemate {

namespace {

constexpr std::uint64_t kMemory = 64ULL << 20U;
constexpr std::uint64_t kSlot = 0x018aa8b8e2285d13;
constexpr auto kModuleId = "i-0918f6c55e3b61d89-enc018aa8b8e2285d13";

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "attestation_rates: %s\n", what.c_str());
    std::exit(1);
}

template <class T>
T expect(Result<T> result, const char* what) {
    if (!result) {
        fail(std::string(what) + ": " + result.error().message());
    }
    return std::move(result).value();
}

void expect(const Result<>& result, const char* what) {
    if (!result) {
        fail(std::string(what) + ": " + result.error().message());
    }
}

// --- what is measured ---

// RawKey: OpenSSL's P-384 and nothing else, with contexts that are made once.
class RawKey {
public:
    RawKey() : key_(EVP_EC_gen("P-384")) {
        signing_ = EVP_PKEY_CTX_new(key_, nullptr);
        verifying_ = EVP_PKEY_CTX_new(key_, nullptr);
        if (EVP_PKEY_sign_init(signing_) != 1 || EVP_PKEY_verify_init(verifying_) != 1) {
            fail("OpenSSL has no P-384");
        }
        sign();
    }
    RawKey(const RawKey&) = delete;
    RawKey& operator=(const RawKey&) = delete;
    ~RawKey() {
        EVP_PKEY_CTX_free(signing_);
        EVP_PKEY_CTX_free(verifying_);
        EVP_PKEY_free(key_);
    }

    void sign() {
        size_ = signature_.size();
        if (EVP_PKEY_sign(signing_, signature_.data(), &size_, digest_.data(), digest_.size()) !=
            1) {
            fail("OpenSSL does not sign");
        }
    }
    void verify() {
        if (EVP_PKEY_verify(verifying_, signature_.data(), size_, digest_.data(), digest_.size()) !=
            1) {
            fail("OpenSSL does not verify");
        }
    }

private:
    EVP_PKEY* key_;
    EVP_PKEY_CTX* signing_ = nullptr;
    EVP_PKEY_CTX* verifying_ = nullptr;
    std::array<std::uint8_t, 48> digest_{1, 2, 3};
    std::array<std::uint8_t, 128> signature_{};
    std::size_t size_ = 0;
};

// Hierarchy: an authority in a directory of its own.
class Hierarchy {
public:
    nsm::Certified certify(const Bytes& leaf_key) {
        const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
        authority::LeafRequest request;
        request.public_key = leaf_key;
        request.module_id = kModuleId;
        request.slot_uid = kSlot;
        request.isolation = attestation::Isolation::kvm;
        auto made = expect(authority_.certify(request, now), "certificates");
        return {std::move(made.chain.leaf), std::move(made.chain.bundle),
                made.chain.valid_until.time_since_epoch().count() * std::int64_t{1000}};
    }

    attestation::Verifier verifier() const {
        const std::string pem = expect(authority_.root_pem(), "root");
        return expect(attestation::Verifier::create(
                          expect(crypto::Certificate::all_from_pem(as_bytes(pem)), "root")),
                      "verifier");
    }

private:
    TemporaryDirectory directory_ = expect(TemporaryDirectory::create(), "directory");
    authority::Authority authority_{directory_.path() + "/authority",
                                    {"i-0918f6c55e3b61d89", "local", ""}};
};

nsm::Load a_load() {
    return {kMemory, false, kModuleId, "", "i-0918f6c55e3b61d89"};
}

// InProcess: the request path of casemate-nsm, called.
class InProcess {
public:
    explicit InProcess(Hierarchy& hierarchy)
        : keys_(expect(nsm::LeafKeys::make(nsm::wall_clock()), "leaf key")),
          requests_(nsm::PcrBank::at_boot({{0, nsm::PcrValue{1}}}, a_load()), kModuleId, keys_) {
        expect(keys_.certify(hierarchy.certify(keys_.waiting()), nsm::wall_clock()), "leaf key");
    }
    InProcess(const InProcess&) = delete;
    InProcess& operator=(const InProcess&) = delete;

    Bytes ask(ByteView request) { return requests_.answer(request); }

private:
    nsm::LeafKeys keys_;
    nsm::Requests requests_;
};

// Program: casemate-nsm itself, in its jail, over its sockets.
class Program {
public:
    Program(const std::string& program, Hierarchy& hierarchy) {
        auto control = expect(make_socket_pair(SOCK_SEQPACKET), "control socket");
        auto requests = expect(make_socket_pair(SOCK_SEQPACKET), "request socket");
        const UniqueFd memory = expect(make_memory_file("guest", kMemory), "guest memory");
        eif::forger::Forgery image = eif::forger::plain();
        image.sections[0].data = nsm::forged::bzimage(nsm::forged::pattern(300'000, 1));
        const UniqueFd eif = eif::forger::memory_file(forge(image));
        SpawnOptions options;
        options.program = program;
        options.passed_fds = {control.second.get()};
        process_ = expect(Process::spawn(options), "casemate-nsm");
        control.second.reset();
        control_ = std::move(control.first);
        requests_ = std::move(requests.first);
        const std::array<int, 3> fds{eif.get(), memory.get(), requests.second.get()};
        expect(send_packet(control_.get(), nsm::encode(a_load()), fds), "load");
        requests.second.reset();
        const auto answer = expect(
            nsm::decode_module_message(receive(control_.get(), nsm::kMaxControlPacket)), "loaded");
        const auto* loaded = std::get_if<nsm::Loaded>(&answer);
        if (loaded == nullptr) {
            fail("casemate-nsm refused the image");
        }
        expect(send_packet(control_.get(), nsm::encode(hierarchy.certify(loaded->leaf_key))),
               "certificates");
        // The certificates come over another socket than the requests.
        while (!nsm::forged::document_of(ask(nsm::forged::attestation({})))) {
        }
    }

    Bytes ask(ByteView request) {
        expect(send_packet(requests_.get(), request), "request");
        return receive(requests_.get(), nsm::kMaxResponseSize);
    }

private:
    static Bytes receive(int socket, std::size_t limit) {
        Packet packet = expect(receive_packet(socket, limit), "receive");
        if (packet.end_of_stream) {
            fail("expected a packet of casemate-nsm, found its end");
        }
        return std::move(packet.bytes);
    }

    Process process_;
    UniqueFd control_;
    UniqueFd requests_;
};

// --- measuring ---

using Clock = std::chrono::steady_clock;

// A turn takes about a hundredth of a second: whatever else the machine does then slows every case
// down alike.
constexpr unsigned kCount = 10;
constexpr unsigned kColdCount = 2;

struct Case {
    std::string name;
    // run does it count times.
    unsigned count = 0;
    std::function<void()> run;
    unsigned done = 0;
    double seconds = 0;

    [[nodiscard]] double rate() const { return done / seconds; }
};

void measure(Case& one) {
    const auto start = Clock::now();
    one.run();
    const std::chrono::duration<double> taken = Clock::now() - start;
    one.seconds += taken.count();
    one.done += one.count;
}

void print(const Case& one) {
    std::printf("bench:   %-52s %7.0f /s\n", one.name.c_str(), one.rate());
}

void print_share(const char* what, const Case& one, const Case& raw, double times) {
    std::printf("bench:   %-52s %7.1f %%  (promised: at least 85 %%)\n", what,
                100 * times * one.rate() / raw.rate());
}

Bytes document_of(const Bytes& response) {
    auto document = nsm::forged::document_of(response);
    if (!document) {
        fail("expected a document, found an error");
    }
    return std::move(*document);
}

void verify(const attestation::Verifier& verifier, const Bytes& document) {
    attestation::Policy policy;
    policy.now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    policy.nonce = Bytes(32, 0x5a);
    expect(verifier.verify(document, policy), "verify");
}

int run(const std::string& program, unsigned rounds) {
    Hierarchy hierarchy;
    RawKey raw;
    InProcess in_process(hierarchy);
    Program process(program, hierarchy);
    const Bytes request = nsm::forged::attestation({{}, Bytes(32, 0x5a), {}});
    const Bytes document = document_of(in_process.ask(request));
    const attestation::Verifier warm = hierarchy.verifier();
    std::vector<attestation::Verifier> cold;

    const auto many = [](const std::function<void()>& action) {
        for (unsigned i = 0; i < kCount; ++i) {
            action();
        }
    };
    std::array<Case, 6> cases{
        Case{"P-384 signatures of OpenSSL alone", kCount, [&] { many([&] { raw.sign(); }); }},
        Case{"documents by the request path of casemate-nsm", kCount,
             [&] { many([&] { in_process.ask(request); }); }},
        Case{"documents by casemate-nsm, asked over its socket", kCount,
             [&] { many([&] { process.ask(request); }); }},
        Case{"P-384 verifications of OpenSSL alone", kCount, [&] { many([&] { raw.verify(); }); }},
        Case{"documents verified, their chain known", kCount,
             [&] { many([&] { verify(warm, document); }); }},
        Case{"documents verified, each by a new verifier", kColdCount,
             [&] {
                 for (const attestation::Verifier& verifier : cold) {
                     verify(verifier, document);
                 }
             }},
    };
    for (unsigned round = 0; round < rounds; ++round) {
        cold.clear();
        for (unsigned i = 0; i < kColdCount; ++i) {
            cold.push_back(hierarchy.verifier());
        }
        for (Case& one : cases) {
            measure(one);
        }
    }
    std::printf("bench: attestation documents of %zu bytes, %u rounds of all in turn\n",
                document.size(), rounds);
    for (const Case& one : cases) {
        print(one);
    }
    print_share("signed in the process, of the signatures", cases[1], cases[0], 1);
    print_share("signed over the socket, of the signatures", cases[2], cases[0], 1);
    print_share("verified with a known chain, of the verifications", cases[4], cases[3], 1);
    print_share("verified with a new chain, of a fifth of them", cases[5], cases[3], 5);
    return 0;
}

}  // namespace

}  // namespace casemate

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "attestation_rates: expected CASEMATE-NSM ROUNDS\n");
        return 2;
    }
    return casemate::run(argv[1], static_cast<unsigned>(std::max(1, std::atoi(argv[2]))));
}
