// The supervisor from the outside: the real casemate-enclave, with fake_parts in place of the
// security module and the VMM.
#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "base/file.hpp"
#include "base/process.hpp"
#include "base/socket.hpp"
#include "base/temporary_directory.hpp"
#include "crypto/token_for_test.hpp"
#include "enclave/certification.hpp"
#include "enclave/client.hpp"
#include "enclave/errors.hpp"
#include "enclave/registry.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace casemate::enclave {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

// A generous time for what should be at once: a busy builder, not a measure.
constexpr std::chrono::seconds kPatience{30};

bool eventually(const std::function<bool()>& condition) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

// A process that waits to be reaped is dead: who reaps it is not the enclave's matter.
bool process_lives(pid_t pid) {
    const auto stat = read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
    if (!stat) {
        return false;
    }
    const std::string text(as_text(*stat));
    return text.at(text.rfind(')') + 2) != 'Z';
}

bool process_lives(const ChildProcess& child) {
    return process_start_ticks(child.pid) == child.start_ticks && process_lives(child.pid);
}

class SupervisorTest : public testing::Test {
protected:
    void SetUp() override {
        auto directory = TemporaryDirectory::create();
        ASSERT_TRUE(directory);
        directory_.emplace(std::move(*directory));
        paths_.state = directory_->path() + "/state";
        paths_.runtime = directory_->path() + "/run";
        paths_.configuration = directory_->path() + "/etc";
        paths_.programs = directory_->path() + "/bin";
        // The fake VMM wants a descriptor, not virtualization.
        paths_.kvm_device = "/dev/null";
        fs::create_directory(paths_.programs);
        fs::create_symlink(CASEMATE_BINARY_DIR "/bin/casemate-enclave",
                           paths_.program("casemate-enclave"));
        for (const char* name : {"casemate-nsm", "casemate-vmm"}) {
            fs::create_symlink(CASEMATE_FAKE_PARTS, paths_.program(name));
        }
    }

    void TearDown() override {
        std::vector<std::string> ids = Registry(paths_).living();
        static_cast<void>(terminate(paths_, ids));
        EXPECT_TRUE(eventually([this] { return Registry(paths_).living().empty(); }));
    }

    StartConfiguration configuration(const std::string& script) {
        const std::string image = directory_->path() + "/image" + std::to_string(++images_);
        std::ofstream(image) << script;
        StartConfiguration configuration;
        configuration.paths = paths_;
        configuration.image_path = image;
        configuration.name = "test";
        configuration.cpu_count = 1;
        configuration.memory_mib = 64;
        configuration.acceleration = Acceleration::kvm;
        configuration.shutdown_ms = 1000;
        return configuration;
    }

    std::variant<Launched, LaunchFailure> launch_it(const StartConfiguration& configuration) {
        progress_.clear();
        return launch(configuration,
                      [this](const std::string& line) { progress_.push_back(line); });
    }

    EnclaveRecord started(const std::string& script, bool debug = false) {
        StartConfiguration wanted = configuration(script);
        wanted.debug = debug;
        return started(wanted);
    }

    EnclaveRecord started(const StartConfiguration& wanted) {
        auto outcome = launch_it(wanted);
        const auto* failure = std::get_if<LaunchFailure>(&outcome);
        EXPECT_EQ(failure, nullptr) << (failure != nullptr ? failure->reason : "");
        return failure == nullptr ? std::get<Launched>(outcome).record : EnclaveRecord{};
    }

    // One whose pauses between restarts are short.
    StartConfiguration restarted(const std::string& script, const std::string& policy) {
        StartConfiguration wanted = configuration(script);
        wanted.restart = parse_restart(policy).value();
        wanted.restart_times.first = std::chrono::milliseconds(10);
        wanted.restart_times.longest = std::chrono::milliseconds(20);
        return wanted;
    }

    EnclaveRecord described(const std::string& id) {
        const auto record = describe(paths_, id);
        return record ? *record : EnclaveRecord{};
    }

    bool log_says(const std::string& id, const std::string& words) {
        return eventually([&] { return log_of(id).find(words) != std::string::npos; });
    }

    LaunchFailure failed(const StartConfiguration& configuration) {
        auto outcome = launch_it(configuration);
        EXPECT_TRUE(std::holds_alternative<LaunchFailure>(outcome));
        return std::holds_alternative<LaunchFailure>(outcome) ? std::get<LaunchFailure>(outcome)
                                                              : LaunchFailure{};
    }

    std::optional<EnclaveRecord> history(const std::string& id) {
        for (EnclaveRecord& record : Registry(paths_).histories()) {
            if (record.id == id) {
                return std::move(record);
            }
        }
        return std::nullopt;
    }

    End end_of(const std::string& id) {
        std::optional<EnclaveRecord> record;
        EXPECT_TRUE(eventually([&] {
            record = history(id);
            return record && record->end.has_value();
        })) << "the end of "
            << id;
        return record && record->end ? *record->end : End{};
    }

    void expect_nothing_left(const EnclaveRecord& record) {
        EXPECT_TRUE(eventually([&] { return !fs::exists(paths_.enclave(record.id)); }));
        EXPECT_FALSE(fs::is_symlink(paths_.cid(record.cid)));
        for (const ChildProcess& child : record.children) {
            EXPECT_TRUE(eventually([&] { return !process_lives(child); })) << child.name;
        }
        EXPECT_TRUE(eventually([&] { return !process_lives(record.supervisor); }));
    }

