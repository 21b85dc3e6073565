#include "image/image.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "base/process.hpp"
#include "base/temporary_directory.hpp"
#include "codec/cpio.hpp"
#include "image/forge.hpp"
#include "image/ramdisk.hpp"

namespace casemate::image {
namespace {

using forge::Layout;
using forge::must;
using forge::Tar;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kConfig =
    R"({"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin","A=b=c"],)"
    R"("Entrypoint":["/entry","--flag"],"Cmd":["one two","three"],"WorkingDir":"/srv",)"
    R"("User":"1000:1000"},"rootfs":{"type":"layers","diff_ids":[]}})";

Bytes base_layer() {
    return Tar()
        .owner(7)
        .directory("usr", 0755)
        .directory("usr/bin", 0755)
        .file("usr/bin/app", "program", 04755)
        .hard_link("usr/bin/alias", "usr/bin/app")
        .symlink("bin", "usr/bin")
        .directory("tmp", 01777)
        .end();
}

ImageOptions with_command(std::vector<std::string> command) {
    ImageOptions options;
    options.command = std::move(command);
    return options;
}

ImageOptions for_architecture(const std::string& architecture) {
    ImageOptions options;
    options.architecture = architecture;
    return options;
}

// A fresh directory for each test, with helpers that read images out of it.
class ImageTest : public ::testing::Test {
protected:
    std::string path(const std::string& name) const { return directory_.path() + "/" + name; }

    std::string make_directory(const std::string& name) const {
        std::filesystem::create_directories(path(name));
        return path(name);
    }

    Result<Image> open(const std::string& reference, ImageOptions options = {}) const {
        CASEMATE_TRY(const ImageReference parsed, ImageReference::parse(reference));
        options.spool_directory = directory_.path();
        return open_image(parsed, options);
    }

    std::string refusal(const std::string& reference) const {
        const auto image = open(reference);
        return image ? "accepted" : image.error().message();
    }

    static Bytes ramdisk(const Image& image) {
        Bytes out;
        must(write_image_ramdisk(image, [&](ByteView bytes) -> Result<> {
            out.insert(out.end(), bytes.begin(), bytes.end());
            return {};
        }));
        return out;
    }

    Bytes ramdisk(const std::string& reference, const ImageOptions& options = {}) const {
        return ramdisk(must(open(reference, options)));
    }

    // run runs a program with this directory as its own, and gives its exit status.
    std::optional<int> run(const std::string& script) const {
        SpawnOptions options;
        options.program = "/bin/sh";
        options.arguments = {"-ec", "cd \"$1\"; " + script, "sh", directory_.path()};
        options.environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                               "HOME=" + directory_.path(), "LC_ALL=C"};
        auto process = must(Process::spawn(options));
        return must(process.wait()).exit_code;
    }

    bool has(const std::string& program) const {
        return run("command -v " + program + " > found") == 0;
    }

