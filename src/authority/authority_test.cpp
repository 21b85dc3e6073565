#include "authority/authority.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "authority/chain_for_test.hpp"
#include "authority/hierarchy.hpp"
#include "base/file.hpp"
#include "base/temporary_directory.hpp"
#include "crypto/key.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace casemate::authority {
namespace {

namespace fs = std::filesystem;
using attestation::Isolation;
using crypto::Seconds;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr std::uint64_t kSlot = 0x01a0b2c3d4e5f607;
const Seconds kNow{seconds(1790000000)};
const Instance kInstance{"i-0123456789abcdef0", "local", ""};

class AuthorityTest : public testing::Test {
protected:
    AuthorityTest() : temporary_(TemporaryDirectory::create().value()) {}

    std::string directory() const { return temporary_.path() + "/authority"; }
    std::string file(const std::string& name) const { return directory() + "/" + name; }
    Authority authority(const Instance& instance = kInstance) const {
        return {directory(), instance, std::chrono::milliseconds(100)};
    }

    LeafRequest request(Isolation isolation = Isolation::kvm, bool debug = false) const {
        return {leaf_key_.public_key().spki(), "i-0123456789abcdef0-enc01a0b2c3d4e5f607", kSlot,
                isolation, debug};
    }

    // A chain that must be good.
    IssuedChain chain(Seconds now = kNow, Isolation isolation = Isolation::kvm,
                      bool debug = false) const {
        auto certified = authority().certify(request(isolation, debug), now);
        EXPECT_TRUE(certified) << certified.error().message();
        if (!certified) {
            return {};
        }
        EXPECT_EQ(problem_of(certified->chain, now), "");
        return std::move(certified->chain);
    }

    Error refusal(Seconds now = kNow) const {
        auto certified = authority().certify(request(), now);
        EXPECT_FALSE(certified);
        return certified ? Error(AuthorityErrc::missing, "none") : certified.error();
    }

    std::vector<std::string> files() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(directory())) {
            names.push_back(entry.path().filename());
        }
        return names;
    }

    TemporaryDirectory temporary_;
    crypto::PrivateKey leaf_key_ = crypto::PrivateKey::generate(crypto::Curve::p384).value();
};

unsigned mode_of(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777U;
}

crypto::CertificateFields fields_of(const Bytes& der) {
    return crypto::Certificate::from_der(der).value().fields().value();
}

std::string common_name(const crypto::CertificateFields& fields) {
    for (const auto& attribute : fields.subject) {
        if (attribute.type == "CN") {
            return attribute.value;
        }
    }
    return "";
}

TEST_F(AuthorityTest, FirstUseMakesEverythingOnceAndForItsOwnerAlone) {
    const auto first = authority().certify(request(), kNow);
    ASSERT_TRUE(first) << first.error().message();
    EXPECT_TRUE(first->made_root);
    const auto second = authority().certify(request(), kNow + seconds(1));
    ASSERT_TRUE(second);
    EXPECT_FALSE(second->made_root);
    EXPECT_EQ(first->chain.bundle, second->chain.bundle);
    EXPECT_NE(first->chain.leaf, second->chain.leaf);
    EXPECT_EQ(mode_of(directory()), 0700U);
    EXPECT_THAT(files(), testing::UnorderedElementsAre("lock", "root.pem", "level-root.pem",
                                                       "level-region.pem", "level-zone-kvm.pem",
                                                       "level-instance-kvm.pem"));
    for (const std::string& name : files()) {
        EXPECT_EQ(mode_of(file(name)), name == "root.pem" ? 0644U : 0600U) << name;
    }
    const auto pem = read_file(authority().root_path(), 65536).value();
    EXPECT_EQ(crypto::Certificate::from_pem(pem)->der(), first->chain.bundle[0]);
    EXPECT_THAT(std::string(as_text(pem)), Not(HasSubstr("PRIVATE")));
    EXPECT_EQ(authority().root_pem().value(), as_text(pem));
}

