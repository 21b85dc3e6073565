// What is read and written for a Docker daemon: .dockerignore, messages, the folder's archive,
// where it listens.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>

#include "base/file.hpp"
#include "base/temporary_directory.hpp"
#include "image/daemon/client.hpp"
#include "image/daemon/context.hpp"
#include "image/daemon/ignore.hpp"
#include "image/daemon/messages.hpp"
#include "image/spool.hpp"
#include "image/tar.hpp"

namespace casemate::image {
namespace {

// Docker's rules, one pattern at a time.
TEST(DockerIgnore, MatchesAsDockerDoes) {
    struct Case {
        std::string pattern;
        std::string path;
        bool ignored;
    };
    const std::vector<Case> all = {
        {"**", "file", true},
        {"**", "dir/file", true},
        {"**/", "file", true},
        {"**/**", "dir/file", true},
        {"dir/**", "dir/dir2/file", true},
        {"abc/**", "abc", false},
        {"**/dir", "dir/file", true},
        {"**/dir", "a/b/dir", true},
        {"**/dir2/*", "dir/dir2/file", true},
        {"**/dir2/**", "dir/dir2/dir2/file", true},
        {"**file", "dir/file", true},
        {"**/file", "dir/file", true},
        {"**/file", "dirfile", false},
        {"**/.foo", "bar.foo", false},
        {"**file*", "dir/file.txt", true},
        {"**/**/*.txt", "dir/dir/file.txt", true},
        {"a**/*.txt", "a/dir/dir/file.txt", true},
        {"a**/*.txt", "afile.txt", true},
        {"a/*.txt", "a/dir/file.txt", false},
        {"a/*.txt", "a/file.txt", true},
        {"*", "a/b", true},
        {"*.go", "a/b.go", false},
        {"*/*.go", "a/b.go", true},
        {"a[b-d]e", "ae", false},
        {"a[b-d]e", "ace", true},
        {"a[b-d]e", "aae", false},
        {"a[^b-d]e", "aze", true},
        {"a[^b-d]e", "a/e", false},
        {"a[]]e", "a]e", true},
        {"a[\\-x]e", "a-e", true},
        {"a[b-]e", "a-e", true},
        {".*", ".foo", true},
        {".*", "foo", false},
        {"abc.def", "abcXdef", false},
        {"abc?def", "abcZdef", true},
        {"abc?def", "abcdef", false},
        {"abc?def", "abc/def", false},
        {"a\\*", "a*", true},
        {"a\\*", "ab", false},
        {"a.|)$(}+{bc", "a.|)$(}+{bc", true},
        {"/file", "file", true},
        {"./a/../b/", "b", true},
        {"../b", "b", true},
        {"  spaced\t", "spaced", true},
        {"dir", "dir/a/b", true},
        {"dir", "directory", false},
        {".", "a", false},
    };
    for (const Case& one : all) {
        const auto rules = IgnoreRules::parse(one.pattern);
        ASSERT_TRUE(rules.ok()) << one.pattern;
        EXPECT_EQ(rules->ignores(one.path), one.ignored) << one.pattern << " " << one.path;
    }
}

// The last rule that matches decides.
TEST(DockerIgnore, TakesInAgain) {
    const auto rules =
        IgnoreRules::parse("\xef\xbb\xbf# all\n*\r\n\n!docs\n! src/keep \ndocs/*.log\n #x\n");
    ASSERT_TRUE(rules.ok());
    EXPECT_TRUE(rules->has_exceptions());
    for (const char* path : {"a", "src", "src/other", "docs/a.log", " #x"}) {
        EXPECT_TRUE(rules->ignores(path)) << path;
    }
    for (const char* path : {"docs", "docs/a", "docs/a/b.log", "src/keep", "src/keep/x"}) {
        EXPECT_FALSE(rules->ignores(path)) << path;
    }
    EXPECT_FALSE(IgnoreRules().has_exceptions());
    EXPECT_FALSE(IgnoreRules::parse("a\nb")->has_exceptions());
}

// What is no pattern is an error with its line; and no pattern takes long.
TEST(DockerIgnore, RefusesAndBounds) {
    for (const char* text : {"a\n\n[b", "a\n\n[", "a\n\n[a-", "a\n\nb\\", "a\n\n!", "a\n\n[]"}) {
        const auto rules = IgnoreRules::parse(text);
        ASSERT_FALSE(rules.ok()) << text;
        EXPECT_TRUE(rules.error().is(ImageErrc::malformed));
        EXPECT_NE(rules.error().detail().find("on line 3 of .dockerignore"), std::string::npos);
    }
    EXPECT_TRUE(IgnoreRules::parse(std::string(4097, 'a')).error().is(ImageErrc::too_large));
    std::string many;
    for (int i = 0; i < 10001; ++i) {
        many += "a\n";
    }
    EXPECT_TRUE(IgnoreRules::parse(many).error().is(ImageErrc::too_large));
    // With backtracking, this would not end.
    std::string stars;
    for (int i = 0; i < 1000; ++i) {
        stars += "*a";
    }
    EXPECT_FALSE(IgnoreRules::parse(stars + "b")->ignores(std::string(2000, 'a')));
}

struct Collected {
    std::vector<DaemonMessage> messages;
    Result<> result;

