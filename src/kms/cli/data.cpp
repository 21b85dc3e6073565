// Commands about a service's directory: its certificates, root keys, audit log and contents.
#include <fcntl.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <chrono>
#include <thread>

#include "base/file.hpp"
#include "kms/audit/chain.hpp"
#include "kms/backup/backup.hpp"
#include "kms/cli/commands.hpp"
#include "kms/cli/open.hpp"
#include "kms/store/directory.hpp"
#include "kms/vault/rewrap.hpp"

namespace casemate::kms::cli {

namespace {

namespace json = boost::json;

std::string audit_directory(const AuditArguments& arguments) {
    return arguments.directory.empty() ? arguments.data + "/audit" : arguments.directory;
}

// read_audit_head reads the last line's number and hash as the log's writer has noted them.
Result<AuditHead> read_audit_head(const std::string& directory) {
    constexpr std::uint64_t kMostBytes = 256;
    const std::string file = directory + "/" + std::string(audit::kHeadFile);
    const auto content = read_file(file, kMostBytes);
    if (!content) {
        return Error(AuditErrc::unavailable, file + ": " + content.error().message());
    }
    const auto head = audit::read_head(as_text(*content));
    if (!head) {
        return Error(AuditErrc::not_a_log, file + ": expected a number and a hash");
    }
    return *head;
}

// parse_head reads what audit head printed: "SEQUENCE:HASH".
std::optional<AuditHead> parse_head(std::string_view text) {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) {
        return std::nullopt;
    }
    AuditHead out;
    const auto [end, error] = std::from_chars(text.data(), text.data() + colon, out.sequence);
    out.hash = text.substr(colon + 1);
    constexpr std::size_t kDigits = 64;
    if (error != std::errc() || end != text.data() + colon || out.hash.size() != kDigits) {
        return std::nullopt;
    }
    return out;
}

// hash_at gives the hash of one line of a log that has been verified; nothing where it ends before.
Result<std::optional<std::string>> hash_at(const std::string& directory, std::uint64_t sequence) {
    CASEMATE_TRY(const UniqueFd fd, open_file(directory, O_RDONLY | O_DIRECTORY));
    CASEMATE_TRY(const std::vector<std::uint64_t> files, audit::files(fd.get()));
    const auto after = std::upper_bound(files.begin(), files.end(), sequence);
    if (after == files.begin()) {
        return std::optional<std::string>();
    }
    const std::uint64_t first = *std::prev(after);
    CASEMATE_TRY(const UniqueFd file,
                 open_file(directory + "/" + audit::file_name(first), O_RDONLY));
    audit::Lines lines(file.get());
    for (std::uint64_t at = first;; ++at) {
        CASEMATE_TRY(const auto line, lines.next());
        if (!line) {
            return std::optional<std::string>();
        }
        if (at == sequence) {
            return std::optional(audit::hash_of(*line));
        }
    }
}

// check_kept looks for a head that was kept elsewhere in a log that has been verified.
Result<> check_kept(const std::string& directory, const AuditHead& kept) {
    if (kept.sequence == 0) {
        return {};
    }
    CASEMATE_TRY(const auto found, hash_at(directory, kept.sequence));
    if (!found) {
        return Error(AuditErrc::truncated, "expected line " + std::to_string(kept.sequence) +
                                               ", which was the head once, found none");
    }
    if (*found != kept.hash) {
        return Error(AuditErrc::changed, "expected line " + std::to_string(kept.sequence) +
                                             " to have the hash " + kept.hash + ", found " +
                                             *found);
    }
    return {};
}

int show_audit(const AuditReport& report, bool as_json, bool head_alone, Console& console) {
    if (as_json) {
        json::object out;
        out["Sequence"] = report.head.sequence;
        out["Hash"] = report.head.hash;
        if (!head_alone) {
            out["Files"] = report.files;
            out["AfterHead"] = report.after_head;
            out["UnfinishedBytes"] = report.unfinished_bytes;
        }
        return console.text(json::serialize(out) + "\n");
    }
    const std::string head = std::to_string(report.head.sequence) + ":" + report.head.hash;
    if (head_alone) {
        return console.text(head + "\n");
    }
    std::string text = "verified: " + std::to_string(report.head.sequence) + " lines in " +
                       std::to_string(report.files) + " files\nhead: " + head + "\n";
    if (report.after_head != 0 || report.unfinished_bytes != 0) {
        text += "after the head that was written last: " + std::to_string(report.after_head) +
                " lines and " + std::to_string(report.unfinished_bytes) +
                " bytes of one without end; their writer was killed, or is writing now\n";
    }
    return console.text(text);
}

struct Contents {
    std::uint64_t keys = 0;
    std::uint64_t enabled = 0;
    std::uint64_t pending_deletion = 0;
    std::uint64_t users = 0;
};

// for_each_page goes through a whole list.
template <class Read, class Take>
Result<> for_each_page(Read read, Take take) {
    std::string after;
    while (true) {
        CASEMATE_TRY(const auto page, read(after));
        for (const auto& item : page.items) {
            take(item);
        }
        if (!page.next) {
            return {};
        }
        after = *page.next;
    }
}

Result<Contents> count(Repository& repository) {
    constexpr std::size_t kPage = 1000;
    Contents out;
    CASEMATE_CHECK(
        for_each_page([&](const std::string& after) { return repository.key_page(after, kPage); },
                      [&](const Key& key) {
                          ++out.keys;
                          out.enabled += key.state == KeyState::enabled ? 1 : 0;
                          out.pending_deletion += key.state == KeyState::pending_deletion ? 1 : 0;
                      }));
    CASEMATE_CHECK(
        for_each_page([&](const std::string& after) { return repository.user_page(after, kPage); },
                      [&](const User&) { ++out.users; }));
    return out;
}

Result<BackupCount> back_up_to(const std::string& file, const service::Opened& opened,
                               const SecretBytes& passphrase) {
    CASEMATE_TRY(FileAside aside, FileAside::create(file, 0600));
    CASEMATE_TRY(const BackupCount count,
                 backup(*opened.repository, opened.vault, passphrase, sink_to(aside.fd())));
    CASEMATE_CHECK(aside.commit());
    return count;
}

Result<BackupCount> restore_from(const std::string& file, const service::Opened& opened,
                                 const SecretBytes& passphrase) {
    CASEMATE_TRY(const UniqueFd fd, open_file(file, O_RDONLY));
    return restore(*opened.repository, opened.vault, passphrase, source_of(fd.get()));
}

Result<RootKeyProtection> new_protection(const RootKeyProtectArguments& arguments) {
    if (arguments.none) {
        return RootKeyProtection(Unprotected());
    }
    if (!arguments.new_token.empty()) {
        return RootKeyProtection(ByToken{arguments.new_token});
    }
    if (!arguments.new_passphrase_file.empty()) {
        CASEMATE_TRY(SecretBytes passphrase, read_passphrase(arguments.new_passphrase_file));
        return RootKeyProtection(ByPassphrase{std::move(passphrase)});
    }
    CASEMATE_TRY(SecretBytes passphrase, ask_passphrase("New passphrase", true));
    return RootKeyProtection(ByPassphrase{std::move(passphrase)});
}

}  // namespace

