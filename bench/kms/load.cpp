// Load on casemate-kms: rate, waiting time and processor time of its main operations beside what
// they cost in OpenSSL alone, and at stores of several sizes. bench/kms_rates runs it.
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "attestation/testing/forger.hpp"
#include "base/file.hpp"
#include "codec/base64.hpp"
#include "crypto/rsa.hpp"
#include "kms/core/names.hpp"
#include "kms/store/database.hpp"
#include "kms/store/repository.hpp"
#include "kms/vault/vault.hpp"
#include "raw.hpp"
#include "service.hpp"

namespace casemate::bench {

namespace {

using Clock = std::chrono::steady_clock;
namespace json = boost::json;
namespace forger = attestation::forger;

constexpr int kServer = 0;
constexpr int kClient = 1;

void stay_on(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(processor), &set);
    if (::sched_setaffinity(0, sizeof set, &set) != 0) {
        fail("expected two processors, found fewer");
    }
}

struct Load {
    double rate = 0;
    // Milliseconds.
    double median = 0;
    double p99 = 0;
    // Microseconds of the service's processor time for one.
    double processor = 0;
    std::size_t response = 0;
};

// drive sends exchanges over a number of connections for some seconds.
Load drive(const Service& service, const std::vector<Exchange>& exchanges, unsigned connections,
           double seconds) {
    std::vector<std::vector<double>> waits(connections);
    std::vector<std::thread> threads;
    std::atomic<unsigned> ready{0};
    std::atomic<bool> go{false};
    std::atomic<bool> over{false};
    std::atomic<std::size_t> response{0};
    for (unsigned index = 0; index < connections; ++index) {
        threads.emplace_back([&, index] {
            http::Connection connection = service.connect();
            ++ready;
            while (!go) {
                std::this_thread::yield();
            }
            for (std::size_t turn = index; !over; ++turn) {
                const auto start = Clock::now();
                const http::Response answer = expect(
                    connection.exchange(exchanges[turn % exchanges.size()].request), "exchange");
                if (answer.status != 200) {
                    fail("expected an answer, found " + answer.body);
                }
                response = answer.body.size() + 300;
                waits[index].push_back(
                    std::chrono::duration<double, std::milli>(Clock::now() - start).count());
            }
        });
    }
    while (ready < connections) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    const double before = service.processor_seconds();
    const auto start = Clock::now();
    go = true;
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    over = true;
    for (std::thread& thread : threads) {
        thread.join();
    }
    const double taken = std::chrono::duration<double>(Clock::now() - start).count();
    std::vector<double> all;
    for (const std::vector<double>& some : waits) {
        all.insert(all.end(), some.begin(), some.end());
    }
    std::sort(all.begin(), all.end());
    Load load;
    load.rate = static_cast<double>(all.size()) / taken;
    load.median = all[all.size() / 2];
    load.p99 = all[all.size() * 99 / 100];
    load.processor = (service.processor_seconds() - before) / static_cast<double>(all.size()) * 1e6;
    load.response = response;
    return load;
}

// made: when the forger's certificates and documents are made, once for all of them.
std::chrono::sys_seconds made() {
    static const auto now =
        std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
    return now;
}

std::string member(const std::string& answer, const char* name) {
    const json::value parsed = json::parse(answer);
    return std::string(parsed.at(name).as_string());
}

std::string key_of(const std::string& answer) {
    const json::value parsed = json::parse(answer);
    return std::string(parsed.at("KeyMetadata").at("KeyId").as_string());
}

struct Kind {
    const char* name;
    const char* operation;
    Work work;
    std::string body;
    std::size_t document = 0;
};

std::vector<Kind> kinds_of(const Service& service) {
    const std::string symmetric = key_of(service.ask("CreateKey", "{}"));
    const std::string curve =
        key_of(service.ask("CreateKey", R"({"KeySpec":"ECC_NIST_P256","KeyUsage":"SIGN_VERIFY"})"));
    const std::string plaintext = codec::encode_base64(Bytes(32, 7));
    const std::string blob =
        member(service.ask("Encrypt",
                           R"({"KeyId":")" + symmetric + R"(","Plaintext":")" + plaintext + "\"}"),
               "CiphertextBlob");
    const crypto::RsaPrivateKey enclave =
        expect(crypto::RsaPrivateKey::generate(2048), "an RSA key");
    const auto now = made();
    forger::Forgery forgery = forger::plain({"kvm"}, now);
    forgery.contents.public_key = enclave.public_key().spki();
    const Bytes document = forger::forge(forgery).document;
    const std::string with = R"({"CiphertextBlob":")" + blob + "\"";
    return {
        {"Decrypt", "Decrypt", Work::decrypt, with + "}"},
        {"Decrypt with Recipient", "Decrypt", Work::decrypt_for_recipient,
         with + R"(,"Recipient":{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256",)" +
             R"("AttestationDocument":")" + codec::encode_base64(document) + "\"}}",
         document.size()},
        {"GenerateDataKey", "GenerateDataKey", Work::generate_data_key,
         R"({"KeyId":")" + symmetric + R"(","KeySpec":"AES_256"})"},
        {"Sign, P-256", "Sign", Work::sign,
         R"({"KeyId":")" + curve + R"(","SigningAlgorithm":"ECDSA_SHA_256","Message":")" +
             plaintext + "\"}"},
    };
}

