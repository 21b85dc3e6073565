// Input: a backup's outer form, or, after a byte 'r', a record of one as it is inside.
// Properties: a header that is read has 52 bytes and its numbers where they were written; chunks
// under a key that the input's author has not are refused, however they are cut; a record that is
// read is written and read again as the same.
#include <algorithm>
#include <cstdlib>

#include "kms/backup/record.hpp"
#include "kms/backup/stream.hpp"

using namespace casemate;

namespace {

void require(bool held) {
    if (!held) {
        std::abort();
    }
}

void read_file(ByteView input) {
    const ByteView start = input.first(std::min(input.size(), kms::kStreamHeaderSize));
    const auto header = kms::read_stream_header(start);
    if (!header) {
        return;
    }
    require(start.size() == kms::kStreamHeaderSize && std::ranges::equal(header->bytes, start));
    Bytes again;
    ByteWriter writer(again);
    writer.put_bytes(as_bytes("CKB1"));
    writer.put_bytes(header->salt);
    writer.put_be(header->cost.n);
    writer.put_be(header->cost.block_size);
    writer.put_be(header->cost.parallelism);
    require(std::ranges::equal(again, start.first(again.size())));
    auto key = kms::StreamKey::of_key(SecretBytes(Bytes(32, 1)), header->bytes);
    require(key.ok());
    ByteView rest = input.subspan(start.size());
    kms::StreamReader reader(std::move(*key), [&](MutableBytes out) -> Result<std::size_t> {
        // In pieces of any size.
        const std::size_t size = std::min({out.size(), rest.size(), std::size_t{77}});
        std::ranges::copy(rest.first(size), out.begin());
        rest = rest.subspan(size);
        return size;
    });
    require(!reader.at_end().ok());
    Bytes byte(1);
    require(!reader.read(byte).ok());
}

void read_record(ByteView input) {
    if (input.size() < kms::kRecordHead) {
        return;
    }
    const auto head = kms::read_record_head(input.first(kms::kRecordHead));
    if (!head) {
        return;
    }
    const auto opened = kms::read_record(*head, input.subspan(kms::kRecordHead));
    if (!opened) {
        return;
    }
    const auto written = kms::write_record(*opened);
    require(written.ok());
    const auto head_again = kms::read_record_head(written->view().first(kms::kRecordHead));
    require(head_again.ok());
    const auto again = kms::read_record(*head_again, written->view().subspan(kms::kRecordHead));
    require(again.ok() && again->thing == opened->thing);
    require(again->secret.has_value() == opened->secret.has_value());
    require(!opened->secret || std::ranges::equal(again->secret->view(), opened->secret->view()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView input(data, size);
    if (!input.empty() && input[0] == 'r') {
        read_record(input.subspan(1));
    } else {
        read_file(input);
    }
    return 0;
}