    Result<UniqueFd> dial(const EnclaveRecord& record, const std::string& line) {
        CASEMATE_TRY(UniqueFd socket, connect_unix(paths_.cid(record.cid), SOCK_STREAM));
        CASEMATE_CHECK(write_all(socket.get(), as_bytes(line)));
        return socket;
    }

    std::string log_of(const std::string& id) const {
        const auto log = read_file(paths_.history(id) + "/log", 1U << 20U);
        return log ? std::string(as_text(*log)) : log.error().message();
    }

    static std::string read_all(int fd) {
        std::string text;
        std::array<std::uint8_t, 4096> buffer{};
        while (true) {
            const auto size = read_some(fd, buffer);
            if (!size || *size == 0) {
                return text;
            }
            text.append(as_text(ByteView(buffer).first(*size)));
        }
    }

    static std::string read_text(int fd, std::size_t size) {
        std::string text(size, '\0');
        const auto got = read_exactly(
            fd, MutableBytes(reinterpret_cast<std::uint8_t*>(text.data()), text.size()));
        return got ? text : got.error().message();
    }

    std::optional<TemporaryDirectory> directory_;
    Paths paths_;
    std::vector<std::string> progress_;
    int images_ = 0;
};

TEST_F(SupervisorTest, AnEnclaveRunsAndIsDescribedAndTerminated) {
    const EnclaveRecord record = started("heartbeat;serve");
    EXPECT_EQ(record.cid, kFirstAutomaticCid);
    EXPECT_EQ(record.state, EnclaveState::running);
    EXPECT_THAT(record.cpu_ids, SizeIs(1));
    EXPECT_EQ(record.measurements.at(0).substr(0, 4), "a0a0");
    EXPECT_EQ(record.acceleration, "kvm");
    ASSERT_THAT(progress_, SizeIs(3));
    EXPECT_EQ(progress_[0], "Start allocating memory...");
    EXPECT_EQ(progress_[1], "Made this machine's attestation authority; its root certificate is " +
                                paths_.authority() + "/root.pem");
    EXPECT_EQ(progress_[2], "Started enclave with enclave-cid: 16, memory: 64 MiB, cpu-ids: [" +
                                std::to_string(record.cpu_ids[0]) + "]");
    const auto described = describe_all(paths_);
    ASSERT_THAT(described, SizeIs(1));
    ASSERT_TRUE(described[0].record);
    EXPECT_EQ(described[0].record->id, record.id);

    const auto ended = terminate(paths_, {record.id});
    ASSERT_THAT(ended, SizeIs(1));
    ASSERT_TRUE(ended[0].record) << ended[0].record.error().message();
    EXPECT_THAT(describe_all(paths_), IsEmpty());
    EXPECT_EQ(end_of(record.id).kind, EndKind::terminated);
    EXPECT_THAT(end_of(record.id).reason, HasSubstr("terminated by terminate-enclave"));
    expect_nothing_left(record);
}

std::string padded(const std::string& id) {
    const std::size_t digits = id.rfind("-enc") + 4;
    return id.substr(0, digits) + std::string(16 - (id.size() - digits), '0') + id.substr(digits);
}

TEST_F(SupervisorTest, TheLeafKeyIsCertifiedAsTheEnclaveIsIsolated) {
    fs::create_directory(paths_.configuration);
    std::ofstream(paths_.configuration + "/instance.yaml")
        << "instance_id: i-0123456789abcdef0\nregion: here\n"
           "role_arn: arn:aws:iam::123456789012:role/Webserver\n";
    const EnclaveRecord record = started("heartbeat;serve");
    EXPECT_TRUE(record.id.starts_with("i-0123456789abcdef0-enc")) << record.id;
    const std::string module = padded(record.id);
    // The log is written by the module and read through a pipe.
    ASSERT_TRUE(
        eventually([&] { return log_of(record.id).find("certified:") != std::string::npos; }));
    const std::string log = log_of(record.id);
    EXPECT_THAT(log, HasSubstr("module " + module + ", instance i-0123456789abcdef0, role \"" +
                               "arn:aws:iam::123456789012:role/Webserver\""));
    EXPECT_THAT(
        log, HasSubstr("certified: C=ZZ ST=Local L=Local O=Casemate OU=kvm CN=" + module +
                       ".here.casemate, serial " + module.substr(module.size() - 16) + "00000000"))
        << log;

    const EnclaveRecord debug = started("heartbeat;serve", true);
    EXPECT_THAT(progress_, SizeIs(2));
    ASSERT_TRUE(
        eventually([&] { return log_of(debug.id).find("certified:") != std::string::npos; }));
    EXPECT_THAT(log_of(debug.id), HasSubstr("OU=kvm OU=debug CN=" + padded(debug.id)));
}

TEST_F(SupervisorTest, NewLeafKeysAreCertifiedAndARefusalEndsNothing) {
    const EnclaveRecord record = started("nsm-renews;heartbeat;serve");
    const auto count = [&](const std::string& what) {
        const std::string log = log_of(record.id);
        std::size_t found = 0;
        for (std::size_t at = log.find(what); at != std::string::npos;
             at = log.find(what, at + 1)) {
            ++found;
        }
        return found;
    };
    ASSERT_TRUE(eventually([&] { return count("certified: ") >= 3; })) << log_of(record.id);
    fs::permissions(paths_.authority(), fs::perms(0755));
    ASSERT_TRUE(eventually([&] { return count("a new leaf key is not certified") >= 1; }));
    fs::permissions(paths_.authority(), fs::perms(0700));
    const std::size_t before = count("certified: ");
    ASSERT_TRUE(eventually([&] { return count("certified: ") >= before + 2; }));
    EXPECT_THAT(describe_all(paths_), SizeIs(1));
}

