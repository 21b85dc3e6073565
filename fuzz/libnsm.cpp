// libnsm's reader of responses against codec/cbor, which it can't use: what both take they take as
// the same, every well-formed response of the right shape is taken, and whatever is taken lies
// within the response and within the limits of nsm.h.
#include <algorithm>
#include <cstdlib>
#include <optional>

#include "codec/cbor/cbor.hpp"
#include "guest/nsm/messages.hpp"

namespace {

using casemate::ByteView;
namespace cbor = casemate::cbor;
namespace libnsm = casemate::libnsm;

// libnsm passes over four levels in the fields; with the two maps around and what an innermost
// container holds, this deep it takes all that codec/cbor does.
constexpr cbor::Options kOptions{.any_integer_width = true, .max_depth = 5};

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

// fields_of gives the fields of {name: {text: …}}, when the response is that.
std::optional<cbor::Map> fields_of(ByteView response, std::string_view name) {
    auto reader = cbor::Reader::open(response, kOptions);
    if (!reader || reader->peek() != cbor::Kind::map) {
        return std::nullopt;
    }
    const cbor::Map outer = reader->read_map().value();
    auto found = outer.find(name);
    if (outer.size() != 1 || !found || found->peek() != cbor::Kind::map) {
        return std::nullopt;
    }
    const cbor::Map fields = found->read_map().value();
    auto pairs = fields.pairs();
    while (pairs.remaining() > 0) {
        if (!pairs.read_text() || !pairs.read_encoded()) {
            return std::nullopt;
        }
    }
    return fields;
}

std::optional<ByteView> bytes_of(const std::optional<cbor::Map>& fields, std::string_view key) {
    auto field = fields ? fields->find(key) : std::nullopt;
    if (!field || field->peek() != cbor::Kind::bytes) {
        return std::nullopt;
    }
    return field->read_bytes().value();
}

bool same(ByteView a, ByteView b) {
    return a.data() == b.data() && a.size() == b.size();
}

void within(ByteView part, ByteView whole) {
    require(part.data() >= whole.data() &&
            part.data() + part.size() <= whole.data() + whole.size());
}

void check_data(ByteView response, std::string_view name, std::string_view key) {
    ByteView data;
    const bool taken = libnsm::read_data(response, name, key, data) == ERROR_CODE_SUCCESS;
    const auto fields = fields_of(response, name);
    const auto wanted = bytes_of(fields, key);
    require(!wanted || (taken && same(*wanted, data)));
    require(!(taken && fields && !wanted));
    if (taken) {
        within(data, response);
    }
}

void check_register(ByteView response) {
    ByteView data;
    bool lock = false;
    const bool taken = libnsm::read_register(response, lock, data) == ERROR_CODE_SUCCESS;
    const auto fields = fields_of(response, "DescribePCR");
    const auto wanted = bytes_of(fields, "data");
    auto lock_field = fields ? fields->find("lock") : std::nullopt;
    std::optional<bool> wanted_lock;
    if (lock_field && lock_field->peek() == cbor::Kind::boolean) {
        wanted_lock = lock_field->read_bool().value();
    }
    const bool whole = wanted && wanted_lock;
    require(!whole || (taken && same(*wanted, data) && *wanted_lock == lock));
    require(!(taken && fields && !whole));
    if (taken) {
        within(data, response);
    }
}

void check_description(ByteView response) {
    NsmDescription description{};
    description.module_id_len = 12345;
    if (libnsm::read_description(response, description) != ERROR_CODE_SUCCESS) {
        require(description.module_id_len == 12345);
        return;
    }
    require(description.module_id_len < sizeof(description.module_id));
    require(description.module_id[description.module_id_len] == 0);
    require(description.locked_pcrs_len <= std::size(description.locked_pcrs));
    const auto* end = description.locked_pcrs + description.locked_pcrs_len;
    require(std::adjacent_find(static_cast<const std::uint16_t*>(description.locked_pcrs), end,
                               [](auto a, auto b) { return a >= b; }) == end);
    require(description.digest <= DIGEST_SHA512);
    const auto fields = fields_of(response, "DescribeNSM");
    if (fields) {
        require(fields->get("max_pcrs")->read_uint().value() == description.max_pcrs);
        const auto name = fields->get("module_id")->read_text().value();
        require(name.substr(0, 99) ==
                std::string_view(reinterpret_cast<const char*>(description.module_id),
                                 description.module_id_len));
    }
}

void check_acknowledgement(ByteView response) {
    const bool taken = libnsm::read_acknowledgement(response, "LockPCR") == ERROR_CODE_SUCCESS;
    auto reader = cbor::Reader::open(response, kOptions);
    const bool wanted =
        reader && reader->peek() == cbor::Kind::text && reader->read_text().value() == "LockPCR";
    require(!wanted || taken);
    require(!(reader && taken && !wanted));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView response(data, size);
    check_data(response, "ExtendPCR", "data");
    check_data(response, "Attestation", "document");
    check_data(response, "GetRandom", "random");
    check_register(response);
    check_description(response);
    check_acknowledgement(response);
    return 0;
}
