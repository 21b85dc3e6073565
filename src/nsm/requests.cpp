#include "nsm/requests.hpp"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string_view>
#include <variant>

#include "codec/cbor/cbor.hpp"
#include "nsm/document.hpp"

namespace casemate::nsm {

namespace {

using cbor::Kind;
using cbor::Map;
using cbor::Reader;
using cbor::Writer;

// What the driver of the guest's kernel can parse (formats.md 2.2): the length of the random bytes
// must take more than the head's first byte.
constexpr std::size_t kRandomSize = 256;
constexpr std::string_view kDigest = "SHA384";
// What an answer has besides its document: two maps, two keys, the head of the bytes.
constexpr std::size_t kDocumentHead = 32;
constexpr std::uint64_t kVersionMajor = 1;
constexpr std::uint64_t kVersionMinor = 0;
constexpr std::uint64_t kVersionPatch = 0;

// A request is a map with a map in it; anything deeper is not one.
constexpr cbor::Options kRequestOptions{.any_integer_width = true, .max_depth = 4};

using Answer = std::variant<Bytes, ErrorCode>;

std::string_view name_of(ErrorCode code) {
    switch (code) {
        case ErrorCode::invalid_argument:
            return "InvalidArgument";
        case ErrorCode::invalid_index:
            return "InvalidIndex";
        case ErrorCode::invalid_response:
            return "InvalidResponse";
        case ErrorCode::read_only_index:
            return "ReadOnlyIndex";
        case ErrorCode::invalid_operation:
            return "InvalidOperation";
        case ErrorCode::buffer_too_small:
            return "BufferTooSmall";
        case ErrorCode::input_too_large:
            return "InputTooLarge";
        case ErrorCode::internal_error:
            break;
    }
    return "InternalError";
}

// Request: its name, and its fields when it has any.
struct Request {
    std::string_view name;
    std::optional<Map> fields;
};

std::optional<Request> parse(Reader reader) {
    if (reader.peek() == Kind::text) {
        return Request{reader.read_text().value(), std::nullopt};
    }
    const auto outer = reader.read_map();
    if (!outer || outer->size() != 1) {
        return std::nullopt;
    }
    Reader pair = outer->pairs();
    const auto name = pair.read_text();
    if (!name) {
        return std::nullopt;
    }
    const auto fields = pair.read_map();
    return fields ? std::optional(Request{*name, *fields}) : std::nullopt;
}

std::optional<std::uint64_t> number(const Map& fields, std::string_view key) {
    auto field = fields.find(key);
    if (!field || field->peek() != Kind::unsigned_integer) {
        return std::nullopt;
    }
    return field->read_uint().value();
}

// data is a byte string, or text as some clients send it.
std::optional<ByteView> data(const Map& fields, std::string_view key) {
    auto field = fields.find(key);
    if (field && field->peek() == Kind::bytes) {
        return field->read_bytes().value();
    }
    if (field && field->peek() == Kind::text) {
        return as_bytes(field->read_text().value());
    }
    return std::nullopt;
}

ErrorCode code_of(PcrBank::Outcome outcome) {
    switch (outcome) {
        case PcrBank::Outcome::no_such_register:
            return ErrorCode::invalid_index;
        case PcrBank::Outcome::locked:
            return ErrorCode::read_only_index;
        case PcrBank::Outcome::done:
            break;
    }
    return ErrorCode::internal_error;
}

Bytes text_response(std::string_view name) {
    Bytes response;
    Writer(response).put_text(name);
    return response;
}

// Keys are in length-first order, as the answers of the real module are.

Answer describe_module(const PcrBank& bank, std::string_view module_id) {
    Bytes response;
    Writer writer(response);
    writer.begin_map(1);
    writer.put_text("DescribeNSM");
    writer.begin_map(7);
    writer.put_text("digest");
    writer.put_text(kDigest);
    writer.put_text("max_pcrs");
    writer.put_uint(PcrBank::kCount);
    writer.put_text("module_id");
    writer.put_text(module_id);
    writer.put_text("locked_pcrs");
    const auto locked = bank.locked();
    writer.begin_array(locked.size());
    for (const std::uint16_t index : locked) {
        writer.put_uint(index);
    }
    writer.put_text("version_major");
    writer.put_uint(kVersionMajor);
    writer.put_text("version_minor");
    writer.put_uint(kVersionMinor);
    writer.put_text("version_patch");
    writer.put_uint(kVersionPatch);
    return response;
}

Answer get_random(const Requests::Random& random) {
    std::array<std::uint8_t, kRandomSize> bytes{};
    if (!random(bytes)) {
        return ErrorCode::internal_error;
    }
    Bytes response;
    Writer writer(response);
    writer.begin_map(1);
    writer.put_text("GetRandom");
    writer.begin_map(1);
    writer.put_text("random");
    writer.put_bytes(bytes);
    return response;
}

Answer describe_register(const PcrBank& bank, const Map& fields) {
    const auto index = number(fields, "index");
    if (!index) {
        return ErrorCode::invalid_operation;
    }
    const PcrBank::Register* found = bank.find(*index);
    if (found == nullptr) {
        return ErrorCode::invalid_index;
    }
    Bytes response;
    Writer writer(response);
    writer.begin_map(1);
    writer.put_text("DescribePCR");
    writer.begin_map(2);
    writer.put_text("data");
    writer.put_bytes(found->value);
    writer.put_text("lock");
    writer.put_bool(found->locked);
    return response;
}

Answer extend_register(PcrBank& bank, const Map& fields) {
    const auto index = number(fields, "index");
    const auto extension = data(fields, "data");
    if (!index || !extension) {
        return ErrorCode::invalid_operation;
    }
    const auto outcome = bank.extend(*index, *extension);
    if (outcome != PcrBank::Outcome::done) {
        return code_of(outcome);
    }
    Bytes response;
    Writer writer(response);
    writer.begin_map(1);
    writer.put_text("ExtendPCR");
    writer.begin_map(1);
    writer.put_text("data");
    writer.put_bytes(bank.find(*index)->value);
    return response;
}

Answer lock_register(PcrBank& bank, const Map& fields) {
    const auto index = number(fields, "index");
    if (!index) {
        return ErrorCode::invalid_operation;
    }
    const auto outcome = bank.lock(*index);
    if (outcome != PcrBank::Outcome::done) {
        return code_of(outcome);
    }
    return text_response("LockPCR");
}

Answer lock_registers(PcrBank& bank, const Map& fields) {
    const auto range = number(fields, "range");
    if (!range) {
        return ErrorCode::invalid_operation;
    }
    const auto outcome = bank.lock_below(*range);
    if (outcome != PcrBank::Outcome::done) {
        return code_of(outcome);
    }
    return text_response("LockPCRs");
}

// OptionalData: a field of Attestation, or why it can't be one.
using OptionalData = std::variant<std::optional<ByteView>, ErrorCode>;

// optional_data is data that may be null or not there at all.
OptionalData optional_data(const Map& fields, std::string_view key) {
    const auto field = fields.find(key);
    if (!field || field->peek() == Kind::null) {
        return std::optional<ByteView>();
    }
    const auto bytes = data(fields, key);
    if (!bytes) {
        return ErrorCode::invalid_operation;
    }
    if (bytes->size() > kMaxDocumentField) {
        return ErrorCode::input_too_large;
    }
    return bytes;
}

// read_fields reads what the enclave wants attested; its error when something is wrong with it.
std::optional<ErrorCode> read_fields(const Map& fields, Statement& statement) {
    const std::array<std::pair<std::string_view, std::optional<ByteView>*>, 3> wanted{{
        {"user_data", &statement.user_data},
        {"nonce", &statement.nonce},
        {"public_key", &statement.public_key},
    }};
    std::optional<ErrorCode> wrong;
    for (const auto& [key, to] : wanted) {
        const OptionalData read = optional_data(fields, key);
        if (const auto* code = std::get_if<ErrorCode>(&read)) {
            // What is no request at all is said before what is too large in it.
            wrong = wrong == ErrorCode::invalid_operation ? wrong : *code;
        } else {
            *to = std::get<std::optional<ByteView>>(read);
        }
    }
    return wrong;
}

Answer attest(const PcrBank& bank, std::string_view module_id, const LeafKeys& keys, TimeMs now,
              const Map& fields) {
    Statement statement;
    if (const auto wrong = read_fields(fields, statement)) {
        return *wrong;
    }
    const LeafKeys::Signer* signer = now > 0 ? keys.signer(now) : nullptr;
    if (signer == nullptr) {
        return ErrorCode::internal_error;
    }
    statement.module_id = module_id;
    statement.timestamp_ms = static_cast<std::uint64_t>(now);
    statement.pcrs = bank.locked_values();
    statement.certificate = signer->certified.leaf;
    statement.bundle = signer->certified.bundle;
    const auto document = sign_document(statement, signer->key);
    if (!document) {
        return ErrorCode::internal_error;
    }
    Bytes response;
    response.reserve(document->size() + kDocumentHead);
    Writer writer(response);
    writer.begin_map(1);
    writer.put_text("Attestation");
    writer.begin_map(1);
    writer.put_text("document");
    writer.put_bytes(*document);
    if (response.size() > kMaxResponseSize) {
        return ErrorCode::buffer_too_small;
    }
    return response;
}

Answer change_or_describe(PcrBank& bank, const Request& request) {
    if (request.name == "DescribePCR") {
        return describe_register(bank, *request.fields);
    }
    if (request.name == "ExtendPCR") {
        return extend_register(bank, *request.fields);
    }
    if (request.name == "LockPCR") {
        return lock_register(bank, *request.fields);
    }
    if (request.name == "LockPCRs") {
        return lock_registers(bank, *request.fields);
    }
    return ErrorCode::invalid_operation;
}

}  // namespace

Bytes error_response(ErrorCode code) {
    Bytes response;
    Writer writer(response);
    writer.begin_map(1);
    writer.put_text("Error");
    writer.put_text(name_of(code));
    return response;
}

Requests::Requests(PcrBank bank, std::string module_id, const LeafKeys& keys, Clock clock,
                   Random random)
    : bank_(bank),
      module_id_(std::move(module_id)),
      keys_(keys),
      clock_(std::move(clock)),
      random_(std::move(random)) {
}

Bytes Requests::answer(ByteView request) {
    if (request.size() > kMaxRequestSize) {
        return error_response(ErrorCode::input_too_large);
    }
    const auto reader = Reader::open(request, kRequestOptions);
    const auto parsed = reader ? parse(*reader) : std::nullopt;
    Answer answer = ErrorCode::invalid_operation;
    if (parsed && parsed->fields && parsed->name == "Attestation") {
        answer = attest(bank_, module_id_, keys_, clock_(), *parsed->fields);
    } else if (parsed && parsed->fields) {
        answer = change_or_describe(bank_, *parsed);
    } else if (parsed && parsed->name == "DescribeNSM") {
        answer = describe_module(bank_, module_id_);
    } else if (parsed && parsed->name == "GetRandom") {
        answer = get_random(random_);
    }
    if (auto* response = std::get_if<Bytes>(&answer)) {
        return std::move(*response);
    }
    return error_response(std::get<ErrorCode>(answer));
}

bool Requests::kernel_random(MutableBytes out) {
    while (!out.empty()) {
        const ssize_t got = ::getrandom(out.data(), out.size(), 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        out = out.subspan(static_cast<std::size_t>(got));
    }
    return true;
}

}  // namespace casemate::nsm