int export_ca(const ExportCaArguments& arguments, Console& console) {
    const auto data = open_private_directory(arguments.data);
    if (!data) {
        return console.fail(data.error());
    }
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const auto pem = service::authority_pem(arguments.data + "/tls", now);
    return pem ? console.text(*pem) : console.fail(pem.error());
}

int backup_or_restore(const BackupArguments& arguments, Console& console) {
    const auto opened = open_service(arguments.data);
    if (!opened) {
        return console.fail(opened.error());
    }
    const auto passphrase = arguments.backup_passphrase_file.empty()
                                ? ask_passphrase("Passphrase of the backup", !arguments.restore)
                                : read_passphrase(arguments.backup_passphrase_file);
    if (!passphrase) {
        return console.fail(passphrase.error());
    }
    const auto count = arguments.restore ? restore_from(arguments.file, *opened, *passphrase)
                                         : back_up_to(arguments.file, *opened, *passphrase);
    if (!count) {
        return console.fail(count.error());
    }
    return console.text(std::string(arguments.restore ? "restored: " : "backed up: ") +
                        std::to_string(count->keys) + " keys, " + std::to_string(count->materials) +
                        " materials, " + std::to_string(count->aliases) + " aliases, " +
                        std::to_string(count->grants) + " grants, " + std::to_string(count->users) +
                        " users\n");
}

int root_key_status(const RootKeyStatusArguments& arguments, Console& console) {
    const auto opened = open_service(arguments.data);
    if (!opened) {
        return console.fail(opened.error());
    }
    const std::vector<std::string> ids = opened->vault.ids();
    if (arguments.json) {
        json::array list(ids.begin(), ids.end());
        const json::object out{{"Current", opened->vault.current_id()}, {"RootKeys", list}};
        return console.text(json::serialize(out) + "\n");
    }
    std::string text;
    for (const std::string& id : ids) {
        text += id + (id == opened->vault.current_id() ? "  current\n" : "  for reading\n");
    }
    return console.text(text);
}

