// The first process in namespaces of this machine instead of an enclave: process 1 of a process
// namespace of its own, with a ramdisk on a tmpfs and socket pairs where the parent would be.
// reboot there ends the namespace, which its parent sees as SIGHUP.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/os_error.hpp"
#include "base/temporary_directory.hpp"
#include "guest/init/boot.hpp"

namespace casemate::guest {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// What the stand-in for the enclave's outside hands out; set in the forked child only.
int heartbeat_end = -1;
int lifecycle_end = -1;

Result<UniqueFd> connect_rehearsed(Address address, bool wait) {
    const int end = address.port == kHeartbeat.port ? heartbeat_end : lifecycle_end;
    const int fd = end >= 0 ? fcntl(end, F_DUPFD_CLOEXEC, 3) : -1;
    if (fd < 0) {
        return os_error("nobody listens", ECONNRESET);
    }
    // A second connection after the stream was lost finds nobody.
    if (address.port == kLifecycle.port) {
        close(std::exchange(lifecycle_end, -1));
    }
    UniqueFd stream(fd);
    if (!wait) {
        CASEMATE_CHECK(set_nonblocking(fd, true));
    }
    return stream;
}

void put(const std::string& path, std::string_view text) {
    UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    ASSERT_TRUE(fd.valid()) << path;
    ASSERT_TRUE(write_all(fd.get(), as_bytes(text)).ok());
}

std::string get(const std::string& path) {
    const auto bytes = read_file(path, 1U << 20U);
    return bytes ? std::string(as_text(*bytes)) : "no " + path;
}

// One enclave: files of the second ramdisk by name, the folder /out to write to.
class Rehearsal : public testing::Test {
protected:
    void SetUp() override {
        if (geteuid() != 0) {
            GTEST_SKIP() << "needs root, to make namespaces and mount in them";
        }
        const pid_t probe = fork();
        if (probe == 0) {
            _exit(unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) == 0 &&
                          mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                          mount("t", "/tmp", "tmpfs", 0, nullptr) == 0
                      ? 0
                      : 1);
        }
        int status = 0;
        waitpid(probe, &status, 0);
        if (status != 0) {
            GTEST_SKIP() << "this machine lets root make no namespaces or mounts";
        }
        auto directory = TemporaryDirectory::create();
        ASSERT_TRUE(directory.ok());
        directory_.emplace(std::move(directory).value());
        root_ = directory_->path() + "/root";
        out_ = directory_->path() + "/out";
        mkdir(root_.c_str(), 0755);
        mkdir(out_.c_str(), 0777);
        chmod(out_.c_str(), 0777);
        chmod(directory_->path().c_str(), 0755);
        for (const char* folder :
             {"/dev", "/rootfs", "/rootfs/etc", "/rootfs/out", "/rootfs/usr", "/rootfs/app"}) {
            mkdir((root_ + folder).c_str(), 0755);
        }
        for (const char* link : {"bin", "lib", "lib64", "sbin"}) {
            ASSERT_EQ(
                symlink((std::string("usr/") + link).c_str(), (root_ + "/rootfs/" + link).c_str()),
                0);
        }
        put(root_ + "/rootfs/etc/passwd", "app:x:1000:1001::/home/app:/bin/sh\n");
        put(root_ + "/rootfs/etc/group", "media:x:44:app\n");
    }

    void TearDown() override {
        if (pid_ > 0) {
            kill(pid_, SIGKILL);
            waitpid(pid_, nullptr, 0);
        }
    }

    void file(const std::string& name, std::string_view text) { put(root_ + "/" + name, text); }
    void script(std::string_view text) {
        file("argv", std::string("sh") + '\0' + "-c" + '\0' + std::string(text) + '\0');
    }
    bool removed(const std::string& name) const {
        return access((root_ + "/" + name).c_str(), F_OK) != 0 && errno == ENOENT;
    }
    std::string out(const std::string& name) { return get(out_ + "/" + name); }
    void chmod_file(const std::string& name) {
        ASSERT_EQ(chmod((root_ + "/" + name).c_str(), 0755), 0);
    }
    void replace_by_fifo(const std::string& name) {
        const std::string path = root_ + "/" + name;
        ASSERT_EQ(unlink(path.c_str()), 0);
        ASSERT_EQ(mkfifo(path.c_str(), 0644), 0);
    }
    void touch_out(const std::string& name) { put(out_ + "/" + name, ""); }
    // The test's own time limit ends a wait for ever.
    void wait_for_out(const std::string& name) {
        while (access((out_ + "/" + name).c_str(), F_OK) != 0) {
            poll(nullptr, 0, 10);
        }
    }