TEST_F(SupervisorTest, TheAuthoritysKeysCanBeATokens) {
    if (const std::string missing = crypto::TestToken::missing(); !missing.empty()) {
        GTEST_SKIP() << missing << " is not installed";
    }
    const auto token = crypto::TestToken::create();
    ASSERT_TRUE(token) << token.error().message();
    ASSERT_TRUE(crypto::TestToken::make_key("EC:secp384r1", "root", "01"));
    ASSERT_TRUE(crypto::TestToken::make_key("EC:secp384r1", "region", "02"));
    ASSERT_TRUE(make_directories(paths_));
    const auto instance = read_identity(paths_);
    ASSERT_TRUE(instance) << instance.error().message();
    authority::Authority authority(paths_.authority(), *instance);
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const auto made = authority.init(
        {crypto::TestToken::uri("object=root"), crypto::TestToken::uri("object=region")}, now);
    ASSERT_TRUE(made) << made.error().message();
    const EnclaveRecord record = started("heartbeat;serve");
    EXPECT_THAT(progress_, SizeIs(2));
    EXPECT_TRUE(
        eventually([&] { return log_of(record.id).find("certified:") != std::string::npos; }));
    EXPECT_THAT(log_of(record.id), Not(HasSubstr(crypto::TestToken::kPin)));
}

TEST_F(SupervisorTest, WithoutAnAuthorityNoEnclaveStartsAndNothingIsLeft) {
    ASSERT_TRUE(make_directories(paths_));
    fs::create_directory(paths_.authority());
    fs::permissions(paths_.authority(), fs::perms(0755));
    const LaunchFailure open = failed(configuration("heartbeat;serve"));
    EXPECT_EQ(open.code, 19);
    EXPECT_THAT(open.reason, HasSubstr("could not be certified"));
    EXPECT_THAT(open.reason, HasSubstr(paths_.authority()));
    EXPECT_TRUE(eventually([&] { return !fs::exists(paths_.enclave(open.id)); }));
    EXPECT_TRUE(fs::is_empty(paths_.cids()));
    EXPECT_TRUE(fs::is_empty(paths_.authority()));
    EXPECT_EQ(end_of(open.id).kind, EndKind::start_failed);

    fs::create_directory(paths_.configuration);
    std::ofstream(paths_.configuration + "/instance.yaml") << "region: Nowhere At All\n";
    const LaunchFailure nowhere = failed(configuration("heartbeat;serve"));
    EXPECT_EQ(nowhere.code, 19);
    EXPECT_THAT(nowhere.reason, HasSubstr("instance.yaml, line 1: region: expected"));
    EXPECT_TRUE(fs::is_empty(paths_.enclaves()));
}

TEST_F(SupervisorTest, TheProgramsExitStatusSignalAndFailureArrive) {
    const EnclaveRecord status = started("heartbeat;hello;say exited status 42;reset");
    EXPECT_EQ(end_of(status.id).kind, EndKind::exited);
    EXPECT_EQ(end_of(status.id).exit_status, 42);
    EXPECT_THAT(end_of(status.id).reason, HasSubstr("exit status 42"));
    expect_nothing_left(status);

    const EnclaveRecord signal = started("heartbeat;hello;say exited signal 6;reset");
    EXPECT_EQ(end_of(signal.id).kind, EndKind::killed_inside);
    EXPECT_EQ(end_of(signal.id).signal, 6);
    EXPECT_THAT(end_of(signal.id).reason, HasSubstr("signal 6 (Aborted)"));

    const EnclaveRecord failure = started("heartbeat;hello;say failed no such program: /app;reset");
    EXPECT_EQ(end_of(failure.id).kind, EndKind::init_failed);
    EXPECT_THAT(end_of(failure.id).reason, HasSubstr("no such program: /app"));
}

TEST_F(SupervisorTest, AGuestThatResetsWithoutAWordAndAPanicAreTold) {
    EXPECT_EQ(end_of(started("heartbeat;reset").id).kind, EndKind::guest_reset);
    const End panic = end_of(started("heartbeat;panic;hang").id);
    EXPECT_EQ(panic.kind, EndKind::guest_panic);
    EXPECT_THAT(panic.reason, HasSubstr("kernel panic"));
    const End failure = end_of(started("heartbeat;fail").id);
    EXPECT_EQ(failure.kind, EndKind::machine_failed);
    EXPECT_THAT(failure.reason, HasSubstr("found a wall"));
}

TEST_F(SupervisorTest, TerminateLetsTheProgramEndByItself) {
    const EnclaveRecord record = started("heartbeat;hello;serve");
    const auto ended = terminate(paths_, {record.id});
    ASSERT_TRUE(ended.at(0).record);
    EXPECT_EQ(ended[0].record->end->kind, EndKind::terminated);
    EXPECT_EQ(ended[0].record->end->exit_status, 0);
}

TEST_F(SupervisorTest, TerminateEndsAProgramAndAVmmThatDoNot) {
    const EnclaveRecord record = started("heartbeat;hello;hang");
    const auto ended = terminate(paths_, {record.id});
    ASSERT_TRUE(ended.at(0).record) << ended[0].record.error().message();
    EXPECT_EQ(ended[0].record->end->kind, EndKind::terminated);
    expect_nothing_left(record);
}

