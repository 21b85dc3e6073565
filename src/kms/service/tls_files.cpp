#include "kms/service/tls_files.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "base/secret.hpp"
#include "kms/store/directory.hpp"

namespace casemate::kms::service {

namespace {

using crypto::Seconds;
using std::chrono::days;

constexpr const char* kAuthorityFile = "authority.pem";
constexpr const char* kServerFile = "server.pem";
constexpr days kAuthorityLife{3650};
constexpr days kServerLife{90};
constexpr days kRenewal{30};
// A client's clock may be behind.
constexpr std::chrono::hours kBackdated{1};
constexpr std::string_view kNamesLine = "Names:";
constexpr std::uint64_t kMaxFile = 1ULL << 20U;

Error bad_file(const std::string& path, const std::string& sentence) {
    return {ServiceErrc::bad_tls_file, path + ": " + sentence};
}

// Place: the directory, locked against other processes.
class Place {
public:
    static Result<Place> open(const std::string& directory) {
        CASEMATE_TRY(UniqueFd fd, open_private_directory(directory));
        // The lock is the directory's own and goes with its descriptor.
        if (::flock(fd.get(), LOCK_EX) != 0) {
            return bad_file(directory, os_error("lock the directory").message());
        }
        return Place(directory, std::move(fd));
    }

    [[nodiscard]] std::string path(const char* name) const { return directory_ + "/" + name; }

