#include "authority/instance.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/file.hpp"
#include "base/temporary_directory.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace casemate::authority {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

class InstanceTest : public testing::Test {
protected:
    InstanceTest() : directory_(TemporaryDirectory::create().value()) {
        sources_.asset_tag = path("asset_tag");
        sources_.machine_id = path("machine-id");
    }

    std::string path(const std::string& name) const { return directory_.path() + "/" + name; }
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(path(name)) << text;
    }
    Result<Instance> read() const {
        return read_instance(path("instance.yaml"), directory_.path(), sources_);
    }
    Instance good() const {
        const auto instance = read();
        EXPECT_TRUE(instance) << instance.error().message();
        return instance ? *instance : Instance{};
    }
    std::string refusal(const std::string& yaml) const {
        write("instance.yaml", yaml);
        const auto instance = read();
        EXPECT_FALSE(instance) << yaml;
        if (instance) {
            return "";
        }
        EXPECT_TRUE(instance.error().is(AuthorityErrc::bad_instance)) << yaml;
        EXPECT_THAT(instance.error().detail(), StartsWith(path("instance.yaml")));
        return instance.error().detail().substr(path("instance.yaml").size());
    }

    TemporaryDirectory directory_;
    InstanceSources sources_;
};

TEST_F(InstanceTest, TheFileDecides) {
    write("asset_tag", "i-0123456789abcdef0\n");
    write("instance.yaml",
          "# What this machine is.\n"
          "instance_id: i-12345678\n"
          "region: eu-central-1\n"
          "role_arn: \"arn:aws:iam::123456789012:role/Webserver\"\n");
    EXPECT_EQ(good(),
              (Instance{"i-12345678", "eu-central-1", "arn:aws:iam::123456789012:role/Webserver"}));
    write("instance.yaml", "---\nregion: 1\n");
    EXPECT_EQ(good(), (Instance{"i-0123456789abcdef0", "1", ""}));
    for (const char* empty : {"", "# nothing\n", "---\n", "{}\n"}) {
        write("instance.yaml", empty);
        EXPECT_EQ(good(), (Instance{"i-0123456789abcdef0", "local", ""})) << empty;
    }
}

TEST_F(InstanceTest, TheBoardsAssetTagIsTakenOnlyWhereItIsAnInstancesId) {
    write("machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda4\n");
    const std::string derived = good().instance_id;
    for (const char* tag : {"i-12345678", "i-0123456789abcdef0 \n"}) {
        write("asset_tag", tag);
        EXPECT_EQ(good().instance_id, std::string(tag).substr(0, std::string(tag).find(' ')));
    }
    for (const char* tag : {"", "Not Specified", "i-", "i-1234567", "i-123456789", "I-12345678",
                            "i-1234567g", "i-../../etc", "Amazon EC2"}) {
        write("asset_tag", tag);
        EXPECT_EQ(good().instance_id, derived) << tag;
    }
}

TEST_F(InstanceTest, TheMachineIdIsHashedAndNeverShown) {
    const std::string id = "3d1219c7c4c5404aaa1f6d2a48adfda4";
    write("machine-id", id + "\n");
    const std::string derived = good().instance_id;
    EXPECT_THAT(derived, MatchesRegex("i-[0-9a-f]{17}"));
    EXPECT_THAT(id, Not(HasSubstr(derived.substr(2, 6))));
    EXPECT_EQ(good().instance_id, derived);
    write("machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda5\n");
    EXPECT_NE(good().instance_id, derived);
    EXPECT_FALSE(std::filesystem::exists(path("instance-id")));
}

TEST_F(InstanceTest, WithoutAnyOtherTheIdIsDrawnAndKept) {
    for (const char* none : {"", "uninitialized\n", "3d1219c7"}) {
        write("machine-id", none);
        std::filesystem::remove(path("instance-id"));
        const std::string drawn = good().instance_id;
        EXPECT_THAT(drawn, MatchesRegex("i-[0-9a-f]{17}"));
        EXPECT_EQ(good().instance_id, drawn);
        struct stat status {};
        ASSERT_EQ(::stat(path("instance-id").c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777U, 0600U);
    }
    write("instance-id", "something else\n");
    const auto damaged = read();
    ASSERT_FALSE(damaged);
    EXPECT_TRUE(damaged.error().is(AuthorityErrc::bad_instance));
    EXPECT_THAT(damaged.error().detail(), HasSubstr("remove the file"));
}

TEST_F(InstanceTest, ProcessesThatDrawAtOnceAgree) {
    std::vector<pid_t> children;
    for (int i = 0; i < 8; ++i) {
        const pid_t child = ::fork();
        if (child == 0) {
            const auto instance = read();
            write("seen" + std::to_string(i), instance ? instance->instance_id : "");
            ::_exit(0);
        }
        children.push_back(child);
    }
    for (const pid_t child : children) {
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
    }
    const std::string kept = good().instance_id;
    for (int i = 0; i < 8; ++i) {
        const Bytes seen = read_file(path("seen" + std::to_string(i)), 100).value();
        EXPECT_EQ(std::string(as_text(seen)), kept);
    }
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
        EXPECT_THAT(entry.path().filename(), Not(StartsWith("instance-id.")));
    }
}

TEST_F(InstanceTest, RefusalsSayLineKeyAndWhatWasExpected) {
    EXPECT_THAT(refusal("region: here\nzone: there\n"),
                AllOf(StartsWith(", line 2: "), HasSubstr("found \"zone\"")));
    EXPECT_THAT(refusal("region: here\nregion: there\n"),
                AllOf(StartsWith(", line 2: "), HasSubstr("region once")));
    for (const char* region :
         {"Here", "'here there'", "''", "sixteen-letters-", "a/b", "a.b", "[here]", "~"}) {
        EXPECT_THAT(refusal(std::string("region: ") + region + "\n"),
                    AllOf(StartsWith(", line 1: region: expected 1 to 15"), HasSubstr("found")));
    }
    for (const char* id : {"i-", "i-1", "12345678", "i-1234567G", "i-0123456789ABCDEF0"}) {
        EXPECT_THAT(refusal(std::string("instance_id: ") + id + "\n"),
                    HasSubstr("instance_id: expected \"i-\" and 8 or 17"));
    }
    for (const char* arn : {"role", "arn:aws:iam", "'arn:aws:iam::1:role/a b'", "'arn:a:b:c:d:'"}) {
        EXPECT_THAT(refusal(std::string("role_arn: ") + arn + "\n"),
                    HasSubstr("role_arn: expected an ARN"));
    }
    EXPECT_THAT(refusal("role_arn: arn:aws:iam::123456789012:role/" + std::string(2048, 'x')),
                HasSubstr("role_arn"));
}

TEST_F(InstanceTest, WhatIsNoSuchYamlIsRefused) {
    for (const std::string& yaml :
         {std::string("- region\n"), std::string("region"),
          std::string("region: here\n---\na: b\n"), std::string("region: [\n"),
          std::string("region: *unknown\n"), std::string("\tregion: x"),
          std::string("? [a, b]\n: c\n"), std::string("{[a]: b}\n"), std::string("\x01\xff\xfe"),
          std::string(20000, '['), "region: " + std::string(20000, '{')}) {
        refusal(yaml);
    }
    write("instance.yaml", std::string(70000, '#'));
    EXPECT_FALSE(read());
    std::filesystem::remove(path("instance.yaml"));
    std::filesystem::create_directory(path("instance.yaml"));
    EXPECT_FALSE(read());
}

}  // namespace
}  // namespace casemate::authority
