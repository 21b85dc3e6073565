#include "image/reference.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace casemate::image {
namespace {

using ::testing::HasSubstr;

TEST(ImageReference, KnowsEachForm) {
    const auto same = [](std::string_view text, const ImageReference& expected) {
        const auto parsed = ImageReference::parse(text);
        return parsed && *parsed == expected;
    };
    EXPECT_TRUE(same("oci:/a/layout", {ReferenceKind::oci, "/a/layout", ""}));
    EXPECT_TRUE(same("oci:layout:v1.2", {ReferenceKind::oci, "layout", "v1.2"}));
    EXPECT_TRUE(same("oci:a.tar:latest", {ReferenceKind::oci, "a.tar", "latest"}));
    EXPECT_TRUE(same("oci-archive:a.tar", {ReferenceKind::oci, "a.tar", ""}));
    EXPECT_TRUE(same("oci:/x:y/layout", {ReferenceKind::oci, "/x:y/layout", ""}));
    EXPECT_TRUE(same("docker-archive:a:b.tar", {ReferenceKind::docker_archive, "a:b.tar", ""}));
    EXPECT_TRUE(same("dir:/root:x", {ReferenceKind::directory, "/root:x", ""}));
}

TEST(ImageReference, SaysWhichFormsThereAre) {
    for (const std::string_view text :
         {"hello-world:latest", "docker://x", "",
          "oci:", "oci:layout:", "dir:", "docker-archive:", "registry.example/app@sha256:00"}) {
        const auto parsed = ImageReference::parse(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_TRUE(parsed.error().is(ImageErrc::bad_reference));
        EXPECT_THAT(parsed.error().message(), HasSubstr("docker-archive:FILE or dir:DIRECTORY"));
        EXPECT_THAT(parsed.error().message(), HasSubstr("can't be read yet"));
        EXPECT_THAT(parsed.error().message(), HasSubstr("found '" + std::string(text) + "'"));
    }
}

}  // namespace
}  // namespace casemate::image
