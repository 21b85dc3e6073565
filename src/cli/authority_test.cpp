#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/file.hpp"
#include "base/temporary_directory.hpp"
#include "cli/json_output.hpp"
#include "cli/run_for_test.hpp"
#include "crypto/certificate.hpp"
#include "crypto/digest.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace casemate::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

class AuthorityVerbTest : public testing::Test {
protected:
    AuthorityVerbTest() : directory_(TemporaryDirectory::create().value()) {
        ::setenv("CASEMATE_STATE_DIR", (directory_.path() + "/state").c_str(), 1);
        ::setenv("CASEMATE_RUNTIME_DIR", (directory_.path() + "/run").c_str(), 1);
        ::setenv("CASEMATE_CONFIG_DIR", directory_.path().c_str(), 1);
        std::ofstream(directory_.path() + "/instance.yaml")
            << "instance_id: i-12345678\nregion: here\n";
    }
    ~AuthorityVerbTest() override {
        for (const char* name :
             {"CASEMATE_STATE_DIR", "CASEMATE_RUNTIME_DIR", "CASEMATE_CONFIG_DIR"}) {
            ::unsetenv(name);
        }
    }

    static Ran authority(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "authority");
        return run_for_test(arguments);
    }

    std::string store() const { return directory_.path() + "/state/authority"; }
    std::string content(const std::string& path) const {
        const auto bytes = read_file(path, 65536);
        return bytes ? std::string(as_text(*bytes)) : bytes.error().message();
    }

    TemporaryDirectory directory_;
};

TEST_F(AuthorityVerbTest, WithoutOneEachActionSaysHowToMakeIt) {
    for (const char* action : {"show", "status", "export-root", "rotate"}) {
        const Ran ran = authority({action});
        EXPECT_EQ(ran.status, 19) << action;
        EXPECT_EQ(ran.out, "") << action;
        EXPECT_THAT(ran.err, HasSubstr("casemate authority init")) << action;
    }
    EXPECT_FALSE(fs::exists(store()));
}

TEST_F(AuthorityVerbTest, InitShowsWhatItHasMadeAndIsRefusedTheSecondTime) {
    const Ran made = authority({"init"});
    ASSERT_EQ(made.status, 0) << made.err;
    const auto certificate =
        crypto::Certificate::from_pem(as_bytes(content(store() + "/root.pem")));
    ASSERT_TRUE(certificate);
    const std::string fingerprint = to_hex(crypto::sha256(certificate->der()));
    EXPECT_THAT(made.out, MatchesRegex("Root:         C=ZZ, O=Casemate, OU=Casemate, "
                                       "CN=[0-9a-f]+\\.casemate-enclaves\n"
                                       "SHA-256:      " +
                                       fingerprint +
                                       "\n"
                                       "Valid until:  [-0-9T:]+Z\n"
                                       "Certificate:  " +
                                       store() +
                                       "/root\\.pem\n"
                                       "Instance:     i-12345678\n"
                                       "Region:       here\n"
                                       "Role:         none \\(PCR3 is zero\\)\n"));
    EXPECT_EQ(authority({"show"}).out, made.out);
    const Ran again = authority({"init"});
    EXPECT_EQ(again.status, 19);
    EXPECT_THAT(again.err, HasSubstr("found one"));
    EXPECT_EQ(authority({"show"}).out, made.out);
}

TEST_F(AuthorityVerbTest, TheRootIsExportedWithoutItsKey) {
    ASSERT_EQ(authority({"init"}).status, 0);
    const Ran printed = authority({"export-root"});
    EXPECT_EQ(printed.status, 0);
    EXPECT_EQ(printed.out, content(store() + "/root.pem"));
    EXPECT_THAT(printed.out, Not(HasSubstr("PRIVATE")));
    const std::string file = directory_.path() + "/exported.pem";
    EXPECT_EQ(authority({"export-root", "--output", file}).status, 0);
    EXPECT_EQ(content(file), printed.out);
    EXPECT_EQ(authority({"export-root", "--output", directory_.path() + "/no/where"}).status, 19);
}

TEST_F(AuthorityVerbTest, StatusListsEachCertificate) {
    ASSERT_EQ(authority({"init"}).status, 0);
    const Ran table = authority({"status"});
    EXPECT_EQ(table.status, 0);
    EXPECT_THAT(table.out, HasSubstr("CERTIFICATE  VALID UNTIL"));
    EXPECT_THAT(table.out, HasSubstr("never by itself       " + store() + "/level-root.pem\n"));
    EXPECT_THAT(table.out, HasSubstr("\nregion       "));
    EXPECT_THAT(table.out, Not(HasSubstr("Warning")));
    const auto json = Json::parse(authority({"status", "--output", "json"}).out);
    ASSERT_TRUE(json);
    EXPECT_TRUE(json->is_array());
    EXPECT_THAT(json->compact(), HasSubstr("{\"Certificate\":\"region\",\"Subject\":\"C=ZZ, "));
    EXPECT_THAT(json->compact(), HasSubstr("\"RenewedFrom\":null"));
}

TEST_F(AuthorityVerbTest, RotateMakesANewRootOnlyWhenToldTo) {
    ASSERT_EQ(authority({"init"}).status, 0);
    const std::string root = content(store() + "/root.pem");
    const std::string region = content(store() + "/level-region.pem");
    EXPECT_EQ(authority({"rotate"}).status, 0);
    EXPECT_EQ(content(store() + "/root.pem"), root);
    EXPECT_NE(content(store() + "/level-region.pem"), region);
    EXPECT_EQ(authority({"rotate", "--root"}).status, 0);
    EXPECT_NE(content(store() + "/root.pem"), root);
    EXPECT_EQ(authority({"rotate", "--root-key", "pkcs11:object=x"}).status, 3);
}

TEST_F(AuthorityVerbTest, TokensThatCanNotBeUsedLeaveNothingAndTellNoPin) {
    for (const std::string uri : {"pkcs11:token=none;object=x?pin-value=864209", "864209",
                                  "pkcs11:object=x;pin-value=864209", "file:/x?pin=864209"}) {
        for (const char* option : {"--root-key", "--region-key"}) {
            const Ran ran = authority({"init", option, uri});
            EXPECT_NE(ran.status, 0) << uri;
            EXPECT_THAT(ran.err, Not(HasSubstr("864209")));
            EXPECT_EQ(authority({"show"}).status, 19);
        }
    }
}

TEST_F(AuthorityVerbTest, ABadInstanceFileAndAnOpenStoreAreNamed) {
    ASSERT_EQ(authority({"init"}).status, 0);
    ASSERT_EQ(::chmod(store().c_str(), 0750), 0);
    const Ran open = authority({"show"});
    EXPECT_EQ(open.status, 19);
    EXPECT_THAT(open.err, HasSubstr("chmod go="));
    std::ofstream(directory_.path() + "/instance.yaml") << "zone: here\n";
    const Ran bad = authority({"show"});
    EXPECT_EQ(bad.status, 19);
    EXPECT_THAT(bad.err, HasSubstr("instance.yaml, line 1"));
}

}  // namespace
}  // namespace casemate::cli
