#include "kms/core/upkeep.hpp"

#include <gmock/gmock.h>

#include <future>

#include "base/no_threads_for_test.hpp"
#include "kms/core/generations.hpp"
#include "kms/core/material.hpp"
#include "kms/operations/keys_for_test.hpp"

namespace casemate::kms {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAreArray;

class UpkeepTest : public ::testing::Test {
protected:
    UpkeepOptions options() {
        UpkeepOptions made;
        made.batch = 3;
        made.done = [this](const UpkeepEvent& event) { events_.push_back(event); };
        made.error = [this](const Error& error) { errors_.push_back(error.message()); };
        return made;
    }
    UpkeepRound run(Time now) { return upkeep_.run_once(now); }

    // imported makes a key with imported material that ends.
    std::string imported(Time valid_to) {
        const std::string id = make_key(service_, R"({"Origin":"EXTERNAL"})");
        Key key = service_.repository().key(id).value();
        const Material first = wrap_material(service_.vault(), id,
                                             generate_secret(key.spec).value(), 1, "", key.created)
                                   .value();
        key.current_material = first.id;
        key.state = KeyState::enabled;
        key.valid_to = valid_to;
        EXPECT_TRUE(service_.repository().update_key(key, {first}).ok());
        return id;
    }
    std::string encrypted(const std::string& key) {
        const Result<Answer> answer =
            service_.ask("Encrypt", with_key(key, R"("Plaintext":"aGVsbG8=")"));
        EXPECT_TRUE(answer.ok());
        return answer ? text_of(*answer, "CiphertextBlob") : "";
    }

    CoreForTest service_;
    std::vector<UpkeepEvent> events_;
    std::vector<std::string> errors_;
    Upkeep upkeep_{service_.core(), options()};
};

TEST_F(UpkeepTest, DeletesKeysWhoseTimeHasComeInBoundedRounds) {
    const std::string stays = make_key(service_);
    std::vector<std::string> keys;
    for (int i = 0; i < 4; ++i) {
        keys.push_back(make_key(service_));
        const Result<Answer> scheduled = service_.ask(
            "ScheduleKeyDeletion", with_key(keys.back(), R"("PendingWindowInDays":7)"));
        ASSERT_TRUE(scheduled.ok());
    }
    EXPECT_EQ(run(service_.now() + std::chrono::days(6)).deleted, 0U);
    EXPECT_THAT(events_, IsEmpty());
    const Time due = service_.now() + std::chrono::days(7);
    UpkeepRound round = run(due);
    EXPECT_EQ(round.deleted, 3U);
    EXPECT_TRUE(round.more);
    round = run(due);
    EXPECT_EQ(round.deleted, 1U);
    EXPECT_FALSE(round.more);
    EXPECT_EQ(run(due).deleted, 0U);
    std::vector<std::string> deleted;
    for (const UpkeepEvent& event : events_) {
        EXPECT_EQ(name_of(event.kind), "DeleteKey");
        EXPECT_EQ(event.key_arn, key_arn(kTestRegion, kTestAccount, event.key_id));
        EXPECT_EQ(event.at, due);
        deleted.push_back(event.key_id);
    }
    EXPECT_THAT(deleted, UnorderedElementsAreArray(keys));
    for (const std::string& key : keys) {
        EXPECT_THAT(message_of(service_.ask("DescribeKey", with_key(key))),
                    HasSubstr("NotFoundException"));
    }
    EXPECT_TRUE(service_.ask("DescribeKey", with_key(stays)).ok());
    EXPECT_THAT(errors_, IsEmpty());
}

TEST_F(UpkeepTest, RotatesOnScheduleAndOldCiphertextsDecrypt) {
    const std::string key = make_key(service_);
    const std::string ciphertext = encrypted(key);
    const Time start = service_.now();
    ASSERT_TRUE(
        service_.ask("EnableKeyRotation", with_key(key, R"("RotationPeriodInDays":90)")).ok());
    EXPECT_EQ(run(start + std::chrono::days(89)).rotated, 0U);
    // A little late: the schedule stays as it was.
    const Time late = start + std::chrono::days(90) + std::chrono::hours(5);
    EXPECT_EQ(run(late).rotated, 1U);
    EXPECT_EQ(run(late).rotated, 0U);
    Key stored = service_.repository().key(key).value();
    EXPECT_EQ(stored.next_rotation, start + std::chrono::days(180));
    ASSERT_THAT(events_, SizeIs(1));
    EXPECT_EQ(name_of(events_[0].kind), "RotateKey");
    EXPECT_EQ(events_[0].material_id, stored.current_material);

    // A disabled key waits; when it is enabled again its schedule starts anew.
    ASSERT_TRUE(service_.ask("DisableKey", with_key(key)).ok());
    const Time much_later = start + std::chrono::days(1000);
    EXPECT_EQ(run(much_later).rotated, 0U);
    ASSERT_TRUE(service_.ask("EnableKey", with_key(key)).ok());
    EXPECT_EQ(run(much_later).rotated, 1U);
    stored = service_.repository().key(key).value();
    EXPECT_EQ(stored.next_rotation, much_later + std::chrono::days(90));

    const Result<Answer> decrypted =
        service_.ask("Decrypt", R"({"CiphertextBlob":")" + ciphertext + "\"}");
    ASSERT_TRUE(decrypted.ok()) << decrypted.error().message();
    EXPECT_EQ(text_of(*decrypted, "Plaintext"), "aGVsbG8=");
    const Result<Answer> rotations = service_.ask("ListKeyRotations", with_key(key));
    ASSERT_TRUE(rotations.ok());
    EXPECT_EQ(names_of(*rotations, "Rotations", "RotationType"),
              (std::vector<std::string>{"AUTOMATIC", "AUTOMATIC"}));
}

