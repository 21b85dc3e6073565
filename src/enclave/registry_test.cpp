#include "enclave/registry.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/temporary_directory.hpp"
#include "enclave/errors.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace casemate::enclave {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class RegistryTest : public testing::Test {
protected:
    RegistryTest() : directory_(TemporaryDirectory::create().value()) {
        paths_.state = directory_.path() + "/state";
        paths_.runtime = directory_.path() + "/run";
    }

    Result<Registration> add(EnclaveRecord& record, std::uint32_t cid = 0) {
        record.name = "name";
        record.cid = cid;
        return Registry(paths_).register_enclave(record, "i-12345678");
    }

    TemporaryDirectory directory_;
    Paths paths_;
};

TEST_F(RegistryTest, IdsHaveNitroCliForm) {
    EnclaveRecord record;
    const auto registration = add(record);
    ASSERT_TRUE(registration) << registration.error().message();
    EXPECT_TRUE(record.id.starts_with("i-12345678-enc")) << record.id;
    EXPECT_TRUE(valid_id(record.id));
    EXPECT_THAT(Registry(paths_).living(), ElementsAre(record.id));
    EXPECT_EQ(fs::read_symlink(paths_.cid(record.cid)), "../enclaves/" + record.id + "/vsock");
}

TEST_F(RegistryTest, IdsThatAreNoneAreRefused) {
    for (const char* id :
         {"", "..", "../x-enc1", "a/b-enc1", "i-0", ".hidden-enc1", "i-0-enc1\n"}) {
        EXPECT_FALSE(valid_id(id)) << id;
    }
}

TEST_F(RegistryTest, CidsAndNamesAreGivenOnce) {
    EnclaveRecord first;
    const auto one = add(first);
    EnclaveRecord second;
    const auto two = add(second);
    ASSERT_TRUE(one && two);
    EXPECT_EQ(first.cid, kFirstAutomaticCid);
    EXPECT_EQ(second.cid, kFirstAutomaticCid + 1);
    EXPECT_EQ(first.name, "name");
    EXPECT_EQ(second.name, "name_1");
    EnclaveRecord third;
    const auto occupied = add(third, kFirstAutomaticCid);
    ASSERT_FALSE(occupied);
    EXPECT_TRUE(occupied.error().is(EnclaveErrc::machine_refused));
}

TEST_F(RegistryTest, WhatIsLetGoCanBeHadAgain) {
    EnclaveRecord first;
    {
        const auto registration = add(first, 100);
        ASSERT_TRUE(registration);
    }
    EXPECT_THAT(Registry(paths_).living(), IsEmpty());
    EXPECT_FALSE(fs::is_symlink(paths_.cid(100)));
    EnclaveRecord second;
    EXPECT_TRUE(add(second, 100));
    EXPECT_THAT(Registry(paths_).histories(), SizeIs(2));
}

TEST_F(RegistryTest, LeftoversOfADeadSupervisorAreClearedAndTold) {
    EnclaveRecord record;
    const std::string dead = "i-0-enc5";
    ASSERT_TRUE(make_directories(paths_));
    fs::create_directories(paths_.enclave(dead) + "/parent");
    fs::create_directories(paths_.history(dead));
    fs::create_symlink("../enclaves/" + dead + "/vsock", paths_.cid(30));
    std::ofstream(paths_.enclave(dead) + "/lock") << "";
    record.id = dead;
    record.cid = 30;
    record.state = EnclaveState::running;
    std::ofstream(paths_.enclave(dead) + "/state.json") << to_json(record);
    EXPECT_THAT(Registry(paths_).living(), IsEmpty());
    EXPECT_FALSE(fs::exists(paths_.enclave(dead)));
    EXPECT_FALSE(fs::is_symlink(paths_.cid(30)));
    const auto histories = Registry(paths_).histories();
    ASSERT_THAT(histories, SizeIs(1));
    EXPECT_EQ(histories[0].end->kind, EndKind::supervisor_killed);
    EXPECT_EQ(histories[0].state, EnclaveState::ended);
}