// formats.md 2.5, under Casemate's names.
TEST_F(AuthorityTest, CertificatesHaveTheShapeOfTheTable) {
    const IssuedChain issued = chain();
    ASSERT_THAT(issued.bundle, SizeIs(4));
    const auto root = fields_of(issued.bundle[0]);
    EXPECT_EQ(root.issuer, root.subject);
    EXPECT_THAT(readable_name(root.subject),
                testing::MatchesRegex(
                    "C=ZZ, O=Casemate, OU=Casemate, CN=[0-9a-f]{16}\\.casemate-enclaves"));
    EXPECT_EQ(root.not_before, kNow - hours(1));
    EXPECT_EQ(std::chrono::floor<days>(root.not_after) - std::chrono::floor<days>(kNow),
              days(30 * 365 + 8));
    EXPECT_TRUE(root.is_ca && root.basic_constraints_critical && root.key_usage_critical);
    EXPECT_FALSE(root.path_length || root.authority_key_id);
    EXPECT_TRUE(root.subject_key_id);
    constexpr unsigned kUpper = crypto::kDigitalSignature | crypto::kKeyCertSign | crypto::kCrlSign;
    EXPECT_EQ(root.key_usage, kUpper);

    const auto region = fields_of(issued.bundle[1]);
    EXPECT_THAT(readable_name(region.subject),
                testing::MatchesRegex(
                    "C=ZZ, O=Casemate, OU=Casemate, CN=[0-9a-f]{16}\\.local\\.casemate-enclaves"));
    EXPECT_EQ(region.not_after - region.not_before, days(20) + hours(1));
    EXPECT_EQ(region.path_length, 2U);
    EXPECT_EQ(region.key_usage, kUpper);
    EXPECT_EQ(region.authority_key_id, root.subject_key_id);

    const auto zone = fields_of(issued.bundle[2]);
    EXPECT_THAT(readable_name(zone.subject),
                testing::MatchesRegex("CN=[0-9a-f]{16}\\.zonal\\.local\\.casemate-enclaves, "
                                      "OU=kvm, O=Casemate, C=ZZ, ST=Local, L=Local"));
    EXPECT_EQ(zone.not_after - zone.not_before, days(6));
    EXPECT_EQ(zone.path_length, 1U);
    EXPECT_EQ(zone.key_usage, kUpper);
    EXPECT_EQ(zone.authority_key_id, region.subject_key_id);
    EXPECT_TRUE(zone.subject_key_id);

    const auto instance = fields_of(issued.bundle[3]);
    EXPECT_EQ(readable_name(instance.subject),
              "C=ZZ, ST=Local, L=Local, O=Casemate, OU=kvm, "
              "CN=i-0123456789abcdef0.local.casemate-enclaves");
    EXPECT_EQ(instance.not_after - instance.not_before, hours(24));
    EXPECT_EQ(instance.path_length, 0U);
    EXPECT_EQ(instance.key_usage, crypto::kKeyCertSign);
    EXPECT_TRUE(instance.key_usage_critical);
    EXPECT_FALSE(instance.subject_key_id || instance.authority_key_id);
    EXPECT_THAT(instance.serial, SizeIs(20));

    const auto leaf = fields_of(issued.leaf);
    EXPECT_EQ(readable_name(leaf.subject),
              "C=ZZ, ST=Local, L=Local, O=Casemate, OU=kvm, "
              "CN=i-0123456789abcdef0-enc01a0b2c3d4e5f607.local.casemate");
    EXPECT_EQ(leaf.not_before, kNow - seconds(3));
    EXPECT_EQ(leaf.not_after, kNow + hours(3));
    EXPECT_EQ(issued.valid_until, leaf.not_after);
    EXPECT_TRUE(leaf.has_basic_constraints && leaf.basic_constraints_critical);
    EXPECT_FALSE(leaf.is_ca || leaf.key_usage_critical);
    EXPECT_EQ(leaf.key_usage, crypto::kDigitalSignature | crypto::kNonRepudiation);
    EXPECT_EQ(to_hex(leaf.serial), "01a0b2c3d4e5f607000000006ab13b80");
    for (const Bytes& der : issued.bundle) {
        EXPECT_LE(der.size(), 1024U);
    }
}

