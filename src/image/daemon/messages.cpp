#include "image/daemon/messages.hpp"

#include <boost/json.hpp>

#include "image/tree.hpp"

namespace casemate::image {

namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 32;

bool is_space(std::uint8_t byte) {
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

const json::value* member(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains({name.data(), name.size()});
    return value == nullptr || value->is_null() ? nullptr : value;
}

Result<> text_of(const json::object& object, std::string_view name, std::string& text) {
    const json::value* value = member(object, name);
    if (value == nullptr) {
        return {};
    }
    if (!value->is_string()) {
        return Error(ImageErrc::malformed, "expected text as \"" + std::string(name) +
                                               "\" of a daemon's message, found another value");
    }
    text.assign(value->get_string().data(), value->get_string().size());
    return {};
}

std::uint64_t number_of(const json::object& object, std::string_view name) {
    const json::value* value = member(object, name);
    // Some write -1 where they don't know.
    return value != nullptr && value->is_int64() && value->get_int64() > 0
               ? static_cast<std::uint64_t>(value->get_int64())
               : 0;
}

Result<DaemonMessage> message_of(const json::value& value) {
    if (!value.is_object()) {
        return Error(ImageErrc::malformed,
                     "expected a JSON object as a daemon's message, found another value");
    }
    const json::object& object = value.get_object();
    DaemonMessage message;
    CASEMATE_CHECK(text_of(object, "stream", message.stream));
    CASEMATE_CHECK(text_of(object, "status", message.status));
    CASEMATE_CHECK(text_of(object, "id", message.id));
    CASEMATE_CHECK(text_of(object, "error", message.error));
    if (const json::value* detail = member(object, "errorDetail");
        detail != nullptr && detail->is_object() && message.error.empty()) {
        CASEMATE_CHECK(text_of(detail->get_object(), "message", message.error));
    }
    if (const json::value* detail = member(object, "progressDetail");
        detail != nullptr && detail->is_object()) {
        message.current = number_of(detail->get_object(), "current");
        message.total = number_of(detail->get_object(), "total");
    }
    return message;
}

json::parse_options options() {
    json::parse_options made;
    made.max_depth = kMaxDepth;
    return made;
}

}  // namespace

class DaemonMessages::Parser {
public:
    // put gives how many bytes belong to the message.
    Result<std::size_t> put(ByteView bytes) {
        json::error_code code;
        const std::string_view text = as_text(bytes);
        const std::size_t used = parser_.write_some(text.data(), text.size(), code);
        size_ += used;
        if (code) {
            return Error(ImageErrc::malformed,
                         "expected JSON as a daemon's message, found " + code.message());
        }
        if (size_ > kMaxMessage) {
            return Error(ImageErrc::too_large, "expected messages of a daemon of at most " +
                                                   std::to_string(kMaxMessage) +
                                                   " bytes, found a longer one");
        }
        return used;
    }
    [[nodiscard]] bool begun() const { return size_ > 0; }
    [[nodiscard]] bool done() const { return parser_.done(); }
    Result<DaemonMessage> take() {
        const json::value value = parser_.release();
        parser_.reset();
        size_ = 0;
        return message_of(value);
    }

private:
    json::stream_parser parser_{json::storage_ptr(), options()};
    std::uint64_t size_ = 0;
};

DaemonMessages::DaemonMessages(Take take, std::uint64_t limit)
    : take_(std::move(take)), left_(limit), parser_(std::make_unique<Parser>()) {
}

DaemonMessages::~DaemonMessages() = default;

Result<> DaemonMessages::put(ByteView bytes) {
    if (bytes.size() > left_) {
        return Error(ImageErrc::too_large, "expected an end of a daemon's messages, found more");
    }
    left_ -= bytes.size();
    while (!bytes.empty()) {
        if (!parser_->begun()) {
            if (is_space(bytes.front())) {
                bytes = bytes.subspan(1);
                continue;
            }
            // Only an object tells its own end.
            if (bytes.front() != '{') {
                return Error(ImageErrc::malformed,
                             "expected a JSON object as a daemon's message, found something else");
            }
        }
        CASEMATE_TRY(const std::size_t used, parser_->put(bytes));
        bytes = bytes.subspan(used);
        if (parser_->done()) {
            CASEMATE_TRY(const DaemonMessage message, parser_->take());
            CASEMATE_CHECK(take_(message));
        }
    }
    return {};
}

Result<> DaemonMessages::finish() const {
    return parser_->begun()
               ? Result<>(Error(ImageErrc::truncated,
                                "expected the rest of a daemon's message, found the end"))
               : Result<>();
}

std::string shown(std::string_view text) {
    std::string line;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\n' || c == '\t') {
            line += ' ';
        } else if (byte >= 0x20 && byte != 0x7f) {
            line += c;
        }
    }
    while (line.ends_with(' ')) {
        line.pop_back();
    }
    return line;
}

}  // namespace casemate::image
