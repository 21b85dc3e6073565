#include "kms/backup/stream.hpp"
#include "kms/backup/memory_for_test.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace casemate::kms {
namespace {

SecretBytes key_of_test() {
    return SecretBytes(Bytes(32, 7));
}

Bytes pattern(std::size_t size) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
    }
    return bytes;
}

// chunks gives what a stream of content is, after a header of one byte.
Bytes chunks(ByteView content, std::size_t piece) {
    Bytes file;
    StreamWriter writer(StreamKey::of_key(key_of_test(), Bytes{9}).value(), sink_into(file));
    EXPECT_TRUE(writer.start());
    for (std::size_t at = 0; at < content.size(); at += piece) {
        EXPECT_TRUE(writer.write(content.subspan(at, std::min(piece, content.size() - at))));
    }
    EXPECT_TRUE(writer.finish());
    EXPECT_EQ(file.at(0), 9);
    file.erase(file.begin());
    return file;
}

// read_back gives the content, or nothing when any of it is refused.
std::optional<Bytes> read_back(ByteView file, std::size_t size, std::size_t most = SIZE_MAX,
                               const Bytes& header = {9}) {
    StreamReader reader(StreamKey::of_key(key_of_test(), header).value(), source_from(file, most));
    Bytes content(size);
    if (!reader.read(content)) {
        return std::nullopt;
    }
    const auto ended = reader.at_end();
    if (!ended || !*ended) {
        return std::nullopt;
    }
    return content;
}

TEST(BackupStream, GivesBackWhatWasWritten) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kStreamChunk - 1, kStreamChunk,
                                   kStreamChunk + 1, 2 * kStreamChunk, 3 * kStreamChunk + 17}) {
        const Bytes content = pattern(size);
        const Bytes file = chunks(content, size + 1);
        const std::size_t parts =
            std::max<std::size_t>((size + kStreamChunk - 1) / kStreamChunk, 1);
        EXPECT_EQ(file.size(), size + parts * crypto::kAeadTagSize);
        EXPECT_EQ(chunks(content, 1000), file);
        EXPECT_EQ(read_back(file, size), content) << size;
        EXPECT_EQ(read_back(file, size, 999), content) << size;
        EXPECT_EQ(read_back(file, size + 1), std::nullopt) << size;
        EXPECT_TRUE(size == 0 || !read_back(file, size - 1)) << size;
    }
}

TEST(BackupStream, RefusesEveryOtherOrderAndEnd) {
    const Bytes content = pattern(3 * kStreamChunk);
    const Bytes file = chunks(content, 5000);
    constexpr std::size_t kPart = kStreamChunk + crypto::kAeadTagSize;
    const auto part = [&](std::size_t i) { return ByteView(file).subspan(i * kPart, kPart); };
    const auto joined = [&](std::initializer_list<std::size_t> parts) {
        Bytes bytes;
        for (const std::size_t i : parts) {
            bytes.insert(bytes.end(), part(i).begin(), part(i).end());
        }
        return bytes;
    };
    ASSERT_EQ(read_back(joined({0, 1, 2}), content.size()), content);
    for (const auto& other :
         {joined({0, 1}), joined({0}), joined({}), joined({0, 2, 1}), joined({1, 0, 2}),
          joined({0, 2}), joined({0, 0, 1, 2}), joined({0, 1, 2, 2}), joined({0, 1, 1})}) {
        for (std::size_t size = 0; size <= 4 * kStreamChunk; size += kStreamChunk) {
            EXPECT_EQ(read_back(other, size), std::nullopt) << other.size() << " " << size;
        }
    }
    // Another header, which all chunks are bound to; more behind; an end in each part.
    EXPECT_EQ(read_back(file, content.size(), SIZE_MAX, {8}), std::nullopt);
    Bytes longer = file;
    longer.push_back(0);
    EXPECT_EQ(read_back(longer, content.size()), std::nullopt);
    for (const std::size_t size : {kPart - 1, kPart + 1, 2 * kPart + 15, 3 * kPart - 1}) {
        EXPECT_EQ(read_back(ByteView(file).first(size), content.size()), std::nullopt) << size;
    }
    // An empty last chunk has another form already.
    const StreamKey key = StreamKey::of_key(key_of_test(), Bytes{9}).value();
    Bytes padded = key.seal(0, false, ByteView(content).first(kStreamChunk)).value();
    const Bytes empty = key.seal(1, true, {}).value();
    padded.insert(padded.end(), empty.begin(), empty.end());
    EXPECT_EQ(read_back(padded, kStreamChunk), std::nullopt);
}

TEST(BackupStream, AReaderThatHasFailedDoesNotSayThatItIsDone) {
    Bytes file = chunks(pattern(100), 100);
    file[5] ^= 1U;
    StreamReader reader(StreamKey::of_key(key_of_test(), Bytes{9}).value(), source_from(file));
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(reader.at_end());
    }
}

TEST(BackupStream, AHeaderIsOfItsPassphrase) {
    const SecretBytes right(Bytes{'p'});
    const SecretBytes wrong(Bytes{'q'});
    const StreamKey made = StreamKey::make(right, {.n = 16}).value();
    const auto header = read_stream_header(made.header());
    ASSERT_TRUE(header) << header.error().message();
    EXPECT_EQ(header->cost.n, 16);
    EXPECT_TRUE(StreamKey::of_passphrase(right, *header));
    EXPECT_TRUE(StreamKey::of_passphrase(wrong, *header).error().is(BackupErrc::wrong_passphrase));
    EXPECT_TRUE(StreamKey::of_passphrase({}, *header).error().is(BackupErrc::wrong_passphrase));
    EXPECT_TRUE(StreamKey::make({}, {}).error().is(BackupErrc::wrong_passphrase));
    Bytes later = made.header();
    later[3] = '2';
    EXPECT_TRUE(read_stream_header(later).error().is(BackupErrc::unknown_version));
    for (std::size_t i = 0; i < made.header().size(); ++i) {
        Bytes changed = made.header();
        changed[i] ^= 1U;
        const auto parts = read_stream_header(changed);
        EXPECT_TRUE(!parts || !StreamKey::of_passphrase(right, *parts)) << i;
        EXPECT_FALSE(read_stream_header(ByteView(changed).first(i))) << i;
    }
}

}  // namespace
}  // namespace casemate::kms
