#include "kms/vault/vault.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <thread>

#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/temporary_directory.hpp"
#include "kms/vault/rewrap.hpp"

namespace casemate::kms {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

template <class T>
void expect_error(const Result<T>& result, VaultErrc code) {
    ASSERT_FALSE(result.ok());
    EXPECT_TRUE(result.error().is(code)) << result.error().message();
}

SecretBytes secret_of(std::string_view text) {
    return SecretBytes(Bytes(text.begin(), text.end()));
}

class VaultTest : public ::testing::Test {
protected:
    VaultTest()
        : directory_(TemporaryDirectory::create().value()), place_(directory_.path() + "/kms") {}

    [[nodiscard]] Vault open() const { return Vault::open(place_).value(); }
    [[nodiscard]] std::string file() const { return place_ + "/root-keys"; }

    TemporaryDirectory directory_;
    std::string place_;
};

std::string opened(const Vault& vault, ByteView wrapped, std::string_view binding) {
    const auto secret = vault.unwrap(wrapped, binding);
    return secret ? std::string(as_text(secret->view())) : secret.error().message();
}

TEST_F(VaultTest, WhatIsWrappedIsOpenedByALaterProcess) {
    const Bytes wrapped = open().wrap(as_bytes("secret"), "b").value();
    EXPECT_EQ(opened(open(), wrapped, "b"), "secret");
    const Bytes nothing = open().wrap({}, "").value();
    EXPECT_EQ(opened(open(), nothing, ""), "");
    EXPECT_THAT(std::string(as_text(wrapped)), Not(HasSubstr("secret")));
    // Twice the same gives two.
    EXPECT_NE(open().wrap(as_bytes("secret"), "b").value(), wrapped);
    struct stat status {};
    ASSERT_EQ(::stat(file().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

TEST_F(VaultTest, OnlyTheSameBindingOpens) {
    const Vault vault = open();
    const Bytes wrapped = vault.wrap(as_bytes("secret"), material_binding("k", "m")).value();
    EXPECT_EQ(opened(vault, wrapped, material_binding("k", "m")), "secret");
    expect_error(vault.unwrap(wrapped, material_binding("k", "n")), VaultErrc::not_opened);
    expect_error(vault.unwrap(wrapped, material_binding("l", "m")), VaultErrc::not_opened);
    expect_error(vault.unwrap(wrapped, access_key_binding("k/m")), VaultErrc::not_opened);
    expect_error(vault.unwrap(wrapped, ""), VaultErrc::not_opened);
}

TEST_F(VaultTest, EachChangedByteAndEachEndIsRefused) {
    const Vault vault = open();
    const Bytes wrapped = vault.wrap(as_bytes("secret"), "b").value();
    for (std::size_t i = 0; i < wrapped.size(); ++i) {
        Bytes changed = wrapped;
        changed[i] ^= 1U;
        EXPECT_FALSE(vault.unwrap(changed, "b").ok()) << i;
        EXPECT_FALSE(vault.unwrap(ByteView(wrapped).first(i), "b").ok()) << i;
    }
    Bytes longer = wrapped;
    longer.push_back(0);
    expect_error(vault.unwrap(longer, "b"), VaultErrc::not_opened);
    expect_error(vault.wrap(Bytes(65537), "b"), VaultErrc::damaged);
    EXPECT_TRUE(vault.wrap(Bytes(65536), "b"));
}

TEST_F(VaultTest, AnotherVaultDoesNotOpen) {
    const Bytes wrapped = open().wrap(as_bytes("secret"), "b").value();
    const auto other = Vault::open(directory_.path() + "/other");
    ASSERT_TRUE(other);
    expect_error(other->unwrap(wrapped, "b"), VaultErrc::unknown_root_key);
}

RootKeyProtection by_passphrase(std::string_view text) {
    return ByPassphrase{secret_of(text)};
}

TEST_F(VaultTest, APassphraseIsNeededAndRight) {
    const RootKeyProtection right = by_passphrase("correct horse");
    auto vault = Vault::open(place_, right);
    ASSERT_TRUE(vault) << vault.error().message();
    const Bytes wrapped = vault->wrap(as_bytes("secret"), "b").value();
    ASSERT_TRUE(vault->rotate());
    const auto again = Vault::open(place_, right);
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(opened(*again, wrapped, "b"), "secret");
    EXPECT_THAT(again->ids(), SizeIs(2));
    expect_error(Vault::open(place_, by_passphrase("correct horse ")), VaultErrc::wrong_passphrase);
    expect_error(Vault::open(place_, by_passphrase("")), VaultErrc::wrong_passphrase);
    expect_error(Vault::open(place_), VaultErrc::wrong_protection);
    const std::string plain = directory_.path() + "/plain";
    expect_error(Vault::open(plain, by_passphrase("")), VaultErrc::wrong_passphrase);
    ASSERT_TRUE(Vault::open(plain));
    expect_error(Vault::open(plain, right), VaultErrc::wrong_protection);
}

TEST_F(VaultTest, ItsProtectionIsChanged) {
    Vault vault = open();
    const Bytes wrapped = vault.wrap(as_bytes("secret"), "b").value();
    Vault other = open();
    const auto changed = vault.change_protection(by_passphrase("one"));
    ASSERT_TRUE(changed) << changed.error().message();
    expect_error(Vault::open(place_), VaultErrc::wrong_protection);
    EXPECT_EQ(opened(vault, wrapped, "b"), "secret");
    // Who had it open goes on, but can't change what it has not the passphrase of.
    EXPECT_EQ(opened(other, wrapped, "b"), "secret");
    expect_error(other.rotate(), VaultErrc::unavailable);
    expect_error(other.change_protection(Unprotected()), VaultErrc::unavailable);
    ASSERT_TRUE(vault.rotate());
    const Bytes later = vault.wrap(as_bytes("later"), "b").value();
    expect_error(other.unwrap(later, "b"), VaultErrc::unavailable);
    // What is refused changes nothing.
    expect_error(vault.change_protection(by_passphrase("")), VaultErrc::wrong_passphrase);
    ASSERT_TRUE(vault.change_protection(by_passphrase("two")));
    expect_error(Vault::open(place_, by_passphrase("one")), VaultErrc::wrong_passphrase);
    const auto again = Vault::open(place_, by_passphrase("two"));
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(opened(*again, later, "b"), "later");
    ASSERT_TRUE(vault.change_protection(Unprotected()));
    EXPECT_EQ(opened(open(), wrapped, "b"), "secret");
    EXPECT_EQ(open().ids(), vault.ids());
}

TEST_F(VaultTest, ADamagedFileIsRefused) {
    ASSERT_TRUE(Vault::open(place_));
    const Bytes whole = read_file(file(), 65536).value();
    for (std::size_t i = 0; i < whole.size(); ++i) {
        Bytes changed = whole;
        changed[i] ^= 1U;
        ASSERT_TRUE(write_file_atomically(file(), changed));
        EXPECT_FALSE(Vault::open(place_).ok()) << "byte " << i;
        ASSERT_TRUE(write_file_atomically(file(), ByteView(whole).first(i)));
        EXPECT_FALSE(Vault::open(place_).ok()) << "first " << i;
    }
    ASSERT_TRUE(write_file_atomically(file(), whole));
    EXPECT_TRUE(Vault::open(place_));
}

TEST_F(VaultTest, OthersFilesAreRefused) {
    ASSERT_TRUE(Vault::open(place_));
    ASSERT_EQ(::chmod(file().c_str(), 0640), 0);
    expect_error(Vault::open(place_), VaultErrc::bad_place);
    ASSERT_EQ(::chmod(file().c_str(), 0600), 0);
    ASSERT_EQ(::chmod(place_.c_str(), 0711), 0);
    expect_error(Vault::open(place_), VaultErrc::bad_place);
}

TEST_F(VaultTest, ARotatedKeyStillOpensUntilItIsForgotten) {
    Vault vault = open();
    const Bytes old = vault.wrap(as_bytes("old"), "b").value();
    const std::string first = vault.current_id();
    ASSERT_TRUE(vault.rotate());
    EXPECT_NE(vault.current_id(), first);
    EXPECT_EQ(vault.ids().back(), first);
    EXPECT_FALSE(vault.is_current(old));
    const Bytes later = vault.wrap(as_bytes("new"), "b").value();
    EXPECT_TRUE(vault.is_current(later));
    EXPECT_FALSE(vault.is_current({}));
    EXPECT_EQ(opened(open(), old, "b"), "old");
    ASSERT_TRUE(vault.forget_old());
    EXPECT_EQ(opened(vault, later, "b"), "new");
    expect_error(vault.unwrap(old, "b"), VaultErrc::unknown_root_key);
    expect_error(open().unwrap(old, "b"), VaultErrc::unknown_root_key);
}

TEST_F(VaultTest, WhatAnotherProcessRotatedIsFound) {
    Vault one = open();
    Vault two = open();
    ASSERT_TRUE(one.rotate());
    const Bytes wrapped = one.wrap(as_bytes("new"), "b").value();
    // Not forgotten under a key that is not the newest.
    expect_error(two.forget_old(), VaultErrc::unavailable);
    EXPECT_EQ(opened(open(), wrapped, "b"), "new");
    Vault three = open();
    ASSERT_TRUE(one.rotate());
    const Bytes newest = one.wrap(as_bytes("newest"), "b").value();
    EXPECT_EQ(opened(three, newest, "b"), "newest");
    // Nor are two rotations at once lost.
    ASSERT_TRUE(three.rotate());
    ASSERT_TRUE(one.rotate());
    EXPECT_THAT(one.ids(), SizeIs(5));
}

// Under an unknown root key the file is read when it is another than before, and else not: here it
// could not be, for the lock is taken.
TEST_F(VaultTest, UnknownRootKeysMakeNobodyReadTheFileAgain) {
    ASSERT_TRUE(Vault::open(place_));
    const Vault vault = open();
    Vault other = open();
    Bytes unknown = vault.wrap(as_bytes("secret"), "b").value();
    unknown[5] ^= 1U;
    {
        const UniqueFd directory = open_file(place_, O_RDONLY | O_DIRECTORY).value();
        ASSERT_EQ(::flock(directory.get(), LOCK_EX), 0);
        expect_error(vault.unwrap(unknown, "b"), VaultErrc::unknown_root_key);
    }
    ASSERT_TRUE(other.rotate());
    expect_error(vault.unwrap(unknown, "b"), VaultErrc::unknown_root_key);
    EXPECT_THAT(vault.ids(), SizeIs(2));
    ASSERT_TRUE(other.rotate());
    EXPECT_EQ(opened(vault, other.wrap(as_bytes("new"), "b").value(), "b"), "new");
}

TEST_F(VaultTest, ManyMakeItAtOnceAndAllOpenTheSame) {
    std::vector<std::string> ids(8);
    std::vector<std::thread> threads;
    for (std::string& id : ids) {
        threads.emplace_back([&] { id = open().current_id(); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_THAT(ids, ::testing::Each(open().current_id()));
}

class RewrapTest : public VaultTest {
protected:
    void fill(const Vault& vault, Repository& repository) {
        for (int i = 0; i < 250; ++i) {
            Key key;
            key.id = "key" + std::to_string(i);
            Material material;
            material.key_id = key.id;
            material.id = "m";
            material.wrapped = vault.wrap(as_bytes(key.id), material_binding(key.id, "m")).value();
            ASSERT_TRUE(repository.create_key(key, material));
        }
        User user;
        user.access_key_id = "AKIA";
        user.wrapped_secret = vault.wrap(as_bytes("s3cret"), access_key_binding("AKIA")).value();
        ASSERT_TRUE(repository.create_user(user));
        const Bytes setting = vault.wrap(as_bytes("own"), setting_binding("service/own")).value();
        ASSERT_TRUE(repository.put_setting("service/own", setting, std::nullopt));
        ASSERT_TRUE(repository.put_setting("service/plain", as_bytes("plain"), std::nullopt));
    }

    static void expect_all(const Vault& vault, Repository& repository) {
        for (int i = 0; i < 250; ++i) {
            const std::string id = "key" + std::to_string(i);
            const Material material = repository.material(id, "m").value();
            EXPECT_EQ(opened(vault, material.wrapped, material_binding(id, "m")), id);
        }
        const User user = repository.user("AKIA").value();
        EXPECT_EQ(opened(vault, user.wrapped_secret, access_key_binding("AKIA")), "s3cret");
        const Bytes setting = repository.setting("service/own")->value();
        EXPECT_EQ(opened(vault, setting, setting_binding("service/own")), "own");
        EXPECT_EQ(as_text(repository.setting("service/plain")->value()), "plain");
    }
};

TEST_F(RewrapTest, EverythingIsUnderTheNewKeyAndTheOldIsGone) {
    Vault vault = open();
    const auto repository = Repository::open(place_);
    ASSERT_TRUE(repository);
    fill(vault, **repository);
    ASSERT_TRUE(vault.rotate());
    // A part was done when the process before was killed.
    const Material first = (*repository)->material("key7", "m").value();
    const auto moved = vault.wrap(as_bytes("key7"), material_binding("key7", "m"));
    ASSERT_TRUE((*repository)->rewrap_material(first, *moved));
    expect_all(vault, **repository);
    EXPECT_EQ(rewrap(vault, **repository).value(), 251);
    EXPECT_THAT(vault.ids(), SizeIs(1));
    expect_all(open(), **repository);
    EXPECT_EQ(rewrap(vault, **repository).value(), 0);
}

TEST_F(RewrapTest, WhatIsNotOpenedKeepsTheOldKey) {
    Vault vault = open();
    const auto repository = Repository::open(place_);
    ASSERT_TRUE(repository);
    fill(vault, **repository);
    Bytes damaged = (*repository)->material("key9", "m")->wrapped;
    damaged.back() ^= 1U;
    ASSERT_TRUE(
        (*repository)->rewrap_material((*repository)->material("key9", "m").value(), damaged));
    ASSERT_TRUE(vault.rotate());
    expect_error(rewrap(vault, **repository), VaultErrc::not_opened);
    EXPECT_THAT(open().ids(), SizeIs(2));
}

}  // namespace
}  // namespace casemate::kms
