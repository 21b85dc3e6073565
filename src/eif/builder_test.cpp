#include "eif/builder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "base/file.hpp"
#include "base/temporary_directory.hpp"
#include "eif/forger.hpp"
#include "eif/reader.hpp"

namespace casemate::eif {
namespace {

using forger::Forgery;
using forger::memory_file;
using forger::plain;

// build feeds the builder a forgery's sections, in pieces.
Result<Builder::Built> build(int fd, const Forgery& forgery, std::size_t piece) {
    Header header;
    header.version = forgery.version;
    CASEMATE_TRY(Builder builder, Builder::create(fd, header));
    for (const auto& section : forgery.sections) {
        CASEMATE_CHECK(builder.begin(static_cast<SectionType>(section.type)));
        ByteView data = as_bytes(section.data);
        while (!data.empty()) {
            const std::size_t size = std::min(piece, data.size());
            CASEMATE_CHECK(builder.write(data.first(size)));
            data = data.subspan(size);
        }
    }
    return builder.finish();
}

std::string content(int fd) {
    std::string text(file_size(fd).value(), '\0');
    EXPECT_TRUE(read_exactly_at(
                    fd, 0, MutableBytes(reinterpret_cast<std::uint8_t*>(text.data()), text.size()))
                    .ok());
    return text;
}

TEST(BuilderTest, WritesWhatTheFormatSays) {
    Forgery forgery = plain();
    forgery.sections[4].data = std::string((2U << 20U) + 12345, 'z');
    for (const std::size_t piece : {1000U, 1U << 20U, 5U << 20U}) {
        const UniqueFd fd = memory_file("");
        const auto built = build(fd.get(), forgery, piece);
        ASSERT_TRUE(built.ok()) << built.error().message();
        EXPECT_EQ(content(fd.get()), forger::forge(forgery));
        const auto measured = measure(fd.get());
        ASSERT_TRUE(measured.ok()) << measured.error().message();
        EXPECT_EQ(built->measurements, measured->measurements);
        EXPECT_EQ(built->index, read_index(fd.get()).value());
        EXPECT_TRUE(measured->crc_matches);
    }
}

TEST(BuilderTest, EmptySections) {
    Forgery forgery = plain();
    for (auto& section : forgery.sections) {
        section.data.clear();
    }
    const UniqueFd fd = memory_file("");
    ASSERT_TRUE(build(fd.get(), forgery, 1).ok());
    EXPECT_EQ(content(fd.get()), forger::forge(forgery));
}

TEST(BuilderTest, RefusesWhatTheReaderWould) {
    const UniqueFd fd = memory_file("");
    Forgery forgery = plain();
    forgery.sections.erase(forgery.sections.begin() + 2);
    EXPECT_TRUE(build(fd.get(), forgery, 100).error().is(EifErrc::bad_sections));
    forgery = plain();
    std::swap(forgery.sections[0], forgery.sections[3]);
    EXPECT_TRUE(build(fd.get(), forgery, 100).error().is(EifErrc::bad_sections));
    forgery = plain();
    forgery.version = 5;
    EXPECT_TRUE(build(fd.get(), forgery, 100).error().is(EifErrc::unsupported));
    forgery = plain();
    forgery.sections.push_back({4, std::string(32769, 's'), 0, 0, false});
    EXPECT_TRUE(build(fd.get(), forgery, 100).error().is(EifErrc::bad_signature));
    auto builder = Builder::create(fd.get());
    ASSERT_TRUE(builder.ok());
    EXPECT_TRUE(builder->write(as_bytes("x")).error().is(EifErrc::misuse));
}

TEST(BuilderTest, TellsAFullDisk) {
    // A limit on the file's size fails a write as a full disk does, at any size and for any user.
    const auto directory = TemporaryDirectory::create();
    ASSERT_TRUE(directory.ok());
    const std::string path = directory->path() + "/image";
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    rlimit small = before;
    small.rlim_cur = 1U << 20U;
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    {
        auto aside = FileAside::create(path);
        ASSERT_TRUE(aside.ok());
        Forgery forgery = plain();
        forgery.sections[4].data = std::string(4U << 20U, 'z');
        const auto built = build(aside->fd(), forgery, 1U << 20U);
        EXPECT_FALSE(built.ok());
    }
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    std::signal(SIGXFSZ, old_handler);
    EXPECT_FALSE(read_file(path, 10).ok());
}

}  // namespace
}  // namespace casemate::eif