int root_key_rotate(const RootKeyRotateArguments& arguments, Console& console) {
    auto opened = open_service(arguments.data);
    if (!opened) {
        return console.fail(opened.error());
    }
    if (!arguments.only_rewrap) {
        if (const auto rotated = opened->vault.rotate(); !rotated) {
            return console.fail(rotated.error());
        }
        console.say("new root key " + opened->vault.current_id() +
                    "; services that run find it in " + std::to_string(arguments.wait) +
                    " seconds");
        std::this_thread::sleep_for(std::chrono::seconds(arguments.wait));
    }
    const auto wrapped = rewrap(opened->vault, *opened->repository);
    if (!wrapped) {
        return console.fail(wrapped.error().message() +
                            "; go on with root-key rotate --only-rewrap");
    }
    return console.text(std::to_string(*wrapped) + " secrets are wrapped under " +
                        opened->vault.current_id() + "; older root keys are forgotten\n");
}

int root_key_protect(const RootKeyProtectArguments& arguments, Console& console) {
    auto opened = open_service(arguments.data);
    if (!opened) {
        return console.fail(opened.error());
    }
    const auto protection = new_protection(arguments);
    if (!protection) {
        return console.fail(protection.error());
    }
    if (const auto done = opened->vault.change_protection(*protection); !done) {
        return console.fail(done.error());
    }
    console.say(
        "the root keys are protected anew; a service that runs must be started again before the "
        "next rotation. What the old file held may still lie on the disk: where the old "
        "protection is no longer trusted, rotate (root-key rotate)");
    return kDone;
}

int audit(const AuditArguments& arguments, Console& console) {
    if (arguments.data.empty() && arguments.directory.empty()) {
        return console.fail("expected --data DIR or --audit-directory DIR", kUsage);
    }
    AuditReport report;
    if (arguments.action == AuditArguments::Action::head) {
        const auto head = read_audit_head(audit_directory(arguments));
        if (!head) {
            return console.fail(head.error());
        }
        report.head = *head;
        return show_audit(report, arguments.json, true, console);
    }
    const auto kept = arguments.expected.empty() ? AuditHead() : parse_head(arguments.expected);
    if (!kept) {
        return console.fail("--head: expected SEQUENCE:HASH, as audit head prints it", kUsage);
    }
    auto verified = verify_audit(audit_directory(arguments));
    if (const auto found = verified ? check_kept(audit_directory(arguments), *kept) : Result<>();
        !found) {
        verified = found.error();
    }
    if (!verified) {
        const bool unavailable = verified.error().is(AuditErrc::unavailable);
        return console.fail(verified.error(), unavailable ? kFailed : kNo);
    }
    return show_audit(*verified, arguments.json, false, console);
}

int status(const StatusArguments& arguments, Console& console) {
    const auto opened = open_service(arguments.data);
    if (!opened) {
        return console.fail(opened.error());
    }
    const auto contents = count(*opened->repository);
    const auto generation = opened->repository->generation();
    if (!contents || !generation) {
        return console.fail(contents ? generation.error() : contents.error());
    }
    const bool postgresql = arguments.data.store.starts_with("postgres");
    if (arguments.json) {
        const json::object out{{"Store", postgresql ? "postgresql" : "sqlite"},
                               {"Generation", *generation},
                               {"Keys", contents->keys},
                               {"KeysEnabled", contents->enabled},
                               {"KeysPendingDeletion", contents->pending_deletion},
                               {"Users", contents->users},
                               {"RootKey", opened->vault.current_id()},
                               {"RootKeys", opened->vault.ids().size()}};
        return console.text(json::serialize(out) + "\n");
    }
    return console.text(
        "store:     " + std::string(postgresql ? "PostgreSQL" : "SQLite in the directory") + ", " +
        std::to_string(*generation) + " changes so far\nkeys:      " +
        std::to_string(contents->keys) + ", " + std::to_string(contents->enabled) + " enabled, " +
        std::to_string(contents->pending_deletion) +
        " pending deletion\nusers:     " + std::to_string(contents->users) +
        "\nroot keys: " + std::to_string(opened->vault.ids().size()) + ", current " +
        opened->vault.current_id() + "\n");
}

}  // namespace casemate::kms::cli
