#include "kms/core/json.hpp"

#include <boost/json/memory_resource.hpp>
#include <boost/json/parse_options.hpp>
#include <boost/json/parser.hpp>
#include <cmath>
#include <new>

#include "base/secret.hpp"
#include "codec/base64.hpp"

namespace casemate::kms {

namespace {

constexpr std::size_t kMaxDepth = 16;

class CleansingMemory final : public json::memory_resource {
    void* do_allocate(std::size_t size, std::size_t alignment) override {
        return ::operator new(size, std::align_val_t(alignment));
    }
    void do_deallocate(void* place, std::size_t size, std::size_t alignment) override {
        cleanse({static_cast<std::uint8_t*>(place), size});
        // Without its size: clang has that form only on demand.
        ::operator delete(place, std::align_val_t(alignment));
    }
    [[nodiscard]] bool do_is_equal(const json::memory_resource& other) const noexcept override {
        return this == &other;
    }
};

Error malformed(std::string sentence) {
    return {KmsErrc::serialization, std::move(sentence)};
}

}  // namespace

json::storage_ptr cleansing_memory() {
    // It has no state of its own: one serves everybody.
    static CleansingMemory memory;
    return &memory;
}

Result<json::object> parse_object(std::string_view text, const json::storage_ptr& memory) {
    if (text.empty()) {
        return json::object(memory);
    }
    json::parse_options options;
    options.max_depth = kMaxDepth;
    json::parser parser(memory, options);
    boost::system::error_code error;
    parser.write(text.data(), text.size(), error);
    if (error) {
        return malformed("expected JSON, found a body that is none");
    }
    json::value value = parser.release();
    if (!value.is_object()) {
        return malformed("expected a JSON object, found another value");
    }
    return std::move(value.get_object());
}

void put_blob(Answer& answer, std::string_view name, ByteView bytes) {
    std::string text = codec::encode_base64(bytes);
    answer[name] = json::string(text, answer.storage());
    cleanse({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
}

json::value time_value(Time time) {
    const std::int64_t milliseconds = time.time_since_epoch().count();
    if (milliseconds % 1000 == 0) {
        return milliseconds / 1000;
    }
    return static_cast<double>(milliseconds) / 1000;
}

}  // namespace casemate::kms
