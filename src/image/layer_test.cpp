#include "image/layer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>

#include "image/forge.hpp"

namespace casemate::image {
namespace {

using forge::Tar;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Bytes gzip(ByteView bytes) {
    z_stream state{};
    EXPECT_EQ(::deflateInit2(&state, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    Bytes out(::deflateBound(&state, bytes.size()));
    state.next_in = const_cast<Bytef*>(bytes.data());
    state.avail_in = static_cast<uInt>(bytes.size());
    state.next_out = out.data();
    state.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(::deflate(&state, Z_FINISH), Z_STREAM_END);
    out.resize(state.total_out);
    ::deflateEnd(&state);
    return out;
}

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
        : spool_(forge::must(Spool::create(""))), tree_(limits.entries), reader_(limits, spool_) {}

    Result<> layer(ByteView bytes) {
        const Content blob = forge::content_of(bytes);
        CASEMATE_TRY(const Compression compression, detect(blob));
        CASEMATE_TRY(const Layer layer, reader_.read(blob, compression));
        CASEMATE_CHECK(spool_.flush());
        return apply_layer(layer, tree_);
    }

    // "a d755", "a/b f644=content", "s l777>target", "c c666 1:3"; "#2" for two names.
    std::vector<std::string> lines() const {
        std::vector<std::string> all;
        for (const auto& [path, inode] : tree_.entries()) {
            std::string line = path + " " + kind(*inode) + forge::Tar::octal(inode->permissions, 4);
            if (inode->kind == InodeKind::file) {
                Bytes content(inode->content.size);
                forge::must(
                    read_exactly_at(inode->content.file->get(), inode->content.offset, content));
                line += "=" + std::string(as_text(content));
            }
            if (inode->kind == InodeKind::symlink) {
                line += ">" + inode->text;
            }
            if (inode->major != 0 || inode->minor != 0) {
                line += " " + std::to_string(inode->major) + ":" + std::to_string(inode->minor);
            }
            if (inode.use_count() > 1) {
                line += "#" + std::to_string(inode.use_count());
            }
            all.push_back(line);
        }
        return all;
    }
    const FileTree& tree() const { return tree_; }
    const LayerReader& reader() const { return reader_; }

private:
    static std::string kind(const Inode& inode) {
        return std::string(1, "fdlcbp"[static_cast<int>(inode.kind)]);
    }
    Spool spool_;
    FileTree tree_;
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

TEST(Layer, NeverFollowsASymlink) {
    Applied applied;
    ASSERT_TRUE(applied.layer(Tar().symlink("etc", "/etc").file("plain", "x").end()));
    ASSERT_TRUE(applied.layer(Tar().file("etc/passwd", "y").file("plain/z", "z").end()));
    EXPECT_THAT(applied.lines(),
                ElementsAre("etc d0755", "etc/passwd f0644=y", "plain d0755", "plain/z f0644=z"));
    EXPECT_EQ(applied.tree().replaced_parents(), 2U);
    EXPECT_THAT(
        refusal(Tar().symlink("s", "d").directory("d").file("d/f", "").hard_link("h", "s/f").end()),
        HasSubstr("hard link refused"));
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
