#include "guest/init/boot.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <new>

#include "guest/init/application.hpp"
#include "guest/init/console.hpp"
#include "guest/init/error.hpp"
#include "guest/init/files.hpp"
#include "guest/init/heartbeat.hpp"
#include "guest/init/launch.hpp"
#include "guest/init/lifecycle.hpp"
#include "guest/init/mounts.hpp"

namespace casemate::guest {

namespace {

[[noreturn]] void reset_machine() {
    drain_console();
    sync();
    reboot(RB_AUTOBOOT);
    // Only without the right to reset: the kernel's own answer to the end of process 1 is a reset
    // too.
    _exit(1);
}

void out_of_memory() {
    constexpr char kSentence[] = "casemate-init: expected memory, found none left\n";
    (void)!write(STDERR_FILENO, kSentence, sizeof(kSentence) - 1);
    reset_machine();
}

// load_security_module loads the driver of /dev/nsm that comes with AWS's blobs.
Result<> load_security_module() {
    constexpr const char* kModule = "/nsm.ko";
    const UniqueFd fd(open(kModule, O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) {
        if (errno == ENOENT) {
            return {};
        }
        return unexpected_errno(GuestErrc::system, "a readable file /nsm.ko", errno);
    }
    if (syscall(SYS_finit_module, fd.get(), "", 0) != 0) {
        Error refused = unexpected_errno(GuestErrc::system, "the kernel to load /nsm.ko", errno);
        // A kernel with the driver built in needs no module.
        if (access("/dev/nsm", F_OK) != 0) {
            return refused;
        }
        say(refused.detail() + "; the kernel has a driver of its own");
    }
    unlink(kModule);
    return {};
}

// take reads a file of the ramdisk and removes it: the app does not see how it was started.
Result<std::optional<std::string>> take(const char* path) {
    auto text = read_small_file(path);
    unlink(path);
    return text;
}

Result<Launch> take_launch() {
    LaunchFiles files;
    CASEMATE_TRY(files.env, take("/env"));
    CASEMATE_TRY(files.cmd, take("/cmd"));
    CASEMATE_TRY(files.argv, take("/argv"));
    CASEMATE_TRY(files.environment, take("/environment"));
    CASEMATE_TRY(files.workdir, take("/workdir"));
    CASEMATE_TRY(files.user, take("/user"));
    if (!files.cmd && !files.argv) {
        say("expected a command in /cmd or /argv, found neither file; starting sh");
    }
    return parse_launch(files);
}

Result<> prepare() {
    auto devices = mount_devices();
    open_console();
    CASEMATE_CHECK(std::move(devices));
    return load_security_module();
}

Result<int> live(const Platform& platform, Lifecycle& lifecycle) {
    CASEMATE_CHECK(send_heartbeat(platform.connect));
    lifecycle.begin();
    CASEMATE_TRY(Launch launch, take_launch());
    CASEMATE_CHECK(enter_root());
    CASEMATE_CHECK(mount_file_systems(platform.devices));
    raise_loopback();
    CASEMATE_TRY(const pid_t app, start(std::move(launch)));
    return supervise(app, lifecycle, platform.alive_milliseconds);
}

[[noreturn]] void end_with(const Result<int>& status, Lifecycle& lifecycle) {
    if (status) {
        say(exit_sentence(*status));
        lifecycle.report(exit_report(*status));
    } else {
        say(status.error().detail());
        lifecycle.report(failure_report(status.error().detail()));
    }
    reset_machine();
}

}  // namespace

void boot(const Platform& platform) {
    const auto prepared = prepare();
    if (!prepared) {
        Lifecycle lifecycle(platform.connect);
        end_with(prepared.error(), lifecycle);
    }
    run_customer(platform);
}

void run_customer(const Platform& platform) {
    std::set_new_handler(out_of_memory);
    // Nothing interrupts the first process; ended children are read from a descriptor.
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);

    Lifecycle lifecycle(platform.connect);
    end_with(live(platform, lifecycle), lifecycle);
}

}  // namespace casemate::guest
