// What KMS answers an enclave's client, in JSON. The texts of an answer that is read, written
// again, read as the same texts; a member put in front of it leaves them alone. As an address, what
// is read is written as what reads as the same address.
#include <cstdlib>
#include <string>

#include "base/bytes.hpp"
#include "kms_client/address.hpp"
#include "kms_client/json.hpp"

namespace {

using namespace casemate::kms_client;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void check_answer(std::string_view text) {
    const auto fields = Fields::parse(text);
    if (!fields) {
        return;
    }
    ObjectWriter writer;
    for (const auto& [name, value] : fields->all()) {
        require(fields->text(name) == value);
        require(fields->is_void(name) == value.empty());
        writer.put_text(name, value);
    }
    const auto written = writer.finish();
    require(written.ok());
    const auto again = Fields::parse(*written);
    require(again.ok() && again->all() == fields->all());

    const auto longer = with_member(text, "added by the target", "{\"a\":[]}");
    require(longer.ok());
    const auto longer_fields = Fields::parse(*longer);
    require(longer_fields.ok());
    for (const auto& [name, value] : fields->all()) {
        require(longer_fields->text(name) == value);
    }
}

void check_address(std::string_view text) {
    const auto address = parse_address(text);
    if (address) {
        const auto again = parse_address(text_of(*address));
        require(again.ok() && *again == *address);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = casemate::as_text({data, size});
    check_answer(text);
    check_address(text);
    return 0;
}
