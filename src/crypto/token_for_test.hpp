// For tests: a real token, SoftHSM's, in a temporary directory. The module reads its configuration
// once in a process, so all tests of a process share one.
#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file.hpp"
#include "base/process.hpp"
#include "base/result.hpp"
#include "base/temporary_directory.hpp"
#include "crypto/error.hpp"

namespace casemate::crypto {

class TestToken {
public:
    static constexpr const char* kModule = "/usr/lib/softhsm/libsofthsm2.so";
    static constexpr const char* kEngine = "/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so";
    static constexpr const char* kPin = "864209";

    // missing names a file that is not installed; empty: tokens can be had.
    static std::string missing() {
        for (const char* file :
             {kModule, kEngine, "/usr/bin/softhsm2-util", "/usr/bin/pkcs11-tool"}) {
            if (!std::filesystem::exists(file)) {
                return file;
            }
        }
        return "";
    }

    // create makes a token of the name "casemate" and sets SOFTHSM2_CONF.
    static Result<TestToken> create() {
        CASEMATE_TRY(auto directory, TemporaryDirectory::create());
        const std::string tokens = directory.path() + "/tokens";
        const std::string configuration = directory.path() + "/softhsm2.conf";
        ::mkdir(tokens.c_str(), 0700);
        CASEMATE_CHECK(write_file_atomically(configuration,
                                             as_bytes("directories.tokendir = " + tokens + "\n")));
        ::setenv("SOFTHSM2_CONF", configuration.c_str(), 1);
        TestToken token(std::move(directory));
        CASEMATE_CHECK(
            run("/usr/bin/softhsm2-util", {"--init-token", "--free", "--label", "casemate", "--pin",
                                           kPin, "--so-pin", "97531864"}));
        return token;
    }

    // make_key makes a key pair; type is pkcs11-tool's ("EC:secp384r1"), usage is what it may do:
    // "sign" or "decrypt".
    [[nodiscard]] static Result<> make_key(const std::string& type, const std::string& label,
                                           const std::string& id,
                                           const std::string& usage = "sign") {
        return run(
            "/usr/bin/pkcs11-tool",
            {"--module", kModule, "--token-label", "casemate", "--login", "--pin", kPin,
             "--keypairgen", "--key-type", type, "--label", label, "--id", id, "--usage-" + usage});
    }

    // uri of a key: object is "object=LABEL" or "id=%XX".
    static std::string uri(const std::string& object, const std::string& pin = kPin) {
        return "pkcs11:token=casemate;" + object + ";type=private?module-path=" + kModule +
               (pin.empty() ? "" : "&pin-value=" + pin);
    }

    [[nodiscard]] const std::string& path() const { return directory_.path(); }

private:
    explicit TestToken(TemporaryDirectory directory) : directory_(std::move(directory)) {}

    static Result<> run(const std::string& program, std::vector<std::string> arguments) {
        SpawnOptions options;
        options.program = program;
        options.arguments = std::move(arguments);
        options.environment = {std::string("SOFTHSM2_CONF=") + ::getenv("SOFTHSM2_CONF")};
        CASEMATE_TRY(auto process, Process::spawn(options));
        CASEMATE_TRY(const auto status, process.wait());
        if (status.exit_code != 0) {
            return Error(CryptoErrc::token_failure, program + ": " + status.text());
        }
        return {};
    }

    TemporaryDirectory directory_;
};

}  // namespace casemate::crypto
