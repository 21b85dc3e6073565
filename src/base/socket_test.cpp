#include "base/socket.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "base/temporary_directory.hpp"

namespace casemate {
namespace {

TEST(Packet, CarriesDescriptorsAndKeepsItsBounds) {
    auto pair = make_socket_pair(SOCK_SEQPACKET);
    auto pipe = make_pipe();
    ASSERT_TRUE(pair.ok());
    ASSERT_TRUE(pipe.ok());
    const std::array<int, 1> fds{pipe->second.get()};
    ASSERT_TRUE(send_packet(pair->first.get(), as_bytes("one"), fds).ok());
    ASSERT_TRUE(send_packet(pair->first.get(), as_bytes("two")).ok());
    auto one = receive_packet(pair->second.get(), 16);
    ASSERT_TRUE(one.ok());
    EXPECT_EQ(as_text(one->bytes), "one");
    ASSERT_EQ(one->fds.size(), 1U);
    ASSERT_TRUE(write_all(one->fds[0].get(), as_bytes("!")).ok());
    const auto two = receive_packet(pair->second.get(), 16);
    ASSERT_TRUE(two.ok());
    EXPECT_EQ(as_text(two->bytes), "two");
    pair->first.reset();
    const auto end = receive_packet(pair->second.get(), 16);
    ASSERT_TRUE(end.ok());
    EXPECT_TRUE(end->end_of_stream);
}

TEST(Packet, LastWordsArriveFromAPeerThatDidNotReadAll) {
    auto pair = make_socket_pair(SOCK_SEQPACKET);
    ASSERT_TRUE(pair.ok());
    ASSERT_TRUE(send_packet(pair->second.get(), as_bytes("unread")).ok());
    ASSERT_TRUE(send_packet(pair->first.get(), as_bytes("last words")).ok());
    pair->first.reset();
    const auto words = receive_packet(pair->second.get(), 16);
    ASSERT_TRUE(words.ok()) << words.error().message();
    EXPECT_EQ(as_text(words->bytes), "last words");
    const auto end = receive_packet(pair->second.get(), 16);
    ASSERT_TRUE(end.ok());
    EXPECT_TRUE(end->end_of_stream);
}

TEST(Packet, LongerThanAllowedIsRefused) {
    auto pair = make_socket_pair(SOCK_SEQPACKET);
    ASSERT_TRUE(pair.ok());
    ASSERT_TRUE(send_packet(pair->first.get(), as_bytes("0123456789")).ok());
    const auto packet = receive_packet(pair->second.get(), 4);
    ASSERT_FALSE(packet.ok());
    EXPECT_TRUE(packet.error().is(static_cast<Errno>(EMSGSIZE)));
}

TEST(UnixSocket, IsReachedByAPathLongerThanAnAddressHolds) {
    const auto directory = TemporaryDirectory::create();
    ASSERT_TRUE(directory.ok());
    const std::string deep = directory->path() + "/" + std::string(120, 'd');
    std::filesystem::create_directory(deep);
    const auto listener = listen_unix(deep + "/socket", SOCK_STREAM);
    ASSERT_TRUE(listener.ok()) << listener.error().message();
    EXPECT_TRUE(connect_unix(deep + "/socket", SOCK_STREAM).ok());
}

TEST(AbsolutePath, IsCompleteOrAnError) {
    char here[PATH_MAX];
    ASSERT_NE(::getcwd(here, sizeof here), nullptr);
    EXPECT_EQ(absolute_path("a/../b//c").value(), std::string(here) + "/b/c");
    EXPECT_EQ(absolute_path("/x/./y").value(), "/x/y");
    EXPECT_FALSE(absolute_path("").ok());
}

TEST(FileAside, LeavesNothingUnlessCommitted) {
    const auto directory = TemporaryDirectory::create();
    ASSERT_TRUE(directory.ok());
    const std::string path = directory->path() + "/file";
    { ASSERT_TRUE(FileAside::create(path).ok()); }
    EXPECT_TRUE(std::filesystem::is_empty(directory->path()));
    ASSERT_TRUE(write_file_atomically(path, as_bytes("old")).ok());
    {
        auto aside = FileAside::create(path, 0640);
        ASSERT_TRUE(aside.ok());
        ASSERT_TRUE(write_all(aside->fd(), as_bytes("new")).ok());
        EXPECT_EQ(as_text(read_file(path, 9).value()), "old");
        ASSERT_TRUE(aside->commit().ok());
    }
    EXPECT_EQ(as_text(read_file(path, 9).value()), "new");
    EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms(0640));
    std::filesystem::remove(path);
    ASSERT_TRUE(write_file_atomically(path, as_bytes("whole")).ok());
    const auto read = read_file(path, 5);
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(as_text(*read), "whole");
    EXPECT_TRUE(read_file(path, 4).error().is(static_cast<Errno>(EFBIG)));
}

TEST(FileAside, LinksAreFollowedAndWhatIsNoFileIsNotReplaced) {
    const auto directory = TemporaryDirectory::create();
    ASSERT_TRUE(directory.ok());
    const std::string base = directory->path() + "/";
    ASSERT_TRUE(write_file_atomically(base + "file", as_bytes("old")).ok());
    std::filesystem::create_symlink("file", base + "link");
    std::filesystem::create_symlink("absent", base + "nowhere");
    std::filesystem::create_symlink("/dev/null", base + "null");
    std::filesystem::create_directory(base + "directory");
    ASSERT_EQ(::mkfifo((base + "pipe").c_str(), 0600), 0);
    EXPECT_EQ(output_place(base + "link").value(),
              std::filesystem::canonical(base + "file").string());
    EXPECT_EQ(output_place(base + "new").value(), base + "new");
    EXPECT_TRUE(output_place(base + "nowhere").error().is(static_cast<Errno>(ENOENT)));
    EXPECT_TRUE(output_place(base + "null").error().is(static_cast<Errno>(EINVAL)));
    for (const auto& [name, code] : {std::pair("pipe", EINVAL), std::pair("directory", EISDIR)}) {
        EXPECT_TRUE(output_place(base + name).error().is(static_cast<Errno>(code))) << name;
        const auto aside = FileAside::create(base + name);
        ASSERT_FALSE(aside.ok()) << name;
        EXPECT_TRUE(aside.error().is(static_cast<Errno>(code))) << name;
    }
    EXPECT_TRUE(std::filesystem::is_fifo(base + "pipe"));
}

TEST(FileAside, HasNoNameWhileItIsWritten) {
    const auto directory = TemporaryDirectory::create();
    ASSERT_TRUE(directory.ok());
    if (!UniqueFd(::open(directory->path().c_str(), O_TMPFILE | O_RDWR, 0600)).valid()) {
        GTEST_SKIP() << "SKIPPED: the file system has no files without names";
    }
    // Whoever is killed here leaves nothing.
    const auto aside = FileAside::create(directory->path() + "/file");
    ASSERT_TRUE(aside.ok());
    EXPECT_TRUE(std::filesystem::is_empty(directory->path()));
}

}  // namespace
}  // namespace casemate