    // read gives a file's content; empty: there is none.
    [[nodiscard]] Result<SecretBytes> read(const char* name) const {
        const UniqueFd file(::openat(fd_.get(), name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        if (!file.valid() && errno == ENOENT) {
            return SecretBytes();
        }
        struct stat status {};
        if (!file.valid() || ::fstat(file.get(), &status) != 0) {
            return bad_file(path(name), os_error("open the file").message());
        }
        CASEMATE_CHECK(check_private_file(status, path(name)));
        if (status.st_size <= 0 || static_cast<std::uint64_t>(status.st_size) > kMaxFile) {
            return bad_file(path(name), "expected 1 byte to 1 MiB, found " +
                                            std::to_string(status.st_size) + " bytes");
        }
        SecretBytes content(static_cast<std::size_t>(status.st_size));
        if (const auto done = read_exactly(file.get(), content.mutable_view()); !done) {
            return bad_file(path(name), done.error().message());
        }
        return content;
    }

    [[nodiscard]] Result<> write(const char* name, ByteView content) const {
        return replace_private_file(fd_.get(), directory_, name, content);
    }

private:
    Place(std::string directory, UniqueFd fd)
        : directory_(std::move(directory)), fd_(std::move(fd)) {}

    std::string directory_;
    UniqueFd fd_;
};

// joined is head (of text) with a key's PEM behind it.
Result<SecretBytes> joined(const std::string& head, const crypto::PrivateKey& key) {
    CASEMATE_TRY(const SecretBytes pem, key.to_pem());
    SecretBytes content(head.size() + pem.size());
    const ByteView text = as_bytes(head);
    const auto end = std::copy(text.begin(), text.end(), content.mutable_view().begin());
    std::copy(pem.view().begin(), pem.view().end(), end);
    return content;
}

Result<crypto::TlsIdentity> read_identity(const Place& place, const char* name, ByteView content) {
    auto certificate = crypto::Certificate::from_pem(content);
    if (!certificate) {
        return bad_file(place.path(name), certificate.error().message());
    }
    auto key = crypto::PrivateKey::from_pem(content);
    if (!key) {
        return bad_file(place.path(name), key.error().message());
    }
    const auto public_key = certificate->public_key();
    if (!public_key || public_key->spki() != key->public_key().spki()) {
        return bad_file(place.path(name), "the certificate is not the key's");
    }
    return crypto::TlsIdentity{.key = std::move(*key), .certificate = std::move(*certificate)};
}

Result<crypto::TlsIdentity> ensure_authority(const Place& place, Seconds now) {
    CASEMATE_TRY(const SecretBytes content, place.read(kAuthorityFile));
    if (!content.empty()) {
        CASEMATE_TRY(crypto::TlsIdentity found,
                     read_identity(place, kAuthorityFile, content.view()));
        CASEMATE_TRY(const crypto::CertificateFields fields, found.certificate.fields());
        if (now >= fields.not_after) {
            return bad_file(place.path(kAuthorityFile),
                            "the authority's time is over; move the file away, start again, and "
                            "give clients the new certificate (casemate-kms export-ca)");
        }
        return found;
    }
    CASEMATE_TRY(crypto::TlsIdentity made,
                 crypto::make_tls_authority({{"O", "Casemate"}, {"CN", "Casemate KMS authority"}},
                                            now - kBackdated, now + kAuthorityLife));
    CASEMATE_TRY(const SecretBytes text, joined(made.certificate.to_pem(), made.key));
    CASEMATE_CHECK(place.write(kAuthorityFile, text.view()));
    return made;
}

bool is_address(const std::string& name) {
    std::array<std::uint8_t, sizeof(in6_addr)> address{};
    return ::inet_pton(AF_INET, name.c_str(), address.data()) == 1 ||
           ::inet_pton(AF_INET6, name.c_str(), address.data()) == 1;
}

std::string names_line(const std::vector<std::string>& names) {
    std::string line(kNamesLine);
    for (const std::string& name : names) {
        line += " " + name;
    }
    return line + "\n";
}

Result<OwnServer> as_server(const crypto::TlsIdentity& identity) {
    CASEMATE_TRY(const crypto::CertificateFields fields, identity.certificate.fields());
    CASEMATE_TRY(crypto::TlsServerContext context,
                 crypto::TlsServerContext::make({identity.certificate}, identity.key));
    return OwnServer{.context = std::move(context),
                     .not_after = fields.not_after,
                     .not_before = fields.not_before};
}

// is_good tells whether a server's certificate that was found may stay.
bool is_good(const crypto::TlsIdentity& found, const crypto::TlsIdentity& authority, Seconds now) {
    const auto fields = found.certificate.fields();
    const auto above = authority.certificate.fields();
    if (!fields || !above || now < fields->not_before ||
        !found.certificate.is_signed_by(authority.key.public_key())) {
        return false;
    }
    // Near its authority's end a new one would last no longer.
    return now + kRenewal < fields->not_after ||
           (fields->not_after == above->not_after && now < fields->not_after);
}

}  // namespace

Result<std::string> authority_pem(const std::string& directory, Seconds now) {
    CASEMATE_TRY(const Place place, Place::open(directory));
    CASEMATE_TRY(const crypto::TlsIdentity authority, ensure_authority(place, now));
    return authority.certificate.to_pem();
}

Result<OwnServer> own_server(const std::string& directory, const std::vector<std::string>& names,
                             Seconds now) {
    CASEMATE_TRY(const Place place, Place::open(directory));
    CASEMATE_TRY(const crypto::TlsIdentity authority, ensure_authority(place, now));
    CASEMATE_TRY(const SecretBytes content, place.read(kServerFile));
    if (as_text(content.view()).starts_with(names_line(names))) {
        CASEMATE_TRY(const crypto::TlsIdentity found,
                     read_identity(place, kServerFile, content.view()));
        if (is_good(found, authority, now)) {
            return as_server(found);
        }
    }
    CASEMATE_TRY(const crypto::CertificateFields above, authority.certificate.fields());
    crypto::ServerCertificate wanted;
    wanted.subject = {{"O", "Casemate"}, {"CN", "Casemate KMS"}};
    for (const std::string& name : names) {
        using Kind = crypto::AlternativeName::Kind;
        wanted.names.push_back({is_address(name) ? Kind::ip : Kind::dns, name});
    }
    wanted.not_before = std::max(above.not_before, now - kBackdated);
    wanted.not_after = std::min(above.not_after, now + kServerLife);
    CASEMATE_TRY(const crypto::TlsIdentity made, crypto::make_tls_server(wanted, authority));
    CASEMATE_TRY(const SecretBytes text,
                 joined(names_line(names) + made.certificate.to_pem(), made.key));
    CASEMATE_CHECK(place.write(kServerFile, text.view()));
    return as_server(made);
}

std::vector<std::string> default_names(const std::string& region) {
    std::vector<std::string> names{"localhost", "127.0.0.1", "::1",
                                   "kms." + region + ".amazonaws.com"};
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) == 0) {
        const std::string name = host.data();
        constexpr std::string_view kLetters =
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
        if (!name.empty() && name.find_first_not_of(kLetters) == std::string::npos &&
            std::find(names.begin(), names.end(), name) == names.end()) {
            names.push_back(name);
        }
    }
    return names;
}

Result<crypto::TlsServerContext> given_server(const std::string& certificate,
                                              const std::string& key) {
    const auto chain = read_file(certificate, kMaxFile);
    if (!chain) {
        return bad_file(certificate, chain.error().message());
    }
    auto secret = read_file(key, kMaxFile);
    if (!secret) {
        return bad_file(key, secret.error().message());
    }
    const SecretBytes held(std::move(*secret));
    auto context = crypto::TlsServerContext::from_pem(*chain, held.view());
    if (!context) {
        return bad_file(certificate + " with " + key, context.error().message());
    }
    return context;
}

}  // namespace casemate::kms::service
