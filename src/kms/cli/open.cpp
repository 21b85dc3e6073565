#include "kms/cli/open.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <array>

#include "base/os_error.hpp"

namespace casemate::kms::cli {

namespace {

constexpr std::size_t kMaxPassphrase = 4096;

Error bad_file(const std::string& file, const std::string& sentence) {
    return {PassphraseErrc::bad_file, file + ": " + sentence};
}

// read_line reads to a line's end or the file's, without it.
Result<SecretBytes> read_line(int fd) {
    SecretBytes buffer(kMaxPassphrase + 1);
    std::size_t size = 0;
    while (size <= kMaxPassphrase) {
        const MutableBytes rest = buffer.mutable_view().subspan(size);
        if (rest.empty()) {
            break;
        }
        CASEMATE_TRY(const std::size_t got, read_some(fd, rest.first(1)));
        if (got == 0 || rest[0] == '\n') {
            const ByteView found = buffer.view().first(size);
            return SecretBytes(Bytes(found.begin(), found.end()));
        }
        ++size;
    }
    return Error(PassphraseErrc::bad_file, "expected at most 4096 bytes");
}

// Silent: a terminal that does not show what is typed, until the object goes.
class Silent {
public:
    explicit Silent(int fd) : fd_(fd) {
        if (::tcgetattr(fd, &before_) == 0) {
            termios silent = before_;
            silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
            changed_ = ::tcsetattr(fd, TCSAFLUSH, &silent) == 0;
        }
    }
    Silent(const Silent&) = delete;
    Silent& operator=(const Silent&) = delete;
    ~Silent() {
        if (changed_) {
            ::tcsetattr(fd_, TCSAFLUSH, &before_);
        }
    }

private:
    int fd_;
    termios before_{};
    bool changed_ = false;
};

Result<SecretBytes> ask_once(int terminal, std::string_view question) {
    CASEMATE_CHECK(write_all(terminal, as_bytes(std::string(question) + ": ")));
    const Silent silent(terminal);
    CASEMATE_TRY(SecretBytes answer, read_line(terminal));
    CASEMATE_CHECK(write_all(terminal, as_bytes("\n")));
    return answer;
}

}  // namespace

std::string_view describe(PassphraseErrc code) {
    return code == PassphraseErrc::bad_file ? "bad passphrase file" : "no passphrase";
}

Result<SecretBytes> read_passphrase(const std::string& file) {
    const auto fd = open_file(file, O_RDONLY);
    if (!fd) {
        return bad_file(file, fd.error().message());
    }
    struct stat status {};
    if (::fstat(fd->get(), &status) != 0) {
        return bad_file(file, os_error("look at the file").message());
    }
    if (S_ISREG(status.st_mode) && (status.st_mode & 077U) != 0) {
        return bad_file(file, "expected a file that its owner alone may read (chmod 600)");
    }
    auto passphrase = read_line(fd->get());
    if (!passphrase || passphrase->empty()) {
        return bad_file(file, passphrase ? "expected a passphrase, found an empty line"
                                         : passphrase.error().message());
    }
    return passphrase;
}

Result<SecretBytes> ask_passphrase(std::string_view question, bool twice) {
    const auto terminal = open_file("/dev/tty", O_RDWR | O_NOCTTY);
    if (!terminal) {
        return Error(PassphraseErrc::not_given,
                     "expected --passphrase-file, CASEMATE_KMS_PASSPHRASE_FILE or a terminal to "
                     "ask for the passphrase, found none of them");
    }
    CASEMATE_TRY(SecretBytes answer, ask_once(terminal->get(), question));
    if (twice) {
        CASEMATE_TRY(const SecretBytes again, ask_once(terminal->get(), "Once more"));
        if (!constant_time_equal(answer.view(), again.view())) {
            return Error(PassphraseErrc::not_given, "the two passphrases differ");
        }
    }
    if (answer.empty()) {
        return Error(PassphraseErrc::not_given, "expected a passphrase, found an empty line");
    }
    return answer;
}

Result<RootKeyProtection> protection_of(const DataArguments& arguments) {
    if (!arguments.root_key_token.empty()) {
        return RootKeyProtection(ByToken{arguments.root_key_token});
    }
    if (!arguments.passphrase_file.empty()) {
        CASEMATE_TRY(SecretBytes passphrase, read_passphrase(arguments.passphrase_file));
        return RootKeyProtection(ByPassphrase{std::move(passphrase)});
    }
    const auto unprotected = Vault::open(arguments.data);
    if (unprotected) {
        return RootKeyProtection(Unprotected());
    }
    const Error& error = unprotected.error();
    if (!error.is(VaultErrc::wrong_protection) ||
        error.detail().find("passphrase") == std::string::npos) {
        return error;
    }
    CASEMATE_TRY(SecretBytes passphrase, ask_passphrase("Passphrase of the root keys", false));
    return RootKeyProtection(ByPassphrase{std::move(passphrase)});
}

Result<service::Opened> open_service(const DataArguments& arguments) {
    CASEMATE_TRY(const RootKeyProtection protection, protection_of(arguments));
    return service::open_data(arguments.data, arguments.store, protection);
}

Result<std::unique_ptr<Repository>> open_store(const DataArguments& arguments) {
    return Repository::open(arguments.store.empty() ? arguments.data : arguments.store, 2);
}

}  // namespace casemate::kms::cli