TEST_F(UpkeepTest, ImportedMaterialEnds) {
    const Time end = service_.now() + std::chrono::hours(1);
    const std::string key = imported(end);
    const std::string ciphertext = encrypted(key);
    const std::string material = service_.repository().key(key)->current_material;
    EXPECT_EQ(run(end - std::chrono::milliseconds(1)).ended, 0U);
    EXPECT_EQ(run(end).ended, 1U);
    EXPECT_EQ(run(end).ended, 0U);
    const Key stored = service_.repository().key(key).value();
    EXPECT_EQ(stored.state, KeyState::pending_import);
    EXPECT_EQ(stored.current_material, "");
    EXPECT_EQ(stored.valid_to, std::nullopt);
    ASSERT_THAT(events_, SizeIs(1));
    EXPECT_EQ(name_of(events_[0].kind), "DeleteExpiredKeyMaterial");
    EXPECT_EQ(events_[0].material_id, material);
    EXPECT_THAT(service_.repository().key_materials(key, 0, 10).value(), IsEmpty());
    EXPECT_THAT(message_of(service_.ask("Decrypt", R"({"CiphertextBlob":")" + ciphertext + "\"}")),
                HasSubstr("is pending import."));
}

TEST_F(UpkeepTest, SeveralServicesDoEachThingOnce) {
    constexpr int kKeys = 8;
    for (int i = 0; i < kKeys; ++i) {
        const std::string key = make_key(service_);
        ASSERT_TRUE(service_.ask("EnableKeyRotation", with_key(key)).ok());
    }
    const Time due = service_.now() + std::chrono::days(365);
    const auto work = [&] {
        Keyring keyring(service_.repository(), service_.vault(), std::string(kTestRegion));
        Core core{service_.repository(), service_.vault(), keyring, service_.core().trust};
        Upkeep upkeep(core, {});
        UpkeepRound sum;
        for (int i = 0; i < 3; ++i) {
            const UpkeepRound round = upkeep.run_once(due);
            sum.rotated += round.rotated;
            sum.failed += round.failed;
        }
        return sum;
    };
    std::vector<std::future<UpkeepRound>> services;
    for (int i = 0; i < 4; ++i) {
        services.push_back(std::async(std::launch::async, work));
    }
    std::size_t rotated = 0;
    for (auto& service : services) {
        const UpkeepRound sum = service.get();
        rotated += sum.rotated;
        EXPECT_EQ(sum.failed, 0U);
    }
    EXPECT_EQ(rotated, std::size_t{kKeys});
}

