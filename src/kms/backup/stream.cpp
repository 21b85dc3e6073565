#include "kms/backup/stream.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/fd.hpp"
#include "crypto/random.hpp"

namespace casemate::kms {

namespace {

constexpr std::string_view kMagic = "CKB";
constexpr std::uint8_t kVersion = '1';
constexpr std::size_t kHeaderStart = kStreamHeaderSize - crypto::kAeadTagSize;
constexpr std::size_t kSealedChunk = kStreamChunk + crypto::kAeadTagSize;

enum class Kind : std::uint8_t { header = 0, chunk = 1 };

crypto::AeadNonce nonce_of(std::uint64_t number, Kind kind, bool last) {
    Bytes bytes;
    ByteWriter writer(bytes);
    writer.put_be(number);
    writer.put_zeros(2);
    writer.put_u8(static_cast<std::uint8_t>(kind));
    writer.put_u8(last ? 1 : 0);
    crypto::AeadNonce nonce{};
    std::ranges::copy(bytes, nonce.begin());
    return nonce;
}

Error damaged(std::string detail) {
    return {BackupErrc::damaged, std::move(detail)};
}

Error unavailable(const Error& error) {
    return {BackupErrc::unavailable, error.message()};
}

Result<SecretBytes> derive(const SecretBytes& passphrase, ByteView salt,
                           const crypto::ScryptCost& cost) {
    if (passphrase.empty()) {
        return Error(BackupErrc::wrong_passphrase, "expected a passphrase, found an empty one");
    }
    auto key = crypto::scrypt(passphrase, salt, cost, crypto::kAeadKeySize);
    if (!key) {
        return key.error().is(crypto::CryptoErrc::out_of_range)
                   ? damaged("expected a cost that scrypt takes: " + key.error().detail())
                   : unavailable(key.error());
    }
    return std::move(key).value();
}

Result<crypto::AeadKey> expand(const SecretBytes& key) {
    auto expanded = crypto::AeadKey::expand(key);
    if (!expanded) {
        return unavailable(expanded.error());
    }
    return std::move(expanded).value();
}

}  // namespace

Sink sink_to(int fd) {
    return [fd](ByteView bytes) -> Result<> {
        if (auto done = write_all(fd, bytes); !done) {
            return unavailable(done.error());
        }
        return {};
    };
}

Source source_of(int fd) {
    return [fd](MutableBytes out) -> Result<std::size_t> {
        auto got = read_some(fd, out);
        if (!got) {
            return unavailable(got.error());
        }
        return *got;
    };
}

Result<StreamHeader> read_stream_header(ByteView bytes) {
    ByteReader reader(bytes);
    ByteView magic;
    std::uint8_t version = 0;
    StreamHeader header;
    if (bytes.size() != kStreamHeaderSize || !reader.read_bytes(kMagic.size(), magic) ||
        as_text(magic) != kMagic || !reader.read_u8(version)) {
        return damaged("expected the beginning of a backup, found another");
    }
    if (version != kVersion) {
        return Error(
            BackupErrc::unknown_version,
            "expected a backup of version " + std::to_string(kVersion - '0') + ", found another");
    }
    if (!reader.copy_bytes(header.salt) || !reader.read_be(header.cost.n) ||
        !reader.read_be(header.cost.block_size) || !reader.read_be(header.cost.parallelism)) {
        return damaged("expected a salt and a cost, found the end");
    }
    header.bytes.assign(bytes.begin(), bytes.end());
    return header;
}

Result<StreamKey> StreamKey::of_passphrase(const SecretBytes& passphrase,
                                           const StreamHeader& header) {
    CASEMATE_TRY(const SecretBytes key, derive(passphrase, header.salt, header.cost));
    CASEMATE_TRY(crypto::AeadKey expanded, expand(key));
    const ByteView bytes = header.bytes;
    if (!expanded.open(nonce_of(0, Kind::header, false), bytes.first(kHeaderStart),
                       bytes.subspan(kHeaderStart))) {
        return Error(BackupErrc::wrong_passphrase,
                     "expected the passphrase of the backup, or its beginning was changed");
    }
    return StreamKey(std::move(expanded), header.bytes);
}

Result<StreamKey> StreamKey::make(const SecretBytes& passphrase, const crypto::ScryptCost& cost) {
    std::array<std::uint8_t, 16> salt{};
    crypto::random_bytes(salt);
    Bytes header;
    ByteWriter writer(header);
    writer.put_bytes(as_bytes(kMagic));
    writer.put_u8(kVersion);
    writer.put_bytes(salt);
    writer.put_be(cost.n);
    writer.put_be(cost.block_size);
    writer.put_be(cost.parallelism);
    CASEMATE_TRY(const SecretBytes key, derive(passphrase, salt, cost));
    CASEMATE_TRY(crypto::AeadKey expanded, expand(key));
    const auto tag = expanded.seal(nonce_of(0, Kind::header, false), header, {});
    if (!tag) {
        return unavailable(tag.error());
    }
    writer.put_bytes(*tag);
    return StreamKey(std::move(expanded), std::move(header));
}

Result<StreamKey> StreamKey::of_key(const SecretBytes& key, Bytes header) {
    CASEMATE_TRY(crypto::AeadKey expanded, expand(key));
    return StreamKey(std::move(expanded), std::move(header));
}

Result<Bytes> StreamKey::seal(std::uint64_t number, bool last, ByteView chunk) const {
    auto sealed = key_.seal(nonce_of(number, Kind::chunk, last), header_, chunk);
    if (!sealed) {
        return unavailable(sealed.error());
    }
    return std::move(sealed).value();
}

Result<SecretBytes> StreamKey::open(std::uint64_t number, bool last, ByteView sealed) const {
    auto chunk = key_.open(nonce_of(number, Kind::chunk, last), header_, sealed);
    if (!chunk) {
        return damaged("expected part " + std::to_string(number + 1) +
                       " of the backup, found other bytes or the end");
    }
    return std::move(chunk).value();
}

StreamWriter::StreamWriter(StreamKey key, Sink sink)
    : key_(std::move(key)), sink_(std::move(sink)), chunk_(kStreamChunk) {
}

Result<> StreamWriter::start() {
    return sink_(key_.header());
}

Result<> StreamWriter::write(ByteView bytes) {
    while (!bytes.empty()) {
        // A full one waits for what follows: it may be the last.
        if (used_ == kStreamChunk) {
            CASEMATE_CHECK(flush(false));
        }
        const std::size_t size = std::min(bytes.size(), kStreamChunk - used_);
        std::ranges::copy(bytes.first(size), chunk_.mutable_view().subspan(used_).begin());
        used_ += size;
        bytes = bytes.subspan(size);
    }
    return {};
}

Result<> StreamWriter::finish() {
    return flush(true);
}

Result<> StreamWriter::flush(bool last) {
    CASEMATE_TRY(const Bytes sealed, key_.seal(number_, last, chunk_.view().first(used_)));
    ++number_;
    used_ = 0;
    return sink_(sealed);
}

StreamReader::StreamReader(StreamKey key, Source source)
    : key_(std::move(key)), source_(std::move(source)) {
}

Result<Bytes> StreamReader::next_sealed() {
    Bytes sealed(kSealedChunk);
    std::size_t size = 0;
    while (size < sealed.size()) {
        CASEMATE_TRY(const std::size_t got, source_(MutableBytes(sealed).subspan(size)));
        if (got == 0) {
            break;
        }
        size += got;
    }
    sealed.resize(size);
    return sealed;
}

Result<> StreamReader::refill() {
    if (!started_) {
        CASEMATE_TRY(ahead_, next_sealed());
        started_ = true;
    }
    const Bytes sealed = std::move(ahead_);
    ahead_.clear();
    if (sealed.size() == kSealedChunk) {
        CASEMATE_TRY(ahead_, next_sealed());
    }
    const bool last = ahead_.empty();
    CASEMATE_TRY(SecretBytes chunk, key_.open(number_, last, sealed));
    if (chunk.empty() && number_ > 0) {
        return damaged("expected no empty part at the end of the backup, found one");
    }
    chunk_ = std::move(chunk);
    used_ = 0;
    last_ = last;
    ++number_;
    return {};
}

Result<> StreamReader::read(MutableBytes out) {
    while (!out.empty()) {
        CASEMATE_TRY(const bool ended, at_end());
        if (ended) {
            return damaged("expected " + std::to_string(out.size()) +
                           " more bytes of the backup, found its end");
        }
        const std::size_t size = std::min(out.size(), chunk_.size() - used_);
        std::ranges::copy(chunk_.view().subspan(used_, size), out.begin());
        used_ += size;
        out = out.subspan(size);
    }
    return {};
}

Result<bool> StreamReader::at_end() {
    if (used_ == chunk_.size() && !last_) {
        CASEMATE_CHECK(refill());
    }
    return used_ == chunk_.size() && last_;
}

}  // namespace casemate::kms