TEST_F(AuthorityTest, EachClassHasIntermediatesOfItsOwnThatSaySo) {
    std::set<Bytes> zones;
    for (const auto& [isolation, debug, units] :
         {std::tuple(Isolation::kvm, false, "OU=kvm, "),
          std::tuple(Isolation::kvm, true, "OU=kvm, OU=debug, "),
          std::tuple(Isolation::software, false, "OU=software, "),
          std::tuple(Isolation::software, true, "OU=software, OU=debug, ")}) {
        const IssuedChain issued = chain(kNow, isolation, debug);
        ASSERT_THAT(issued.bundle, SizeIs(4));
        zones.insert(issued.bundle[2]);
        for (const Bytes& der : {issued.bundle[2], issued.bundle[3], issued.leaf}) {
            EXPECT_THAT(readable_name(fields_of(der).subject),
                        HasSubstr(std::string(", ") + units));
        }
    }
    EXPECT_THAT(zones, SizeIs(4));
    for (const Isolation isolation : {Isolation::unknown, Isolation::nitro}) {
        const auto refused = authority().certify(request(isolation), kNow);
        ASSERT_FALSE(refused);
        EXPECT_TRUE(refused.error().is(AuthorityErrc::bad_request));
    }
}

TEST_F(AuthorityTest, OpensslVerifiesTheChain) {
    const Seconds now = std::chrono::floor<seconds>(std::chrono::system_clock::now());
    const IssuedChain issued = chain(now, Isolation::software, true);
    const auto write = [&](const std::string& name, const std::vector<Bytes>& certificates) {
        std::ofstream out(temporary_.path() + "/" + name);
        for (const Bytes& der : certificates) {
            out << crypto::Certificate::from_der(der)->to_pem();
        }
    };
    write("leaf", {issued.leaf});
    write("chain", {issued.bundle[3], issued.bundle[2], issued.bundle[1]});
    const auto verify = [&](Seconds at) {
        return std::system(("cd " + temporary_.path() + " && openssl verify -attime " +
                            std::to_string(at.time_since_epoch().count()) +
                            " -CAfile authority/root.pem -untrusted chain leaf >out 2>&1")
                               .c_str());
    };
    EXPECT_EQ(verify(now), 0) << std::ifstream(temporary_.path() + "/out").rdbuf();
    EXPECT_EQ(verify(now - seconds(3)), 0);
    // OpenSSL takes the last second for the first one after.
    EXPECT_EQ(verify(now + hours(3) - seconds(1)), 0);
    EXPECT_NE(verify(now + hours(3) + seconds(1)), 0);
    EXPECT_NE(verify(now - seconds(4)), 0);
}

TEST_F(AuthorityTest, LevelsAreRenewedBeforeWhatTheyIssueOutlivesThem) {
    IssuedChain last = chain();
    std::array<int, 4> renewed{};
    for (Seconds now = kNow; now < kNow + days(45); now += hours(7)) {
        // chain() checks that each validity lies in its parent's.
        IssuedChain next = chain(now);
        for (std::size_t i = 0; i < renewed.size(); ++i) {
            renewed.at(i) += next.bundle.at(i) != last.bundle.at(i) ? 1 : 0;
        }
        last = std::move(next);
    }
    EXPECT_EQ(renewed[0], 0);
    EXPECT_EQ(renewed[1], 3);
    EXPECT_GE(renewed[2], 9);
    EXPECT_LE(renewed[2], 12);
    EXPECT_GE(renewed[3], 45);
    EXPECT_LE(renewed[3], 65);
}