    TemporaryDirectory directory_ = must(TemporaryDirectory::create());
};

std::vector<std::string> listing(const Bytes& ramdisk) {
    std::vector<std::string> lines;
    codec::CpioReader reader(ramdisk);
    while (true) {
        const auto entry = must(reader.next());
        if (!entry) {
            EXPECT_TRUE(reader.rest().empty());
            return lines;
        }
        EXPECT_EQ(entry->mtime, 0U);
        std::string text(as_text(entry->content));
        std::replace(text.begin(), text.end(), '\n', '|');
        std::replace(text.begin(), text.end(), '\0', '0');
        lines.push_back(std::string(entry->name) + " " + Tar::octal(entry->mode, 6) + " " +
                        std::to_string(entry->owner.uid) + " " + std::to_string(entry->links) +
                        " " + text);
    }
}

TEST_F(ImageTest, RamdiskHasWhatInitReads) {
    Layout layout(make_directory("layout"));
    layout.index(layout.image({base_layer()}, kConfig) + "}");
    EXPECT_THAT(
        listing(ramdisk("oci:" + path("layout"))),
        ElementsAre("argv 100644 0 1 /entry0--flag0one two0three0",
                    "cmd 100644 0 1 /entry|--flag|one two|three|",
                    "env 100644 0 1 PATH=/bin|A=b=c|", "environment 100644 0 1 PATH=/bin0A=b=c0",
                    "rootfs 040755 0 2 ", "rootfs/bin 120777 7 1 usr/bin", "rootfs/dev 040755 0 2 ",
                    "rootfs/proc 040755 0 2 ", "rootfs/run 040755 0 2 ", "rootfs/sys 040755 0 2 ",
                    "rootfs/tmp 041777 7 2 ", "rootfs/usr 040755 7 2 ",
                    "rootfs/usr/bin 040755 7 2 ", "rootfs/usr/bin/alias 104755 7 2 ",
                    "rootfs/usr/bin/app 104755 7 2 program", "rootfs/var 040755 0 2 ",
                    "user 100644 0 1 1000:1000|", "workdir 100644 0 1 /srv|"));
}

TEST_F(ImageTest, RamdiskKeepsLineBreaksApart) {
    Layout layout(make_directory("layout"));
    std::string config = kConfig;
    config.replace(config.find("A=b=c"), 5, R"(KEY=one\ntwo\n","EMPTY=)");
    config.replace(config.find("one two"), 7, R"(one\ntwo)");
    layout.index(layout.image({base_layer()}, config) + "}");
    const std::vector<std::string> lines = listing(ramdisk("oci:" + path("layout")));
    EXPECT_THAT(lines, ::testing::IsSupersetOf({"argv 100644 0 1 /entry0--flag0one|two0three0",
                                                "env 100644 0 1 PATH=/bin|KEY=one|two||EMPTY=|",
                                                "environment 100644 0 1 "
                                                "PATH=/bin0KEY=one|two|0EMPTY=0"}));
}

TEST_F(ImageTest, EachWayOfPackingGivesTheSameBytes) {
    const std::string tool = "tar --numeric-owner --owner=7 --group=7";
    if (run("mkdir -p tree/d && head -c 3000000 /dev/urandom > tree/d/big && "
            "ln tree/d/big tree/another && ln -s /etc/passwd tree/link && echo x > tree/d/small && "
            "chmod 2755 tree/d && cp tree/d/small 'tree/name with a space' && chmod 700 tree && "
            "rm -f found && " +
            tool + " --format=pax -cf plain.tar -C tree . && " + tool +
            " --format=gnu --sort=name -cf sorted.tar -C tree d link another 'name with a space' "
            "&& gzip -k plain.tar && zstd -q plain.tar") != 0) {
        GTEST_SKIP() << "no tar, gzip or zstd here: images were not compared";
    }
    const auto bytes_of = [&](const std::string& name) {
        return must(read_file(path(name), 64U << 20U));
    };
    std::vector<Bytes> ramdisks;
    for (const std::string name : {"plain.tar", "sorted.tar", "plain.tar.gz", "plain.tar.zst"}) {
        Layout layout(make_directory("layout-" + name));
        const std::string type = name == "plain.tar.gz"    ? ".tar+gzip"
                                 : name == "plain.tar.zst" ? ".tar+zstd"
                                                           : ".tar";
        layout.index(layout.image({bytes_of(name)}, kConfig,
                                  "application/vnd.oci.image.layer.v1" + type,
                                  {bytes_of(name == "sorted.tar" ? name : "plain.tar")}) +
                     "}");
        ramdisks.push_back(ramdisk("oci:" + path("layout-" + name)));
        ASSERT_EQ(run("tar -cf layout.tar -C 'layout-" + name + "' ."), 0);
        ramdisks.push_back(ramdisk("oci:" + path("layout.tar")));
        ASSERT_EQ(run("gzip -f layout.tar"), 0);
        ramdisks.push_back(ramdisk("oci:" + path("layout.tar.gz")));
    }
    const Bytes plain = bytes_of("plain.tar");
    const std::string config = Layout::with_digests(kConfig, {plain});
    for (const std::string layer : {"plain.tar", "plain.tar.gz"}) {
        forge::write_file(path("config.json"), as_bytes(config));
        forge::write_file(path("manifest.json"),
                          as_bytes(R"([{"Config":"config.json","RepoTags":["a:b"],"Layers":["x/)" +
                                   layer + R"("]}])"));
        // docker save of old shares layers by symlinks.
        ASSERT_EQ(run("mkdir -p x y && cp " + layer + " y/ && ln -sf ../y/" + layer + " x/" +
                      layer + " && tar -cf docker.tar manifest.json config.json x y"),
                  0);
        ramdisks.push_back(ramdisk("docker-archive:" + path("docker.tar")));
    }
    for (const Bytes& other : ramdisks) {
        EXPECT_TRUE(other == ramdisks.front());
    }
    // The directory has the same names, modes and contents, but the owner that runs the test.
    Image image = must(open("dir:" + path("tree"), with_command({"x"})));
    image.config = must(open("docker-archive:" + path("docker.tar"))).config;
    std::vector<std::string> from_directory = listing(ramdisk(image));
    std::vector<std::string> from_layer = listing(ramdisks.front());
    const std::string owner = " " + std::to_string(::geteuid()) + " ";
    for (std::string& line : from_layer) {
        const std::size_t at = line.find(" 7 ");
        if (at != std::string::npos) {
            line.replace(at, 3, owner);
        }
    }
    EXPECT_EQ(from_directory, from_layer);
    EXPECT_TRUE(ramdisk(image) == ramdisk(image));
}

