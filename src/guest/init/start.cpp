#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "guest/init/application.hpp"
#include "guest/init/error.hpp"
#include "guest/init/files.hpp"
#include "guest/init/text.hpp"

namespace casemate::guest {

namespace {

// Pointers as execve takes them; valid as long as the strings are.
std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> list;
    list.reserve(strings.size() + 1);
    for (std::string& text : strings) {
        list.push_back(text.data());
    }
    list.push_back(nullptr);
    return list;
}

Error command_error(const Launch& launch, const std::string& file, int error) {
    const std::string& command = launch.arguments.front();
    if (command.find('/') == std::string::npos && (error == ENOENT || error == ENOTDIR)) {
        const std::string path(find_variable(launch.environment, "PATH").value_or(""));
        const std::string searched =
            printable(path, 256) + (path == kDefaultPath ? "" : " or " + std::string(kDefaultPath));
        return unexpected(GuestErrc::bad_command,
                          "the command \"" + printable(command, 64) + "\" in PATH " + searched,
                          "it in none of them");
    }
    if (error == ENOENT && access(file.c_str(), F_OK) == 0) {
        return unexpected(GuestErrc::bad_command, "the interpreter that " + file + " names",
                          "none (its #! line or its dynamic loader)");
    }
    return unexpected_errno(GuestErrc::bad_command, "an executable file " + printable(file, 256),
                            error);
}

// execute only returns when it failed. A file that is no program is a script of /bin/sh, as for
// execvpe.
Error execute(Launch& launch) {
    auto arguments = pointers(launch.arguments);
    auto environment = pointers(launch.environment);
    const std::string path(find_variable(launch.environment, "PATH").value_or(""));
    const auto candidates = command_candidates(launch.arguments.front(), path);
    std::string blamed = candidates.front();
    int error = ENOENT;
    for (const std::string& file : candidates) {
        execve(file.c_str(), arguments.data(), environment.data());
        if (errno == ENOEXEC) {
            std::string shell = "/bin/sh";
            std::string script = file;
            std::vector<char*> with_shell = {shell.data(), script.data()};
            with_shell.insert(with_shell.end(), arguments.begin() + 1, arguments.end());
            execve(shell.c_str(), with_shell.data(), environment.data());
            errno = ENOEXEC;
        }
        const int found = errno;
        const bool absent =
            (found == ENOENT && access(file.c_str(), F_OK) != 0) || found == ENOTDIR;
        if (!absent && error == ENOENT) {
            error = found;
            blamed = file;
            if (found != EACCES) {
                return command_error(launch, file, found == ENOENT ? ENOENT : found);
            }
        }
    }
    return command_error(launch, blamed, error);
}

Result<> become(const Identity& identity) {
    // The app may open /dev/stdout again, which asks for the console's owner.
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
        struct stat status {};
        if (fstat(stream, &status) == 0 && S_ISCHR(status.st_mode)) {
            (void)!fchown(stream, identity.uid, status.st_gid);
        }
    }
    if (setgroups(identity.groups.size(), identity.groups.data()) != 0 ||
        setresgid(identity.gid, identity.gid, identity.gid) != 0 ||
        setresuid(identity.uid, identity.uid, identity.uid) != 0) {
        return unexpected_errno(GuestErrc::system,
                                "to become user " + std::to_string(identity.uid) + " and group " +
                                    std::to_string(identity.gid),
                                errno);
    }
    return {};
}

// run_child is the new process: it returns only what went wrong.
Error run_child(Launch& launch, const std::optional<Identity>& identity) {
    setsid();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    umask(022);
    if (chdir(launch.directory.c_str()) != 0) {
        return unexpected_errno(GuestErrc::system,
                                "the working directory " + printable(launch.directory, 256), errno);
    }
    if (identity) {
        auto became = become(*identity);
        if (!became) {
            return std::move(became).error();
        }
    }
    return execute(launch);
}

Result<std::optional<Identity>> find_identity(Launch& launch) {
    if (!launch.user) {
        return std::optional<Identity>();
    }
    CASEMATE_TRY(const auto passwd, read_small_file("/etc/passwd"));
    CASEMATE_TRY(const auto group, read_small_file("/etc/group"));
    CASEMATE_TRY(Identity identity,
                 resolve_identity(*launch.user, passwd.value_or(""), group.value_or("")));
    if (!find_variable(launch.environment, "HOME")) {
        launch.environment.push_back("HOME=" + identity.home);
    }
    return std::optional<Identity>(std::move(identity));
}

// read_complaint reads what a child wrote before it ended; empty when it executes the app.
std::string read_complaint(int fd) {
    std::string text;
    std::array<char, 512> buffer{};
    for (;;) {
        const ssize_t size = read(fd, buffer.data(), buffer.size());
        if (size > 0) {
            text.append(buffer.data(), static_cast<std::size_t>(size));
        } else if (size == 0 || errno != EINTR) {
            return text;
        }
    }
}

}  // namespace

Result<pid_t> start(Launch launch) {
    CASEMATE_TRY(const auto identity, find_identity(launch));
    // As WORKDIR does when it names a folder that the image has not.
    if (!make_folders(launch.directory)) {
        return unexpected(GuestErrc::system,
                          "the working directory " + printable(launch.directory, 256),
                          "something else there, or no place to make it");
    }
    CASEMATE_TRY(FdPair complaint, make_pipe());
    const pid_t app = fork();
    if (app < 0) {
        return unexpected_errno(GuestErrc::system, "a new process", errno);
    }
    if (app == 0) {
        const Error error = run_child(launch, identity);
        (void)!write(complaint.second.get(), error.detail().data(), error.detail().size());
        _exit(127);
    }
    complaint.second.reset();
    std::string sentence = read_complaint(complaint.first.get());
    if (!sentence.empty()) {
        waitpid(app, nullptr, 0);
        return Error(GuestErrc::bad_command, std::move(sentence));
    }
    return app;
}

}  // namespace casemate::guest