// with_logs adds how the service logs: both logs written for each request, the audit log to the
// disk each second.
std::vector<std::string> with_logs(const std::string& directory, std::vector<std::string> options) {
    options.insert(options.end(),
                   {"--audit-sync", "each-second", "--access-log", directory + "/access.jsonl"});
    return options;
}

std::string write_root(const std::string& directory) {
    const auto now = made();
    const std::string file = directory + "/root.pem";
    const std::string pem = forger::forge(forger::plain({"kvm"}, now)).root().to_pem();
    if (!write_file_atomically(file, as_bytes(pem), 0600)) {
        fail("expected to write " + file);
    }
    return file;
}

void rates(const std::string& program, const std::string& directory, double seconds) {
    const std::string root = write_root(directory);
    Service service(
        program, directory + "/kms", "bench", kServer,
        with_logs(directory, {"--attestation-root", root, "--max-document-age", "3600"}));
    std::printf("%-24s %9s %9s %8s %8s %10s %10s %10s %8s %8s\n", "", "a second", "a second",
                "median", "p99", "processor", "OpenSSL:", "OpenSSL:", "of all", "of the");
    std::printf("%-24s %9s %9s %8s %8s %10s %10s %10s %8s %8s\n", "", "64 conn.", "a core", "ms",
                "ms", "us", "operation", "all, us", "crypto", "operation");
    for (const Kind& kind : kinds_of(service)) {
        const std::vector<Exchange> exchanges{service.sign(kind.operation, kind.body)};
        (void)drive(service, exchanges, 8, 0.3);
        const Load load = drive(service, exchanges, 64, seconds);
        stay_on(kServer);
        const Cost cost =
            measure(kind.work, {exchanges[0].size, kind.body.size(), load.response, kind.document});
        stay_on(kClient);
        std::printf("%-24s %9.0f %9.0f %8.2f %8.2f %10.1f %10.1f %10.1f %7.0f%% %7.0f%%\n",
                    kind.name, load.rate, 1e6 / load.processor, load.median, load.p99,
                    load.processor, cost.operation, cost.all(), cost.all() / load.processor * 100,
                    cost.operation / load.processor * 100);
        std::fflush(stdout);
    }
    std::printf("resident memory of the service: %zu MiB\n", service.resident() >> 10U);
    service.stop();
}

