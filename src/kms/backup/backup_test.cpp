#include "kms/backup/backup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <string>

#include "base/fd.hpp"
#include "base/temporary_directory.hpp"
#include "kms/backup/memory_for_test.hpp"
#include "kms/store/postgresql_for_test.hpp"

namespace casemate::kms {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// What a guess costs is of no interest here.
constexpr crypto::ScryptCost kCheap{.n = 16};

template <class T>
void expect_error(const Result<T>& result, BackupErrc code) {
    ASSERT_FALSE(result.ok());
    EXPECT_TRUE(result.error().is(code)) << result.error().message();
}

SecretBytes passphrase(std::string_view text = "correct horse") {
    return SecretBytes(Bytes(text.begin(), text.end()));
}

enum class Driver : std::uint8_t { sqlite, postgresql };

// Place: a store and its root keys.
class Place {
public:
    explicit Place(Driver driver)
        : directory_(TemporaryDirectory::create().value()), path_(directory_.path() + "/kms") {
        if (driver == Driver::postgresql) {
            server_ = PostgresqlForTest::start().value();
        }
        vault_.emplace(Vault::open(path_).value());
        open();
    }

    void open() { repository_ = Repository::open(place()).value(); }
    void close() { repository_.reset(); }

    [[nodiscard]] std::string place() const { return server_ ? server_->url() : path_; }
    [[nodiscard]] Vault& vault() { return *vault_; }
    [[nodiscard]] Repository& repository() { return *repository_; }

private:
    TemporaryDirectory directory_;
    std::string path_;
    std::unique_ptr<PostgresqlForTest> server_;
    std::optional<Vault> vault_;
    std::unique_ptr<Repository> repository_;
};

void wrap_in(const Vault& vault, Bytes& out, const std::string& binding) {
    out = vault.wrap(as_bytes("secret of " + binding), binding).value();
}

std::string id_of(std::size_t number) {
    std::string digits = std::to_string(number);
    return "00000000-0000-4000-8000-" + std::string(12 - digits.size(), '0') + digits;
}

// things gives some of each kind, with secrets that only vault opens.
std::vector<Thing> things(const Vault& vault, std::size_t keys) {
    std::vector<Thing> all;
    Setting wrapped{"service/own", {}};
    wrap_in(vault, wrapped.value, setting_binding(wrapped.name));
    all.emplace_back(wrapped);
    all.emplace_back(Setting{"service/plain", Bytes{0, 1, 2}});
    const Time time(std::chrono::milliseconds(1'700'000'000'123));
    for (std::size_t i = 0; i < keys; ++i) {
        Key key;
        key.id = id_of(i);
        key.arn = "arn:aws:kms:us-east-1:123456789012:key/" + key.id;
        key.spec = static_cast<KeySpec>(i % 10);
        key.state = static_cast<KeyState>(i % 4);
        key.created = time;
        key.policy = R"({"Statement": ["Größe"]})";
        key.current_material = "m";
        key.tags = {{"n", std::to_string(i)}};
        key.version = i;
        if (i % 2 == 0) {
            key.deletion_date = time;
            key.rotation_days = 90;
        }
        all.emplace_back(std::move(key));
    }
    for (std::size_t i = 0; i < keys; ++i) {
        Material material;
        material.key_id = id_of(i);
        material.id = "m";
        material.created = time;
        material.public_key = Bytes(i % 5, 1);
        wrap_in(vault, material.wrapped, material_binding(material.key_id, material.id));
        all.emplace_back(std::move(material));
    }
    all.emplace_back(Alias{"123456789012", "alias/a", id_of(0), time, time});
    Grant grant;
    grant.id = "g";
    grant.key_id = id_of(0);
    grant.operations = {"Decrypt"};
    grant.context.emplace().emplace("k", "v");
    all.emplace_back(grant);
    User user;
    user.name = "alice";
    user.access_key_id = "AKIAALICE";
    wrap_in(vault, user.wrapped_secret, access_key_binding(user.access_key_id));
    all.emplace_back(user);
    return all;
}

void fill(Place& place, std::size_t keys) {
    const std::vector<Thing> all = things(place.vault(), keys);
    std::size_t next = 0;
    const auto done = place.repository().import_all([&]() -> Result<std::optional<Thing>> {
        return next == all.size() ? std::optional<Thing>() : all[next++];
    });
    ASSERT_TRUE(done) << done.error().message();
}

// open_in replaces what is wrapped by what it is, and counts those that do not open.
void open_in(const Vault& vault, Bytes& wrapped, const std::string& binding, int& closed) {
    const auto opened = vault.unwrap(wrapped, binding);
    closed += opened ? 0 : 1;
    if (opened) {
        wrapped.assign(opened->view().begin(), opened->view().end());
    }
}

// opened gives everything of a place, its secrets opened.
std::vector<Thing> opened(Place& place) {
    std::vector<Thing> all;
    int closed = 0;
    const auto done = place.repository().export_all([&](const Thing& thing) -> Result<> {
        Thing open = thing;
        if (auto* material = std::get_if<Material>(&open)) {
            open_in(place.vault(), material->wrapped,
                    material_binding(material->key_id, material->id), closed);
        } else if (auto* user = std::get_if<User>(&open)) {
            open_in(place.vault(), user->wrapped_secret, access_key_binding(user->access_key_id),
                    closed);
        } else if (auto* setting = std::get_if<Setting>(&open);
                   setting != nullptr && Vault::is_wrapped(setting->value)) {
            open_in(place.vault(), setting->value, setting_binding(setting->name), closed);
        }
        all.push_back(std::move(open));
        return {};
    });
    EXPECT_TRUE(done) << done.error().message();
    EXPECT_EQ(closed, 0);
    return all;
}

Bytes backup_of(Place& place) {
    Bytes file;
    const auto done =
        backup(place.repository(), place.vault(), passphrase(), sink_into(file), kCheap);
    EXPECT_TRUE(done) << done.error().message();
    return file;
}

class BackupBetween : public ::testing::TestWithParam<std::pair<Driver, Driver>> {
protected:
    void SetUp() override {
        const bool needs =
            GetParam().first == Driver::postgresql || GetParam().second == Driver::postgresql;
        if (needs && !PostgresqlForTest::binaries()) {
            GTEST_SKIP() << "expected PostgreSQL in /usr/lib/postgresql, found none";
        }
    }
};

INSTANTIATE_TEST_SUITE_P(Drivers, BackupBetween,
                         ::testing::Values(std::pair(Driver::sqlite, Driver::sqlite),
                                           std::pair(Driver::sqlite, Driver::postgresql),
                                           std::pair(Driver::postgresql, Driver::sqlite)));

TEST_P(BackupBetween, RestoresEverythingUnderOtherRootKeys) {
    Place from(GetParam().first);
    fill(from, 700);
    const std::vector<Thing> before = opened(from);
    Bytes file;
    const auto saved =
        backup(from.repository(), from.vault(), passphrase(), sink_into(file), kCheap);
    ASSERT_TRUE(saved) << saved.error().message();
    EXPECT_EQ(
        *saved,
        (BackupCount{
            .settings = 2, .keys = 700, .materials = 700, .aliases = 1, .grants = 1, .users = 1}));
    EXPECT_THAT(std::string(as_text(file)), Not(HasSubstr("alias/a")));
    EXPECT_THAT(std::string(as_text(file)), Not(HasSubstr("secret of")));
    Place to(GetParam().second);
    ASSERT_NE(to.vault().current_id(), from.vault().current_id());
    const auto restored = restore(to.repository(), to.vault(), passphrase(), source_from(file));
    ASSERT_TRUE(restored) << restored.error().message();
    EXPECT_EQ(*restored, *saved);
    EXPECT_EQ(opened(to), before);
    // Into what is not empty it is refused, and changes nothing.
    const auto again = restore(to.repository(), to.vault(), passphrase(), source_from(file));
    ASSERT_FALSE(again);
    EXPECT_TRUE(again.error().is(StoreErrc::not_empty)) << again.error().message();
    EXPECT_EQ(opened(to), before);
}

// A child restores from a pipe that gives only a part, and is killed there: nothing is stored, and
// the next restore finds the store as empty as it was.
TEST_P(BackupBetween, AKilledRestoreLeavesNothing) {
    Place from(GetParam().first);
    fill(from, 1500);
    const std::vector<Thing> before = opened(from);
    const Bytes file = backup_of(from);
    Place to(GetParam().second);
    for (const std::size_t eighths : {1U, 3U, 5U, 7U, 8U}) {
        to.close();
        auto pipe = make_pipe();
        ASSERT_TRUE(pipe);
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            pipe->second.reset();
            to.open();
            const auto done =
                restore(to.repository(), to.vault(), passphrase(), source_of(pipe->first.get()));
            ::_exit(done ? 0 : 1);
        }
        pipe->first.reset();
        // The last byte keeps it waiting. What fits into the pipe may not have been read yet.
        const std::size_t size = std::min(file.size() * eighths / 8, file.size() - 1);
        ASSERT_TRUE(write_all(pipe->second.get(), ByteView(file).first(size)));
        ASSERT_EQ(::kill(child, SIGKILL), 0);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << "exit status " << WEXITSTATUS(status);
        to.open();
        EXPECT_THAT(opened(to), IsEmpty()) << eighths;
    }
    const auto restored = restore(to.repository(), to.vault(), passphrase(), source_from(file));
    ASSERT_TRUE(restored) << restored.error().message();
    EXPECT_EQ(opened(to), before);
}