TEST_F(SupervisorTest, EachProcessKilledTakesTheEnclaveWithItAndIsNamed) {
    for (const std::string victim : {"casemate-vmm", "casemate-nsm"}) {
        const EnclaveRecord record = started("heartbeat;hello;serve");
        for (const ChildProcess& child : record.children) {
            if (child.name == victim) {
                ::kill(child.pid, SIGKILL);
            }
        }
        const End end = end_of(record.id);
        EXPECT_EQ(end.kind, EndKind::process_ended);
        EXPECT_THAT(end.reason, HasSubstr(victim + " was killed by signal 9"));
        expect_nothing_left(record);
    }
}

TEST_F(SupervisorTest, AKilledSupervisorIsFoundByTheNextCommand) {
    const EnclaveRecord record = started("heartbeat;serve");
    ASSERT_THAT(record.children, SizeIs(2));
    ASSERT_EQ(::kill(record.supervisor, SIGKILL), 0);
    for (const ChildProcess& child : record.children) {
        EXPECT_TRUE(eventually([&] { return !process_lives(child); })) << child.name;
    }
    EXPECT_TRUE(eventually([this] { return describe_all(paths_).empty(); }));
    const End end = end_of(record.id);
    EXPECT_EQ(end.kind, EndKind::supervisor_killed);
    EXPECT_THAT(end.reason, HasSubstr("supervisor"));
    EXPECT_FALSE(fs::exists(paths_.enclave(record.id)));
    EXPECT_FALSE(fs::is_symlink(paths_.cid(record.cid)));
}

TEST_F(SupervisorTest, SigtermTerminatesAndSighupDoesNot) {
    const EnclaveRecord record = started("heartbeat;serve");
    ASSERT_EQ(::kill(record.supervisor, SIGHUP), 0);
    EXPECT_THAT(describe_all(paths_), SizeIs(1));
    ASSERT_EQ(::kill(record.supervisor, SIGTERM), 0);
    EXPECT_THAT(end_of(record.id).reason, HasSubstr("SIGTERM"));
    expect_nothing_left(record);
}

TEST_F(SupervisorTest, RefusalsOfTheLoaderHaveTheirNumbers) {
    EXPECT_EQ(failed(configuration("refuse-image")).code, 35);
    EXPECT_EQ(failed(configuration("refuse-memory")).code, 26);
    EXPECT_EQ(failed(configuration("refuse-read")).code, 19);
    const LaunchFailure dead = failed(configuration("nsm-dies"));
    EXPECT_EQ(dead.code, 36);
    EXPECT_THAT(dead.reason, HasSubstr("casemate-nsm was killed by signal 6"));
    EXPECT_EQ(end_of(dead.id).kind, EndKind::process_ended);
}

TEST_F(SupervisorTest, RequestsThatCanNotBeMetHaveTheirNumbers) {
    StartConfiguration wanted = configuration("heartbeat;serve");
    wanted.image_path = directory_->path() + "/missing";
    EXPECT_EQ(failed(wanted).code, 19);
    wanted = configuration("x");
    wanted.memory_mib = 63;
    EXPECT_EQ(failed(wanted).code, 26);
    wanted.memory_mib = 1ULL << 40U;
    EXPECT_EQ(failed(wanted).code, 27);
    wanted = configuration("x");
    wanted.cpu_count = 100000;
    EXPECT_EQ(failed(wanted).code, 22);
    wanted.cpu_count = 0;
    EXPECT_EQ(failed(wanted).code, 29);
    wanted.cpu_ids = {0, 0};
    EXPECT_EQ(failed(wanted).code, 20);
    wanted.cpu_ids = {100000};
    EXPECT_EQ(failed(wanted).code, 21);
    wanted = configuration("heartbeat;serve");
    wanted.paths.kvm_device = "/dev/no-such-device";
    const LaunchFailure no_kvm = failed(wanted);
    EXPECT_EQ(no_kvm.code, 19);
    EXPECT_THAT(no_kvm.reason, HasSubstr("/dev/no-such-device"));
    EXPECT_THAT(Registry(paths_).living(), IsEmpty());
    EXPECT_TRUE(fs::is_empty(paths_.enclaves()));
}

TEST_F(SupervisorTest, AVmmThatDoesNotComeUpIsReported) {
    const LaunchFailure failure = failed(configuration("vmm-dies-first"));
    EXPECT_EQ(failure.code, 36);
    EXPECT_THAT(failure.reason,
                HasSubstr("casemate-vmm ended with exit status 73; its last words: no room for a "
                          "machine"));
    fs::remove(paths_.program("casemate-vmm"));
    EXPECT_EQ(failed(configuration("heartbeat")).code, 5);
}

TEST_F(SupervisorTest, AMissingOrWrongHeartbeatIsABootFailure) {
    StartConfiguration silent = configuration("hang");
    silent.boot_timeout_ms = 200;
    const LaunchFailure timeout = failed(silent);
    EXPECT_EQ(timeout.code, 36);
    EXPECT_EQ(end_of(timeout.id).kind, EndKind::heartbeat_timeout);
    const LaunchFailure wrong = failed(configuration("bad-heartbeat"));
    EXPECT_EQ(wrong.code, 36);
    EXPECT_THAT(wrong.reason, HasSubstr("0x11"));
    const LaunchFailure panic = failed(configuration("panic;hang"));
    EXPECT_THAT(panic.reason, HasSubstr("kernel panic"));
}

TEST_F(SupervisorTest, AVmmThatTalksNonsenseOrFloodsIsEnded) {
    EXPECT_THAT(end_of(started("heartbeat;garbage;hang").id).reason, HasSubstr("no message"));
    EXPECT_THAT(end_of(started("heartbeat;flood").id).reason,
                HasSubstr("does not read the answers"));
}

