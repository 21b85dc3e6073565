// A blob that is read has the format's sizes and names; it opens with the material that sealed it
// and what was sealed comes out; no change of the blob or of its context opens.
#include "kms/operations/ciphertext.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace {

using casemate::ByteReader;
using casemate::Bytes;
using casemate::ByteView;
using casemate::SecretBytes;
namespace kms = casemate::kms;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

const SecretBytes& material() {
    static const SecretBytes bytes(Bytes(32, 7));
    return bytes;
}

// check_read looks at a blob that anybody may have made.
void check_read(ByteView input) {
    const auto read = kms::read_ciphertext(input);
    if (!read) {
        require(read.error().is(kms::KmsErrc::invalid_ciphertext) && read.error().detail().empty());
        return;
    }
    require(read->header.size() == kms::kCiphertextHeader && read->key_id.size() == 36 &&
            read->material_id.size() == 64 && read->sealed.size() > 16 &&
            read->header.size() + read->sealed.size() == input.size());
    const auto opened = kms::open_ciphertext(*read, material(), {});
    require(opened.ok() || (opened.error().is(kms::KmsErrc::invalid_ciphertext) &&
                            opened.error().detail().empty()));
    // Whatever is read can be sealed again under the names that it has.
    const Bytes one(1);
    require(kms::seal_ciphertext(read->key_id, read->material_id, material(), {}, one).ok());
}

kms::EncryptionContext read_context(ByteReader& reader) {
    kms::EncryptionContext context;
    std::uint8_t pairs = 0;
    if (!reader.read_u8(pairs)) {
        return context;
    }
    for (unsigned i = 0; i < pairs % 4U; ++i) {
        std::uint8_t key_size = 0;
        std::uint8_t value_size = 0;
        ByteView key;
        ByteView value;
        if (!reader.read_u8(key_size) || !reader.read_bytes(key_size % 8U, key) ||
            !reader.read_u8(value_size) || !reader.read_bytes(value_size % 8U, value)) {
            break;
        }
        context.emplace(casemate::as_text(key), casemate::as_text(value));
    }
    return context;
}

// check_round_trip takes from the input two contexts, what to change and what to seal.
void check_round_trip(ByteView input) {
    ByteReader reader(input);
    std::uint16_t at = 0;
    std::uint8_t change = 0;
    if (!reader.read_be(at) || !reader.read_u8(change)) {
        return;
    }
    const kms::EncryptionContext context = read_context(reader);
    const kms::EncryptionContext other = read_context(reader);
    const ByteView plaintext = reader.rest();
    auto blob = kms::seal_ciphertext("1234abcd-12ab-34cd-56ef-1234567890ab", std::string(64, 'b'),
                                     material(), context, plaintext);
    require(blob.ok() == (!plaintext.empty() && plaintext.size() <= kms::kMaxCiphertextPlaintext));
    if (!blob) {
        return;
    }
    const auto open = [&](const kms::EncryptionContext& under) {
        const auto read = kms::read_ciphertext(*blob);
        return read ? kms::open_ciphertext(*read, material(), under)
                    : casemate::Result<SecretBytes>(read.error());
    };
    const auto opened = open(context);
    require(opened.ok() && std::ranges::equal(opened->view(), plaintext));
    require(open(other).ok() == (other == context));
    (*blob)[at % blob->size()] ^= change;
    require(open(context).ok() == (change == 0));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView input(data, size);
    check_read(input);
    check_round_trip(input);
    return 0;
}