TEST(Backup, EachChangedByteAndEachEndIsRefused) {
    Place from(Driver::sqlite);
    fill(from, 2);
    const Bytes file = backup_of(from);
    ASSERT_LT(file.size(), 4000);
    Place to(Driver::sqlite);
    const auto refused = [&](ByteView changed) {
        return !restore(to.repository(), to.vault(), passphrase(), source_from(changed));
    };
    for (std::size_t i = 0; i < file.size(); ++i) {
        Bytes changed = file;
        changed[i] ^= 1U;
        EXPECT_TRUE(refused(changed)) << "byte " << i;
        EXPECT_TRUE(refused(ByteView(file).first(i))) << "first " << i;
    }
    Bytes longer = file;
    longer.push_back(0);
    EXPECT_TRUE(refused(longer));
    EXPECT_THAT(opened(to), IsEmpty());
    EXPECT_FALSE(refused(file));
}

TEST(Backup, NeedsItsPassphrase) {
    Place from(Driver::sqlite);
    fill(from, 2);
    const Bytes file = backup_of(from);
    Place to(Driver::sqlite);
    for (const char* other : {"", "correct horse ", "Correct horse"}) {
        expect_error(restore(to.repository(), to.vault(), passphrase(other), source_from(file)),
                     BackupErrc::wrong_passphrase);
    }
    Bytes none;
    expect_error(backup(from.repository(), from.vault(), passphrase(""), sink_into(none), kCheap),
                 BackupErrc::wrong_passphrase);
    EXPECT_THAT(none, IsEmpty());
}

