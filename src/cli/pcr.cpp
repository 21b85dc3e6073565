#include <fcntl.h>

#include "base/file.hpp"
#include "cli/verbs.hpp"
#include "crypto/certificate.hpp"
#include "crypto/digest.hpp"
#include "eif/signing.hpp"

namespace casemate::cli {

namespace {

constexpr std::uint64_t kMaxCertificateFile = 1ULL << 20U;
constexpr std::size_t kBufferSize = 1UL << 20U;

std::string opening(const std::string& path, const Error& error) {
    return "File: '" + path + "', failing operation: 'Open'. " + error.message();
}

Result<crypto::Digest384> hash_file(int fd, Output& output) {
    crypto::Sha384 hash;
    Bytes buffer(kBufferSize);
    CASEMATE_TRY(const std::uint64_t total, file_size(fd));
    for (std::uint64_t done = 0;;) {
        CASEMATE_TRY(const std::size_t size, read_some(fd, buffer));
        if (size == 0) {
            return hash.finish();
        }
        hash.update(ByteView(buffer).first(size));
        done += size;
        // A pipe's size is not known before its end.
        if (total != 0) {
            output.progress("Hashing", done, total);
        }
    }
}

int pcr_of_file(const std::string& path, Output& output) {
    const auto fd = open_file(path, O_RDONLY);
    if (!fd) {
        return output.fail(ErrorCode::file_operation, opening(path, fd.error()));
    }
    const auto digest = hash_file(fd->get(), output);
    if (!digest) {
        return output.fail(ErrorCode::hasher, digest.error());
    }
    return output.result(Json().add("PCR", to_hex(crypto::extend_zero(*digest))));
}

int pcr_of_certificate(const std::string& path, Output& output) {
    const auto pem = read_file(path, kMaxCertificateFile);
    if (!pem) {
        return output.fail(ErrorCode::file_operation, opening(path, pem.error()));
    }
    const auto certificate = crypto::Certificate::from_pem(*pem);
    if (!certificate) {
        return output.fail(ErrorCode::hasher, certificate.error());
    }
    return output.result(Json().add("PCR8", to_hex(eif::certificate_register(*certificate))));
}

}  // namespace

int pcr(const PcrArguments& arguments, Output& output) {
    output.set_action("Compute PCR");
    if (arguments.input) {
        return pcr_of_file(*arguments.input, output);
    }
    return pcr_of_certificate(arguments.signing_certificate.value_or(""), output);
}

}  // namespace casemate::cli
