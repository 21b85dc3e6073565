#include "kms/core/trust.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "base/file.hpp"
#include "crypto/certificate.hpp"

namespace casemate::kms {

namespace {

constexpr std::size_t kMaxRoots = std::size_t{1} << 20U;

// fingerprint_of changes when any of the files does.
std::string fingerprint_of(const std::vector<std::string>& files) {
    std::string text;
    for (const std::string& file : files) {
        struct stat status {};
        if (::stat(file.c_str(), &status) != 0) {
            text += "-;";
            continue;
        }
        text += std::to_string(status.st_dev) + "," + std::to_string(status.st_ino) + "," +
                std::to_string(status.st_size) + "," + std::to_string(status.st_mtim.tv_sec) + "," +
                std::to_string(status.st_mtim.tv_nsec) + ";";
    }
    return text;
}

}  // namespace

Result<std::shared_ptr<const attestation::Verifier>> Trust::verifier() {
    const std::string fingerprint = fingerprint_of(rules_.roots);
    const std::lock_guard lock(mutex_);
    if (verifier_ && fingerprint == fingerprint_) {
        return verifier_;
    }
    std::vector<crypto::Certificate> roots;
    for (const std::string& file : rules_.roots) {
        if (::access(file.c_str(), F_OK) != 0) {
            continue;
        }
        CASEMATE_TRY(const Bytes content, read_file(file, kMaxRoots));
        CASEMATE_TRY(std::vector<crypto::Certificate> found,
                     crypto::Certificate::all_from_pem(content));
        std::move(found.begin(), found.end(), std::back_inserter(roots));
    }
    CASEMATE_TRY(attestation::Verifier made, attestation::Verifier::create(std::move(roots)));
    verifier_ = std::make_shared<const attestation::Verifier>(std::move(made));
    fingerprint_ = fingerprint;
    return verifier_;
}

Result<attestation::VerifiedDocument> Trust::verify(ByteView document, attestation::Time now) {
    CASEMATE_TRY(const auto judge, verifier());
    attestation::Policy policy;
    policy.now = now;
    policy.max_age = rules_.max_age;
    policy.isolation = rules_.isolation;
    policy.allow_debug = rules_.allow_debug;
    return judge->verify(document, policy);
}

}  // namespace casemate::kms
