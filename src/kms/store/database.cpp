#include "kms/store/database.hpp"

#include <chrono>
#include <random>
#include <thread>

#include "codec/utf8.hpp"

namespace casemate::kms {

namespace {

constexpr int kMostAttempts = 50;

// wait_a_little lets those who were in the way go first: up to 1 ms, then 2, … at most 50.
void wait_a_little(int attempt) {
    thread_local std::minstd_rand random(std::random_device{}());
    const int most = std::min(attempt + 1, 50) * 1000;
    std::this_thread::sleep_for(
        std::chrono::microseconds(std::uniform_int_distribution<int>(1, most)(random)));
}

}  // namespace

std::string_view describe(Contention code) {
    switch (code) {
        case Contention::begin_again:
            return "others were in the way";
    }
    return "unknown contention";
}

Result<Outcome> Database::run(std::string_view sql, std::span<const Value> parameters) {
    for (const Value& value : parameters) {
        const auto* text = std::get_if<std::string>(&value);
        if (text != nullptr &&
            (text->find('\0') != std::string::npos || !is_utf8(as_bytes(*text)))) {
            return Error(StoreErrc::bad_text, "expected UTF-8 without a NUL, found other bytes");
        }
    }
    return run_checked(sql, parameters);
}

Result<> Database::transaction(const std::function<Result<>()>& work) {
    for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
        auto done = begin();
        if (done) {
            done = work();
            if (done) {
                done = commit();
            }
            if (!done) {
                rollback();
            }
        }
        if (done || !done.error().is(Contention::begin_again)) {
            return done;
        }
        wait_a_little(attempt);
    }
    return Error(StoreErrc::unavailable,
                 "expected a moment without others' changes, found none in " +
                     std::to_string(kMostAttempts) + " attempts");
}

Result<> Database::snapshot(const std::function<Result<>()>& work) {
    auto done = begin_snapshot();
    if (done) {
        done = work();
    }
    // It has changed nothing.
    rollback();
    return done;
}

}  // namespace casemate::kms
