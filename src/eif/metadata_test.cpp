#include "eif/metadata.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "eif/error.hpp"
#include "eif/forger.hpp"

namespace casemate::eif {
namespace {

using testing::MatchesRegex;

TEST(MetadataTest, ComesBackAsItWas) {
    const auto metadata = parse_metadata(as_bytes(forger::kMetadata));
    ASSERT_TRUE(metadata.ok()) << metadata.error().message();
    EXPECT_EQ(metadata->image_name, "hello");
    EXPECT_EQ(metadata->image_version, "1.0");
    EXPECT_EQ(metadata->build_time, "2024-07-09T17:16:38.424202433+00:00");
    EXPECT_EQ(metadata->build_tool, "nitro-cli");
    EXPECT_EQ(metadata->build_tool_version, "1.3.1");
    EXPECT_EQ(metadata->operating_system, "Linux");
    EXPECT_EQ(metadata->kernel_version, "4.14.256");
    EXPECT_EQ(metadata->docker_info, R"({"Id":"sha256:00"})");
    EXPECT_EQ(metadata->custom, "null");
    const auto bytes = encode(*metadata);
    ASSERT_TRUE(bytes.ok());
    EXPECT_EQ(as_text(*bytes), forger::kMetadata);
}

TEST(MetadataTest, RefusesWhatIsNone) {
    for (const char* text : {"", "{", "[]", "{}", R"({"ImageName":1})", "{}x"}) {
        const auto metadata = parse_metadata(as_bytes(text));
        ASSERT_FALSE(metadata.ok()) << text;
        EXPECT_TRUE(metadata.error().is(EifErrc::bad_metadata));
    }
    Metadata metadata;
    metadata.custom = "not json";
    EXPECT_TRUE(encode(metadata).error().is(EifErrc::bad_metadata));
}

TEST(MetadataTest, BuildTime) {
    ::setenv("SOURCE_DATE_EPOCH", "1720545398", 1);
    EXPECT_EQ(build_time_text().value(), "2024-07-09T17:16:38+00:00");
    for (const char* bad : {"yesterday", "-1", "12x", "99999999999999999999", "253402300800"}) {
        ::setenv("SOURCE_DATE_EPOCH", bad, 1);
        EXPECT_TRUE(build_time_text().error().is(EifErrc::bad_metadata)) << bad;
    }
    ::unsetenv("SOURCE_DATE_EPOCH");
    EXPECT_THAT(build_time_text().value(),
                MatchesRegex("20[0-9-]{8}T[0-9:]{8}(\\.[0-9]{9})?\\+00:00"));
}

TEST(MetadataTest, KernelConfiguration) {
    const auto identity = parse_kernel_config(
        "#\n# Automatically generated file; DO NOT EDIT.\n"
        "# Linux/x86_64 4.14.256-209.484.amzn2.x86_64 Kernel Configuration\n#\n");
    ASSERT_TRUE(identity.ok());
    EXPECT_EQ(identity->operating_system, "Linux");
    EXPECT_EQ(identity->version, "4.14.256");
    for (const char* bad : {"", "a\nb", "a\nb\n", "a\nb\n# Linux\n", "a\nb\nCONFIG_X=y a b c\n"}) {
        EXPECT_FALSE(parse_kernel_config(bad).ok()) << bad;
    }
}

}  // namespace
}  // namespace casemate::eif