TEST_F(ImageTest, ChoosesByTagAndPlatform) {
    Layout layout(make_directory("layout"));
    const auto named = [](const std::string& tag) {
        return R"(,"annotations":{"org.opencontainers.image.ref.name":")" + tag + R"("}})";
    };
    const auto for_platform = [](const std::string& architecture) {
        return R"(,"platform":{"os":"linux","architecture":")" + architecture + R"("}})";
    };
    std::string arm = kConfig;
    arm.replace(arm.find("amd64"), 5, "arm64");
    const std::string amd_image = layout.image({base_layer()}, kConfig);
    const std::string arm_image = layout.image({Tar().file("arm", "").end()}, arm);
    const std::string nested = layout.blob(
        as_bytes(R"({"schemaVersion":2,"manifests":[)" + arm_image + for_platform("arm64") + "," +
                 amd_image + for_platform("amd64") + "]}"),
        "application/vnd.oci.image.index.v1+json");
    layout.index(nested + named("multi") + "," + arm_image + named("arm"));
    const auto image = open("oci:" + path("layout") + ":multi");
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_EQ(image->config.architecture, "amd64");
    const auto other = open("oci:" + path("layout") + ":multi", for_architecture("arm64"));
    ASSERT_TRUE(other);
    EXPECT_EQ(other->tree.entries().begin()->first, "arm");
    EXPECT_THAT(refusal("oci:" + path("layout") + ":arm"),
                HasSubstr("expected an image for linux/amd64, found one for linux/arm64"));
    EXPECT_THAT(refusal("oci:" + path("layout")), HasSubstr("expected a tag"));
    EXPECT_THAT(refusal("oci:" + path("layout") + ":none"), HasSubstr("found multi, arm"));
    const auto none = open("oci:" + path("layout") + ":multi", for_architecture("s390x"));
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().message(), HasSubstr("found linux/arm64, linux/amd64"));
}

TEST_F(ImageTest, RefusesWhatIsNotIntact) {
    Layout layout(make_directory("layout"));
    const Bytes layer = base_layer();
    layout.index(layout.image({layer}, kConfig) + "}");
    const std::string reference = "oci:" + path("layout");
    const std::string blob = layout.blob_path(forge::digest_of(layer));
    Bytes changed = layer;
    changed[600] ^= 1U;
    forge::write_file(blob, changed);
    EXPECT_THAT(refusal(reference), HasSubstr("to have the digest sha256:"));
    changed.resize(changed.size() - 512);
    forge::write_file(blob, changed);
    EXPECT_THAT(refusal(reference), HasSubstr("bytes in blob"));
    ASSERT_EQ(::unlink(blob.c_str()), 0);
    EXPECT_THAT(refusal(reference), HasSubstr("found none"));
    forge::write_file(blob, layer);
    EXPECT_EQ(refusal(reference), "accepted");
    const std::string config = Layout::with_digests(kConfig, {layer});
    forge::write_file(layout.blob_path(forge::digest_of(as_bytes(config))),
                      as_bytes(std::string(config.size(), ' ')));
    EXPECT_THAT(refusal(reference), HasSubstr("corrupt image"));
    ASSERT_EQ(::unlink(path("layout/index.json").c_str()), 0);
    EXPECT_THAT(refusal(reference), HasSubstr("index.json"));
    EXPECT_THAT(refusal("oci:" + path("missing")), HasSubstr("No such file"));
    EXPECT_THAT(refusal("docker-archive:" + path("layout/oci-layout")), HasSubstr("truncated"));
}