TEST_F(SupervisorTest, TheConsoleIsReplayedFromItsFirstByteInDebugModeOnly) {
    const EnclaveRecord record = started("console first line;heartbeat;console second;serve", true);
    for (int reader = 0; reader < 2; ++reader) {
        auto console = open_console(paths_, record.id);
        ASSERT_TRUE(console) << console.error().message();
        EXPECT_EQ(read_text(console->get(), 18), "first line\nsecond\n");
    }
    auto follower = open_console(paths_, record.id);
    ASSERT_TRUE(follower);
    ASSERT_TRUE(terminate(paths_, {record.id}).at(0).record);
    EXPECT_EQ(read_all(follower->get()), "first line\nsecond\n");
    const auto kept = read_file(paths_.history(record.id) + "/console.log", 4096);
    ASSERT_TRUE(kept);
    EXPECT_EQ(as_text(*kept), "first line\nsecond\n");

    const EnclaveRecord production = started("heartbeat;console secret;serve");
    const auto refused = open_console(paths_, production.id);
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().is(EnclaveErrc::console));
    EXPECT_FALSE(fs::exists(paths_.history(production.id) + "/console.log"));
}

TEST_F(SupervisorTest, AParentProgramReachesTheGuestsPort) {
    const EnclaveRecord record = started("heartbeat;serve");
    // What comes with the line is the guest's.
    const auto stream = dial(record, "CONNECT 5000\nearly");
    ASSERT_TRUE(stream);
    EXPECT_EQ(read_text(stream->get(), 13), "OK 1024\nearly");
    ::shutdown(stream->get(), SHUT_WR);
    EXPECT_EQ(read_all(stream->get()), "");
    const auto refused = dial(record, "CONNECT 1\n");
    ASSERT_TRUE(refused);
    EXPECT_EQ(read_all(refused->get()), "");
}

TEST_F(SupervisorTest, HostileParentProgramsAreClosedAndHoldUpNobody) {
    const EnclaveRecord record = started("heartbeat;serve");
    std::vector<UniqueFd> silent;
    for (int i = 0; i < 50; ++i) {
        auto socket = dial(record, i % 2 == 0 ? "" : "CONN");
        ASSERT_TRUE(socket);
        silent.push_back(std::move(*socket));
    }
    for (const std::string line :
         {"GET / HTTP/1.1\n", "CONNECT \n", "CONNECT -1\n", "CONNECT 4294967296\n", "\n",
          "CONNECT 00005\n", "CONNECT 5000 \n", "CONNECT 50000000000000000000000000\n"}) {
        const auto socket = dial(record, line);
        ASSERT_TRUE(socket);
        EXPECT_EQ(read_all(socket->get()), "") << line;
    }
    const auto good = dial(record, "CONNECT 5000\n");
    ASSERT_TRUE(good);
    EXPECT_EQ(read_text(good->get(), 8), "OK 1024\n");
}

TEST_F(SupervisorTest, TheGuestReachesTheParentsPorts) {
    ASSERT_TRUE(make_directories(paths_));
    const auto listener = listen_unix(paths_.parent_ports() + "/7000", SOCK_STREAM);
    ASSERT_TRUE(listener);
    const EnclaveRecord record = started("heartbeat;hello;dial-other;dial 7000;dial 7001;serve");
    const UniqueFd stream(::accept(listener->get(), nullptr, nullptr));
    ASSERT_TRUE(stream.valid());
    EXPECT_EQ(read_text(stream.get(), 15), "from the guest\n");
    EXPECT_THAT(describe_all(paths_), SizeIs(1));
}

TEST_F(SupervisorTest, AnOccupiedCidIsRefusedAndNamesGetNumbers) {
    StartConfiguration first = configuration("heartbeat;serve");
    first.cid = 77;
    auto running = launch_it(first);
    ASSERT_TRUE(std::holds_alternative<Launched>(running));
    const LaunchFailure occupied = failed(first);
    EXPECT_EQ(occupied.code, 29);
    EXPECT_THAT(occupied.reason, HasSubstr("CID 77"));
    const EnclaveRecord second = started("heartbeat;serve");
    EXPECT_EQ(second.name, "test_1");
    EXPECT_EQ(second.cid, kFirstAutomaticCid);
    EXPECT_TRUE(find_by_name(paths_, "test_1"));
    EXPECT_FALSE(find_by_name(paths_, "other"));
}

TEST_F(SupervisorTest, ParallelStartsGetDifferentCidsAndNames) {
    constexpr int kCount = 6;
    const StartConfiguration wanted = configuration("heartbeat;serve");
    std::vector<std::thread> threads;
    threads.reserve(kCount);
    std::vector<std::variant<Launched, LaunchFailure>> outcomes(kCount);
    for (int i = 0; i < kCount; ++i) {
        threads.emplace_back([&, i] {
            outcomes[static_cast<std::size_t>(i)] = launch(wanted, [](const std::string&) {});
        });
    }
    std::set<std::uint32_t> cids;
    std::set<std::string> names;
    for (int i = 0; i < kCount; ++i) {
        threads[static_cast<std::size_t>(i)].join();
        const auto& outcome = outcomes[static_cast<std::size_t>(i)];
        ASSERT_TRUE(std::holds_alternative<Launched>(outcome))
            << std::get<LaunchFailure>(outcome).reason;
        cids.insert(std::get<Launched>(outcome).record.cid);
        names.insert(std::get<Launched>(outcome).record.name);
    }
    EXPECT_THAT(cids, SizeIs(kCount));
    EXPECT_THAT(names, SizeIs(kCount));
    EXPECT_THAT(describe_all(paths_), SizeIs(kCount));
}

