#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "cli/interruption.hpp"
#include "cli/measurements_json.hpp"
#include "cli/signing.hpp"
#include "cli/verbs.hpp"

namespace casemate::cli {

namespace {

// Signing: the image of one path, replaced by one with a signature or left as it was.
class Signing {
public:
    Signing(const eif::ImageSigner& signer, Output& output) : signer_(signer), output_(output) {}

    Result<eif::Measurements> run(const std::string& path) {
        // What takes a file's place must be beside the file itself.
        CASEMATE_TRY(const std::string real, output_place(path));
        CASEMATE_TRY(const UniqueFd image, open_file(real, O_RDONLY));
        struct stat status {};
        if (::fstat(image.get(), &status) != 0) {
            return os_error("look at " + path);
        }
        CASEMATE_TRY(FileAside aside, FileAside::create(real, 0600));
        CASEMATE_TRY(const auto built,
                     eif::copy_signed(image.get(), aside.fd(), signer_,
                                      [this](auto done, auto of) { return look(done, of); }));
        CASEMATE_CHECK(look_alike(aside.fd(), status));
        CASEMATE_CHECK(aside.commit());
        return built.measurements;
    }

    // obey lets a signal that came meanwhile end the program.
    void obey() { interruption_.obey(); }

private:
    Result<> look(std::uint64_t done, std::uint64_t total) {
        if (interruption_.signal() != 0) {
            return os_error("sign the enclave image", EINTR);
        }
        output_.progress("Signing", done, total);
        return {};
    }

    // look_alike gives the new file the owner of the old one, where this user may, and its mode.
    static Result<> look_alike(int file, const struct stat& old) {
        // What a group might do says nothing about another group.
        const mode_t modes = ::fchown(file, old.st_uid, old.st_gid) == 0 ? 0777U : 0707U;
        if (::fchmod(file, old.st_mode & modes) != 0) {
            return os_error("set the mode of the signed image");
        }
        return {};
    }

    const eif::ImageSigner& signer_;
    Output& output_;
    Interruption interruption_;
};

}  // namespace

int sign_eif(const SignEifArguments& arguments, Output& output) {
    output.set_action("Sign EIF");
    if (!arguments.eif_path) {
        return output.fail(ErrorCode::missing_argument,
                           "User did not provide the `eif-path` argument.");
    }
    if (!arguments.signing_certificate || !arguments.private_key) {
        return output.fail(ErrorCode::signing,
                           "Expected --signing-certificate and --private-key, found neither");
    }
    const auto signer = open_signer(*arguments.signing_certificate, *arguments.private_key);
    if (!signer) {
        return output.fail(ErrorCode::signing, signer.error());
    }
    warn_of_validity(*signer, output);
    Signing signing(*signer, output);
    const auto measurements = signing.run(*arguments.eif_path);
    if (!measurements) {
        signing.obey();
        return output.fail(ErrorCode::signing,
                           *arguments.eif_path + ": " + measurements.error().message());
    }
    output.say("Enclave Image successfully signed.");
    return output.result(Json().add("Measurements", measurements_json(*measurements)));
}

}  // namespace casemate::cli
