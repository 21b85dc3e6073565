#include "image/reference.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/tree.hpp"

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
    EXPECT_TRUE(same("hello", {ReferenceKind::named, "hello:latest", ""}));
    EXPECT_TRUE(same("hello:v1", {ReferenceKind::named, "hello:v1", ""}));
    // nitro-cli would leave the tag out here, as it looks for any colon.
    EXPECT_TRUE(
        same("localhost:5000/a/b", {ReferenceKind::named, "localhost:5000/a/b:latest", ""}));
    const std::string digest = "a@sha256:" + std::string(64, '0');
    EXPECT_TRUE(same(digest, {ReferenceKind::named, digest, ""}));
    EXPECT_TRUE(same("docker-daemon:a", {ReferenceKind::docker_daemon, "a:latest", ""}));
    EXPECT_TRUE(same("docker://q.io/a:b", {ReferenceKind::registry, "q.io/a:b", ""}));
    EXPECT_TRUE(same("docker-daemon:oci:1", {ReferenceKind::docker_daemon, "oci:1", ""}));
}

TEST(ImageReference, SaysWhichFormsThereAre) {
    for (const std::string_view text :
         {"", "oci:", "oci:layout:", "dir:", "docker-archive:", "docker://",
          "docker-daemon:", "docker-daemon:docker://x", "a b", "a:b:c", "-a", "a/../b", "../a",
          "/a", "a/", "a:", "a\nb", "registry.example/app@sha256:00", "http://a/b"}) {
        const auto parsed = ImageReference::parse(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_TRUE(parsed.error().is(ImageErrc::bad_reference));
        EXPECT_THAT(parsed.error().message(), HasSubstr("docker-archive:FILE or dir:DIRECTORY"));
        EXPECT_THAT(parsed.error().message(),
                    HasSubstr("the NAME of an image, docker-daemon:NAME"));
        EXPECT_THAT(parsed.error().message(), HasSubstr("found '" + printable(text) + "'"));
    }
}

}  // namespace
}  // namespace casemate::image