TEST_F(ImageTest, RefusesMediaTypesItDoesNotKnow) {
    Layout layout(make_directory("layout"));
    layout.index(
        layout.image({base_layer()}, kConfig, "application/vnd.oci.image.layer.v1.tar+encrypted") +
        "}");
    EXPECT_THAT(refusal("oci:" + path("layout")), HasSubstr("tar+encrypted"));
}

TEST_F(ImageTest, OciLayersAreWhatTheConfigurationSays) {
    const Bytes layer = base_layer();
    const Bytes other = Tar().file("other", "").end();
    Layout layout(make_directory("layout"));
    const auto refusal_of = [&](const Bytes& packed, const std::vector<Bytes>& unpacked) {
        layout.index(layout.image({packed}, kConfig, "application/vnd.oci.image.layer.v1.tar+gzip",
                                  unpacked) +
                     "}");
        return refusal("oci:" + path("layout"));
    };
    const Bytes packed = forge::gzip(layer);
    for (const Bytes& each : {layer, packed}) {
        EXPECT_EQ(refusal_of(each, {layer}), "accepted");
        EXPECT_THAT(refusal_of(each, {other}),
                    HasSubstr("to unpack to the digest " + forge::digest_of(other) + ", found " +
                              forge::digest_of(layer)));
        EXPECT_THAT(refusal_of(each, {layer, layer}),
                    HasSubstr("a digest for each of 1 layers in the configuration, found 2"));
    }
    EXPECT_THAT(refusal_of(packed, {packed}), HasSubstr("corrupt image"));
    std::string none = kConfig;
    none.replace(none.find(R"(,"diff_ids":[])"), 14, "");
    layout.index(layout.image({layer}, none) + "}");
    EXPECT_THAT(refusal("oci:" + path("layout")),
                HasSubstr("layers in the configuration, found 0"));
}

TEST_F(ImageTest, DockerArchiveChecksLayersByTheConfiguration) {
    const Bytes layer = base_layer();
    const auto write_archive = [&](const std::string& digests, const std::string& config_name) {
        std::string config = kConfig;
        config.replace(config.find("[]"), 2, "[" + digests + "]");
        forge::write_file(path("docker.tar"),
                          Tar()
                              .file("manifest.json",
                                    R"([{"Config":")" + config_name + R"(","Layers":["l.tar"]}])")
                              .file(config_name, config)
                              .file("l.tar", as_text(layer))
                              .end());
        return refusal("docker-archive:" + path("docker.tar"));
    };
    EXPECT_EQ(write_archive("\"" + forge::digest_of(layer) + "\"", "c.json"), "accepted");
    EXPECT_THAT(write_archive("\"" + forge::digest_of(as_bytes("x")) + "\"", "c.json"),
                HasSubstr("corrupt image"));
    EXPECT_THAT(write_archive("", "c.json"), HasSubstr("a digest for each of 1 layers"));
    EXPECT_THAT(
        write_archive("\"" + forge::digest_of(layer) + "\"", std::string(64, 'a') + ".json"),
        HasSubstr("to have the digest sha256:aaaa"));
}

TEST_F(ImageTest, RootDirectoryNeedsACommand) {
    make_directory("tree");
    EXPECT_THAT(refusal("dir:" + path("tree")), HasSubstr("expected a command"));
    const auto given = open("dir:" + path("tree"), with_command({"a", "b"}));
    ASSERT_TRUE(given);
    EXPECT_THAT(given->config.arguments(), ElementsAre("a", "b"));
    EXPECT_TRUE(given->notes.empty());
    const auto none = open("dir:" + path("tree"), with_command({}));
    ASSERT_TRUE(none);
    EXPECT_THAT(listing(ramdisk(*none))[1], "cmd 100644 0 1 ");
    EXPECT_EQ(none->notes.size(), 1U);
}