TEST_F(AuthorityTest, AClockThatGoesBackMakesIntermediatesAnew) {
    const IssuedChain before = chain(kNow);
    const IssuedChain later = chain(kNow + days(10));
    EXPECT_NE(before.bundle[2], later.bundle[2]);
    // The zone of then is not valid yet.
    const IssuedChain back = chain(kNow + days(2));
    EXPECT_EQ(back.bundle[0], before.bundle[0]);
    EXPECT_NE(back.bundle[2], later.bundle[2]);
    const Error refused = refusal(kNow - days(1));
    EXPECT_TRUE(refused.is(AuthorityErrc::out_of_time)) << refused.message();
    EXPECT_THAT(refused.detail(), HasSubstr("clock"));
}

TEST_F(AuthorityTest, ARootAtItsEndIsNotRenewedByItself) {
    const IssuedChain first = chain();
    const Seconds end = fields_of(first.bundle[0]).not_after;
    EXPECT_EQ(chain(end - days(21)).bundle[0], first.bundle[0]);
    const Error refused = refusal(end - days(5));
    EXPECT_TRUE(refused.is(AuthorityErrc::out_of_time)) << refused.message();
    EXPECT_THAT(refused.detail(), HasSubstr("rotate --root"));
    const auto warning = [&](Seconds now) { return authority().status(now)->front().warning; };
    EXPECT_EQ(warning(end - days(400)), "");
    EXPECT_THAT(warning(end - days(300)), HasSubstr("within a year"));
    EXPECT_THAT(warning(end - days(3)), HasSubstr("at its end"));
    ASSERT_TRUE(authority().rotate(true, {}, end - days(10)));
    EXPECT_NE(chain(end - days(10)).bundle[0], first.bundle[0]);
}

TEST_F(AuthorityTest, AnotherRegionOrInstanceGetsItsOwnNames) {
    const IssuedChain first = chain();
    Instance moved = kInstance;
    moved.region = "eu-central-1";
    const auto second = authority(moved).certify(request(), kNow);
    ASSERT_TRUE(second) << second.error().message();
    EXPECT_EQ(problem_of(second->chain, kNow), "");
    EXPECT_EQ(second->chain.bundle[0], first.bundle[0]);
    EXPECT_THAT(common_name(fields_of(second->chain.bundle[1])), HasSubstr(".eu-central-1."));
    moved.instance_id = "i-12345678";
    const auto wrong = authority(moved).certify(request(), kNow);
    ASSERT_FALSE(wrong);
    EXPECT_TRUE(wrong.error().is(AuthorityErrc::bad_request));
    LeafRequest renamed = request();
    renamed.module_id = "i-12345678-enc01a0b2c3d4e5f607";
    const auto third = authority(moved).certify(renamed, kNow);
    ASSERT_TRUE(third) << third.error().message();
    EXPECT_EQ(third->chain.bundle[2], second->chain.bundle[2]);
    EXPECT_NE(third->chain.bundle[3], second->chain.bundle[3]);
}

TEST_F(AuthorityTest, NamesStayWithin64BytesAtTheirLongest) {
    const Instance longest{"i-0123456789abcdef0", "ap-southeast-15", ""};
    const auto certified = authority(longest).certify(request(), kNow);
    ASSERT_TRUE(certified) << certified.error().message();
    EXPECT_EQ(common_name(fields_of(certified->chain.leaf)).size(), 64U);
}