TEST(Backup, OfNothingIsOne) {
    Place from(Driver::sqlite);
    const Bytes file = backup_of(from);
    Place to(Driver::sqlite);
    EXPECT_EQ(restore(to.repository(), to.vault(), passphrase(), source_from(file)).value(),
              BackupCount());
    EXPECT_THAT(opened(to), IsEmpty());
}

TEST(Backup, WithoutASecretIsNone) {
    Place from(Driver::sqlite);
    fill(from, 3);
    const Material material = from.repository().material(id_of(1), "m").value();
    Bytes damaged = material.wrapped;
    damaged.back() ^= 1U;
    ASSERT_TRUE(from.repository().rewrap_material(material, damaged));
    Bytes file;
    const auto done =
        backup(from.repository(), from.vault(), passphrase(), sink_into(file), kCheap);
    ASSERT_FALSE(done);
    EXPECT_TRUE(done.error().is(VaultErrc::not_opened)) << done.error().message();
    Place to(Driver::sqlite);
    expect_error(restore(to.repository(), to.vault(), passphrase(), source_from(file)),
                 BackupErrc::damaged);
}

TEST(Backup, AFullDiskIsAnError) {
    Place from(Driver::sqlite);
    fill(from, 2);
    const auto full = open_file("/dev/full", O_WRONLY);
    ASSERT_TRUE(full);
    expect_error(
        backup(from.repository(), from.vault(), passphrase(), sink_to(full->get()), kCheap),
        BackupErrc::unavailable);
}

}  // namespace
}  // namespace casemate::kms