TEST_F(SupervisorTest, RunEnclaveThatIsInterruptedLeavesNothing) {
    auto channel = make_socket_pair(SOCK_STREAM);
    ASSERT_TRUE(channel);
    SpawnOptions options;
    options.program = paths_.program("casemate-enclave");
    options.passed_fds = {channel->second.get()};
    auto process = Process::spawn(options);
    ASSERT_TRUE(process);
    channel->second.reset();
    ASSERT_TRUE(write_all(channel->first.get(), as_bytes(to_json(configuration("hang")) + "\n")));
    ASSERT_TRUE(eventually([this] { return !Registry(paths_).living().empty(); }));
    const std::string id = Registry(paths_).living().front();
    channel->first.reset();
    EXPECT_THAT(end_of(id).reason, HasSubstr("before the enclave had started"));
    EXPECT_TRUE(eventually([&] { return !fs::exists(paths_.enclave(id)); }));
}

TEST_F(SupervisorTest, AnInitThatFallsSilentIsUnhealthyUntilItIsHeardAgain) {
    StartConfiguration wanted = configuration("heartbeat;hello2;pause 1000;serve");
    wanted.health.silence_ms = 200;
    const EnclaveRecord record = started(wanted);
    EXPECT_TRUE(log_says(record.id, "health: unhealthy: its init has not been heard of"));
    EXPECT_TRUE(eventually([&] { return described(record.id).health == HealthState::healthy; }));
    // Without a policy that restarts it, it goes on.
    EXPECT_EQ(described(record.id).state, EnclaveState::running);
    EXPECT_EQ(described(record.id).health_reason, "");
}

TEST_F(SupervisorTest, AGuestThatHangsIsShownAsUnhealthy) {
    StartConfiguration wanted = configuration("heartbeat;hello2;hang");
    wanted.health.silence_ms = 200;
    const EnclaveRecord record = started(wanted);
    EXPECT_TRUE(eventually([&] { return described(record.id).health == HealthState::unhealthy; }));
    EXPECT_EQ(described(record.id).state, EnclaveState::running);
    EXPECT_THAT(described(record.id).health_reason, HasSubstr("not been heard of"));
}

