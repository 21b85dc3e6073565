// Opening a service's directory as the command line says.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "kms/cli/arguments.hpp"
#include "kms/service/service.hpp"

namespace casemate::kms::cli {

enum class PassphraseErrc : std::uint8_t {
    // The file can't be read, is empty, or may be read by others.
    bad_file,
    // There is no terminal to ask at, or the two answers differ.
    not_given,
};
[[nodiscard]] std::string_view describe(PassphraseErrc code);

// read_passphrase reads a file of at most 4 KiB without its last line end. Errors: PassphraseErrc
// bad_file.
[[nodiscard]] Result<SecretBytes> read_passphrase(const std::string& file);
// ask_passphrase asks at the terminal, twice where it is a new one. Errors: PassphraseErrc
// not_given.
[[nodiscard]] Result<SecretBytes> ask_passphrase(std::string_view question, bool twice);

// protection_of gives what protects the root keys: what the arguments say; where they say nothing
// and the root keys want a passphrase, it is asked for. Errors: PassphraseErrc; those of
// Vault::open but wrong_protection.
[[nodiscard]] Result<RootKeyProtection> protection_of(const DataArguments& arguments);

// open_service opens an existing service's store and vault. Errors: of protection_of and
// service::open_data.
[[nodiscard]] Result<service::Opened> open_service(const DataArguments& arguments);

// open_store opens the store alone, for which no root key is needed. Errors: StoreErrc.
[[nodiscard]] Result<std::unique_ptr<Repository>> open_store(const DataArguments& arguments);

}  // namespace casemate::kms::cli
