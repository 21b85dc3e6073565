#include "kms/store/repository.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <sstream>
#include <thread>

#include "base/file.hpp"
#include "base/temporary_directory.hpp"
#include "kms/store/postgresql_for_test.hpp"
#include "kms/store/statements.hpp"

namespace casemate::kms {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kAccount = "123456789012";

Time at(int seconds) {
    return Time(std::chrono::seconds(1'700'000'000 + seconds));
}

// Ids that sort as their numbers do.
std::string id_of(int number) {
    std::string digits = std::to_string(number);
    return "00000000-0000-4000-8000-" + std::string(12 - digits.size(), '0') + digits;
}

Material make_material(const std::string& key_id, std::uint32_t sequence) {
    Material material;
    material.key_id = key_id;
    material.id = key_id + "-" + std::to_string(sequence);
    material.sequence = sequence;
    material.wrapped = {0, 1, 255, static_cast<std::uint8_t>(sequence)};
    material.created = at(static_cast<int>(sequence));
    material.rotation = sequence == 1 ? "" : "ON_DEMAND";
    return material;
}

Key make_key(int number) {
    Key key;
    key.id = id_of(number);
    key.arn = "arn:aws:kms:us-east-1:123456789012:key/" + key.id;
    key.created = at(number);
    key.policy = R"({"Statement": []})";
    key.current_material = make_material(key.id, 1).id;
    return key;
}

Grant make_grant(const std::string& key_id, const std::string& id, const std::string& grantee) {
    Grant grant;
    grant.id = id;
    grant.key_id = key_id;
    grant.grantee = grantee;
    grant.issuing_account = "123456789012";
    grant.operations = {"Decrypt", "Encrypt"};
    grant.created = at(5);
    return grant;
}

User make_user(const std::string& name) {
    User user;
    user.name = name;
    user.arn = "arn:aws:iam::123456789012:user/" + name;
    user.access_key_id = "AKIA" + name;
    user.wrapped_secret = {7, 0, 7};
    user.created = at(1);
    return user;
}

enum class Driver : std::uint8_t { sqlite, postgresql };

std::string name_of_driver(const ::testing::TestParamInfo<Driver>& info) {
    return info.param == Driver::sqlite ? "Sqlite" : "Postgresql";
}

// RepositoryTest: an empty store of one driver or the other.
class RepositoryTest : public ::testing::TestWithParam<Driver> {
protected:
    void SetUp() override {
        if (GetParam() == Driver::sqlite) {
            auto directory = TemporaryDirectory::create();
            ASSERT_TRUE(directory) << directory.error().message();
            directory_.emplace(std::move(directory).value());
            place_ = directory_->path() + "/kms";
        } else {
            if (!PostgresqlForTest::binaries()) {
                GTEST_SKIP() << "expected PostgreSQL in /usr/lib/postgresql, found none";
            }
            auto server = PostgresqlForTest::start();
            ASSERT_TRUE(server) << server.error().message();
            server_ = std::move(server).value();
            place_ = server_->url();
        }
        open();
    }

    void open() {
        repository_.reset();
        auto repository = Repository::open(place_);
        ASSERT_TRUE(repository) << repository.error().message();
        repository_ = std::move(repository).value();
    }

    void create(int number) {
        const auto done =
            repository_->create_key(make_key(number), make_material(id_of(number), 1));
        ASSERT_TRUE(done) << done.error().message();
    }

    std::optional<TemporaryDirectory> directory_;
    std::unique_ptr<PostgresqlForTest> server_;
    std::string place_;
    std::unique_ptr<Repository> repository_;
};

INSTANTIATE_TEST_SUITE_P(Drivers, RepositoryTest,
                         ::testing::Values(Driver::sqlite, Driver::postgresql), name_of_driver);

template <class T>
void expect_error(const Result<T>& result, StoreErrc code) {
    ASSERT_FALSE(result.ok());
    EXPECT_TRUE(result.error().is(code)) << result.error().message();
}

TEST_P(RepositoryTest, KeysAreReadAsTheyWereStored) {
    Key full = make_key(1);
    full.spec = KeySpec::ecc_nist_p384;
    full.usage = KeyUsage::key_agreement;
    full.state = KeyState::pending_deletion;
    full.origin = Origin::external;
    full.description = "Schlüssel 'für' \"alles\"; -- $1";
    full.deletion_date = at(100);
    full.tags = {{"", ""}, {"a", "b"}, {"Größe", "日本"}};
    full.rotation_days = 2560;
    full.next_rotation = at(200);
    full.valid_to = Time(std::chrono::milliseconds(-1));
    full.version = 7;
    Material material = make_material(full.id, 1);
    material.wrapped.clear();
    material.public_key = Bytes(3000, 0);
    ASSERT_TRUE(repository_->create_key(full, material));
    Key awaited = make_key(2);
    awaited.state = KeyState::pending_import;
    awaited.current_material.clear();
    ASSERT_TRUE(repository_->create_key(awaited, std::nullopt));
    open();
    EXPECT_EQ(repository_->key(full.id).value(), full);
    EXPECT_EQ(repository_->key(awaited.id).value(), awaited);
    EXPECT_EQ(repository_->material(full.id, material.id).value(), material);
    EXPECT_THAT(repository_->key_materials(awaited.id, 0, 10).value(), IsEmpty());
    expect_error(repository_->key(id_of(3)), StoreErrc::not_found);
    expect_error(repository_->material(awaited.id, material.id), StoreErrc::not_found);
    EXPECT_TRUE(repository_->check());
}

TEST_P(RepositoryTest, AKeyIsMadeWholeOrNotAtAll) {
    create(1);
    expect_error(repository_->create_key(make_key(1), std::nullopt), StoreErrc::exists);
    // The material is another key's that is not there: so the key is not either.
    expect_error(repository_->create_key(make_key(2), make_material(id_of(9), 1)),
                 StoreErrc::not_found);
    expect_error(repository_->key(id_of(2)), StoreErrc::not_found);
    // Two of one sequence number.
    Key key = repository_->key(id_of(1)).value();
    Material twin = make_material(key.id, 1);
    twin.id = "another";
    key.description = "changed";
    expect_error(repository_->update_key(key, {twin}), StoreErrc::exists);
    EXPECT_EQ(key.version, 0);
    EXPECT_EQ(repository_->key(key.id)->description, "");
    EXPECT_EQ(repository_->key(key.id)->version, 0);
}

TEST_P(RepositoryTest, OfTwoChangesToOneVersionTheSecondIsRefused) {
    create(1);
    Key first = repository_->key(id_of(1)).value();
    Key second = first;
    first.description = "first";
    first.current_material = make_material(first.id, 2).id;
    ASSERT_TRUE(repository_->update_key(first, {make_material(first.id, 2)}));
    EXPECT_EQ(first.version, 1);
    EXPECT_EQ(repository_->key(first.id).value(), first);
    second.description = "second";
    expect_error(repository_->update_key(second), StoreErrc::conflict);
    EXPECT_EQ(second.version, 0);
    EXPECT_EQ(repository_->key(first.id).value(), first);
    Key absent = make_key(2);
    expect_error(repository_->update_key(absent), StoreErrc::not_found);
}

TEST_P(RepositoryTest, MaterialIsAddedAndRemovedWithItsKey) {
    create(1);
    Key key = repository_->key(id_of(1)).value();
    for (std::uint32_t sequence = 2; sequence <= 4; ++sequence) {
        key.current_material = make_material(key.id, sequence).id;
        ASSERT_TRUE(repository_->update_key(key, {make_material(key.id, sequence)}));
    }
    EXPECT_THAT(repository_->key_materials(key.id, 0, 10).value(),
                ElementsAre(make_material(key.id, 1), make_material(key.id, 2),
                            make_material(key.id, 3), make_material(key.id, 4)));
    EXPECT_THAT(repository_->key_materials(key.id, 1, 2).value(),
                ElementsAre(make_material(key.id, 2), make_material(key.id, 3)));
    key.state = KeyState::pending_import;
    key.current_material.clear();
    expect_error(repository_->update_key(key, {}, {"none"}), StoreErrc::not_found);
    EXPECT_EQ(repository_->key(key.id)->state, KeyState::enabled);
    ASSERT_TRUE(repository_->update_key(key, {}, {make_material(key.id, 4).id}));
    EXPECT_EQ(repository_->key(key.id).value(), key);
    EXPECT_THAT(repository_->key_materials(key.id, 0, 10).value(), SizeIs(3));
    // Again, as it was: AWS takes the same material only.
    ASSERT_TRUE(repository_->update_key(key, {make_material(key.id, 4)}));
}

TEST_P(RepositoryTest, ListsGoOnAfterTheirMarker) {
    for (const int number : {3, 1, 5, 2, 4}) {
        create(number);
    }
    std::vector<std::string> seen;
    std::string marker;
    std::size_t pages = 0;
    while (true) {
        const Page<Key> page = repository_->key_page(marker, 2).value();
        ++pages;
        for (const Key& key : page.items) {
            seen.push_back(key.id);
        }
        if (!page.next) {
            break;
        }
        marker = *page.next;
        // One that comes before the marker is not seen, and moves nothing.
        if (pages == 1) {
            create(0);
        }
    }
    EXPECT_EQ(pages, 3);
    EXPECT_THAT(seen, ElementsAre(id_of(1), id_of(2), id_of(3), id_of(4), id_of(5)));
    // A last page that is full has no next.
    EXPECT_EQ(repository_->key_page(id_of(3), 2)->next, std::nullopt);
    EXPECT_THAT(repository_->key_page("zzz", 2)->items, IsEmpty());
    std::size_t materials = 0;
    for (marker = "";; ++materials) {
        const Page<Material> page = repository_->material_page(marker, 1).value();
        ASSERT_THAT(page.items, SizeIs(1));
        if (!page.next) {
            break;
        }
        marker = *page.next;
    }
    EXPECT_EQ(materials, 5);
}

TEST_P(RepositoryTest, TextIsOrderedByItsBytes) {
    create(1);
    for (const char* name : {"alias/b", "alias/B", "alias/a-b", "alias/ab", "alias/é"}) {
        ASSERT_TRUE(repository_->create_alias({kAccount, name, id_of(1), at(1), at(1)}));
    }
    std::vector<std::string> names;
    const Page<Alias> page = repository_->alias_page(kAccount, "", 10).value();
    for (const Alias& alias : page.items) {
        names.push_back(alias.name);
    }
    EXPECT_THAT(names, ElementsAre("alias/B", "alias/a-b", "alias/ab", "alias/b", "alias/é"));
}

TEST_P(RepositoryTest, AccountsHaveTheirOwnKeysAndAliases) {
    create(1);
    Key foreign = make_key(2);
    foreign.arn = "arn:aws:kms:us-east-1:210987654321:key/" + foreign.id;
    ASSERT_TRUE(repository_->create_key(foreign, std::nullopt));
    create(3);
    const Alias own{kAccount, "alias/a", id_of(1), at(1), at(1)};
    const Alias other{"210987654321", "alias/a", foreign.id, at(1), at(1)};
    ASSERT_TRUE(repository_->create_alias(own));
    ASSERT_TRUE(repository_->create_alias(other));
    EXPECT_EQ(repository_->alias(kAccount, "alias/a").value(), own);
    EXPECT_EQ(repository_->alias(other.account, "alias/a").value(), other);
    EXPECT_THAT(repository_->alias_page(kAccount, "", 5)->items, ElementsAre(own));
    const std::string prefix = "arn:aws:kms:us-east-1:123456789012:key/";
    const Page<Key> first = repository_->key_page_of(prefix, "", 1).value();
    EXPECT_THAT(first.items, ElementsAre(repository_->key(id_of(1)).value()));
    ASSERT_EQ(first.next, id_of(1));
    const Page<Key> second = repository_->key_page_of(prefix, *first.next, 1).value();
    EXPECT_THAT(second.items, ElementsAre(repository_->key(id_of(3)).value()));
    EXPECT_EQ(second.next, std::nullopt);
    EXPECT_THAT(repository_->key_page_of("arn:aws:kms:us-east-1:000000000000:key/", "", 5)->items,
                IsEmpty());
    ASSERT_TRUE(repository_->delete_alias(other));
    EXPECT_TRUE(repository_->alias(kAccount, "alias/a"));
}

TEST_P(RepositoryTest, WhatIsDueIsFound) {
    for (int number = 1; number <= 4; ++number) {
        create(number);
    }
    Key one = repository_->key(id_of(1)).value();
    one.state = KeyState::pending_deletion;
    one.deletion_date = at(20);
    ASSERT_TRUE(repository_->update_key(one));
    Key two = repository_->key(id_of(2)).value();
    two.state = KeyState::pending_deletion;
    two.deletion_date = at(10);
    two.next_rotation = at(10);
    two.rotation_days = 90;
    ASSERT_TRUE(repository_->update_key(two));
    Key three = repository_->key(id_of(3)).value();
    three.next_rotation = at(10);
    three.rotation_days = 90;
    three.valid_to = at(15);
    ASSERT_TRUE(repository_->update_key(three));
    EXPECT_THAT(repository_->due_deletions(at(9), 5).value(), IsEmpty());
    EXPECT_THAT(repository_->due_deletions(at(10), 5).value(), ElementsAre(two));
    EXPECT_THAT(repository_->due_deletions(at(20), 5).value(), ElementsAre(two, one));
    EXPECT_THAT(repository_->due_deletions(at(20), 1).value(), ElementsAre(two));
    // Only what is enabled rotates.
    EXPECT_THAT(repository_->due_rotations(at(30), 5).value(), ElementsAre(three));
    EXPECT_THAT(repository_->ended_imports(at(14), 5).value(), IsEmpty());
    EXPECT_THAT(repository_->ended_imports(at(15), 5).value(), ElementsAre(three));
}

TEST_P(RepositoryTest, ADeletedKeyTakesWithItWhatIsIts) {
    create(1);
    create(2);
    for (const int number : {1, 2}) {
        const std::string name = std::to_string(number);
        ASSERT_TRUE(
            repository_->create_alias({kAccount, "alias/" + name, id_of(number), at(1), at(1)}));
        ASSERT_TRUE(repository_->create_grant(make_grant(id_of(number), "g" + name, "who")));
    }
    expect_error(repository_->delete_key(id_of(1), 5), StoreErrc::conflict);
    expect_error(repository_->delete_key(id_of(3), 0), StoreErrc::not_found);
    ASSERT_TRUE(repository_->delete_key(id_of(1), 0));
    expect_error(repository_->key(id_of(1)), StoreErrc::not_found);
    expect_error(repository_->alias(kAccount, "alias/1"), StoreErrc::not_found);
    expect_error(repository_->grant(id_of(1), "g1"), StoreErrc::not_found);
    EXPECT_THAT(repository_->key_materials(id_of(1), 0, 10).value(), IsEmpty());
    EXPECT_TRUE(repository_->key(id_of(2)));
    EXPECT_TRUE(repository_->alias(kAccount, "alias/2"));
    EXPECT_TRUE(repository_->grant(id_of(2), "g2"));
    EXPECT_THAT(repository_->key_materials(id_of(2), 0, 10).value(), SizeIs(1));
}

TEST_P(RepositoryTest, AliasesMove) {
    create(1);
    create(2);
    const Alias alias{kAccount, "alias/a", id_of(1), at(1), at(1)};
    ASSERT_TRUE(repository_->create_alias(alias));
    expect_error(repository_->create_alias(alias), StoreErrc::exists);
    expect_error(repository_->create_alias({kAccount, "alias/b", id_of(3), at(1), at(1)}),
                 StoreErrc::not_found);
    EXPECT_EQ(repository_->alias(kAccount, "alias/a").value(), alias);
    ASSERT_TRUE(repository_->move_alias(alias, id_of(2), at(9)));
    const Alias moved{kAccount, "alias/a", id_of(2), at(1), at(9)};
    EXPECT_EQ(repository_->alias(kAccount, "alias/a").value(), moved);
    // It is not any more what was read.
    expect_error(repository_->move_alias(alias, id_of(2), at(9)), StoreErrc::conflict);
    expect_error(repository_->delete_alias(alias), StoreErrc::conflict);
    expect_error(repository_->move_alias(moved, id_of(3), at(9)), StoreErrc::not_found);
    EXPECT_EQ(repository_->alias(kAccount, "alias/a").value(), moved);
    EXPECT_THAT(repository_->alias_page_of(id_of(1), "", 5)->items, IsEmpty());
    EXPECT_THAT(repository_->alias_page_of(id_of(2), "", 5)->items, SizeIs(1));
    ASSERT_TRUE(repository_->delete_alias(moved));
    expect_error(repository_->delete_alias(moved), StoreErrc::conflict);
    expect_error(repository_->alias(kAccount, "alias/a"), StoreErrc::not_found);
}

TEST_P(RepositoryTest, GrantsAreReadAsTheyWereStored) {
    create(1);
    create(2);
    Grant full = make_grant(id_of(1), "a", "arn:a");
    full.name = "name";
    full.retiring_principal = "arn:r";
    full.context = std::map<std::string, std::string>{{"k", "v"}};
    full.subset = true;
    Grant empty = make_grant(id_of(1), "b", "arn:b");
    empty.operations.clear();
    empty.context.emplace();
    ASSERT_TRUE(repository_->create_grant(full));
    ASSERT_TRUE(repository_->create_grant(empty));
    ASSERT_TRUE(repository_->create_grant(make_grant(id_of(2), "c", "arn:a")));
    expect_error(repository_->create_grant(full), StoreErrc::exists);
    expect_error(repository_->create_grant(make_grant(id_of(3), "d", "x")), StoreErrc::not_found);
    EXPECT_EQ(repository_->grant(id_of(1), "a").value(), full);
    EXPECT_EQ(repository_->grant(id_of(1), "b").value(), empty);
    expect_error(repository_->grant(id_of(2), "a"), StoreErrc::not_found);
    EXPECT_THAT(repository_->grants_to(id_of(1), "arn:a").value(), ElementsAre(full));
    EXPECT_THAT(repository_->grants_to(id_of(1), "arn:c").value(), IsEmpty());
    EXPECT_THAT(repository_->grant_page(id_of(1), "", 5)->items, ElementsAre(full, empty));
    EXPECT_THAT(repository_->grant_page(id_of(1), "a", 5)->items, ElementsAre(empty));
    EXPECT_THAT(repository_->retirable_grant_page("arn:r", "", 5)->items, ElementsAre(full));
    expect_error(repository_->delete_grant(id_of(2), "a"), StoreErrc::not_found);
    ASSERT_TRUE(repository_->delete_grant(id_of(1), "a"));
    expect_error(repository_->grant(id_of(1), "a"), StoreErrc::not_found);
}

TEST_P(RepositoryTest, CallersAndSettings) {
    ASSERT_TRUE(repository_->create_user(make_user("alice")));
    expect_error(repository_->create_user(make_user("alice")), StoreErrc::exists);
    User twin = make_user("alice");
    twin.access_key_id = "AKIAOTHER";
    expect_error(repository_->create_user(twin), StoreErrc::exists);
    EXPECT_EQ(repository_->user("AKIAalice").value(), make_user("alice"));
    EXPECT_EQ(repository_->user_named("alice").value(), make_user("alice"));
    ASSERT_TRUE(repository_->create_user(make_user("bob")));
    EXPECT_THAT(repository_->user_page("AKIAalice", 5)->items, ElementsAre(make_user("bob")));
    ASSERT_TRUE(repository_->delete_user("AKIAbob"));
    expect_error(repository_->delete_user("AKIAbob"), StoreErrc::not_found);
    expect_error(repository_->user_named("bob"), StoreErrc::not_found);

    EXPECT_EQ(repository_->setting("s").value(), std::nullopt);
    expect_error(repository_->put_setting("s", as_bytes("1"), Bytes{9}), StoreErrc::conflict);
    ASSERT_TRUE(repository_->put_setting("s", as_bytes("1"), std::nullopt));
    expect_error(repository_->put_setting("s", as_bytes("2"), std::nullopt), StoreErrc::conflict);
    ASSERT_TRUE(repository_->put_setting("s", {}, Bytes{'1'}));
    EXPECT_EQ(repository_->setting("s").value(), Bytes());
}

TEST_P(RepositoryTest, WrappingAnewDoesNotOverwriteWhatHasChanged) {
    create(1);
    const Material before = make_material(id_of(1), 1);
    ASSERT_TRUE(repository_->rewrap_material(before, Bytes{5}));
    EXPECT_EQ(repository_->material(before.key_id, before.id)->wrapped, Bytes{5});
    expect_error(repository_->rewrap_material(before, Bytes{6}), StoreErrc::conflict);
    EXPECT_EQ(repository_->material(before.key_id, before.id)->wrapped, Bytes{5});
    ASSERT_TRUE(repository_->create_user(make_user("alice")));
    ASSERT_TRUE(repository_->rewrap_user(make_user("alice"), Bytes{5}));
    expect_error(repository_->rewrap_user(make_user("alice"), Bytes{6}), StoreErrc::conflict);
}

TEST_P(RepositoryTest, TextThatIsNoneIsRefused) {
    create(1);
    Key key = make_key(2);
    key.description = std::string("a\0b", 3);
    expect_error(repository_->create_key(key, std::nullopt), StoreErrc::bad_text);
    key.description = "\xff";
    expect_error(repository_->create_key(key, std::nullopt), StoreErrc::bad_text);
    expect_error(repository_->key("\xc3"), StoreErrc::bad_text);
    expect_error(repository_->alias(kAccount, std::string_view("alias/\0", 7)),
                 StoreErrc::bad_text);
    EXPECT_TRUE(repository_->key(id_of(1)));
    expect_error(repository_->key("' OR ''='"), StoreErrc::not_found);
}

// Eight threads count one key's version up, each change by reading and storing it; none is lost.
TEST_P(RepositoryTest, ManyThreadsLoseNothing) {
    create(1);
    constexpr int kThreads = 8;
    constexpr int kEach = 10;
    std::atomic<int> failures = 0;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([&, thread] {
            for (int done = 0; done < kEach;) {
                auto key = repository_->key(id_of(1));
                const auto sequence = static_cast<std::uint32_t>(key->version) + 2;
                const Material material = make_material(id_of(1), sequence);
                key->current_material = material.id;
                const auto updated = repository_->update_key(*key, {material});
                if (updated) {
                    ++done;
                } else if (!updated.error().is(StoreErrc::conflict) &&
                           !updated.error().is(StoreErrc::exists)) {
                    ++failures;
                    return;
                }
            }
            // And one of its own.
            if (!repository_->create_key(make_key(100 + thread), std::nullopt)) {
                ++failures;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(repository_->key(id_of(1))->version, kThreads * kEach);
    EXPECT_THAT(repository_->key_materials(id_of(1), 0, 1000).value(), SizeIs(81));
    EXPECT_THAT(repository_->key_page("", 1000)->items, SizeIs(1 + kThreads));
}

TEST_P(RepositoryTest, EachChangeIsCounted) {
    const std::uint64_t start = repository_->generation().value();
    create(1);
    EXPECT_EQ(repository_->generation().value(), start + 1);
    // What changes nothing is not.
    expect_error(repository_->create_key(make_key(1), std::nullopt), StoreErrc::exists);
    expect_error(repository_->delete_user("AKIA"), StoreErrc::not_found);
    ASSERT_TRUE(repository_->key(id_of(1)));
    EXPECT_EQ(repository_->generation().value(), start + 1);
    // Each kind of change is, and another process sees it at once.
    const auto other = Repository::open(place_);
    ASSERT_TRUE(other) << other.error().message();
    Key key = make_key(1);
    const Grant grant = make_grant(key.id, "g", "who");
    const User user = make_user("alice");
    const std::vector<std::function<Result<>()>> changes = {
        [&] { return repository_->update_key(key, {make_material(key.id, 2)}); },
        [&] { return repository_->rewrap_material(make_material(key.id, 2), Bytes{1}); },
        [&] {
            return repository_->create_alias({kAccount, "alias/a", key.id, at(1), at(1)});
        },
        [&] {
            return repository_->move_alias({kAccount, "alias/a", key.id, {}, {}}, key.id, at(2));
        },
        [&] {
            return repository_->delete_alias({kAccount, "alias/a", key.id, {}, {}});
        },
        [&] { return repository_->create_grant(grant); },
        [&] { return repository_->delete_grant(key.id, grant.id); },
        [&] { return repository_->create_user(user); },
        [&] { return repository_->rewrap_user(user, Bytes{1}); },
        [&] { return repository_->delete_user(user.access_key_id); },
        [&] { return repository_->put_setting("s", Bytes{1}, std::nullopt); },
        [&] { return repository_->put_setting("s", Bytes{2}, Bytes{1}); },
        [&] { return repository_->delete_key(key.id, key.version); },
    };
    for (std::size_t i = 0; i < changes.size(); ++i) {
        const auto done = changes[i]();
        ASSERT_TRUE(done) << i << ": " << done.error().message();
        EXPECT_EQ((*other)->generation().value(), start + 2 + i);
    }
    open();
    EXPECT_EQ(repository_->generation().value(), start + 1 + changes.size());
}

// Two processes' threads change one key, each change counting its version up, while others read the
// generation, the key and the generation again: whatever they meet, the key has all changes that
// the first number counts, and none beyond the second. A cache that asks first is so never old.
TEST_P(RepositoryTest, AGenerationIsSeenWithItsChange) {
    create(1);
    const auto other = Repository::open(place_);
    ASSERT_TRUE(other) << other.error().message();
    const std::uint64_t start = repository_->generation().value();
    constexpr std::uint64_t kEach = 40;
    constexpr int kPairs = 3;
    std::atomic<int> writing = 2 * kPairs;
    std::atomic<std::uint64_t> wrong = 0;
    std::atomic<std::uint64_t> failed = 0;
    std::vector<std::thread> threads;
    const auto change = [&](Repository& repository) {
        for (std::uint64_t done = 0; done < kEach;) {
            auto key = repository.key(id_of(1));
            const auto updated = key ? repository.update_key(*key) : Result<>(key.error());
            done += updated ? 1U : 0U;
            if (!updated && !updated.error().is(StoreErrc::conflict)) {
                ++failed;
                break;
            }
        }
        --writing;
    };
    const auto look = [&](Repository& repository) {
        while (writing > 0) {
            const auto before = repository.generation();
            const auto key = repository.key(id_of(1));
            const auto after = repository.generation();
            failed += before && key && after ? 0U : 1U;
            if (before && key && after &&
                (key->version < *before - start || key->version > *after - start)) {
                ++wrong;
            }
        }
    };
    for (int pair = 0; pair < kPairs; ++pair) {
        for (Repository* repository : {repository_.get(), other->get()}) {
            threads.emplace_back(change, std::ref(*repository));
            threads.emplace_back(look, std::ref(*repository));
        }
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(repository_->generation().value(), start + 2 * kPairs * kEach);
    EXPECT_EQ(repository_->key(id_of(1))->version, 2 * kPairs * kEach);
}

// some_things gives things of each kind, more than a page of some, as they are exported.
std::vector<Thing> some_things() {
    std::vector<Thing> all;
    for (const char* name : {"a", "b", "za", "zb"}) {
        all.emplace_back(Setting{name, name[0] == 'z' ? Bytes{} : Bytes{1, 0}});
    }
    for (int number = 0; number < 600; ++number) {
        Key key = make_key(number);
        key.tags = {{"n", std::to_string(number)}};
        all.emplace_back(std::move(key));
    }
    for (int number = 0; number < 600; ++number) {
        all.emplace_back(make_material(id_of(number), 1));
        if (number == 3) {
            all.emplace_back(make_material(id_of(number), 2));
        }
    }
    all.emplace_back(Alias{"111122223333", "alias/b", id_of(97), at(1), at(2)});
    all.emplace_back(Alias{"123456789012", "alias/a", id_of(97), at(1), at(2)});
    all.emplace_back(make_grant(id_of(5), "a", "who"));
    Grant grant = make_grant(id_of(4), "b", "who");
    grant.context.emplace().emplace("k", "v");
    all.emplace_back(grant);
    all.emplace_back(make_user("a"));
    all.emplace_back(make_user("b"));
    return all;
}

std::vector<Thing> everything(Repository& repository) {
    std::vector<Thing> all;
    const auto done = repository.export_all([&](const Thing& thing) -> Result<> {
        all.push_back(thing);
        return {};
    });
    EXPECT_TRUE(done) << done.error().message();
    return all;
}

Repository::Next each_of(const std::vector<Thing>& things, std::size_t fail_at = SIZE_MAX) {
    return [&things, fail_at, next = std::size_t{0}]() mutable -> Result<std::optional<Thing>> {
        if (next == fail_at) {
            return Error(StoreErrc::bad_place, "of the test");
        }
        return next == things.size() ? std::optional<Thing>() : things[next++];
    };
}

TEST_P(RepositoryTest, EverythingIsExportedAndImported) {
    const std::vector<Thing> all = some_things();
    const auto imported = repository_->import_all(each_of(all));
    ASSERT_TRUE(imported) << imported.error().message();
    EXPECT_EQ(everything(*repository_), all);
    EXPECT_EQ(repository_->setting_page("", 10)->items.size(), 4);
    EXPECT_EQ(repository_->setting_page("", 2)->next, "b");
    EXPECT_EQ(repository_->setting_page("b", 2)->next, std::nullopt);
    expect_error(repository_->import_all(each_of(all)), StoreErrc::not_empty);
    expect_error(repository_->import_all(each_of({})), StoreErrc::not_empty);
    const auto directory = TemporaryDirectory::create();
    const auto copy = Repository::open(directory->path() + "/copy");
    ASSERT_TRUE(copy) << copy.error().message();
    // What fails, anywhere, leaves nothing.
    expect_error((*copy)->import_all(each_of(all, 1000)), StoreErrc::bad_place);
    expect_error((*copy)->import_all(each_of(all, all.size())), StoreErrc::bad_place);
    std::vector<Thing> twice = all;
    twice.push_back(all.back());
    expect_error((*copy)->import_all(each_of(twice)), StoreErrc::exists);
    EXPECT_THAT(everything(**copy), IsEmpty());
    EXPECT_EQ((*copy)->generation().value(), 0);
    const auto done = (*copy)->import_all(each_of(all));
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(everything(**copy), all);
    EXPECT_EQ((*copy)->generation().value(), 1);
    // One thing of a kind, or a setting, is not nothing.
    expect_error((*copy)->import_all(each_of({})), StoreErrc::not_empty);
}

TEST_P(RepositoryTest, AnImportNeedsAnEmptyStore) {
    ASSERT_TRUE(repository_->import_all(each_of({})));
    ASSERT_TRUE(repository_->put_setting("s", Bytes{1}, std::nullopt));
    expect_error(repository_->import_all(each_of({})), StoreErrc::not_empty);
}

TEST_P(RepositoryTest, AnImportNeedsAStoreWithoutUsers) {
    ASSERT_TRUE(repository_->create_user(make_user("alice")));
    expect_error(repository_->import_all(each_of({})), StoreErrc::not_empty);
}

// What is written while it is exported is not in it, neither a part nor the whole.
TEST_P(RepositoryTest, AnExportIsOfOneMoment) {
    const std::vector<Thing> before = some_things();
    ASSERT_TRUE(repository_->import_all(each_of(before)));
    std::vector<Thing> during;
    const auto done = repository_->export_all([&](const Thing& thing) -> Result<> {
        if (during.size() % 500 == 0) {
            // Of each kind one that comes early and one that comes late in its list.
            const int number = static_cast<int>(during.size());
            for (const int key : {-1 - number, 1000 + number}) {
                Key made = make_key(std::abs(key));
                made.id = (key < 0 ? "0" : "f") + std::to_string(number);
                made.current_material = "m";
                Material material = make_material(made.id, 1);
                CASEMATE_CHECK(repository_->create_key(made, material));
                const std::string name = (key < 0 ? "A" : "z") + std::to_string(number);
                CASEMATE_CHECK(
                    repository_->create_alias({"1", "alias/" + name, made.id, at(1), at(1)}));
                CASEMATE_CHECK(repository_->create_grant(make_grant(made.id, name, "who")));
                CASEMATE_CHECK(repository_->create_user(make_user(name)));
            }
        }
        during.push_back(thing);
        return {};
    });
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(during, before);
    EXPECT_GT(everything(*repository_).size(), before.size());
}

TEST_P(RepositoryTest, SeveralOpenAnEmptyStoreAtOnce) {
    // The same store, emptied of its tables.
    {
        auto database =
            GetParam() == Driver::sqlite ? open_sqlite(place_) : open_postgresql(place_);
        ASSERT_TRUE(database);
        for (const char* table : {"kms_aliases", "kms_grants", "kms_materials", "kms_keys",
                                  "kms_users", "kms_settings", "kms_generation"}) {
            ASSERT_TRUE((*database)->run(std::string("DROP TABLE ") + table));
        }
    }
    repository_.reset();
    std::vector<std::string> failures(6);
    std::vector<std::thread> threads;
    for (std::string& failure : failures) {
        threads.emplace_back([&] {
            const auto opened = Repository::open(place_);
            failure = opened ? "" : opened.error().message();
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_THAT(failures, ::testing::Each(""));
}

TEST_P(RepositoryTest, AStoreOfAnotherVersionIsRefused) {
    ASSERT_TRUE(repository_->put_setting("store/version", as_bytes("2"), Bytes{'1'}));
    const auto opened = Repository::open(place_);
    ASSERT_FALSE(opened.ok());
    EXPECT_TRUE(opened.error().is(StoreErrc::damaged));
    EXPECT_THAT(opened.error().message(), HasSubstr("found version 2"));
}

TEST_P(RepositoryTest, AValueThatNobodyStoredIsDamage) {
    create(1);
    auto database = GetParam() == Driver::sqlite ? open_sqlite(place_) : open_postgresql(place_);
    ASSERT_TRUE(database);
    ASSERT_TRUE((*database)->run("UPDATE kms_keys SET spec = 'RSA_1024'"));
    expect_error(repository_->key(id_of(1)), StoreErrc::damaged);
    ASSERT_TRUE((*database)->run("UPDATE kms_keys SET spec = 'RSA_2048', tags = $1", {Bytes{1}}));
    expect_error(repository_->key_page("", 5), StoreErrc::damaged);
    // More texts than there are bytes for.
    ASSERT_TRUE((*database)->run("UPDATE kms_keys SET tags = $1", {Bytes{255, 255, 255, 255}}));
    expect_error(repository_->key(id_of(1)), StoreErrc::damaged);
}

TEST(PostgresqlStore, AServerThatComesBackIsFoundAgain) {
    if (!PostgresqlForTest::binaries()) {
        GTEST_SKIP() << "expected PostgreSQL in /usr/lib/postgresql, found none";
    }
    auto server = PostgresqlForTest::start();
    ASSERT_TRUE(server) << server.error().message();
    auto repository = Repository::open((*server)->url(), 1);
    ASSERT_TRUE(repository) << repository.error().message();
    ASSERT_TRUE((*repository)->create_key(make_key(1), make_material(id_of(1), 1)));
    (*server)->stop();
    expect_error((*repository)->key(id_of(1)), StoreErrc::unavailable);
    expect_error((*repository)->create_key(make_key(2), std::nullopt), StoreErrc::unavailable);
    ASSERT_TRUE((*server)->run());
    EXPECT_TRUE((*repository)->key(id_of(1)));
    (*server)->stop();
    ASSERT_TRUE((*server)->run());
    // The connection is dead, and the first to notice is a transaction.
    EXPECT_TRUE((*repository)->create_key(make_key(2), std::nullopt));
}

TEST(PostgresqlStore, OtherAddressesAreNone) {
    expect_error(open_postgresql("host=/tmp password=secret"), StoreErrc::bad_place);
    const auto refused = Repository::open("postgresql://u:secret@/db?host=%2Fnowhere");
    expect_error(refused, StoreErrc::unavailable);
    EXPECT_THAT(refused.error().message(), ::testing::Not(HasSubstr("secret")));
}

class SqliteStore : public ::testing::Test {
protected:
    SqliteStore() : directory_(TemporaryDirectory::create().value()) {
        place_ = directory_.path() + "/kms";
    }

    TemporaryDirectory directory_;
    std::string place_;
};

unsigned mode_of(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777U : 0;
}

TEST_F(SqliteStore, ItsFilesAreItsOwnersAlone) {
    const auto repository = Repository::open(place_);
    ASSERT_TRUE(repository) << repository.error().message();
    ASSERT_TRUE((*repository)->create_key(make_key(1), std::nullopt));
    EXPECT_EQ(mode_of(place_), 0700);
    for (const char* name : {"/kms.db", "/kms.db-wal", "/kms.db-shm"}) {
        EXPECT_EQ(mode_of(place_ + name), 0600) << name;
    }
}

TEST_F(SqliteStore, OthersDirectoriesAndFilesAreRefused) {
    ASSERT_TRUE(Repository::open(place_));
    ASSERT_EQ(::chmod(place_.c_str(), 0750), 0);
    expect_error(Repository::open(place_), StoreErrc::bad_place);
    ASSERT_EQ(::chmod(place_.c_str(), 0700), 0);
    ASSERT_EQ(::chmod((place_ + "/kms.db").c_str(), 0640), 0);
    expect_error(Repository::open(place_), StoreErrc::bad_place);
    ASSERT_EQ(::chmod((place_ + "/kms.db").c_str(), 0600), 0);
    ASSERT_TRUE(Repository::open(place_));
    std::filesystem::rename(place_ + "/kms.db", place_ + "/elsewhere");
    std::filesystem::create_symlink("elsewhere", place_ + "/kms.db");
    expect_error(Repository::open(place_), StoreErrc::bad_place);
    expect_error(Repository::open(place_ + "/elsewhere"), StoreErrc::bad_place);
    expect_error(Repository::open(place_ + "/no/such"), StoreErrc::unavailable);
}

TEST_F(SqliteStore, AFileThatIsNoDatabaseIsDamage) {
    std::filesystem::create_directory(place_);
    ASSERT_EQ(::chmod(place_.c_str(), 0700), 0);
    ASSERT_TRUE(write_file_atomically(place_ + "/kms.db", Bytes(8192, 'x')));
    expect_error(Repository::open(place_), StoreErrc::damaged);
}

TEST_F(SqliteStore, AnswersAreDurable) {
    const auto database = open_sqlite(place_);
    ASSERT_TRUE(database);
    const auto mode = (*database)->run("PRAGMA journal_mode");
    EXPECT_EQ(std::get<std::string>(mode->rows.at(0).at(0)), "wal");
    // 2 is FULL.
    const auto synchronous = (*database)->run("PRAGMA synchronous");
    EXPECT_EQ(std::get<std::int64_t>(synchronous->rows.at(0).at(0)), 2);
}

// No statement looks at all rows or sorts them: its cost is the same at any number of keys.
TEST_F(SqliteStore, EachStatementGoesByAnIndex) {
    ASSERT_TRUE(Repository::open(place_));
    const auto database = open_sqlite(place_);
    ASSERT_TRUE(database);
    for (const std::string_view statement : sql::kFinding) {
        const auto plan = (*database)->run("EXPLAIN QUERY PLAN " + std::string(statement));
        ASSERT_TRUE(plan) << statement << ": " << plan.error().message();
        for (const Row& row : plan->rows) {
            const auto& detail = std::get<std::string>(row.back());
            EXPECT_THAT(detail, ::testing::Not(HasSubstr("SCAN"))) << statement;
            EXPECT_THAT(detail, ::testing::Not(HasSubstr("TEMP B-TREE"))) << statement;
        }
    }
}

// work_until_killed makes, rotates and deletes keys, and tells through the pipe what it was
// answered: "c N", "r N VERSION", "d N".
[[noreturn]] void work_until_killed(const std::string& place, int first, int report) {
    const auto tell = [&](const std::string& line) {
        if (::write(report, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
            ::_exit(2);
        }
    };
    auto repository = Repository::open(place, 1);
    for (int number = first; repository; ++number) {
        const std::string name = std::to_string(number);
        if (!(*repository)->create_key(make_key(number), make_material(id_of(number), 1))) {
            break;
        }
        tell("c " + name + " 0\n");
        Key key = make_key(number);
        for (std::uint32_t sequence = 2; sequence < 4; ++sequence) {
            key.current_material = make_material(key.id, sequence).id;
            if (!(*repository)->update_key(key, {make_material(key.id, sequence)})) {
                ::_exit(3);
            }
            tell("r " + name + " " + std::to_string(key.version) + "\n");
        }
        if (number % 3 == 0) {
            tell("t " + name + " 0\n");
            if (!(*repository)->delete_key(key.id, key.version)) {
                ::_exit(4);
            }
            tell("d " + name + " 0\n");
        }
    }
    ::_exit(5);
}

// What was told of a key.
struct Told {
    std::uint64_t version = 0;
    bool deleting = false;
    bool deleted = false;
};

// read_until reads what is reported until there are some bytes of it, or the end.
void read_until(int report, std::size_t size, std::string& text) {
    Bytes buffer(4096);
    while (text.size() < size) {
        const auto got = read_some(report, buffer);
        if (!got || *got == 0) {
            return;
        }
        text += as_text(ByteView(buffer).first(*got));
    }
}

std::map<int, Told> told_in(const std::string& text) {
    std::map<int, Told> told;
    std::istringstream lines(text);
    char what = 0;
    int number = 0;
    std::uint64_t version = 0;
    while (lines >> what >> number >> version) {
        Told& key = told[number];
        key.version = version > key.version ? version : key.version;
        key.deleting = key.deleting || what == 't';
        key.deleted = key.deleted || what == 'd';
    }
    return told;
}

void expect_as_told(Repository& repository, int number, const Told& told) {
    const auto key = repository.key(id_of(number));
    if (!key) {
        EXPECT_TRUE(key.error().is(StoreErrc::not_found)) << key.error().message();
        EXPECT_TRUE(told.deleting) << "key " << number << " is lost";
        EXPECT_THAT(repository.key_materials(id_of(number), 0, 10).value(), IsEmpty());
        return;
    }
    EXPECT_FALSE(told.deleted) << "key " << number << " came back";
    EXPECT_GE(key->version, told.version);
    // Whole: as many generations as the version says, the current one among them.
    EXPECT_THAT(repository.key_materials(key->id, 0, 10).value(), SizeIs(key->version + 1));
    EXPECT_TRUE(repository.material(key->id, key->current_material));
}

TEST_F(SqliteStore, WhatWasAnsweredSurvivesKills) {
    ASSERT_TRUE(Repository::open(place_));
    constexpr int kKills = 100;
    std::mt19937 random(20260101);
    std::map<int, Told> all;
    for (int kill = 0; kill < kKills; ++kill) {
        auto report = make_pipe();
        ASSERT_TRUE(report);
        const int first = (kill + 1) * 100000;
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            work_until_killed(place_, first, report->second.get());
        }
        report->second.reset();
        // At any moment after a few answers: 10 bytes are one.
        std::string text;
        read_until(report->first.get(), std::uniform_int_distribution<std::size_t>(1, 120)(random),
                   text);
        std::this_thread::sleep_for(
            std::chrono::microseconds(std::uniform_int_distribution<int>(0, 4000)(random)));
        ASSERT_EQ(::kill(child, SIGKILL), 0);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << "exit status " << WEXITSTATUS(status);
        read_until(report->first.get(), SIZE_MAX, text);
        auto told = told_in(text);
        const auto repository = Repository::open(place_, 1);
        ASSERT_TRUE(repository) << repository.error().message();
        // Also the one that was being made when the child was killed.
        const int last = told.empty() ? first : told.rbegin()->first + 1;
        const Page<Key> page = (*repository)->key_page(id_of(first - 1), 100000).value();
        for (const Key& key : page.items) {
            EXPECT_LE(key.id, id_of(last));
            EXPECT_THAT((*repository)->key_materials(key.id, 0, 10).value(),
                        SizeIs(key.version + 1));
        }
        all.merge(told);
    }
    const auto repository = Repository::open(place_, 1);
    ASSERT_TRUE(repository);
    for (const auto& [number, told] : all) {
        expect_as_told(**repository, number, told);
    }
    // Each child was answered at least once.
    EXPECT_GE(all.size(), kKills);
}

}  // namespace
}  // namespace casemate::kms