TEST_F(RegistryTest, ALeftoverWithoutAReadableRecordKeepsNoCid) {
    const std::string dead = "i-0-enc5";
    ASSERT_TRUE(make_directories(paths_));
    fs::create_directories(paths_.enclave(dead));
    fs::create_symlink("../enclaves/" + dead + "/vsock", paths_.cid(30));
    fs::create_symlink("../enclaves/i-0-enc55/vsock", paths_.cid(31));
    std::ofstream(paths_.enclave(dead) + "/lock") << "";
    std::ofstream(paths_.enclave(dead) + "/state.json") << "no record";
    EXPECT_THAT(Registry(paths_).living(), IsEmpty());
    EXPECT_FALSE(fs::exists(paths_.enclave(dead)));
    EXPECT_FALSE(fs::is_symlink(paths_.cid(30)));
    EXPECT_TRUE(fs::is_symlink(paths_.cid(31)));
}

TEST_F(RegistryTest, HostileMetadataStaysOutOfTheRecord) {
    const std::string good =
        R"({"ImageName":"n","ImageVersion":"1","BuildMetadata":{"BuildTime":"","BuildTool":"",)"
        R"("BuildToolVersion":"","OperatingSystem":"","KernelVersion":""}})";
    for (const std::string& section :
         {good, std::string("\xff\xfe"), std::string(1U << 20U, '\x01'), std::string("{}")}) {
        EnclaveRecord record;
        record.image_metadata = presentable_metadata(as_bytes(section));
        const auto registration = add(record);
        ASSERT_TRUE(registration) << registration.error().message();
        const auto read = Registry(paths_).read_living(record.id);
        ASSERT_TRUE(read) << read.error().message();
        EXPECT_EQ(read->image_metadata, section == good ? good : "");
    }
}

TEST_F(RegistryTest, LocksAreTheOwnersAlone) {
    const mode_t before = ::umask(0);
    EnclaveRecord record;
    const auto registration = add(record);
    ::umask(before);
    ASSERT_TRUE(registration);
    for (const std::string& lock :
         {paths_.runtime + "/lock", paths_.enclave(record.id) + "/lock"}) {
        EXPECT_EQ(fs::status(lock).permissions(), fs::perms(0600)) << lock;
    }
}

TEST_F(RegistryTest, DirectoriesThatOthersDecideAboutAreRefused) {
    ASSERT_TRUE(make_directories(paths_));
    for (const std::string& place : {paths_.state, paths_.runtime}) {
        EnclaveRecord record;
        fs::permissions(place, fs::perms(01777));
        const auto refused = add(record);
        ASSERT_FALSE(refused) << place;
        EXPECT_TRUE(refused.error().is(EnclaveErrc::file_operation));
        fs::permissions(place, fs::perms(0755));
        EXPECT_TRUE(add(record));
    }
}

TEST_F(RegistryTest, AnotherUsersDirectoriesAreRefused) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "only root can make another user's directory";
    }
    ASSERT_TRUE(make_directories(paths_));
    ASSERT_EQ(::chown(paths_.runtime.c_str(), 12345, 12345), 0);
    EnclaveRecord record;
    EXPECT_FALSE(add(record));
}

TEST_F(RegistryTest, OldHistoriesAreForgottenTheOldestFirst) {
    ASSERT_TRUE(make_directories(paths_));
    for (std::size_t i = 0; i < kKeptHistories + 5; ++i) {
        fs::create_directory(paths_.history("i-0-enc" + std::to_string(1000 + i)));
    }
    EnclaveRecord record;
    const auto registration = add(record);
    ASSERT_TRUE(registration);
    EXPECT_FALSE(fs::exists(paths_.history("i-0-enc1004")));
    EXPECT_TRUE(fs::exists(paths_.history("i-0-enc1005")));
    EXPECT_TRUE(fs::exists(paths_.history(record.id)));
}

TEST(SlotUid, BeginsWithTheTime) {
    const auto before = static_cast<std::uint64_t>(now_ms());
    const std::uint64_t uid = make_slot_uid();
    const auto after = static_cast<std::uint64_t>(now_ms());
    EXPECT_GE(uid >> 16U, before);
    EXPECT_LE(uid >> 16U, after);
}

TEST(SlotUid, IsReadFromAnEnclavesId) {
    EXPECT_EQ(slot_uid_of("i-0-enc1a1fe4df33261f9"), 0x1a1fe4df33261f9U);
    for (const char* id :
         {"", "i-0", "i-0-enc", "i-0-encx", "i-0-enc1 ", "i-0-enc-1", "i-0-enc10000000000000000"}) {
        EXPECT_EQ(slot_uid_of(id), 0U) << id;
    }
}

}  // namespace
}  // namespace casemate::enclave
