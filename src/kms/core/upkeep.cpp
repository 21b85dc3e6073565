#include "kms/core/upkeep.hpp"

#include <algorithm>
#include <utility>

#include "base/thread.hpp"
#include "kms/core/generations.hpp"

namespace casemate::kms {

namespace {

// The generations of a key that are asked for at once.
constexpr std::size_t kPage = 100;

Time wall_clock() {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now());
}

// is_overtaken tells an error that says that somebody else has been here.
bool is_overtaken(const Error& error) {
    return error.is(StoreErrc::conflict) || error.is(StoreErrc::not_found);
}

Result<std::vector<std::string>> generations_of(Core& core, const Key& key) {
    std::vector<std::string> ids;
    std::uint32_t after = 0;
    while (true) {
        CASEMATE_TRY(const std::vector<Material> page,
                     core.repository.key_materials(key.id, after, kPage));
        for (const Material& material : page) {
            ids.push_back(material.id);
            after = material.sequence;
        }
        if (page.size() < kPage) {
            return ids;
        }
    }
}

}  // namespace

std::string_view name_of(UpkeepEvent::Kind kind) {
    switch (kind) {
        case UpkeepEvent::Kind::key_deleted:
            return "DeleteKey";
        case UpkeepEvent::Kind::key_rotated:
            return "RotateKey";
        case UpkeepEvent::Kind::material_ended:
            return "DeleteExpiredKeyMaterial";
    }
    return "";
}

void Upkeep::tell(UpkeepEvent::Kind kind, const Key& key, std::string material_id, Time now) {
    if (options_.done) {
        options_.done({kind, key.id, key.arn, std::move(material_id), now});
    }
}

Result<bool> Upkeep::delete_one(Key& key, Time now) {
    if (key.state != KeyState::pending_deletion) {
        return false;
    }
    CASEMATE_TRY(const std::vector<std::string> generations, generations_of(core_, key));
    CASEMATE_CHECK(core_.repository.delete_key(key.id, key.version));
    for (const std::string& generation : generations) {
        core_.keyring.forget(key.id, generation);
    }
    tell(UpkeepEvent::Kind::key_deleted, key, "", now);
    return true;
}

Result<bool> Upkeep::rotate_one(Key& key, Time now) {
    if (!key.rotation_days || !key.next_rotation) {
        return false;
    }
    // The schedule goes on as it was. A key that has slept through a whole period starts anew.
    const std::chrono::days period(*key.rotation_days);
    key.next_rotation = *key.next_rotation + period;
    if (*key.next_rotation <= now) {
        key.next_rotation = now + period;
    }
    CASEMATE_CHECK(add_generation(core_, key, "AUTOMATIC", now));
    tell(UpkeepEvent::Kind::key_rotated, key, key.current_material, now);
    return true;
}

Result<bool> Upkeep::end_one(Key& key, Time now) {
    const std::string ended = key.current_material;
    CASEMATE_CHECK(remove_imported(core_, key));
    tell(UpkeepEvent::Kind::material_ended, key, ended, now);
    return true;
}

std::size_t Upkeep::run_all(const Result<std::vector<Key>>& due, Work work, Time now,
                            UpkeepRound& round) {
    const auto failed = [&](const Error& error) {
        ++round.failed;
        if (options_.error) {
            options_.error(error);
        }
    };
    if (!due) {
        failed(due.error());
        return 0;
    }
    std::size_t done = 0;
    for (Key key : *due) {
        Result<bool> result = (this->*work)(key, now);
        if (result) {
            done += *result ? 1U : 0U;
        } else if (!is_overtaken(result.error())) {
            failed(std::move(result).error().while_doing("upkeep of the key " + key.id));
        }
    }
    round.more = round.more || (done > 0 && due->size() >= options_.batch);
    return done;
}

UpkeepRound Upkeep::run_once(Time now) {
    UpkeepRound round;
    const std::size_t batch = std::max<std::size_t>(options_.batch, 1);
    Repository& repository = core_.repository;
    round.deleted = run_all(repository.due_deletions(now, batch), &Upkeep::delete_one, now, round);
    round.rotated = run_all(repository.due_rotations(now, batch), &Upkeep::rotate_one, now, round);
    round.ended = run_all(repository.ended_imports(now, batch), &Upkeep::end_one, now, round);
    return round;
}

Result<> Upkeep::start() {
    const std::lock_guard lock(mutex_);
    if (!thread_.joinable()) {
        stopping_ = false;
        CASEMATE_TRY(thread_, start_thread("the upkeep", [this] { run(); }));
    }
    return {};
}

void Upkeep::stop() {
    std::thread thread;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        thread = std::move(thread_);
    }
    wake_.notify_all();
    if (thread.joinable()) {
        thread.join();
    }
}

void Upkeep::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        lock.unlock();
        const UpkeepRound round = run_once(wall_clock());
        lock.lock();
        if (!round.more) {
            wake_.wait_for(lock, options_.interval, [this] { return stopping_; });
        }
    }
}

}  // namespace casemate::kms