// fill_up copies one key's rows until the store has that many keys.
void fill_up(const std::string& directory, const std::string& key, std::size_t from,
             std::size_t to) {
    const auto database = expect(kms::open_sqlite(directory), "the store");
    const kms::Vault vault = expect(kms::Vault::open(directory), "the root keys");
    const kms::Key original = [&] {
        const auto repository = expect(kms::Repository::open(directory), "the store");
        return expect(repository->key(key), "the key");
    }();
    const std::string& material = original.current_material;
    const Bytes secret(32, 1);
    constexpr std::size_t kOnce = 10'000;
    for (std::size_t done = from; done < to;) {
        const std::size_t until = std::min(done + kOnce, to);
        const Result<> copied = database->transaction([&]() -> Result<> {
            for (std::size_t i = done; i < until; ++i) {
                const std::string id = kms::new_uuid();
                CASEMATE_CHECK(database->run(
                    "INSERT INTO kms_keys SELECT $1, replace(arn, id, $1), spec, usage, state, "
                    "origin, description, created, deletion_date, policy, tags, rotation_days, "
                    "next_rotation, current_material, valid_to, version FROM kms_keys WHERE id = "
                    "$2",
                    {id, key}));
                CASEMATE_TRY(Bytes wrapped,
                             vault.wrap(secret, kms::material_binding(id, material)));
                CASEMATE_CHECK(
                    database->run("INSERT INTO kms_materials SELECT $1, id, sequence, $3, created, "
                                  "public_key, rotation FROM kms_materials WHERE key_id = $2",
                                  {id, key, std::move(wrapped)}));
            }
            return {};
        });
        if (!copied) {
            fail(copied.error().message());
        }
        done = until;
    }
}

// Keys that are each asked for once, in bodies of Decrypt.
std::vector<std::string> bodies_of_new_keys(const Service& service, int count, std::string& last) {
    std::vector<std::string> bodies;
    for (int i = 0; i < count; ++i) {
        last = key_of(service.ask("CreateKey", "{}"));
        const std::string blob =
            member(service.ask("Encrypt", R"({"KeyId":")" + last + R"(","Plaintext":"AAAA"})"),
                   "CiphertextBlob");
        bodies.push_back(R"({"CiphertextBlob":")" + blob + "\"}");
    }
    return bodies;
}

// spent gives the service's processor time for one of several exchanges in a row, in microseconds.
double spent(const Service& service, const std::vector<Exchange>& exchanges) {
    http::Connection connection = service.connect();
    const double before = service.processor_seconds();
    for (const Exchange& exchange : exchanges) {
        const http::Response answer = expect(connection.exchange(exchange.request), "exchange");
        if (answer.status != 200) {
            fail("expected an answer, found " + answer.body);
        }
    }
    return (service.processor_seconds() - before) / static_cast<double>(exchanges.size()) * 1e6;
}

void sizes(const std::string& program, const std::string& directory, double seconds) {
    std::printf("\n%-20s %22s %22s %22s\n", "keys in the store", "Decrypt, known key",
                "Decrypt, key's first", "CreateKey");
    for (const std::size_t wanted : {100UL, 10'000UL, 1'000'000UL}) {
        const std::string data = directory + "/sizes-" + std::to_string(wanted);
        constexpr int kNew = 90;
        std::string last;
        std::vector<std::string> bodies;
        {
            Service service(program, data, "first", kServer, with_logs(directory, {}));
            bodies = bodies_of_new_keys(service, kNew, last);
            service.stop();
        }
        // The rows of all the others come between theirs: identifiers are random.
        fill_up(data, last, kNew, wanted);
        Service service(program, data, "second", kServer, with_logs(directory, {}));
        std::vector<Exchange> firsts;
        for (const std::string& body : bodies) {
            firsts.push_back(service.sign("Decrypt", body));
        }
        const double cold = spent(service, firsts);
        const Load warm = drive(service, firsts, 16, seconds);
        const double create =
            spent(service, std::vector<Exchange>(kNew, service.sign("CreateKey", "{}")));
        std::printf("%-20zu %19.1f us %19.1f us %19.1f us\n", wanted, warm.processor, cold, create);
        std::fflush(stdout);
        service.stop();
    }
}

}  // namespace

}  // namespace casemate::bench

int main(int count, char** words) {
    using namespace casemate;
    using namespace casemate::bench;
    if (count != 3) {
        std::fprintf(stderr, "usage: bench_kms CASEMATE-KMS SECONDS\n");
        return 2;
    }
    stay_on(kClient);
    const TemporaryDirectory directory = expect(TemporaryDirectory::create(), "a directory");
    const double seconds = std::atof(words[2]);
    rates(words[1], directory.path(), seconds);
    sizes(words[1], directory.path(), seconds);
    return 0;
}
