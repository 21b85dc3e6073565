#include "kms/core/session.hpp"

#include <array>
#include <cstdint>

#include "base/bytes.hpp"
#include "codec/base64.hpp"
#include "crypto/random.hpp"
#include "kms/error.hpp"
#include "policy/principal.hpp"

namespace casemate::kms {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::string_view kPrefix = "ASIA";
constexpr std::string_view kIdLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr std::size_t kIdRandom = 16;
constexpr std::size_t kSecretBytes = 30;

bool is_session_id(std::string_view text) {
    return text.size() == kPrefix.size() + kIdRandom && text.starts_with(kPrefix) &&
           text.find_first_not_of(kIdLetters) == std::string_view::npos;
}

std::uint64_t seconds_of(Time time) {
    return static_cast<std::uint64_t>(
        std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
}

void put_text(ByteWriter& writer, ByteView text) {
    writer.put_be(static_cast<std::uint16_t>(text.size()));
    writer.put_bytes(text);
}

SecretBytes write_record(const SessionTerms& terms, Time expires, const SecretBytes& secret) {
    constexpr std::size_t kNumbers = 32;
    Bytes out;
    // All at once: a vector that grows leaves copies of the secret.
    out.reserve(kNumbers + terms.access_key_id.size() + secret.size() + terms.name.size() +
                terms.policy.size());
    ByteWriter writer(out);
    writer.put_u8(kVersion);
    writer.put_be(seconds_of(terms.issued));
    writer.put_be(seconds_of(expires));
    put_text(writer, as_bytes(terms.access_key_id));
    put_text(writer, secret.view());
    put_text(writer, as_bytes(terms.name));
    put_text(writer, as_bytes(terms.policy));
    return SecretBytes(std::move(out));
}

bool read_time(ByteReader& reader, Time& out) {
    constexpr std::uint64_t kYear9999 = 253402300799;
    std::uint64_t seconds = 0;
    if (!reader.read_be(seconds) || seconds > kYear9999) {
        return false;
    }
    out = Time(std::chrono::seconds(seconds));
    return true;
}

bool read_text(ByteReader& reader, ByteView& out) {
    std::uint16_t size = 0;
    return reader.read_be(size) && reader.read_bytes(size, out);
}

// read_record reads what write_record writes; nothing for what a later release may write.
std::optional<OpenedSession> read_record(ByteView record) {
    ByteReader reader(record);
    std::uint8_t version = 0;
    OpenedSession out;
    ByteView id;
    ByteView secret;
    ByteView name;
    ByteView policy;
    if (!reader.read_u8(version) || version != kVersion || !read_time(reader, out.issued) ||
        !read_time(reader, out.expires) || !read_text(reader, id) || !read_text(reader, secret) ||
        !read_text(reader, name) || !read_text(reader, policy) || !reader.empty()) {
        return std::nullopt;
    }
    out.user_access_key_id = as_text(id);
    out.secret = SecretBytes(Bytes(secret.begin(), secret.end()));
    out.name = as_text(name);
    out.policy = as_text(policy);
    return out;
}

}  // namespace

bool is_session_name(std::string_view text) {
    constexpr std::size_t kLeast = 2;
    constexpr std::size_t kMost = 64;
    constexpr std::string_view kLetters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+=,.@_-";
    return text.size() >= kLeast && text.size() <= kMost &&
           text.find_first_not_of(kLetters) == std::string_view::npos;
}

std::string new_access_key_id(std::string_view prefix) {
    std::array<std::uint8_t, kIdRandom> random{};
    crypto::random_bytes(random);
    std::string out(prefix);
    for (const std::uint8_t byte : random) {
        out += kIdLetters[byte % kIdLetters.size()];
    }
    return out;
}

Result<SessionCredentials> make_session(const Vault& vault, const SessionTerms& terms) {
    SessionCredentials out;
    out.access_key_id = new_access_key_id(kPrefix);
    out.expires = std::chrono::floor<std::chrono::seconds>(terms.issued) + terms.duration;
    std::string secret = codec::encode_base64(crypto::random_secret(kSecretBytes).view());
    out.secret = SecretBytes(Bytes(secret.begin(), secret.end()));
    cleanse({reinterpret_cast<std::uint8_t*>(secret.data()), secret.size()});
    const SecretBytes record = write_record(terms, out.expires, out.secret);
    CASEMATE_TRY(const Bytes wrapped,
                 vault.wrap(record.view(), session_binding(out.access_key_id)));
    out.token = codec::encode_base64(wrapped);
    return out;
}

Result<std::optional<OpenedSession>> open_session(const Vault& vault,
                                                  std::string_view access_key_id,
                                                  std::string_view token) {
    if (token.size() > kMaxSessionToken || !is_session_id(access_key_id)) {
        return std::optional<OpenedSession>();
    }
    const auto wrapped = codec::decode_base64(token);
    if (!wrapped) {
        return std::optional<OpenedSession>();
    }
    const auto record = vault.unwrap(*wrapped, session_binding(access_key_id));
    if (!record) {
        return record.error().is(VaultErrc::unavailable)
                   ? Result<std::optional<OpenedSession>>(record.error())
                   : Result<std::optional<OpenedSession>>(std::optional<OpenedSession>());
    }
    return read_record(record->view());
}

Result<Caller> caller_of(const Caller& user, std::string_view access_key_id,
                         const OpenedSession& session) {
    Caller out = user;
    out.access_key_id = access_key_id;
    Session made;
    made.issuer = user.arn;
    made.issued = session.issued;
    made.expires = session.expires;
    if (!session.policy.empty()) {
        auto policy = policy::Policy::parse(session.policy, policy::Kind::identity_policy);
        if (!policy) {
            return Error(KmsErrc::invalid_client_token,
                         "The security token included in the request is invalid.");
        }
        made.policy = std::move(*policy);
    }
    const policy::Caller parts = policy::Caller::of(user.arn);
    if (parts.kind == policy::Caller::Kind::role) {
        out.arn = "arn:" + std::string(parts.partition) + ":sts::" + std::string(parts.account) +
                  ":assumed-role/" + std::string(parts.name) + "/" + session.name;
    }
    out.session = std::move(made);
    return out;
}

}  // namespace casemate::kms