    bool operator==(const Collected& other) const {
        return messages == other.messages && result.ok() == other.result.ok();
    }
};

Collected collect(std::string_view text, std::size_t piece) {
    Collected all;
    DaemonMessages parser([&](const DaemonMessage& message) -> Result<> {
        all.messages.push_back(message);
        return {};
    });
    for (std::size_t at = 0; at < text.size() && all.result; at += piece) {
        all.result = parser.put(as_bytes(text.substr(at, piece)));
    }
    if (all.result) {
        all.result = parser.finish();
    }
    return all;
}

// Messages are the same in whatever pieces they come.
TEST(DaemonMessages, AreReadInAnyPieces) {
    constexpr std::string_view kText =
        "{\"stream\":\"a\\n\"}\r\n{\"status\":\"Downloading\",\"id\":\"x\",\"progressDetail\":"
        "{\"current\":1,\"total\":-1}}{\"progressDetail\":{\"current\":7,\"total\":9}}\n"
        "{\"aux\":{\"ID\":\"sha256:0\"}} {\"error\":\"e\",\"errorDetail\":{\"message\":\"d\"}}"
        "{\"errorDetail\":{\"message\":\"d\"},\"stream\":null}\n";
    const Collected whole = collect(kText, kText.size());
    ASSERT_TRUE(whole.result.ok()) << whole.result.error().message();
    ASSERT_EQ(whole.messages.size(), 6U);
    EXPECT_EQ(whole.messages[0].stream, "a\n");
    EXPECT_EQ(whole.messages[1].status, "Downloading");
    EXPECT_EQ(whole.messages[1].id, "x");
    EXPECT_EQ(whole.messages[1].current, 1U);
    EXPECT_EQ(whole.messages[1].total, 0U);
    EXPECT_EQ(whole.messages[2].total, 9U);
    EXPECT_EQ(whole.messages[4].error, "e");
    EXPECT_EQ(whole.messages[5].error, "d");
    for (const std::size_t piece : {1U, 2U, 3U, 7U, 64U}) {
        EXPECT_EQ(collect(kText, piece), whole) << piece;
    }
}

// All of them together are limited, and what takes them can end them.
TEST(DaemonMessages, AreLimited) {
    DaemonMessages limited([](const DaemonMessage&) { return Result<>(); }, 10);
    EXPECT_TRUE(limited.put(as_bytes("{}      {}")).ok());
    EXPECT_TRUE(limited.put(as_bytes(" ")).error().is(ImageErrc::too_large));
    DaemonMessages refusing(
        [](const DaemonMessage&) -> Result<> { return Error(ImageErrc::daemon, "no"); });
    EXPECT_TRUE(refusing.put(as_bytes("{")).ok());
    EXPECT_TRUE(refusing.finish().error().is(ImageErrc::truncated));
    EXPECT_TRUE(refusing.put(as_bytes("}")).error().is(ImageErrc::daemon));
}

TEST(DaemonMessages, AreShownWithoutControlCharacters) {
    EXPECT_EQ(shown("a\x1b[1mb\tc\x07 \x7f\xc3\xa4\n"), "a[1mb c \xc3\xa4");
}

// The archive of a folder is one that the reader of layers reads as that folder.
TEST(BuildContext, IsAnArchiveOfTheFolder) {
    const auto directory = TemporaryDirectory::create();
    ASSERT_TRUE(directory.ok());
    const std::string& base = directory->path();
    const auto in_base = [&](const std::string& name) {
        std::string path = base;
        return path.append("/").append(name);
    };
    const std::string long_name = std::string(99, 'd') + "/" + std::string(200, 'f');
    std::map<std::string, std::string> files = {{"Dockerfile", "FROM scratch\n"},
                                                {".dockerignore", "*\n!a\n!big\n!dd*\n!link\n"},
                                                {"a", ""},
                                                {"ignored", "i"},
                                                {"big", std::string(3000000, 'x')},
                                                {long_name, "long"}};
    ASSERT_EQ(::mkdir((base + "/" + std::string(99, 'd')).c_str(), 0750), 0);
    for (const auto& [name, content] : files) {
        ASSERT_TRUE(write_file_atomically(in_base(name), as_bytes(content), 0640).ok());
    }
    ASSERT_EQ(::symlink(std::string(300, 't').c_str(), (base + "/link").c_str()), 0);
    ASSERT_EQ(::mkfifo((base + "/a-fifo").c_str(), 0600), 0);
    auto source = build_context(base);
    ASSERT_TRUE(source.ok()) << source.error().message();
    auto spool = Spool::create(base).value();
    while (true) {
        const MutableBytes room = spool.room().value();
        const auto got = source->read(room.first(std::min<std::size_t>(room.size(), 1000)));
        ASSERT_TRUE(got.ok()) << got.error().message();
        if (*got == 0) {
            break;
        }
        spool.filled(*got);
    }
    ASSERT_TRUE(spool.flush().ok());
    const auto stream = open_stream(spool.content_from(0), Compression::none).value();
    TarReader reader(*stream);
    files.erase("ignored");
    int folders = 0;
    int links = 0;
    while (true) {
        const auto entry = reader.next();
        ASSERT_TRUE(entry.ok()) << entry.error().message();
        if (!*entry) {
            break;
        }
        EXPECT_EQ((*entry)->uid + (*entry)->gid, 0U);
        EXPECT_GT((*entry)->modified, 0);
        if ((*entry)->kind == TarKind::file) {
            std::string content((*entry)->size, '\0');
            std::size_t at = 0;
            while (at < content.size()) {
                const auto got = reader.read(
                    MutableBytes(reinterpret_cast<std::uint8_t*>(content.data()), content.size())
                        .subspan(at));
                ASSERT_TRUE(got.ok() && *got > 0);
                at += *got;
            }
            EXPECT_EQ(files.extract((*entry)->name).mapped(), content);
            EXPECT_EQ((*entry)->permissions, 0640U);
        } else if ((*entry)->kind == TarKind::symlink) {
            ++links;
            EXPECT_EQ((*entry)->link, std::string(300, 't'));
        } else {
            ++folders;
            EXPECT_EQ((*entry)->permissions, 0750U);
        }
    }
    EXPECT_TRUE(files.empty());
    EXPECT_EQ(folders, 1);
    EXPECT_EQ(links, 1);
}

// A file that shrinks after its header was sent would shift all that follows.
TEST(BuildContext, NoticesAFileThatShrinks) {
    const auto directory = TemporaryDirectory::create();
    ASSERT_TRUE(directory.ok());
    const std::string path = directory->path() + "/Dockerfile";
    ASSERT_TRUE(write_file_atomically(path, as_bytes(std::string(100000, 'x'))).ok());
    auto source = build_context(directory->path());
    ASSERT_TRUE(source.ok());
    Bytes bytes(1000);
    ASSERT_TRUE(source->read(bytes).ok());
    ASSERT_TRUE(source->read(bytes).ok());
    ASSERT_EQ(::truncate(path.c_str(), 5000), 0);
    Result<std::size_t> got = std::size_t{1};
    while (got && *got > 0) {
        got = source->read(bytes);
    }
    ASSERT_FALSE(got.ok());
    EXPECT_TRUE(got.error().is(ImageErrc::changed)) << got.error().message();
}

TEST(DaemonEndpoint, IsWrittenAsItIsRead) {
    for (const char* text : {"unix:///var/run/docker.sock", "tcp://localhost:2375",
                             "tcp://127.0.0.1:1", "tcp://[::1]:65535"}) {
        const auto parsed = DaemonEndpoint::parse(text);
        ASSERT_TRUE(parsed.ok()) << text;
        EXPECT_EQ(parsed->text(), text);
    }
    EXPECT_EQ(DaemonEndpoint::parse("tcp://h/")->text(), "tcp://h:2375");
    for (const char* bad :
         {"", "http://h", "unix://relative", "tcp://", "tcp://h:0", "tcp://h:70000", "tcp://h/path",
          "tcp://user@h", "tcp://::1", "tcp://[::1"}) {
        const auto parsed = DaemonEndpoint::parse(bad);
        ASSERT_FALSE(parsed.ok()) << bad;
        EXPECT_TRUE(parsed.error().is(ImageErrc::daemon)) << bad;
    }
}

}  // namespace
}  // namespace casemate::image
