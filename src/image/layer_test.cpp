#include "image/layer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include <algorithm>

#include "image/forge.hpp"

namespace casemate::image {
namespace {

using forge::gzip;
using forge::Tar;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Bytes zstd(ByteView bytes) {
    Bytes out(::ZSTD_compressBound(bytes.size()));
    ZSTD_CCtx* context = ::ZSTD_createCCtx();
    EXPECT_EQ(::ZSTD_isError(::ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)), 0U);
    out.resize(::ZSTD_compress2(context, out.data(), out.size(), bytes.data(), bytes.size()));
    ::ZSTD_freeCCtx(context);
    return out;
}

// Applies layers, one above the other, and says what came out of it.
class Applied {
public:
    explicit Applied(const ImageLimits& limits = {})
        : spool_(forge::must(Spool::create(""))),
          tree_(limits.entries, limits.name_bytes),
          budget_(limits),
          reader_(budget_, spool_) {}

    Result<> layer(ByteView bytes) {
        const Content blob = forge::content_of(bytes);
        CASEMATE_TRY(const Compression compression, detect(blob));
        CASEMATE_TRY(Layer layer, reader_.read(blob, compression));
        CASEMATE_CHECK(spool_.flush());
        return apply_layer(std::move(layer), tree_);
    }

    // "a d755", "a/b f644=content", "s l777>target", "c c666 1:3"; "#2" for two names.
    std::vector<std::string> lines() const {
        std::vector<std::string> all;
        for (const auto& [path, inode] : tree_.entries()) {
            std::string line = path + " " + kind(*inode) + forge::Tar::octal(inode->permissions, 4);
            if (inode->kind == InodeKind::file) {
                Bytes content(inode->size);
                forge::must(read_exactly_at(inode->file->get(), inode->place, content));
                line += "=" + std::string(as_text(content));
            }
            if (inode->kind == InodeKind::symlink) {
                line += ">" + *inode->target;
            }
            if (inode->kind == InodeKind::character || inode->kind == InodeKind::block) {
                line += " " + std::to_string(inode->device_major()) + ":" +
                        std::to_string(inode->device_minor());
            }
            if (inode.use_count() > 1) {
                line += "#" + std::to_string(inode.use_count());
            }
            all.push_back(line);
        }
        return all;
    }
    const LayerReader& reader() const { return reader_; }

private:
    static std::string kind(const Inode& inode) {
        return std::string(1, "fdlcbp"[static_cast<int>(inode.kind)]);
    }
    Spool spool_;
    FileTree tree_;
    LayerBudget budget_;
    LayerReader reader_;
};

// The error of one layer alone.
std::string refusal(ByteView layer, const ImageLimits& limits = {}) {
    Applied applied(limits);
    const auto result = applied.layer(layer);
    return result ? "accepted" : result.error().message();
}

Bytes each_kind() {
    return Tar()
        .directory("./")
        .directory("./d", 01777)
        .file("./d/f", "hello", 04755)
        .hard_link("./d/h", "d/f")
        .symlink("./d/s", "../../../outside")
        .add('3', "./d/null", {}, 0666, "", 1, 3)
        .add('4', "./d/loop", {}, 0660, "", 7, 0)
        .add('6', "./d/pipe", {}, 0600)
        .end();
}

TEST(Layer, KeepsEachKindOfEntry) {
    for (const Bytes& layer : {each_kind(), gzip(each_kind()), zstd(each_kind())}) {
        Applied applied;
        const auto result = applied.layer(layer);
        ASSERT_TRUE(result) << result.error().message();
        EXPECT_THAT(
            applied.lines(),
            ElementsAre("d d1777", "d/f f4755=hello#2", "d/h f4755=hello#2", "d/loop b0660 7:0",
                        "d/null c0666 1:3", "d/pipe p0600", "d/s l0777>../../../outside"));
    }
}

TEST(Layer, WhiteoutsHideOnlyWhatIsBelow) {
    Applied applied;
    ASSERT_TRUE(applied.layer(Tar()
                                  .directory("a")
                                  .file("a/old", "1")
                                  .file("a/kept", "2")
                                  .directory("b", 0700)
                                  .file("b/deep", "3")
                                  .file("b.txt", "4")
                                  .directory("o", 0711)
                                  .file("o/low", "5")
                                  .end()));
    ASSERT_TRUE(applied.layer(Tar()
                                  .file("b/new", "6")
                                  .file("o/high", "7")
                                  .file("a/.wh.old", "")
                                  .file(".wh.b", "")
                                  .file("o/.wh..wh..opq", "")
                                  .file("a/.wh.missing", "")
                                  .directory(".wh..wh.plnk")
                                  .file(".wh..wh.plnk/1.2", "")
                                  .end()));
    EXPECT_THAT(applied.lines(),
                ElementsAre("a d0755", "a/kept f0644=2", "b d0755", "b.txt f0644=4",
                            "b/new f0644=6", "o d0711", "o/high f0644=7"));
}

TEST(Layer, OpaqueRootHidesEverything) {
    Applied applied;
    ASSERT_TRUE(applied.layer(each_kind()));
    ASSERT_TRUE(applied.layer(Tar().file("new", "x").file(".wh..wh..opq", "").end()));
    EXPECT_THAT(applied.lines(), ElementsAre("new f0644=x"));
}

TEST(Layer, LaterEntriesReplaceEarlierOnes) {
    Applied applied;
    ASSERT_TRUE(applied.layer(Tar()
                                  .directory("d")
                                  .file("d/x", "1")
                                  .file("f", "2")
                                  .hard_link("g", "f")
                                  .directory("kept")
                                  .file("kept/y", "3")
                                  .end()));
    ASSERT_TRUE(applied.layer(
        Tar().file("d", "now a file").file("f", "other").directory("kept", 0700).end()));
    EXPECT_THAT(applied.lines(), ElementsAre("d f0644=now a file", "f f0644=other", "g f0644=2",
                                             "kept d0700", "kept/y f0644=3"));
}

TEST(Layer, HardLinksReachLowerLayers) {
    Applied applied;
    ASSERT_TRUE(applied.layer(Tar().file("f", "1").end()));
    ASSERT_TRUE(applied.layer(Tar().hard_link("g", "/f").end()));
    EXPECT_THAT(applied.lines(), ElementsAre("f f0644=1#2", "g f0644=1#2"));
    const auto removed = applied.layer(Tar().file(".wh.f", "").hard_link("h", "f").end());
    ASSERT_FALSE(removed);
    EXPECT_TRUE(removed.error().is(ImageErrc::bad_link));
    EXPECT_THAT(removed.error().message(), HasSubstr("found nothing"));
    EXPECT_THAT(refusal(Tar().directory("d").hard_link("h", "d").end()),
                HasSubstr("found a directory"));
}

// What two layers make; the second one's refusal alone when it is refused.
std::vector<std::string> merged(const Tar& base, const Tar& layer) {
    Applied applied;
    forge::must(applied.layer(base.end()));
    const auto result = applied.layer(layer.end());
    return result ? applied.lines() : std::vector<std::string>{result.error().message()};
}

TEST(Layer, FollowsSymlinksInParents) {
    const Tar usrmerge =
        Tar().directory("usr").directory("usr/bin", 0711).symlink("bin", "usr/bin");
    EXPECT_THAT(
        merged(usrmerge, Tar().file("bin/foo", "x")),
        ElementsAre("bin l0777>usr/bin", "usr d0755", "usr/bin d0711", "usr/bin/foo f0644=x"));
    // Absolute targets begin at the image's root, and ".." stops there.
    for (const std::string target : {"/usr//bin/", "../../usr/./bin", "usr/../../../usr/bin"}) {
        EXPECT_THAT(merged(Tar().directory("usr").directory("usr/bin").symlink("bin", target),
                           Tar().file("bin/foo", "x")),
                    ElementsAre("bin l0777>" + target, "usr d0755", "usr/bin d0755",
                                "usr/bin/foo f0644=x"));
    }
    EXPECT_THAT(merged(Tar().symlink("up", ".."), Tar().file("up/etc/passwd", "x")),
                ElementsAre("etc d0755", "etc/passwd f0644=x", "up l0777>.."));
    EXPECT_THAT(merged(Tar().symlink("root", "/"), Tar().file("root/f", "x")),
                ElementsAre("f f0644=x", "root l0777>/"));
    // One link to the next, relative to where each stands; what they lead to is made.
    EXPECT_THAT(
        merged(
            Tar().symlink("a", "d/b").directory("d").symlink("d/b", "c").symlink("d/c", "../e/new"),
            Tar().file("a/deep/f", "x")),
        ElementsAre("a l0777>d/b", "d d0755", "d/b l0777>c", "d/c l0777>../e/new", "e d0755",
                    "e/new d0755", "e/new/deep d0755", "e/new/deep/f f0644=x"));
    // A link of the layer itself, and of a directory that another link leads to.
    EXPECT_THAT(merged(usrmerge, Tar().symlink("usr/bin/l", "../lib").file("bin/l/f", "x")),
                ElementsAre("bin l0777>usr/bin", "usr d0755", "usr/bin d0711",
                            "usr/bin/l l0777>../lib", "usr/lib d0755", "usr/lib/f f0644=x"));
}

TEST(Layer, NeverFollowsASymlinkThatAnEntryReplaces) {
    const Tar base = Tar().directory("d").file("d/f", "1").symlink("l", "d");
    EXPECT_THAT(merged(base, Tar().file("l", "x")),
                ElementsAre("d d0755", "d/f f0644=1", "l f0644=x"));
    EXPECT_THAT(merged(base, Tar().directory("l", 0700).file("l/g", "x")),
                ElementsAre("d d0755", "d/f f0644=1", "l d0700", "l/g f0644=x"));
    EXPECT_THAT(merged(base, Tar().hard_link("l", "d/f")),
                ElementsAre("d d0755", "d/f f0644=1#2", "l f0644=1#2"));
}

TEST(Layer, RefusesParentsThatAreNoDirectories) {
    EXPECT_THAT(merged(Tar().symlink("a", "b").symlink("b", "/a"), Tar().file("a/f", "")),
                ElementsAre(AllOf(HasSubstr("file name refused"),
                                  HasSubstr("at most 40 symlinks on the way to 'a', found more"))));
    EXPECT_THAT(merged(Tar().symlink("a", "a/a"), Tar().file("a/f", "")),
                ElementsAre(HasSubstr("at most 40 symlinks")));
    const Tar files =
        Tar().file("plain", "x").add('3', "null", {}, 0666, "", 1, 3).symlink("l", "plain");
    EXPECT_THAT(merged(files, Tar().file("plain/f", "")),
                ElementsAre(HasSubstr("directory at 'plain' on the way to 'plain', found a file")));
    EXPECT_THAT(merged(files, Tar().file("null/d/f", "")),
                ElementsAre(HasSubstr("'null' on the way to 'null/d', found a device")));
    EXPECT_THAT(merged(files, Tar().file("l/f", "")),
                ElementsAre(HasSubstr("'plain' on the way to 'l', found a file")));
    EXPECT_THAT(merged(files, Tar().file("l/.wh.f", "")),
                ElementsAre(HasSubstr("'plain' on the way to 'l', found a file")));
    // An entry of its own makes a directory of a file.
    EXPECT_THAT(merged(Tar().file("plain", "x"), Tar().directory("plain").file("plain/f", "y")),
                ElementsAre("plain d0755", "plain/f f0644=y"));
}

TEST(Layer, RefusesLinksBeyondTheLongestPath) {
    std::string deep;
    for (int i = 0; i < 2000; ++i) {
        deep += "a/";
    }
    const Tar base = Tar().add('K', "././@LongLink", deep).symlink("l", "").directory("d");
    EXPECT_THAT(merged(base, Tar().pax("path", "l/" + std::string(88, 'b')).file("f", "")),
                ::testing::Contains(HasSubstr(std::string(88, 'b') + " f0644=")));
    EXPECT_THAT(merged(base, Tar().pax("path", "l/" + std::string(89, 'b')).file("f", "")),
                ElementsAre(HasSubstr("at most 4088 bytes")));
    EXPECT_THAT(merged(base, Tar().pax("path", "l/b/" + std::string(87, 'b')).file("f", "")),
                ElementsAre(HasSubstr("at most 4088 bytes")));
    EXPECT_THAT(merged(Tar().add('K', "././@LongLink", std::string(256, 'x')).symlink("l", ""),
                       Tar().file("l/f", "")),
                ElementsAre(HasSubstr("at most 255")));
}

TEST(Layer, WhiteoutsFollowSymlinksInParents) {
    const Tar base = Tar()
                         .directory("usr")
                         .directory("usr/bin")
                         .file("usr/bin/a", "1")
                         .file("usr/bin/b", "2")
                         .symlink("usr/bin/s", "b")
                         .symlink("bin", "/usr/bin");
    EXPECT_THAT(
        merged(base, Tar().file("bin/.wh.a", "").file("bin/.wh.s", "")),
        ElementsAre("bin l0777>/usr/bin", "usr d0755", "usr/bin d0755", "usr/bin/b f0644=2"));
    EXPECT_THAT(
        merged(base, Tar().file("bin/c", "3").file("bin/.wh..wh..opq", "")),
        ElementsAre("bin l0777>/usr/bin", "usr d0755", "usr/bin d0755", "usr/bin/c f0644=3"));
    EXPECT_THAT(merged(base, Tar().file(".wh.bin", "").file("bin/.wh.a", "").file("bin/x", "4")),
                ElementsAre("bin d0755", "bin/x f0644=4", "usr d0755", "usr/bin d0755",
                            "usr/bin/a f0644=1", "usr/bin/b f0644=2", "usr/bin/s l0777>b"));
    EXPECT_THAT(merged(Tar().symlink("a", "a"), Tar().file("a/.wh.x", "")),
                ElementsAre(HasSubstr("at most 40 symlinks")));
}

// As layers are when a directory took a symlink's place.
TEST(Layer, WhiteoutsDoNotFollowSymlinksThatTheLayerReplaces) {
    const Tar base =
        Tar().directory("d").file("d/f", "1").symlink("l", "d").directory("o").symlink("o/m", "l");
    for (const std::string whiteout : {"l/.wh..wh..opq", "l/.wh.f"}) {
        EXPECT_THAT(merged(base, Tar().directory("l").file(whiteout, "").file("l/g", "2")),
                    ElementsAre("d d0755", "d/f f0644=1", "l d0755", "l/g f0644=2", "o d0755",
                                "o/m l0777>l"));
        EXPECT_THAT(merged(base, Tar().file(whiteout, "").directory("l").file("l/g", "2")),
                    ElementsAre("d d0755", "d/f f0644=1", "l d0755", "l/g f0644=2", "o d0755",
                                "o/m l0777>l"));
    }
    // The name of a hard link to something that a whiteout takes away.
    EXPECT_THAT(
        merged(Tar().file("f", "1").symlink("l", "d").directory("d"),
               Tar().file("l/.wh.x", "").file(".wh.f", "").hard_link("l", "f").file("l/.wh.y", "")),
        ElementsAre(HasSubstr("'l' on the way to 'l', found a file")));
}

TEST(Layer, HardLinksFollowSymlinksInParents) {
    const Tar base = Tar()
                         .directory("usr")
                         .directory("usr/bin")
                         .file("usr/bin/a", "1")
                         .symlink("bin", "usr/bin");
    EXPECT_THAT(merged(base, Tar().hard_link("bin/b", "/bin/a")),
                ElementsAre("bin l0777>usr/bin", "usr d0755", "usr/bin d0755",
                            "usr/bin/a f0644=1#2", "usr/bin/b f0644=1#2"));
    // A link to a symlink is another name of the symlink itself.
    EXPECT_THAT(merged(base, Tar().hard_link("b", "bin")),
                ElementsAre("b l0777>usr/bin#2", "bin l0777>usr/bin#2", "usr d0755",
                            "usr/bin d0755", "usr/bin/a f0644=1"));
    EXPECT_THAT(merged(base, Tar().hard_link("b", "bin/none")),
                ElementsAre(AllOf(HasSubstr("hard link refused"), HasSubstr("found nothing"))));
    EXPECT_THAT(merged(Tar().symlink("a", "a"), Tar().hard_link("b", "a/f")),
                ElementsAre(HasSubstr("at most 40 symlinks")));
}

TEST(Layer, RefusesHostileNames) {
    for (const std::string& name : {std::string("../x"), std::string("a/../../x"),
                                    std::string("/etc/passwd"), std::string("a/..")}) {
        EXPECT_THAT(refusal(Tar().file(name, "x").end()), HasSubstr("file name refused")) << name;
    }
    EXPECT_THAT(refusal(Tar()
                            .file(std::string(100, 'x'), "")
                            .pax("path", std::string(256, 'x'))
                            .file("x", "")
                            .end()),
                HasSubstr("components of at most 255"));
    EXPECT_THAT(refusal(Tar().pax("path", std::string("a\0b", 3)).file("x", "").end()),
                HasSubstr("NUL"));
    std::string deep;
    for (int i = 0; i < 2043; ++i) {
        deep += "a/";
    }
    EXPECT_EQ(refusal(Tar().pax("path", deep + "bb").file("x", "").end()), "accepted");
    EXPECT_THAT(refusal(Tar().pax("path", deep + "bbb").file("x", "").end()),
                HasSubstr("at most 4088 bytes"));
    EXPECT_THAT(refusal(Tar().pax("path", deep + std::string(20, 'b')).file("x", "").end()),
                HasSubstr("at most 4096 bytes"));
    EXPECT_THAT(refusal(Tar().header('L', "long", 4ULL << 30U).end()),
                HasSubstr("found 4294967296"));
    EXPECT_THAT(refusal(Tar().header('x', "pax", 4ULL << 30U).end()),
                HasSubstr("found 4294967296"));
    EXPECT_THAT(refusal(Tar().file(".wh...", "").end()), HasSubstr("whiteout"));
    EXPECT_THAT(refusal(Tar().file(".wh.", "").end()), HasSubstr("whiteout"));
    EXPECT_THAT(refusal(Tar().file(".wh.a/b", "").end()), HasSubstr("whiteout"));
    EXPECT_THAT(refusal(Tar().hard_link("a", "../b").end()), HasSubstr("file name refused"));
    EXPECT_THAT(refusal(Tar().symlink("a", "").end()), HasSubstr("symlink target"));
    EXPECT_THAT(refusal(Tar().file(".", "").end()), HasSubstr("root to be a directory"));
}

TEST(Layer, RefusesLiesAboutSizes) {
    EXPECT_THAT(refusal(Tar().header('0', "f", 1000).raw("short").end()), HasSubstr("truncated"));
    EXPECT_THAT(refusal(Tar().header('0', "f", 0x1'0000'0000).end()),
                HasSubstr("at most 4294967295 bytes"));
    EXPECT_THAT(refusal(Tar().pax("size", "18446744073709551615").file("f", "").end()),
                HasSubstr("as size"));
    EXPECT_THAT(refusal(Tar().pax("size", "-1").file("f", "").end()), HasSubstr("as size"));
    EXPECT_THAT(refusal(Tar().file("f", "x").unfinished()), HasSubstr("truncated"));
    const Bytes whole = each_kind();
    for (std::size_t size = 0; size < whole.size() - 1024; size += 256) {
        EXPECT_THAT(refusal(ByteView(whole).first(size)), HasSubstr("truncated")) << size;
    }
}

TEST(Layer, RefusesBrokenHeaders) {
    Bytes layer = Tar().file("f", "x").end();
    layer[0] = 'g';
    EXPECT_THAT(refusal(layer), HasSubstr("checksum"));
    EXPECT_THAT(refusal(Tar().add('M', "f").end()), HasSubstr("type 'M'"));
    EXPECT_THAT(refusal(Tar().add('x', "pax", "99 path=x\n").file("f", "").end()),
                HasSubstr("says its own length"));
    EXPECT_THAT(refusal(Tar().pax("path", "x").end()), HasSubstr("entry behind an extension"));
    EXPECT_THAT(refusal(Tar().add('3', "c", {}, 0666, "", 4096, 0).end()),
                HasSubstr("device number"));
    EXPECT_THAT(refusal(as_bytes("not a tar archive")), HasSubstr("truncated"));
}

TEST(Layer, RefusesCorruptCompression) {
    for (Bytes layer : {gzip(each_kind()), zstd(each_kind())}) {
        EXPECT_EQ(refusal(layer), "accepted");
        Bytes truncated(layer.begin(), layer.end() - 6);
        EXPECT_THAT(refusal(truncated), HasSubstr("truncated"));
        layer[layer.size() - 2] ^= 0x55U;
        EXPECT_THAT(refusal(layer), HasSubstr("malformed"));
    }
}

TEST(Layer, StopsAtItsLimits) {
    ImageLimits limits;
    limits.total_bytes = 1U << 20U;
    const std::string zeros(4U << 20U, '\0');
    const Bytes bomb = gzip(Tar().file("zeros", zeros).end());
    EXPECT_LT(bomb.size(), limits.total_bytes);
    EXPECT_THAT(refusal(bomb, limits), HasSubstr("unpacked size"));
    // Holes count as well, and so does what follows the archive's end.
    EXPECT_THAT(refusal(Tar()
                            .pax("GNU.sparse.map", "0,1")
                            .pax("GNU.sparse.size", "4000000000")
                            .file("holes", "x")
                            .end(),
                        limits),
                HasSubstr("unpacked size"));
    Bytes tail = Tar().file("f", "x").end();
    tail.resize(2U << 20U);
    EXPECT_THAT(refusal(zstd(tail), limits), HasSubstr("unpacked size"));
    limits = {};
    limits.entries = 2;
    EXPECT_THAT(refusal(Tar().file("a", "").file("b", "").file("c", "").end(), limits),
                HasSubstr("limit on their entries"));
    EXPECT_THAT(refusal(Tar().file("a/b/c", "").end(), limits), HasSubstr("at most 2 files"));
    // Names cost memory without a byte of content, a deep one a directory for each of its parts.
    limits = {};
    limits.name_bytes = 1000;
    const std::string deep = "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a";
    EXPECT_THAT(refusal(Tar().file(deep, "").end(), limits), HasSubstr("all their paths"));
    Tar links;
    for (int i = 0; i < 20; ++i) {
        links.symlink(std::to_string(i), std::string(60, 'x'));
    }
    EXPECT_THAT(refusal(links.end(), limits), HasSubstr("all their names"));
}

TEST(Layer, ReadsLongNamesAndSparseFiles) {
    const std::string name = std::string(90, 'n') + "/" + std::string(200, 'm');
    std::string old_sparse(512, '\0');
    old_sparse.replace(0, 3, "old");
    old_sparse.replace(100, 7, Tar::octal(0644, 7));
    old_sparse.replace(124, 11, Tar::octal(2, 11));
    old_sparse[156] = 'S';
    old_sparse.replace(257, 8, std::string("ustar  \0", 8));
    old_sparse.replace(386, 11, Tar::octal(3, 11));
    old_sparse.replace(398, 11, Tar::octal(2, 11));
    old_sparse.replace(483, 11, Tar::octal(7, 11));
    Tar::seal(old_sparse);
    std::string map = "2\n1\n1\n4\n2\n";
    map.resize(512);
    const Bytes layer =
        Tar()
            .add('L', "././@LongLink", name)
            .file("short", "gnu")
            .pax("path", "über/e\xcc\x81")
            .file("short", "nfd")
            .pax("GNU.sparse.map", "2,1,5,2")
            .pax("GNU.sparse.size", "8")
            .file("sparse01", "abc")
            .add('x', "pax",
                 Tar::record("GNU.sparse.major", "1") + Tar::record("GNU.sparse.minor", "0") +
                     Tar::record("GNU.sparse.name", "sparse10") +
                     Tar::record("GNU.sparse.realsize", "6"))
            .file("GNUSparseFile.0/sparse10", map + "xyz")
            .raw(old_sparse)
            .data("ef")
            .end();
    for (const Bytes& packed : {layer, gzip(layer)}) {
        Applied applied;
        const auto result = applied.layer(packed);
        ASSERT_TRUE(result) << result.error().message();
        EXPECT_THAT(applied.lines(),
                    ElementsAre(std::string(90, 'n') + " d0755", name + " f0644=gnu",
                                "old f0644=" + std::string("\0\0\0ef\0\0", 7),
                                "sparse01 f0644=" + std::string("\0\0a\0\0bc\0", 8),
                                "sparse10 f0644=" + std::string("\0x\0\0yz", 6), "über d0755",
                                "über/e\xcc\x81 f0644=nfd"));
    }
    EXPECT_THAT(refusal(Tar()
                            .pax("GNU.sparse.map", "5,2,2,1")
                            .pax("GNU.sparse.size", "8")
                            .file("f", "abc")
                            .end()),
                HasSubstr("ascending segments"));
    EXPECT_THAT(
        refusal(
            Tar().pax("GNU.sparse.map", "2,1").pax("GNU.sparse.size", "8").file("f", "abc").end()),
        HasSubstr("all 3 stored bytes"));
}

TEST(Layer, CountsAttributesThatItLeavesOut) {
    Applied applied;
    ASSERT_TRUE(applied.layer(Tar()
                                  .pax("SCHILY.xattr.user.note", "x")
                                  .file("a", "")
                                  .pax("SCHILY.xattr.security.capability", "y")
                                  .file("b", "")
                                  .file("c", "")
                                  .end()));
    EXPECT_EQ(applied.reader().with_attributes(), 2U);
    EXPECT_EQ(applied.reader().with_capabilities(), 1U);
}

}  // namespace
}  // namespace casemate::image