    // begin starts the first process; answer is what the parent answers the heartbeat with.
    void begin(const std::string& answer = "\xb7", bool with_lifecycle = true) {
        auto heartbeat = make_socket_pair(SOCK_STREAM);
        auto lifecycle = make_socket_pair(SOCK_STREAM);
        auto console = make_pipe();
        ASSERT_TRUE(heartbeat.ok() && lifecycle.ok() && console.ok());
        ASSERT_TRUE(write_all(heartbeat->first.get(), as_bytes(answer)).ok());
        shutdown(heartbeat->first.get(), SHUT_WR);
        pid_ = fork();
        if (pid_ == 0) {
            heartbeat_end = heartbeat->second.get();
            lifecycle_end = with_lifecycle ? lifecycle->second.get() : -1;
            lifecycle->first.reset();
            become_enclave(console->second.get());
        }
        ASSERT_GT(pid_, 0);
        heartbeat_ = std::move(heartbeat->first);
        lifecycle_ = std::move(lifecycle->first);
        console_ = std::move(console->first);
    }

    // next_line reads a line of the lifecycle stream that is no sign of life, "" at its end.
    std::string next_line() {
        std::string line;
        while ((line = any_line()) == "alive") {
        }
        return line;
    }

    std::string any_line() {
        std::string line;
        char letter = 0;
        while (read(lifecycle_.get(), &letter, 1) == 1) {
            if (letter == '\n') {
                return line;
            }
            line += letter;
        }
        return line;
    }

    // end waits for the reset and returns what the console showed.
    std::string end() {
        std::string text;
        char buffer[512];
        for (ssize_t size = 0; (size = read(console_.get(), buffer, sizeof(buffer))) > 0;) {
            text.append(buffer, static_cast<std::size_t>(size));
        }
        int status = 0;
        EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
        pid_ = -1;
        EXPECT_TRUE(WIFEXITED(status));
        EXPECT_EQ(WEXITSTATUS(status), SIGHUP) << "the machine was not reset: " << text;
        return text;
    }

    std::string last_line() {
        EXPECT_EQ(next_line(), "casemate-init 2");
        std::string line = next_line();
        lifecycle_.reset();
        return line;
    }

    int alive_milliseconds_ = Platform().alive_milliseconds;
    UniqueFd lifecycle_;
    UniqueFd heartbeat_;
    UniqueFd console_;

private:
    // Never returns: its exit status is the signal that ended process 1.
    void become_enclave(int console) {
        if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) != 0 ||
            mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            mount("/usr", (root_ + "/rootfs/usr").c_str(), nullptr, MS_BIND, nullptr) != 0 ||
            mount(out_.c_str(), (root_ + "/rootfs/out").c_str(), nullptr, MS_BIND, nullptr) != 0 ||
            mount(root_.c_str(), root_.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
            _exit(100);
        }
        const pid_t first = fork();
        if (first == 0) {
            if (chdir(root_.c_str()) != 0 || chroot(".") != 0) {
                _exit(101);
            }
            dup2(console, STDOUT_FILENO);
            dup2(console, STDERR_FILENO);
            run_customer({connect_rehearsed, "tmpfs", alive_milliseconds_});
        }
        close(console);
        int status = 0;
        waitpid(first, &status, 0);
        _exit(WIFSIGNALED(status) ? WTERMSIG(status) : 102);
    }

    std::optional<TemporaryDirectory> directory_;
    std::string root_;
    std::string out_;
    pid_t pid_ = -1;
};

TEST_F(Rehearsal, ReportsTheExitStatusAndResets) {
    script("exit 7");
    begin();
    EXPECT_EQ(last_line(), "exited status 7");
    EXPECT_THAT(end(), HasSubstr("casemate-init: the application exited with status 7\n"));
}

TEST_F(Rehearsal, ReportsTheSignal) {
    script("kill -ABRT $$");
    begin();
    EXPECT_EQ(last_line(), "exited signal 6");
    EXPECT_THAT(end(), HasSubstr("ended by signal 6 (SIGABRT)"));
}

TEST_F(Rehearsal, RunsARamdiskOfAwsBuilder) {
    file("cmd", "sh\n-c\npwd > /out/pwd; env > /out/env; id -u > /out/id; ls -a / > /out/ls");
    file("env", "GREETING=hello world\n");
    begin();
    EXPECT_EQ(last_line(), "exited status 0");
    end();
    EXPECT_EQ(out("pwd"), "/\n");
    EXPECT_EQ(out("id"), "0\n");
    EXPECT_THAT(out("env"), HasSubstr("GREETING=hello world\n"));
    EXPECT_THAT(out("env"), HasSubstr("PATH=/sbin:/usr/sbin:/bin:/usr/bin\n"));
    EXPECT_THAT(out("env"), Not(HasSubstr("HOME=")));
    // The ramdisk's own files are out of sight.
    EXPECT_THAT(out("ls"), Not(HasSubstr("cmd")));
}