TEST_F(UpkeepTest, AKeyThatFailsIsToldAndTheOthersGoOn) {
    const std::string broken = make_key(service_);
    const std::string whole = make_key(service_);
    for (const std::string& key : {broken, whole}) {
        ASSERT_TRUE(service_.ask("EnableKeyRotation", with_key(key)).ok());
    }
    Key key = service_.repository().key(broken).value();
    key.current_material.clear();
    ASSERT_TRUE(service_.repository().update_key(key).ok());
    const UpkeepRound round = run(service_.now() + std::chrono::days(365));
    EXPECT_EQ(round.rotated, 1U);
    EXPECT_EQ(round.failed, 1U);
    ASSERT_THAT(errors_, SizeIs(1));
    EXPECT_THAT(errors_[0], HasSubstr("upkeep of the key " + broken));
}

TEST_F(UpkeepTest, TheThreadWorksUntilItIsStopped) {
    const std::string key = make_key(service_);
    ASSERT_TRUE(service_.ask("EnableKeyRotation", with_key(key)).ok());
    Key stored = service_.repository().key(key).value();
    stored.next_rotation = Time(std::chrono::seconds(1));
    ASSERT_TRUE(service_.repository().update_key(stored).ok());
    std::promise<UpkeepEvent> told;
    UpkeepOptions made;
    made.interval = std::chrono::hours(1);
    made.done = [&](const UpkeepEvent& event) { told.set_value(event); };
    Upkeep upkeep(service_.core(), made);
    ASSERT_TRUE(upkeep.start().ok());
    EXPECT_EQ(told.get_future().get().key_id, key);
    upkeep.stop();
    upkeep.stop();
    ASSERT_TRUE(upkeep.start().ok());
}

TEST_F(UpkeepTest, WithoutAThreadThereIsAnErrorAndAnotherTry) {
    {
        const NoThreads none;
        const Result<> started = upkeep_.start();
        ASSERT_FALSE(started.ok());
        EXPECT_THAT(started.error().message(), HasSubstr("start a thread of the upkeep"));
    }
    EXPECT_TRUE(upkeep_.start().ok());
}

TEST(GenerationsTest, AChangeThatWasOvertakenIsMadeAnew) {
    CoreForTest service;
    const std::string id = make_key(service);
    int tries = 0;
    const Result<> done = change_key(service.core(), id, [&](Key& key) -> Result<> {
        if (++tries == 1) {
            Key other = key;
            other.description = "another's";
            EXPECT_TRUE(service.repository().update_key(other).ok());
        }
        key.tags["mine"] = "too";
        return service.repository().update_key(key);
    });
    EXPECT_TRUE(done.ok());
    EXPECT_EQ(tries, 2);
    EXPECT_EQ(service.repository().key(id)->description, "another's");
    EXPECT_EQ(service.repository().key(id)->tags.count("mine"), 1U);
    const Result<> gone = change_key(service.core(), "00000000-0000-4000-8000-000000000000",
                                     [](Key&) { return Result<>(); });
    ASSERT_FALSE(gone.ok());
    EXPECT_TRUE(gone.error().is(KmsErrc::not_found));
}

TEST(GenerationsTest, ManyChangesOfOneKeyAreAllMade) {
    constexpr int kThreads = 8;
    CoreForTest service;
    const std::string id = make_key(service);
    const auto work = [&](int number) {
        return change_key(service.core(), id, [&](Key& key) {
            key.tags[std::to_string(number)] = "";
            return service.repository().update_key(key);
        });
    };
    std::vector<std::future<Result<>>> changes;
    for (int i = 0; i < kThreads; ++i) {
        changes.push_back(std::async(std::launch::async, work, i));
    }
    for (auto& change : changes) {
        const Result<> done = change.get();
        EXPECT_TRUE(done.ok()) << done.error().message();
    }
    EXPECT_THAT(service.repository().key(id)->tags, SizeIs(kThreads));
}

}  // namespace
}  // namespace casemate::kms
