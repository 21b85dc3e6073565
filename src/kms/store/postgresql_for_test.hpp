// A PostgreSQL server of a test's own: made in a temporary directory, reached by its unix socket
// alone, ended with the object. As root it runs as Debian's user postgres, for it refuses to be
// root.
#pragma once

#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/process.hpp"
#include "base/temporary_directory.hpp"
#include "kms/store/database.hpp"

namespace casemate::kms {

class PostgresqlForTest {
public:
    // binaries is where initdb and postgres are; nothing: they are not installed.
    [[nodiscard]] static std::optional<std::string> binaries() {
        std::error_code none;
        std::optional<std::string> newest;
        for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", none)) {
            const std::string path = entry.path() / "bin";
            if (std::filesystem::exists(path + "/initdb") && (!newest || *newest < path)) {
                newest = path;
            }
        }
        return newest;
    }

    [[nodiscard]] static Result<std::unique_ptr<PostgresqlForTest>> start() {
        CASEMATE_TRY(TemporaryDirectory directory, TemporaryDirectory::create());
        std::unique_ptr<PostgresqlForTest> server(new PostgresqlForTest(std::move(directory)));
        CASEMATE_TRY(Process initdb,
                     server->spawn("initdb", {"-D", server->data(), "-U", "casemate", "-A", "trust",
                                              "-E", "UTF8", "--no-locale", "--no-sync"}));
        CASEMATE_TRY(const ExitStatus status, initdb.wait());
        if (status.exit_code != 0) {
            return Error(StoreErrc::unavailable, "initdb: " + status.text());
        }
        CASEMATE_CHECK(server->run());
        return server;
    }

    // run starts the server, again after stop.
    [[nodiscard]] Result<> run() {
        CASEMATE_TRY(server_, spawn("postgres", {"-D", data(), "-k", directory_.path(), "-c",
                                                 "listen_addresses=", "-c", "fsync=off"}));
        constexpr int kAttempts = 600;
        for (int attempt = 1;; ++attempt) {
            auto connection = open_postgresql(url());
            if (connection) {
                return {};
            }
            if (attempt == kAttempts) {
                return std::move(connection).error();
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
    }

    // stop ends it and its connections at once.
    void stop() {
        server_.send_signal(SIGQUIT);
        static_cast<void>(server_.wait());
    }

    PostgresqlForTest(const PostgresqlForTest&) = delete;
    PostgresqlForTest& operator=(const PostgresqlForTest&) = delete;
    ~PostgresqlForTest() {
        if (server_.running()) {
            stop();
        }
    }

    [[nodiscard]] std::string url() const { return url_of("postgres"); }
    // url_of names a database of the server's.
    [[nodiscard]] std::string url_of(const std::string& database) const {
        std::string host;
        for (const char letter : directory_.path()) {
            host += letter == '/' ? "%2F" : std::string(1, letter);
        }
        return "postgresql:///" + database + "?user=casemate&host=" + host;
    }

private:
    explicit PostgresqlForTest(TemporaryDirectory directory) : directory_(std::move(directory)) {
        const passwd* user = ::getpwnam("postgres");
        if (::geteuid() == 0 && user != nullptr) {
            owned_ = ::chown(directory_.path().c_str(), user->pw_uid, user->pw_gid) == 0;
        }
    }

    [[nodiscard]] std::string data() const { return directory_.path() + "/data"; }

    [[nodiscard]] Result<Process> spawn(const std::string& program,
                                        std::vector<std::string> arguments) {
        SpawnOptions options;
        options.program = binaries().value_or("") + "/" + program;
        options.environment = {"PATH=/usr/bin:/bin", "LC_ALL=C"};
        if (owned_) {
            // A change of user undoes die_with_parent: setpriv sets it again.
            arguments.insert(arguments.begin(),
                             {"--reuid=postgres", "--regid=postgres", "--clear-groups",
                              "--pdeathsig=QUIT", options.program});
            options.program = "/usr/bin/setpriv";
        }
        options.arguments = std::move(arguments);
        // Its log is of interest to whoever sees the test fail.
        CASEMATE_TRY(const UniqueFd log,
                     open_file(directory_.path() + "/log", O_WRONLY | O_CREAT | O_APPEND));
        options.standard_error = log.get();
        return Process::spawn(options);
    }

    TemporaryDirectory directory_;
    bool owned_ = false;
    Process server_;
};

}  // namespace casemate::kms
