// Upkeep: what becomes due without anybody's request: keys whose waiting period is over are
// deleted, keys with automatic rotation get new material, imported material ends.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "kms/core/core.hpp"

namespace casemate::kms {

// UpkeepEvent: one thing that was done.
struct UpkeepEvent {
    enum class Kind : std::uint8_t { key_deleted, key_rotated, material_ended };
    Kind kind = Kind::key_deleted;
    std::string key_id;
    std::string key_arn;
    // material_id: the generation that is new, or that has ended; empty for a deleted key.
    std::string material_id;
    Time at;
};

// name_of gives the name of the event in AWS's CloudTrail: "DeleteKey", "RotateKey",
// "DeleteExpiredKeyMaterial".
[[nodiscard]] std::string_view name_of(UpkeepEvent::Kind kind);

struct UpkeepOptions {
    // interval: how long the thread sleeps between rounds.
    std::chrono::milliseconds interval{std::chrono::seconds(10)};
    // batch: how many keys of each kind a round touches at most, at least 1.
    std::size_t batch = 100;
    // done is told each thing that was done, error each that failed; both from whichever thread
    // runs the round. Empty: nobody is told.
    std::function<void(const UpkeepEvent&)> done;
    std::function<void(const Error&)> error;
};

// UpkeepRound: what a round did. more: a kind had as many keys as a round touches, and something
// was done, so that another round at once is worth while.
struct UpkeepRound {
    std::size_t deleted = 0;
    std::size_t rotated = 0;
    std::size_t ended = 0;
    std::size_t failed = 0;
    bool more = false;
};

// Several services may keep one store at the same time: each thing is one transaction on the key as
// it was read, and who comes second finds that it is done, which is no error.
class Upkeep {
public:
    // core is borrowed.
    Upkeep(Core& core, UpkeepOptions options) : core_(core), options_(std::move(options)) {}
    // Stops the thread.
    ~Upkeep() { stop(); }
    Upkeep(const Upkeep&) = delete;
    Upkeep& operator=(const Upkeep&) = delete;

    // run_once does what is due at now. A key that fails does not keep the others from their turn.
    UpkeepRound run_once(Time now);

    // start begins rounds on a thread of their own, the first at once; stop waits for the round
    // that is under way. Each may be called again after the other. Errors of start:
    // Errno, where no thread can be had.
    [[nodiscard]] Result<> start();
    void stop();

private:
    using Work = Result<bool> (Upkeep::*)(Key& key, Time now);

    std::size_t run_all(const Result<std::vector<Key>>& due, Work work, Time now,
                        UpkeepRound& round);
    [[nodiscard]] Result<bool> delete_one(Key& key, Time now);
    [[nodiscard]] Result<bool> rotate_one(Key& key, Time now);
    [[nodiscard]] Result<bool> end_one(Key& key, Time now);
    void tell(UpkeepEvent::Kind kind, const Key& key, std::string material_id, Time now);
    void run();

    Core& core_;
    UpkeepOptions options_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace casemate::kms