TEST_F(Rehearsal, VariablesMayHoldLineBreaks) {
    script("printf %s \"$KEY\" > /out/key; env > /out/env");
    file("env", "KEY=one\ntwo\nOTHER=1\n");
    file("environment", std::string("KEY=one\ntwo\n") + '\0');
    begin();
    EXPECT_EQ(last_line(), "exited status 0");
    end();
    EXPECT_EQ(out("key"), "one\ntwo\n");
    EXPECT_THAT(out("env"), Not(HasSubstr("OTHER")));
    EXPECT_TRUE(removed("env"));
    EXPECT_TRUE(removed("environment"));
}

TEST_F(Rehearsal, MountsWhatAnAppExpects) {
    script(
        "cut -d' ' -f2,3 /proc/mounts > /out/mounts; readlink /dev/fd /dev/stdout > /out/links;"
        "echo x > /dev/stdout; stat -c %a /tmp /run > /out/modes; cat /sys/class/net/lo/flags > "
        "/out/lo");
    begin();
    EXPECT_EQ(last_line(), "exited status 0");
    EXPECT_THAT(end(), HasSubstr("x\n"));
    for (const char* mounted : {"/proc proc\n", "/run tmpfs\n", "/tmp tmpfs\n", "/dev/shm tmpfs\n",
                                "/dev/pts devpts\n", "/sys sysfs\n"}) {
        EXPECT_THAT(out("mounts"), HasSubstr(mounted));
    }
    EXPECT_EQ(out("links"), "/proc/self/fd\n/proc/self/fd/1\n");
    EXPECT_EQ(out("modes"), "1777\n755\n");
    EXPECT_EQ(out("lo"), "0x9\n");  // up, loopback
}

TEST_F(Rehearsal, HonoursWorkdirAndUser) {
    script("pwd > /out/pwd; id -u > /out/id; id -G > /out/groups; echo $HOME > /out/home");
    file("workdir", "/app/deep\n");
    file("user", "app\n");
    begin();
    EXPECT_EQ(last_line(), "exited status 0");
    end();
    EXPECT_EQ(out("pwd"), "/app/deep\n");
    EXPECT_EQ(out("id"), "1000\n");
    EXPECT_EQ(out("groups"), "1001 44\n");
    EXPECT_EQ(out("home"), "/home/app\n");
}

TEST_F(Rehearsal, AnUnknownUserIsAFailure) {
    script("exit 0");
    file("user", "ghost");
    begin();
    EXPECT_EQ(
        last_line(),
        "failed expected the image's user in its /etc/passwd, found ghost, which is not there");
    EXPECT_THAT(end(), HasSubstr("casemate-init: expected the image's user"));
}

TEST_F(Rehearsal, SaysWhereItLookedForACommand) {
    file("cmd", "no-such-command\n");
    file("env", "PATH=/opt/bin\n");
    begin();
    EXPECT_EQ(last_line(),
              "failed expected the command \"no-such-command\" in PATH /opt/bin or "
              "/sbin:/usr/sbin:/bin:/usr/bin, found it in none of them");
    end();
}

TEST_F(Rehearsal, SaysWhyAFileCantBeExecuted) {
    file("cmd", "/app/tool\n");
    file("rootfs/app/tool", "#!/no/interpreter\n");
    begin();
    EXPECT_EQ(last_line(), "failed expected an executable file /app/tool, found Permission denied");
    end();
}

TEST_F(Rehearsal, SaysThatTheInterpreterIsMissing) {
    file("cmd", "/app/tool\n");
    file("rootfs/app/tool", "#!/no/interpreter\n");
    chmod_file("rootfs/app/tool");
    begin();
    EXPECT_THAT(last_line(), StartsWith("failed expected the interpreter that /app/tool names"));
    end();
}

TEST_F(Rehearsal, AScriptWithoutAFirstLineIsTheShells) {
    file("cmd", "tool\nan argument\n");
    file("env", "PATH=/app\n");
    file("rootfs/app/tool", "echo \"$1\" > /out/said\n");
    chmod_file("rootfs/app/tool");
    begin();
    EXPECT_EQ(last_line(), "exited status 0");
    end();
    EXPECT_EQ(out("said"), "an argument\n");
}

