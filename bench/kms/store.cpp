// bench_kms_store PLACE KEYS: fills a store (a directory, or postgresql://…) up to a number of
// keys, each with material, an alias and a grant, and prints what reads and changes cost then, in
// microseconds: the median and the 99th percentile, on one thread and on sixteen.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.hpp"
#include "kms/store/columns.hpp"
#include "kms/store/repository.hpp"
#include "kms/store/statements.hpp"

namespace casemate::kms {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kAccount = "123456789012";
constexpr std::size_t kThreads = 16;
constexpr std::size_t kReads = 4000;
constexpr std::size_t kChanges = 200;
constexpr std::uint64_t kBatch = 5000;

// scattered gives an id as random ones are: neighbours in time are none in the index.
std::string scattered(std::uint64_t number) {
    std::uint64_t mixed = number * 0x9e3779b97f4a7c15U;
    mixed ^= mixed >> 32U;
    char text[40];
    std::snprintf(text, sizeof(text), "%08llx-%04llx-4%03llx-8000-%012llx",
                  static_cast<unsigned long long>(mixed & 0xffffffffU),
                  static_cast<unsigned long long>((mixed >> 32U) & 0xffffU),
                  static_cast<unsigned long long>((mixed >> 48U) & 0xfffU),
                  static_cast<unsigned long long>(number));
    return text;
}

Key make_key(std::uint64_t number) {
    Key key;
    key.id = scattered(number);
    key.arn = "arn:aws:kms:us-east-1:123456789012:key/" + key.id;
    key.created = Time(std::chrono::seconds(1'700'000'000 + number));
    key.policy = std::string(400, ' ');
    key.current_material = std::string(64, 'a');
    // One in ten rotates, one in a hundred awaits its end.
    if (number % 10 == 0) {
        key.rotation_days = 365;
        key.next_rotation = key.created + std::chrono::hours(24 * 365);
    }
    if (number % 100 == 0) {
        key.deletion_date = key.created + std::chrono::hours(24 * 30);
        key.state = KeyState::pending_deletion;
    }
    return key;
}

Material make_material(const Key& key) {
    Material material;
    material.key_id = key.id;
    material.id = key.current_material;
    material.wrapped = Bytes(80, 7);
    material.created = key.created;
    return material;
}

Grant make_grant(const Key& key) {
    Grant grant;
    grant.id = key.id;
    grant.key_id = key.id;
    grant.grantee = "arn:aws:iam::123456789012:user/alice";
    grant.retiring_principal = grant.grantee;
    grant.operations = {"Decrypt"};
    return grant;
}

Result<> insert(Database& database, std::uint64_t number) {
    const Key key = make_key(number);
    CASEMATE_CHECK(database.run(sql::kInsertKey, in_columns(key)));
    CASEMATE_CHECK(database.run(sql::kInsertMaterial, in_columns(make_material(key))));
    CASEMATE_CHECK(database.run(sql::kInsertGrant, in_columns(make_grant(key))));
    CASEMATE_CHECK(database.run(
        sql::kInsertAlias,
        in_columns(Alias{kAccount, "alias/" + key.id, key.id, key.created, key.created})));
    return {};
}

Result<> fill(const std::string& place, Repository& repository, std::uint64_t keys) {
    CASEMATE_TRY(const auto start, repository.setting("bench/keys"));
    std::uint64_t number = start ? std::stoull(std::string(as_text(*start))) : 0;
    const auto before = start;
    CASEMATE_TRY(const auto database,
                 place.starts_with("postgres") ? open_postgresql(place) : open_sqlite(place));
    while (number < keys) {
        const std::uint64_t end = std::min(keys, number + kBatch);
        const auto done = database->transaction([&] {
            Result<> inserted;
            for (std::uint64_t i = number; i < end && inserted; ++i) {
                inserted = insert(*database, i);
            }
            return inserted;
        });
        CASEMATE_CHECK(done);
        number = end;
    }
    return repository.put_setting("bench/keys", as_bytes(std::to_string(number)), before);
}

void print(const char* name, std::vector<double>& costs, double rate) {
    std::ranges::sort(costs);
    std::printf("%-22s %8.1f %8.1f %10.0f/s\n", name, costs[costs.size() / 2],
                costs[costs.size() * 99 / 100], rate);
}

using Work = std::function<bool(std::uint64_t)>;

bool measure(const char* name, std::size_t threads, std::size_t each, std::uint64_t keys,
             const Work& work) {
    std::vector<std::vector<double>> costs(threads);
    std::vector<std::thread> running;
    std::atomic<bool> good = true;
    const auto start = Clock::now();
    for (std::size_t thread = 0; thread < threads; ++thread) {
        running.emplace_back([&, thread] {
            std::mt19937_64 random(thread);
            for (std::size_t i = 0; i < each; ++i) {
                const std::uint64_t number = random() % keys;
                const auto begin = Clock::now();
                if (!work(number)) {
                    good = false;
                }
                costs[thread].push_back(
                    std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
            }
        });
    }
    for (std::thread& thread : running) {
        thread.join();
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    std::vector<double> all;
    for (const auto& some : costs) {
        all.insert(all.end(), some.begin(), some.end());
    }
    const std::string full = std::string(name) + (threads == 1 ? "" : " x16");
    print(full.c_str(), all, static_cast<double>(all.size()) / seconds);
    return good;
}

// What the disk alone takes for a change of a page.
void measure_sync(const std::string& place) {
    const UniqueFd file(::open((place + "/sync").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file.valid()) {
        return;
    }
    const Bytes page(4096, 1);
    std::uint64_t at = 0;
    measure("write and fdatasync", 1, kChanges, 1, [&](std::uint64_t) {
        at += page.size();
        return ::pwrite(file.get(), page.data(), page.size(), static_cast<off_t>(at)) > 0 &&
               ::fdatasync(file.get()) == 0;
    });
    ::unlink((place + "/sync").c_str());
}

bool measure_reads(Repository& repository, std::size_t threads, std::uint64_t keys) {
    const std::size_t each = kReads / threads;
    const auto all = [&](const char* name, const Work& work) {
        return measure(name, threads, each, keys, work);
    };
    bool good = all("generation", [&](std::uint64_t) { return repository.generation().ok(); });
    good &= all("key", [&](std::uint64_t i) { return repository.key(scattered(i)).ok(); });
    good &= all("alias", [&](std::uint64_t i) {
        return repository.alias(kAccount, "alias/" + scattered(i)).ok();
    });
    good &= all("material", [&](std::uint64_t i) {
        return repository.material(scattered(i), std::string(64, 'a')).ok();
    });
    good &= all("grants_to", [&](std::uint64_t i) {
        return repository.grants_to(scattered(i), "arn:aws:iam::123456789012:user/alice").ok();
    });
    good &= all("key_page of 100",
                [&](std::uint64_t i) { return repository.key_page(scattered(i), 100).ok(); });
    const Time now(std::chrono::seconds(1'700'000'100) + std::chrono::hours(24 * 365));
    good &= all("due_rotations of 10",
                [&](std::uint64_t) { return repository.due_rotations(now, 10).ok(); });
    good &= all("due_deletions of 10",
                [&](std::uint64_t) { return repository.due_deletions(now, 10).ok(); });
    return good;
}

bool measure_changes(Repository& repository, std::uint64_t keys) {
    std::uint64_t made = 0;
    std::vector<std::string> ids;
    bool good = measure("create_key", 1, kChanges, keys, [&](std::uint64_t) {
        const Key key = make_key(keys * 1000 + ++made);
        ids.push_back(key.id);
        return repository.create_key(key, make_material(key)).ok();
    });
    good &= measure("delete_key", 1, kChanges, keys, [&](std::uint64_t) {
        const bool gone = repository.delete_key(ids.back(), 0).ok();
        ids.pop_back();
        return gone;
    });
    return good;
}

int run(const std::string& place, std::uint64_t keys) {
    auto repository = Repository::open(place);
    auto filled = repository ? fill(place, **repository, keys) : Result<>(repository.error());
    if (!filled) {
        std::fprintf(stderr, "bench_kms_store: %s\n", filled.error().message().c_str());
        return 1;
    }
    std::printf("%llu keys %23s %8s\n", static_cast<unsigned long long>(keys), "median us", "p99");
    bool good = measure_reads(**repository, 1, keys);
    good &= measure_reads(**repository, kThreads, keys);
    good &= measure_changes(**repository, keys);
    measure_sync(place);
    if (!good) {
        std::fprintf(stderr, "bench_kms_store: a read or a change has failed\n");
    }
    return good ? 0 : 1;
}

}  // namespace
}  // namespace casemate::kms

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: bench_kms_store PLACE KEYS\n");
        return 2;
    }
    return casemate::kms::run(argv[1], std::stoull(argv[2]));
}