TEST_F(AuthorityTest, RequestsThatAreNotOneEnclavesAreRefused) {
    LeafRequest wrong = request();
    wrong.slot_uid = 1;
    EXPECT_FALSE(authority().certify(wrong, kNow));
    wrong = request();
    wrong.public_key = crypto::PrivateKey::generate(crypto::Curve::p256)->public_key().spki();
    EXPECT_TRUE(authority().certify(wrong, kNow).error().is(AuthorityErrc::bad_request));
    wrong.public_key = {1, 2, 3};
    EXPECT_TRUE(authority().certify(wrong, kNow).error().is(crypto::CryptoErrc::bad_encoding));
    wrong = request();
    wrong.public_key.push_back(0);
    EXPECT_FALSE(authority().certify(wrong, kNow));
    EXPECT_FALSE(fs::exists(directory()));
}

TEST_F(AuthorityTest, InitMakesOneAndOnlyOne) {
    EXPECT_TRUE(authority().status(kNow).error().is(AuthorityErrc::missing));
    EXPECT_TRUE(authority().root_pem().error().is(AuthorityErrc::missing));
    EXPECT_TRUE(authority().rotate(false, {}, kNow).error().is(AuthorityErrc::missing));
    ASSERT_TRUE(authority().init({}, kNow));
    const auto again = authority().init({}, kNow);
    ASSERT_FALSE(again);
    EXPECT_TRUE(again.error().is(AuthorityErrc::exists));
    const auto levels = authority().status(kNow);
    ASSERT_TRUE(levels);
    ASSERT_THAT(*levels, SizeIs(2));
    EXPECT_EQ((*levels)[0].name, "root");
    EXPECT_EQ((*levels)[1].name, "region");
    EXPECT_EQ((*levels)[1].key, file("level-region.pem"));
    EXPECT_EQ((*levels)[1].renewal, (*levels)[1].not_after - days(6) - hours(1));
    const auto certified = authority().certify(request(), kNow);
    ASSERT_TRUE(certified);
    EXPECT_FALSE(certified->made_root);
    const auto digest = crypto::sha256(certified->chain.bundle[0]);
    EXPECT_EQ((*levels)[0].fingerprint, digest);
}

TEST_F(AuthorityTest, RotationMakesNewKeysAndKeepsTheOldRootsCertificate) {
    const IssuedChain first = chain();
    ASSERT_TRUE(authority().rotate(false, {}, kNow));
    EXPECT_FALSE(fs::exists(file("level-zone-kvm.pem")));
    const IssuedChain second = chain();
    EXPECT_EQ(second.bundle[0], first.bundle[0]);
    for (const std::size_t i : {1U, 2U, 3U}) {
        EXPECT_NE(crypto::Certificate::from_der(second.bundle[i])->public_key()->spki(),
                  crypto::Certificate::from_der(first.bundle[i])->public_key()->spki());
    }
    ASSERT_TRUE(authority().rotate(true, {}, kNow));
    const IssuedChain third = chain();
    EXPECT_NE(third.bundle[0], first.bundle[0]);
    const auto digest = crypto::sha256(first.bundle[0]);
    const std::string kept = file("root-" + to_hex(digest).substr(0, 16) + ".pem");
    EXPECT_EQ(mode_of(kept), 0644U);
    EXPECT_EQ(crypto::Certificate::from_pem(read_file(kept, 65536).value())->der(),
              first.bundle[0]);
    EXPECT_EQ(crypto::Certificate::from_pem(read_file(file("root.pem"), 65536).value())->der(),
              third.bundle[0]);
}

TEST_F(AuthorityTest, TheRootForEverybodyIsPutRight) {
    const IssuedChain first = chain();
    fs::remove(file("root.pem"));
    EXPECT_EQ(chain().bundle, first.bundle);
    std::ofstream(file("root.pem")) << "something else";
    EXPECT_EQ(chain().bundle, first.bundle);
    EXPECT_EQ(authority().root_pem().value(), as_text(read_file(file("root.pem"), 65536).value()));
}