TEST_F(SupervisorTest, ASilentInitThatPromisedNothingIsNoSign) {
    StartConfiguration wanted = configuration("heartbeat;hello;serve");
    wanted.health.silence_ms = 40;
    const EnclaveRecord record = started(wanted);
    const auto echo = dial(record, "CONNECT 5000\n");
    ASSERT_TRUE(echo);
    EXPECT_EQ(read_text(echo->get(), 8), "OK 1024\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_EQ(described(record.id).health, HealthState::unknown);
    EXPECT_THAT(log_of(record.id), Not(HasSubstr("health:")));
}

TEST_F(SupervisorTest, AHealthPortIsTriedAndThreeRefusalsAreTooMany) {
    StartConfiguration wanted = configuration("heartbeat;hello2;serve-streams 2");
    wanted.health.port = 7;
    wanted.health.interval_ms = 20;
    const EnclaveRecord record = started(wanted);
    EXPECT_EQ(record.health, HealthState::starting);
    EXPECT_TRUE(log_says(record.id, "health: healthy"));
    EXPECT_TRUE(log_says(record.id, "health: unhealthy: its port 7 accepted none of 3"));
    EXPECT_EQ(described(record.id).health, HealthState::unhealthy);
}

TEST_F(SupervisorTest, AProgramThatAlwaysFailsIsStartedNTimesAgainAndItsLastEndCounts) {
    const EnclaveRecord record =
        started(restarted("heartbeat;hello2;say exited status 3;reset", "on-failure:2"));
    const End end = end_of(record.id);
    EXPECT_EQ(end.kind, EndKind::exited);
    EXPECT_EQ(end.exit_status, 3);
    EXPECT_EQ(end.reason,
              "its program ended with exit status 3; not started again: on-failure:2 allows no "
              "more restarts");
    EXPECT_EQ(history(record.id)->restarts, 2U);
    EXPECT_EQ(history(record.id)->last_end->exit_status, 3);
    EXPECT_THAT(log_of(record.id), HasSubstr("it is started again in 10 ms (restart 1 of 2)"));
    EXPECT_THAT(log_of(record.id), HasSubstr("it is started again in 20 ms (restart 2 of 2)"));
    expect_nothing_left(record);
}

TEST_F(SupervisorTest, SuccessIsNoFailureButAlwaysStartsItAgain) {
    const EnclaveRecord success =
        started(restarted("heartbeat;hello2;say exited status 0;reset", "on-failure"));
    EXPECT_EQ(end_of(success.id).exit_status, 0);
    EXPECT_EQ(history(success.id)->restarts, 0U);
    const EnclaveRecord again =
        started(restarted("heartbeat;hello2;say exited status 0;reset", "always"));
    EXPECT_TRUE(eventually([&] { return described(again.id).restarts >= 3; }));
    const auto ended = terminate(paths_, {again.id});
    ASSERT_TRUE(ended.at(0).record);
    EXPECT_EQ(ended[0].record->end->kind, EndKind::terminated);
    expect_nothing_left(again);
}

TEST_F(SupervisorTest, AKilledProcessIsReplacedUnderTheSameIdNameAndCid) {
    const EnclaveRecord record = started(restarted("heartbeat;hello2;serve", "on-failure:5"));
    EnclaveRecord now = record;
    for (const std::string victim : {"casemate-vmm", "casemate-nsm"}) {
        const std::uint64_t before = now.restarts;
        for (const ChildProcess& child : now.children) {
            if (child.name == victim) {
                ::kill(child.pid, SIGKILL);
            }
        }
        EXPECT_TRUE(eventually([&] {
            now = described(record.id);
            return now.restarts > before && now.health == HealthState::healthy;
        }));
        EXPECT_THAT(now.last_end->reason, HasSubstr(victim + " was killed by signal 9"));
    }
    EXPECT_EQ(now.name, record.name);
    EXPECT_EQ(now.cid, record.cid);
    EXPECT_EQ(now.supervisor, record.supervisor);
    EXPECT_EQ(now.measurements, record.measurements);
    EXPECT_THAT(now.children, SizeIs(2));
    const auto echo = dial(record, "CONNECT 5000\n");
    ASSERT_TRUE(echo);
    EXPECT_EQ(read_text(echo->get(), 8), "OK 1024\n");
    for (const ChildProcess& child : record.children) {
        EXPECT_FALSE(process_lives(child)) << child.name;
    }
    ASSERT_TRUE(terminate(paths_, {record.id}).at(0).record);
    expect_nothing_left(now);
}

TEST_F(SupervisorTest, APanicAndAnUnhealthyGuestAreStartedAgainAndTheirReasonsKept) {
    StartConfiguration wanted =
        restarted("heartbeat;unless " + directory_->path() + "/panicked;panic;hang;then;unless " +
                      directory_->path() + "/hung;hello2;hang;then;hello2;serve",
                  "on-failure");
    wanted.health.silence_ms = 200;
    const EnclaveRecord record = started(wanted);
    EXPECT_TRUE(log_says(record.id, "ended: kernel panic: Kernel panic - not syncing: test"));
    EXPECT_TRUE(log_says(record.id, "ended: unhealthy: its init has not been heard of"));
    EXPECT_TRUE(eventually([&] {
        const EnclaveRecord now = described(record.id);
        return now.restarts == 2 && now.health == HealthState::healthy;
    }));
    EXPECT_EQ(described(record.id).last_end->kind, EndKind::unhealthy);
    ASSERT_TRUE(terminate(paths_, {record.id}).at(0).record);
    expect_nothing_left(record);
}

TEST_F(SupervisorTest, TerminateDuringThePauseEndsItAndParentProgramsWaitInIt) {
    StartConfiguration wanted = restarted("heartbeat;hello2;say exited status 9;reset", "always");
    wanted.restart_times.first = std::chrono::hours(1);
    wanted.restart_times.longest = std::chrono::hours(1);
    const EnclaveRecord record = started(wanted);
    EXPECT_TRUE(log_says(record.id, "it is started again in 3600 s"));
    EXPECT_EQ(described(record.id).state, EnclaveState::empty);
    EXPECT_EQ(described(record.id).health, HealthState::starting);
    EXPECT_THAT(described(record.id).children, IsEmpty());
    const auto waiting = dial(record, "CONNECT 5000\n");
    ASSERT_TRUE(waiting);
    const auto ended = terminate(paths_, {record.id});
    ASSERT_TRUE(ended.at(0).record);
    EXPECT_EQ(ended[0].record->end->reason,
              "terminated by terminate-enclave while it waited to be started again; before that: "
              "its program ended with exit status 9");
    EXPECT_EQ(read_all(waiting->get()), "");
    expect_nothing_left(record);
}

TEST_F(SupervisorTest, AParentProgramThatDialsDuringThePauseReachesTheNextMachine) {
    StartConfiguration wanted = restarted(
        "heartbeat;unless " + directory_->path() + "/once;reset;then;hello2;serve", "on-failure");
    wanted.restart_times.first = std::chrono::milliseconds(500);
    wanted.restart_times.longest = std::chrono::milliseconds(500);
    const EnclaveRecord record = started(wanted);
    EXPECT_TRUE(log_says(record.id, "it is started again in 500 ms"));
    const auto echo = dial(record, "CONNECT 5000\n");
    ASSERT_TRUE(echo);
    EXPECT_EQ(read_text(echo->get(), 8), "OK 1024\n");
}

TEST_F(SupervisorTest, AReplacedImageFileIsNotLookedAtAndAChangedOneRefused) {
    const std::string script = "heartbeat;hello2;serve";
    const StartConfiguration wanted = restarted(script, "on-failure");
    const EnclaveRecord record = started(wanted);
    const auto kill_vmm = [&] {
        for (const ChildProcess& child : described(record.id).children) {
            if (child.name == "casemate-vmm") {
                ::kill(child.pid, SIGKILL);
            }
        }
    };
    const std::string kept = wanted.image_path + ".kept";
    fs::rename(wanted.image_path, kept);
    std::ofstream(wanted.image_path) << "refuse-image";
    kill_vmm();
    EXPECT_TRUE(eventually([&] {
        return described(record.id).health == HealthState::healthy &&
               described(record.id).restarts == 1;
    }));
    std::ofstream(kept) << script + ";hang";
    kill_vmm();
    const End end = end_of(record.id);
    EXPECT_EQ(end.kind, EndKind::start_failed);
    EXPECT_THAT(end.reason, HasSubstr("found another in the same file; it is not started again"));
    EXPECT_EQ(history(record.id)->restarts, 2U);
    expect_nothing_left(record);
}

TEST_F(SupervisorTest, AFirstStartThatFailsIsNotRepeated) {
    const LaunchFailure failure = failed(restarted("bad-heartbeat", "always"));
    EXPECT_THAT(failure.reason, HasSubstr("0x11"));
    EXPECT_EQ(history(failure.id)->restarts, 0U);
    EXPECT_TRUE(fs::is_empty(paths_.enclaves()));
}

TEST_F(SupervisorTest, RestartsAreCountedAnewOnceItHasDoneWell) {
    StartConfiguration wanted = restarted(
        "heartbeat;hello2;unless " + directory_->path() + "/once;reset;then;serve", "on-failure:1");
    wanted.restart_times.well = std::chrono::milliseconds(50);
    const EnclaveRecord record = started(wanted);
    EXPECT_TRUE(log_says(record.id, "restarts are counted anew"));
    for (const ChildProcess& child : described(record.id).children) {
        ::kill(child.pid, SIGKILL);
    }
    EXPECT_TRUE(eventually([&] { return described(record.id).restarts == 2; }));
}

TEST_F(SupervisorTest, AConsoleMarksEachRestart) {
    StartConfiguration wanted = restarted(
        "console hello;heartbeat;unless " + directory_->path() + "/once;reset;then;hello2;serve",
        "on-failure");
    wanted.debug = true;
    const EnclaveRecord record = started(wanted);
    EXPECT_TRUE(eventually([&] { return described(record.id).health == HealthState::healthy; }));
    const auto console = open_console(paths_, record.id);
    ASSERT_TRUE(console);
    const std::string expected = "hello\n\n--- casemate: restart 1 ---\nhello\n";
    EXPECT_EQ(read_text(console->get(), expected.size()), expected);
}

TEST_F(SupervisorTest, AProgramHasTheTimeToEndThatTerminateGivesIt) {
    // With none it is not even asked: the machine is stopped.
    const EnclaveRecord asked = started("heartbeat;hello2;serve");
    const auto at_once = terminate(paths_, {asked.id}, 0);
    ASSERT_TRUE(at_once.at(0).record);
    EXPECT_EQ(at_once[0].record->end->reason, "terminated by terminate-enclave");
    // One that does not end is stopped when its time is over.
    StartConfiguration wanted = configuration("heartbeat;hello2;serve-deaf");
    wanted.shutdown_ms = 3'600'000;
    const EnclaveRecord deaf = started(wanted);
    const auto ended = terminate(paths_, {deaf.id}, 1);
    ASSERT_TRUE(ended.at(0).record);
    EXPECT_EQ(ended[0].record->end->reason,
              "terminated by terminate-enclave; the machine was stopped, as init did not end its "
              "program within 1.0 s");
    expect_nothing_left(deaf);
}

TEST_F(SupervisorTest, ASecondRequestEndsItAtOnce) {
    StartConfiguration wanted = configuration("heartbeat;hello2;serve-deaf");
    wanted.shutdown_ms = 3'600'000;
    const EnclaveRecord record = started(wanted);
    ASSERT_EQ(::kill(record.supervisor, SIGTERM), 0);
    EXPECT_TRUE(log_says(record.id, "the end is asked for by SIGTERM"));
    EXPECT_EQ(described(record.id).state, EnclaveState::terminating);
    ASSERT_EQ(::kill(record.supervisor, SIGTERM), 0);
    EXPECT_THAT(end_of(record.id).reason, HasSubstr("terminated by SIGTERM"));
    expect_nothing_left(record);
}

TEST_F(SupervisorTest, WhoWaitsForTheEndGetsTheRecord) {
    const EnclaveRecord record = started("heartbeat;hello2;pause 200;say exited status 42;reset");
    const auto ended = wait_for_end(paths_, record.id);
    ASSERT_TRUE(ended) << ended.error().message();
    EXPECT_EQ(ended->end->exit_status, 42);
    // It has ended already, or its supervisor is killed: the registry tells.
    EXPECT_EQ(wait_for_end(paths_, record.id)->end->exit_status, 42);
    const EnclaveRecord other = started("heartbeat;hello2;serve");
    std::thread killer([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        ::kill(other.supervisor, SIGKILL);
    });
    const auto gone = wait_for_end(paths_, other.id);
    killer.join();
    ASSERT_TRUE(gone) << gone.error().message();
    EXPECT_EQ(gone->end->kind, EndKind::supervisor_killed);
}

TEST_F(SupervisorTest, HostileControlClientsGetAnErrorAndHoldUpNobody) {
    const EnclaveRecord record = started("heartbeat;serve");
    std::vector<UniqueFd> silent;
    for (int i = 0; i < 30; ++i) {
        auto socket = connect_unix(paths_.control(record.id), SOCK_STREAM);
        ASSERT_TRUE(socket);
        silent.push_back(std::move(*socket));
    }
    for (const std::string line : {"nonsense\n", "{}\n", "{\"request\":\"destroy\"}\n",
                                   "{\"request\":[[[[[[[[[[[[[]]]]]]]]]]]]]}\n",
                                   "{\"request\":\"terminate\",\"timeout\":86401}\n",
                                   "{\"request\":\"terminate\",\"timeout\":-1}\n"}) {
        const auto socket = connect_unix(paths_.control(record.id), SOCK_STREAM);
        ASSERT_TRUE(socket);
        ASSERT_TRUE(write_all(socket->get(), as_bytes(line)));
        EXPECT_THAT(read_all(socket->get()), HasSubstr("\"error\":14")) << line;
    }
    const auto endless = connect_unix(paths_.control(record.id), SOCK_STREAM);
    ASSERT_TRUE(endless);
    static_cast<void>(write_all(endless->get(), as_bytes(std::string(10000, 'x'))));
    EXPECT_EQ(read_all(endless->get()), "");
    EXPECT_THAT(describe_all(paths_), SizeIs(1));
}

}  // namespace
}  // namespace casemate::enclave
