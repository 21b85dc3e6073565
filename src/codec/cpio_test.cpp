#include "codec/cpio.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/os_error.hpp"
#include "base/process.hpp"
#include "base/temporary_directory.hpp"

namespace casemate::codec {
namespace {

using ::testing::HasSubstr;

CpioWriter::Sink appender(Bytes& out) {
    return [&out](ByteView bytes) -> Result<> {
        out.insert(out.end(), bytes.begin(), bytes.end());
        return {};
    };
}

// One archive with an entry of each kind.
Bytes archive_of_each_kind() {
    Bytes out;
    CpioWriter writer(appender(out));
    EXPECT_TRUE(writer.add_directory("d", 01777, {1, 2}));
    EXPECT_TRUE(writer.add_small_file("d/file", 04755, as_bytes("hello")));
    const auto link = writer.begin_links(0640, 2, {7, 8});
    EXPECT_TRUE(link);
    EXPECT_TRUE(writer.add_link(*link, "d/one"));
    EXPECT_TRUE(writer.add_symlink("d/sym", "../../outside"));
    EXPECT_TRUE(writer.add_device("d/tty", CpioDevice::character, 0666, 5, 1));
    EXPECT_TRUE(writer.add_device("d/vda", CpioDevice::block, 0600, 254, 0));
    EXPECT_TRUE(writer.add_device("d/fifo", CpioDevice::fifo, 0644, 0, 0));
    EXPECT_TRUE(writer.add_last_link(*link, "d/two", 3));
    EXPECT_TRUE(writer.write(as_bytes("ab")));
    EXPECT_TRUE(writer.write(as_bytes("c")));
    EXPECT_TRUE(writer.add_file("empty", 0400, 0));
    EXPECT_TRUE(writer.finish());
    EXPECT_EQ(writer.size(), out.size());
    return out;
}

TEST(CpioWriter, WritesTheExactBytesOfTheFormat) {
    Bytes out;
    CpioWriter writer(appender(out));
    ASSERT_TRUE(writer.add_small_file("init", 0755, as_bytes("xyz"), {16, 17}));
    ASSERT_TRUE(writer.finish());
    const std::string expected = std::string(
                                     "070701"
                                     "00000001000081ED0000001000000011"
                                     "00000001000000000000000300000000"
                                     "00000000000000000000000000000005"
                                     "00000000"
                                     "init\0\0xyz\0",
                                     6 + 104 + 10) +
                                 std::string(
                                     "070701"
                                     "00000000000000000000000000000000"
                                     "00000001000000000000000000000000"
                                     "0000000000000000000000000000000B"
                                     "00000000"
                                     "TRAILER!!!\0\0\0\0",
                                     6 + 104 + 14);
    EXPECT_EQ(as_text(out), expected);
    EXPECT_EQ(out.size() % kCpioAlignment, 0U);
}

TEST(CpioReader, ReadsBackEachKind) {
    const Bytes archive = archive_of_each_kind();
    CpioReader reader(archive);
    std::vector<std::string> seen;
    while (true) {
        auto entry = reader.next();
        ASSERT_TRUE(entry) << entry.error().message();
        if (!entry->has_value()) {
            break;
        }
        const CpioEntry& e = **entry;
        EXPECT_EQ(e.mtime, 0U);
        char mode[16];
        std::snprintf(mode, sizeof mode, "%o", e.mode);
        seen.push_back(std::string(e.name) + " " + mode + " " + std::to_string(e.inode) + " " +
                       std::to_string(e.links) + " " + std::to_string(e.owner.uid) + ":" +
                       std::to_string(e.owner.gid) + " " + std::to_string(e.major) + "," +
                       std::to_string(e.minor) + " " + std::string(as_text(e.content)));
    }
    const std::vector<std::string> expected = {
        "d 41777 1 2 1:2 0,0 ",      "d/file 104755 2 1 0:0 0,0 hello",
        "d/one 100640 3 2 7:8 0,0 ", "d/sym 120777 4 1 0:0 0,0 ../../outside",
        "d/tty 20666 5 1 0:0 5,1 ",  "d/vda 60600 6 1 0:0 254,0 ",
        "d/fifo 10644 7 1 0:0 0,0 ", "d/two 100640 3 2 7:8 0,0 abc",
        "empty 100400 8 1 0:0 0,0 ",
    };
    EXPECT_EQ(seen, expected);
    EXPECT_TRUE(reader.rest().empty());
}

TEST(CpioReader, RefusesEachTruncation) {
    const Bytes archive = archive_of_each_kind();
    for (std::size_t size = 0; size < archive.size(); ++size) {
        CpioReader reader(ByteView(archive).first(size));
        auto entry = reader.next();
        while (entry && entry->has_value()) {
            entry = reader.next();
        }
        ASSERT_FALSE(entry) << "accepted the first " << size << " bytes";
        EXPECT_TRUE(entry.error().is(CpioErrc::truncated)) << entry.error().message();
    }
}

TEST(CpioReader, RefusesWhatIsNotTheFormat) {
    const Bytes good = archive_of_each_kind();
    const auto first_error = [&](std::size_t at, std::string_view bytes) {
        Bytes archive = good;
        std::copy(bytes.begin(), bytes.end(), archive.begin() + static_cast<std::ptrdiff_t>(at));
        CpioReader reader(archive);
        auto entry = reader.next();
        while (entry && entry->has_value()) {
            entry = reader.next();
        }
        return entry ? std::string("accepted") : entry.error().message();
    };
    EXPECT_THAT(first_error(0, "070702"), HasSubstr("magic"));
    EXPECT_THAT(first_error(6, "0000000g"), HasSubstr("hexadecimal"));
    EXPECT_THAT(first_error(14, "0000F1ED"), HasSubstr("known kind"));
    EXPECT_THAT(first_error(54, "00000001"), HasSubstr("no content"));
    EXPECT_THAT(first_error(94, "00000000"), HasSubstr("1 to 4095"));
    EXPECT_THAT(first_error(94, "00001001"), HasSubstr("1 to 4095"));
    EXPECT_THAT(first_error(94, "00000003"), HasSubstr("NUL"));
    EXPECT_THAT(first_error(102, "00000001"), HasSubstr("checksum"));
    EXPECT_THAT(first_error(110, "/"), HasSubstr("relative"));
    EXPECT_THAT(first_error(111, "x"), HasSubstr("NUL"));
    EXPECT_EQ(first_error(0, "070701"), "accepted");
}

TEST(CpioWriter, RefusesNamesThatTheKernelWouldMisread) {
    Bytes out;
    CpioWriter writer(appender(out));
    for (const std::string& name :
         {std::string(), std::string("/a"), std::string("a/"), std::string("a//b"),
          std::string("."), std::string("a/../b"), std::string("a\0b", 3),
          std::string("TRAILER!!!"), std::string(kCpioMaxName + 1, 'x')}) {
        const auto added = writer.add_directory(name, 0755);
        ASSERT_FALSE(added) << name;
        EXPECT_TRUE(added.error().is(CpioErrc::bad_name)) << added.error().message();
    }
    EXPECT_TRUE(out.empty());
    EXPECT_TRUE(writer.add_directory(std::string(kCpioMaxName, 'x'), 0755));
    EXPECT_TRUE(writer.add_directory("a/TRAILER!!!", 0755));
    EXPECT_FALSE(writer.add_symlink("s", std::string(kCpioMaxTarget + 1, 't')));
    EXPECT_FALSE(writer.add_symlink("s", ""));
}

TEST(CpioWriter, RefusesFilesBeyondFourGibibytes) {
    Bytes out;
    CpioWriter writer(appender(out));
    const auto added = writer.add_file("big", 0644, kCpioMaxFile + 1);
    ASSERT_FALSE(added);
    EXPECT_TRUE(added.error().is(CpioErrc::too_large));
    EXPECT_THAT(added.error().message(), HasSubstr("found 4294967296"));
    EXPECT_TRUE(writer.add_file("big", 0644, kCpioMaxFile));
}

TEST(CpioWriter, RefusesCallsOutOfOrder) {
    Bytes out;
    CpioWriter writer(appender(out));
    ASSERT_TRUE(writer.add_file("f", 0644, 3));
    EXPECT_FALSE(writer.add_directory("d", 0755));
    EXPECT_FALSE(writer.finish());
    EXPECT_FALSE(writer.write(as_bytes("abcd")));
    ASSERT_TRUE(writer.write(as_bytes("abc")));
    EXPECT_FALSE(writer.write(as_bytes("d")));
    EXPECT_FALSE(writer.begin_links(0644, 1));
    const auto link = writer.begin_links(0644, 2);
    ASSERT_TRUE(link);
    EXPECT_FALSE(writer.add_last_link(*link, "l1", 0));
    ASSERT_TRUE(writer.add_link(*link, "l1"));
    EXPECT_FALSE(writer.add_link(*link, "l2"));
    EXPECT_FALSE(writer.finish());
    ASSERT_TRUE(writer.add_last_link(*link, "l2", 0));
    EXPECT_FALSE(writer.add_link(*link, "l3"));
    ASSERT_TRUE(writer.finish());
    EXPECT_FALSE(writer.finish());
    EXPECT_FALSE(writer.add_directory("late", 0755));
}

TEST(CpioWriter, StaysBrokenAfterItsSinkFailed) {
    bool fail = true;
    CpioWriter writer([&](ByteView) -> Result<> {
        return fail ? Result<>(os_error("write", ENOSPC)) : Result<>();
    });
    EXPECT_FALSE(writer.add_directory("d", 0755));
    fail = false;
    EXPECT_FALSE(writer.add_directory("d", 0755));
    EXPECT_FALSE(writer.finish());
}

// GNU cpio is the oracle: it lists what the writer made.
TEST(CpioOracle, GnuCpioListsTheArchive) {
    const std::string cpio = "/usr/bin/cpio";
    if (::access(cpio.c_str(), X_OK) != 0) {
        GTEST_SKIP() << "no GNU cpio on this machine: its listing was not compared";
    }
    auto directory = TemporaryDirectory::create();
    ASSERT_TRUE(directory);
    const std::string path = directory->path() + "/archive";
    {
        auto file = open_file(path, O_WRONLY | O_CREAT, 0600);
        ASSERT_TRUE(file);
        ASSERT_TRUE(write_all(file->get(), archive_of_each_kind()));
    }
    auto input = open_file(path, O_RDONLY);
    auto output = open_file(directory->path() + "/listing", O_RDWR | O_CREAT, 0600);
    ASSERT_TRUE(input);
    ASSERT_TRUE(output);
    SpawnOptions options;
    options.program = cpio;
    options.arguments = {"-itv", "--numeric-uid-gid", "--quiet"};
    options.environment = {"LC_ALL=C", "TZ=UTC"};
    options.standard_input = input->get();
    options.standard_output = output->get();
    auto process = Process::spawn(options);
    ASSERT_TRUE(process) << process.error().message();
    const auto status = process->wait();
    ASSERT_TRUE(status);
    EXPECT_EQ(status->exit_code, 0) << status->text();
    const auto size = file_size(output->get());
    ASSERT_TRUE(size);
    Bytes listing(*size);
    ASSERT_TRUE(read_exactly_at(output->get(), 0, listing));
    const std::string expected =
        "drwxrwxrwt   2 1        2               0 Jan  1  1970 d\n"
        "-rwsr-xr-x   1 0        0               5 Jan  1  1970 d/file\n"
        "-rw-r-----   2 7        8               0 Jan  1  1970 d/one\n"
        "lrwxrwxrwx   1 0        0              13 Jan  1  1970 d/sym -> ../../outside\n"
        "crw-rw-rw-   1 0        0          5,   1 Jan  1  1970 d/tty\n"
        "brw-------   1 0        0        254,   0 Jan  1  1970 d/vda\n"
        "prw-r--r--   1 0        0               0 Jan  1  1970 d/fifo\n"
        "-rw-r-----   2 7        8               3 Jan  1  1970 d/two\n"
        "-r--------   1 0        0               0 Jan  1  1970 empty\n";
    EXPECT_EQ(as_text(listing), expected);
}

}  // namespace
}  // namespace casemate::codec