TEST_F(AuthorityTest, WhatOthersMayReadOrOwnIsRefused) {
    const IssuedChain first = chain();
    const auto refused = [&](const std::string& what) {
        const Error error = refusal();
        EXPECT_TRUE(error.is(AuthorityErrc::bad_store)) << what << ": " << error.message();
        EXPECT_THAT(error.detail(), HasSubstr(what));
        EXPECT_FALSE(authority().rotate(false, {}, kNow)) << what;
    };
    for (const std::string name : {"", "level-root.pem", "level-region.pem", "lock"}) {
        const std::string path = name.empty() ? directory() : file(name);
        const unsigned mode = mode_of(path);
        for (const unsigned open : {0040U, 0004U, 0020U, 0001U}) {
            ASSERT_EQ(::chmod(path.c_str(), mode | open), 0);
            refused(path);
        }
        ASSERT_EQ(::chmod(path.c_str(), mode), 0);
        if (::geteuid() == 0) {
            ASSERT_EQ(::chown(path.c_str(), 12345, ::getegid()), 0);
            refused(path);
            ASSERT_EQ(::chown(path.c_str(), 0, ::getegid()), 0);
        }
    }
    EXPECT_EQ(chain().bundle, first.bundle);
    // A link leads who knows where.
    fs::rename(file("level-region.pem"), temporary_.path() + "/elsewhere");
    fs::create_symlink(temporary_.path() + "/elsewhere", file("level-region.pem"));
    refused("level-region.pem");
}

TEST_F(AuthorityTest, AFileInPlaceOfTheDirectoryIsRefused) {
    std::ofstream(directory()) << "x";
    EXPECT_TRUE(refusal().is(AuthorityErrc::bad_store));
}

TEST_F(AuthorityTest, DamagedFilesAreNamedAndNeverReplacedInSilence) {
    const IssuedChain first = chain();
    for (const std::string name :
         {"level-root.pem", "level-region.pem", "level-zone-kvm.pem", "level-instance-kvm.pem"}) {
        const Bytes good = read_file(file(name), 65536).value();
        const std::string text(as_text(good));
        const std::size_t key = text.find("-----BEGIN PRIVATE");
        ASSERT_NE(key, std::string::npos);
        const std::string other(
            as_text(crypto::PrivateKey::generate(crypto::Curve::p384)->to_pem()->view()));
        for (const std::string& bad : {std::string(), std::string("nonsense"), text.substr(0, key),
                                       text.substr(key), text.substr(0, text.size() / 2),
                                       text.substr(0, key) + other, std::string(70000, 'x')}) {
            ASSERT_TRUE(write_file_atomically(file(name), as_bytes(bad)));
            const Error error = refusal();
            EXPECT_TRUE(error.is(AuthorityErrc::bad_store)) << name << ": " << error.message();
            EXPECT_THAT(error.detail(), HasSubstr(name));
        }
        ASSERT_TRUE(write_file_atomically(file(name), good));
    }
    EXPECT_EQ(chain().bundle, first.bundle);
}

TEST_F(AuthorityTest, ALostRootIsNotMadeAnewByItself) {
    chain();
    fs::remove(file("level-root.pem"));
    const Error error = refusal();
    EXPECT_TRUE(error.is(AuthorityErrc::bad_store));
    EXPECT_THAT(error.detail(), HasSubstr("rotate --root"));
    EXPECT_TRUE(authority().init({}, kNow).error().is(AuthorityErrc::bad_store));
    ASSERT_TRUE(authority().rotate(true, {}, kNow));
    chain();
}

TEST_F(AuthorityTest, IntermediatesOfAnotherAuthorityAreReplaced) {
    const IssuedChain ours = chain();
    Authority other(temporary_.path() + "/other", kInstance);
    ASSERT_TRUE(other.certify(request(), kNow));
    for (const std::string name : {"level-region.pem", "level-zone-kvm.pem"}) {
        fs::copy_file(temporary_.path() + "/other/" + name, file(name),
                      fs::copy_options::overwrite_existing);
        EXPECT_EQ(chain().bundle[0], ours.bundle[0]);
    }
    // A root is not replaced; one that does not sign itself is none.
    fs::copy_file(file("level-region.pem"), file("level-root.pem"),
                  fs::copy_options::overwrite_existing);
    EXPECT_TRUE(refusal().is(AuthorityErrc::bad_store));
}