TEST_F(Rehearsal, AWorkdirThatIsAFileIsAFailure) {
    script("exit 0");
    file("workdir", "/etc/passwd");
    begin();
    EXPECT_THAT(last_line(), StartsWith("failed expected the working directory /etc/passwd"));
    end();
}

TEST_F(Rehearsal, AFifoInPlaceOfPasswdIsAFailure) {
    script("exit 0");
    file("user", "app");
    replace_by_fifo("rootfs/etc/passwd");
    begin();
    EXPECT_EQ(last_line(), "failed expected a regular file /etc/passwd, found another kind");
    end();
}

TEST_F(Rehearsal, AWrongHeartbeatStopsBeforeTheApp) {
    script("touch /out/started");
    begin("\x01");
    EXPECT_EQ(last_line(), "failed expected the heartbeat's answer 0xb7, found 0x01");
    EXPECT_THAT(end(), HasSubstr("casemate-init: expected the heartbeat's answer"));
    EXPECT_EQ(out("started").substr(0, 3), "no ");
}

TEST_F(Rehearsal, TheHeartbeatIsOneByte) {
    script("exit 0");
    begin();
    last_line();
    end();
    char beat[4];
    ASSERT_EQ(read(heartbeat_.get(), beat, sizeof(beat)), 1);
    EXPECT_EQ(static_cast<unsigned char>(beat[0]), 0xb7);
}

TEST_F(Rehearsal, ReapsStrangersAndWaitsForTheApp) {
    // The inner shell's child is orphaned and becomes process 1's.
    script("(sh -c 'exit 1' &) ; sleep 0.2; ps -o stat= -A | grep -c Z > /out/zombies; exit 4");
    begin();
    EXPECT_EQ(last_line(), "exited status 4");
    end();
    EXPECT_EQ(out("zombies"), "0\n");
}

TEST_F(Rehearsal, WithoutALifecycleStreamItRunsAsOnAws) {
    script("echo done > /out/done");
    begin("\xb7", false);
    EXPECT_THAT(end(), HasSubstr("exited with status 0"));
    EXPECT_EQ(out("done"), "done\n");
}

TEST_F(Rehearsal, TheStreamsLossIsTolerated) {
    script("while [ ! -e /out/go ]; do sleep 0.05; done; echo done > /out/done");
    begin();
    EXPECT_EQ(next_line(), "casemate-init 2");
    lifecycle_.reset();
    touch_out("go");
    EXPECT_THAT(end(), HasSubstr("going on without it"));
    EXPECT_EQ(out("done"), "done\n");
}

TEST_F(Rehearsal, TheSupervisorHearsThatItLivesWhileTheAppRuns) {
    script("while [ ! -e /out/go ]; do sleep 0.05; done; exit 6");
    alive_milliseconds_ = 20;
    begin();
    EXPECT_EQ(any_line(), "casemate-init 2");
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(any_line(), "alive");
    }
    touch_out("go");
    EXPECT_EQ(next_line(), "exited status 6");
    EXPECT_EQ(any_line(), "");
    lifecycle_.reset();
    end();
}

TEST_F(Rehearsal, ASupervisorThatReadsNothingHoldsUpNobody) {
    // A second is room for more signs of life than the stream holds.
    script("sleep 1; echo done > /out/done");
    alive_milliseconds_ = 1;
    begin();
    wait_for_out("done");
    EXPECT_EQ(last_line(), "exited status 0");
    end();
}

TEST_F(Rehearsal, ShutdownAsksTheAppFirst) {
    script("trap 'exit 5' TERM; echo ready > /out/ready; while :; do sleep 0.05; done");
    begin();
    EXPECT_EQ(next_line(), "casemate-init 2");
    wait_for_out("ready");
    ASSERT_TRUE(write_all(lifecycle_.get(), as_bytes("nonsense\nshutdown 600\n")).ok());
    EXPECT_EQ(next_line(), "exited status 5");
    lifecycle_.reset();
    EXPECT_THAT(end(), HasSubstr("found \"nonsense\""));
}

TEST_F(Rehearsal, ShutdownKillsWhatDoesNotListen) {
    script("trap '' TERM; echo ready > /out/ready; while :; do sleep 0.05; done");
    begin();
    EXPECT_EQ(next_line(), "casemate-init 2");
    wait_for_out("ready");
    ASSERT_TRUE(write_all(lifecycle_.get(), as_bytes("shutdown 1\n")).ok());
    EXPECT_EQ(next_line(), "exited signal 9");
    lifecycle_.reset();
    EXPECT_THAT(end(), HasSubstr("did not end in time: SIGKILL"));
}

}  // namespace
}  // namespace casemate::guest
