// verify ROOTS.pem DOCUMENT: casemate/attestation.hpp on the real document of AWS in tests/golden.
#include <casemate/attestation.hpp>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

namespace {

using namespace casemate::relying_party;

void require(bool condition, const char* what) {
    if (!condition) {
        std::cerr << "not so: " << what << "\n";
        std::exit(1);
    }
}

std::vector<char> read(const char* path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

template <class Call>
std::string refusal_of(const Call& call) {
    try {
        call();
    } catch (const Refusal& refusal) {
        require(std::string_view(refusal.what()).size() > 10, "a sentence");
        return refusal.identifier();
    }
    return "";
}

}  // namespace

int main(int, char** argv) {
    const std::vector<char> roots = read(argv[1]);
    const std::vector<char> bytes = read(argv[2]);
    const Bytes document(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    const Time made{std::chrono::milliseconds(1665651482136)};

    const Verifier verifier(std::string_view(roots.data(), roots.size()));
    Policy policy;
    require(refusal_of([&] { (void)verifier.verify(document, policy); }) == "expired", "expired");

    policy.set_time(made + std::chrono::seconds(5)).set_max_age(std::chrono::seconds(5));
    const Document verified = verifier.verify(document, policy);
    require(verified.module_id() == "i-020b6af9246d90e92-enc0183d09086c24190", "module id");
    require(verified.timestamp() == made, "timestamp");
    require(verified.isolation() == "nitro" && !verified.debug(), "isolation");
    require(verified.pcr(0)->size() == 48 && !verified.pcr(16), "registers");
    require(verified.nonce()->size() == 256, "nonce");
    require(!verified.public_key() && !verified.user_data(), "absent fields");
    require(verified.root().size() == 32 && verified.root()[0] == 0x64, "root");
    require(verified.valid_from() < made && made < verified.valid_until(), "validity");

    policy.set_nonce(*verified.nonce()).expect_pcr(0, *verified.pcr(0));
    require(verifier.verify(document, policy).module_id() == verified.module_id(), "expected");

    std::string steps;
    policy.set_nonce(document.first(1));
    require(refusal_of([&] { (void)verifier.verify(document, policy, steps); }) == "nonce_mismatch",
            "nonce");
    require(steps.find("failed") != std::string::npos, "explanation");
    require(refusal_of([&] { policy.expect_pcrs_json("{}"); }) == "bad_expectation", "json");
    require(refusal_of([&] { policy.expect_image("/dev/null"); }) == "bad_expectation", "image");
    require(refusal_of([&] { policy.allow_isolation("none"); }) == "bad_expectation", "isolation");
    require(refusal_of([] { const Verifier none(""); }) == "bad_roots", "roots");

    Policy other;
    other.use_document_time().require_isolation("kvm");
    require(refusal_of([&] { (void)verifier.verify(document, other); }) == "isolation_refused",
            "another isolation");
    other.require_isolation("nitro");
    require(verifier.verify(document, other).isolation() == "nitro", "the isolation required");

    Policy archive;
    archive.use_document_time().allow_debug().set_clock_skew(std::chrono::seconds(1));
    require(verifier.verify(document, archive).timestamp() == made, "at its own time");
    std::cout << "as casemate/attestation.hpp says\n";
    return 0;
}