TEST_F(AuthorityTest, AHeldLockIsWaitedForAndItsHolderNamed) {
    chain();
    UniqueFd lock = open_file(file("lock"), O_RDWR).value();
    ASSERT_EQ(::flock(lock.get(), LOCK_EX), 0);
    const Error error = refusal();
    EXPECT_TRUE(error.is(AuthorityErrc::busy));
    EXPECT_THAT(error.detail(), HasSubstr("process " + std::to_string(::getpid())));
    std::thread release([&lock] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        lock.reset();
    });
    Authority patient(directory(), kInstance);
    EXPECT_TRUE(patient.certify(request(), kNow));
    release.join();
}

// A child certifies count times and ends with status 0 when all was well.
pid_t certify_in_child(const std::function<bool(int)>& certify, int count) {
    const pid_t child = ::fork();
    if (child == 0) {
        for (int i = 0; i < count; ++i) {
            if (!certify(i)) {
                ::_exit(1);
            }
        }
        ::_exit(0);
    }
    return child;
}

TEST_F(AuthorityTest, ProcessesAtFirstUseMakeOneRoot) {
    const Authority patient(directory(), kInstance);
    std::vector<pid_t> children;
    children.reserve(8);
    for (int i = 0; i < 8; ++i) {
        children.push_back(certify_in_child(
            [&](int turn) {
                const Isolation isolation =
                    (i + turn) % 2 == 0 ? Isolation::kvm : Isolation::software;
                const auto made =
                    Authority(patient).certify(request(isolation, turn % 3 == 0), kNow);
                std::ofstream(temporary_.path() + "/root" + std::to_string(i))
                    << (made ? to_hex(made->chain.bundle[0]) : made.error().message());
                return made && problem_of(made->chain, kNow).empty();
            },
            4));
    }
    for (const pid_t child : children) {
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0);
    }
    const std::string root = to_hex(chain().bundle[0]);
    for (int i = 0; i < 8; ++i) {
        const auto seen = read_file(temporary_.path() + "/root" + std::to_string(i), 65536);
        EXPECT_EQ(std::string(as_text(seen.value())), root);
    }
}

TEST_F(AuthorityTest, AProcessKilledAtAnyPointLeavesAUsableAuthority) {
    Authority patient(directory(), kInstance);
    std::string root;
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(2500);
    for (int round = 0; std::chrono::steady_clock::now() < end; ++round) {
        // A third begins with first use, another goes on, the last makes new roots too.
        const bool new_roots = round % 3 == 2;
        if (round % 3 == 0) {
            fs::remove_all(directory());
        }
        if (round % 3 != 1) {
            root.clear();
        }
        const pid_t child = certify_in_child(
            [&](int turn) {
                const Seconds now = kNow + days(turn % 40);
                return turn % 5 == 4 ? patient.rotate(new_roots, {}, new_roots ? kNow : now).ok()
                                     : patient.certify(request(), now).ok();
            },
            1000000);
        std::this_thread::sleep_for(std::chrono::microseconds((round * 1237) % 30000));
        ::kill(child, SIGKILL);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << "the child failed by itself";
        const auto chain = patient.certify(request(), kNow);
        ASSERT_TRUE(chain) << chain.error().message();
        ASSERT_EQ(problem_of(chain->chain, kNow), "");
        ASSERT_TRUE(root.empty() || root == to_hex(chain->chain.bundle[0]));
        root = to_hex(chain->chain.bundle[0]);
        ASSERT_THAT(files(), Not(testing::Contains(testing::EndsWith(".new"))));
    }
}

}  // namespace
}  // namespace casemate::authority
