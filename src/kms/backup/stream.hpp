// The file of a backup: any number of bytes, encrypted and authenticated as a whole, written and
// read a chunk at a time.
//
// Header, 52 bytes, numbers big-endian: "CKB" and the version, '1'; salt (16); scrypt's n (8), r
// (4), p (4); a tag (16). Then the chunks: AES-256-GCM under scrypt(passphrase, salt) of 65536
// bytes each, the last of 1 to 65536, or of none when it is the only one; each is 16 bytes longer
// than what is in it. The nonce (12) is the chunk's number from 0 (8), two bytes 0, the kind (1: a
// chunk), and whether it is the last (1); the associated data is the header. So a chunk that was
// changed, moved, left out or taken from another backup does not open, nor does a file that ends
// early, at whatever byte, or goes on after the last chunk. The header's tag is that of no bytes
// under the nonce 0 with the kind 0, with the 36 bytes before it as associated data: it tells
// another passphrase from damage further on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "crypto/aead.hpp"
#include "crypto/kdf.hpp"
#include "kms/backup/error.hpp"

namespace casemate::kms {

inline constexpr std::size_t kStreamHeaderSize = 52;
inline constexpr std::size_t kStreamChunk = 65536;

// Sink takes the next bytes of a file, all of them. Source gives the next, as many as fit or fewer;
// none: the file has ended.
using Sink = std::function<Result<>(ByteView)>;
using Source = std::function<Result<std::size_t>(MutableBytes)>;

// A file's own, which stays the caller's. Errors of the calls: BackupErrc unavailable.
[[nodiscard]] Sink sink_to(int fd);
[[nodiscard]] Source source_of(int fd);

// StreamHeader: a header in its parts. bytes is the whole.
struct StreamHeader {
    Bytes bytes;
    std::array<std::uint8_t, 16> salt{};
    crypto::ScryptCost cost;
};

// read_stream_header reads one of kStreamHeaderSize bytes; its tag is looked at with the key.
// Errors: BackupErrc damaged, unknown_version.
[[nodiscard]] Result<StreamHeader> read_stream_header(ByteView bytes);

// StreamKey: what a passphrase and a header give. Move-only.
class StreamKey {
public:
    // of_passphrase takes scrypt's time. Errors: BackupErrc wrong_passphrase, also for an empty
    // one; damaged for a cost that scrypt does not take; unavailable.
    [[nodiscard]] static Result<StreamKey> of_passphrase(const SecretBytes& passphrase,
                                                         const StreamHeader& header);
    // make gives the key of a new file with its header. Errors: BackupErrc wrong_passphrase for an
    // empty one, unavailable.
    [[nodiscard]] static Result<StreamKey> make(const SecretBytes& passphrase,
                                                const crypto::ScryptCost& cost);
    // A key of 32 bytes for a header of any bytes. Errors: BackupErrc unavailable.
    [[nodiscard]] static Result<StreamKey> of_key(const SecretBytes& key, Bytes header);

    [[nodiscard]] const Bytes& header() const { return header_; }

    // seal and open do one chunk. Errors: BackupErrc damaged, of open.
    [[nodiscard]] Result<Bytes> seal(std::uint64_t number, bool last, ByteView chunk) const;
    [[nodiscard]] Result<SecretBytes> open(std::uint64_t number, bool last, ByteView sealed) const;

private:
    StreamKey(crypto::AeadKey key, Bytes header)
        : key_(std::move(key)), header_(std::move(header)) {}

    crypto::AeadKey key_;
    Bytes header_;
};

// StreamWriter writes a file: header, chunks. Without finish it is not whole.
class StreamWriter {
public:
    StreamWriter(StreamKey key, Sink sink);

    // Errors: the sink's, BackupErrc unavailable.
    [[nodiscard]] Result<> start();
    [[nodiscard]] Result<> write(ByteView bytes);
    [[nodiscard]] Result<> finish();

private:
    [[nodiscard]] Result<> flush(bool last);

    StreamKey key_;
    Sink sink_;
    SecretBytes chunk_;
    std::size_t used_ = 0;
    std::uint64_t number_ = 0;
};

// StreamReader reads what follows a header. What it gives is authentic; that it is all is known
// when at_end is true.
class StreamReader {
public:
    StreamReader(StreamKey key, Source source);

    // read fills out. Errors: BackupErrc damaged, also where fewer bytes are left; the source's.
    [[nodiscard]] Result<> read(MutableBytes out);
    // at_end tells whether all has been read. Errors: those of read.
    [[nodiscard]] Result<bool> at_end();

private:
    [[nodiscard]] Result<Bytes> next_sealed();
    [[nodiscard]] Result<> refill();

    StreamKey key_;
    Source source_;
    // ahead is the chunk after the present one.
    Bytes ahead_;
    bool started_ = false;
    bool last_ = false;
    SecretBytes chunk_;
    std::size_t used_ = 0;
    std::uint64_t number_ = 0;
};

}  // namespace casemate::kms