TEST_F(ImageTest, RootDirectoryThatChangesIsRefused) {
    make_directory("tree");
    forge::write_file(path("tree/f"), as_bytes("four"));
    const Image image = must(open("dir:" + path("tree"), with_command({})));
    const auto written = [&] {
        const auto result = write_image_ramdisk(image, [](ByteView) { return Result<>(); });
        return result ? "accepted" : result.error().message();
    };
    EXPECT_EQ(written(), "accepted");
    forge::write_file(path("tree/f"), as_bytes("five5"));
    EXPECT_THAT(written(), HasSubstr("expected 'f' to stay a file of 4 bytes"));
    ASSERT_EQ(::unlink(path("tree/f").c_str()), 0);
    ASSERT_EQ(::symlink("/etc/passwd", path("tree/f").c_str()), 0);
    EXPECT_THAT(written(), HasSubstr("open f"));
}

TEST_F(ImageTest, TheSinksErrorIsTheCallers) {
    Layout layout(make_directory("layout"));
    layout.index(layout.image({base_layer()}, kConfig) + "}");
    const Image image = must(open("oci:" + path("layout")));
    const auto result = write_image_ramdisk(
        image, [](ByteView) -> Result<> { return os_error("write the image", ENOSPC); });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().message(), "No space left on device: write the image");
}

TEST_F(ImageTest, BootRamdiskHoldsInitAndModule) {
    forge::write_file(path("init"), as_bytes("I"));
    forge::write_file(path("nsm.ko"), as_bytes("M"));
    const auto written = [&](const BootRamdisk& files) {
        Bytes out;
        must(write_boot_ramdisk(files, [&](ByteView bytes) -> Result<> {
            out.insert(out.end(), bytes.begin(), bytes.end());
            return {};
        }));
        return listing(out);
    };
    EXPECT_THAT(written({path("init"), ""}), ElementsAre("dev 040755 0 2 ", "init 100755 0 1 I"));
    EXPECT_THAT(written({path("init"), path("nsm.ko")}),
                ElementsAre("dev 040755 0 2 ", "init 100755 0 1 I", "nsm.ko 100755 0 1 M"));
    EXPECT_FALSE(write_boot_ramdisk({path("none"), ""}, [](ByteView) { return Result<>(); }));
}

TEST_F(ImageTest, ReadsWhatBuildahWrites) {
    if (!has("buildah")) {
        GTEST_SKIP() << "no buildah here: its images were not read";
    }
    const std::string buildah =
        "buildah --storage-driver vfs --root \"$1/storage\" --runroot \"$1/run\"";
    forge::write_file(path("Dockerfile"),
                      as_bytes("FROM scratch\nCOPY a /srv/a\nCOPY b /srv/b\nENV GREETING=hello\n"
                               "WORKDIR /srv\nUSER 5:6\nENTRYPOINT [\"/srv/a\"]\nCMD [\"x y\"]\n"));
    forge::write_file(path("a"), as_bytes("first"));
    forge::write_file(path("b"), as_bytes("second"));
    const std::string quiet = " > log 2>&1";
    if (run(buildah + " bud --isolation chroot --layers -t sample ." + quiet) != 0) {
        GTEST_SKIP() << "buildah can't build here: its images were not read";
    }
    ASSERT_EQ(run(buildah + " push sample oci:layout:v1" + quiet), 0);
    ASSERT_EQ(run(buildah + " push sample oci-archive:layout.tar:v1" + quiet), 0);
    ASSERT_EQ(run(buildah + " push sample docker-archive:docker.tar:sample:v1" + quiet), 0);
    const Bytes one = ramdisk("oci:" + path("layout") + ":v1");
    EXPECT_TRUE(one == ramdisk("oci:" + path("layout.tar") + ":v1"));
    EXPECT_TRUE(one == ramdisk("docker-archive:" + path("docker.tar")));
    const std::vector<std::string> lines = listing(one);
    EXPECT_THAT(lines, ::testing::Contains("argv 100644 0 1 /srv/a0x y0"));
    EXPECT_THAT(lines, ::testing::Contains("rootfs/srv/a 100644 0 1 first"));
    EXPECT_THAT(lines, ::testing::Contains("rootfs/srv/b 100644 0 1 second"));
    EXPECT_THAT(lines, ::testing::Contains("user 100644 0 1 5:6|"));
    EXPECT_THAT(lines, ::testing::Contains("workdir 100644 0 1 /srv|"));
}

}  // namespace
}  // namespace casemate::image
