#include "kms/backup/backup.hpp"

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "kms/backup/record.hpp"

namespace casemate::kms {

namespace {

// Wrapped: where a thing has what the vault wrapped, and what that is bound to.
struct Wrapped {
    Bytes* bytes = nullptr;
    std::string binding;
};

std::optional<Wrapped> wrapped_of(Thing& thing) {
    if (auto* material = std::get_if<Material>(&thing)) {
        return Wrapped{&material->wrapped, material_binding(material->key_id, material->id)};
    }
    if (auto* user = std::get_if<User>(&thing)) {
        return Wrapped{&user->wrapped_secret, access_key_binding(user->access_key_id)};
    }
    if (auto* setting = std::get_if<Setting>(&thing)) {
        return Wrapped{&setting->value, setting_binding(setting->name)};
    }
    return std::nullopt;
}

Result<OpenedThing> open_thing(const Vault& vault, const Thing& thing) {
    OpenedThing opened{.thing = thing, .secret = std::nullopt};
    const auto wrapped = wrapped_of(opened.thing);
    const bool plain = std::holds_alternative<Setting>(thing) &&
                       !Vault::is_wrapped(std::get<Setting>(thing).value);
    if (wrapped && !plain) {
        CASEMATE_TRY(opened.secret, vault.unwrap(*wrapped->bytes, wrapped->binding));
        wrapped->bytes->clear();
    }
    return opened;
}

Result<Thing> close_thing(const Vault& vault, OpenedThing opened) {
    const auto wrapped = wrapped_of(opened.thing);
    if (opened.secret && !wrapped) {
        return Error(BackupErrc::damaged, "expected no secret of a thing, found one");
    }
    if (!opened.secret && wrapped && !std::holds_alternative<Setting>(opened.thing)) {
        return Error(BackupErrc::damaged, "expected a thing's secret, found none");
    }
    if (opened.secret) {
        CASEMATE_TRY(*wrapped->bytes, vault.wrap(opened.secret->view(), wrapped->binding));
    }
    return std::move(opened.thing);
}

void count(const Thing& thing, BackupCount& counts) {
    const std::array<std::uint64_t*, std::variant_size_v<Thing>> fields = {
        &counts.settings, &counts.keys,   &counts.materials,
        &counts.aliases,  &counts.grants, &counts.users};
    ++*fields.at(thing.index());
}

Result<StreamReader> start_reading(const SecretBytes& passphrase, const Source& source) {
    Bytes header(kStreamHeaderSize);
    for (std::size_t size = 0; size < header.size();) {
        CASEMATE_TRY(const std::size_t got, source(MutableBytes(header).subspan(size)));
        if (got == 0) {
            return Error(BackupErrc::damaged, "expected the beginning of a backup, found the end");
        }
        size += got;
    }
    CASEMATE_TRY(const StreamHeader parts, read_stream_header(header));
    CASEMATE_TRY(StreamKey key, StreamKey::of_passphrase(passphrase, parts));
    return StreamReader(std::move(key), source);
}

Result<std::optional<Thing>> read_thing(StreamReader& reader, const Vault& vault) {
    CASEMATE_TRY(const bool ended, reader.at_end());
    if (ended) {
        return std::optional<Thing>();
    }
    std::array<std::uint8_t, kRecordHead> start{};
    CASEMATE_CHECK(reader.read(start));
    CASEMATE_TRY(const RecordHead head, read_record_head(start));
    SecretBytes content(head.size);
    CASEMATE_CHECK(reader.read(content.mutable_view()));
    CASEMATE_TRY(OpenedThing opened, read_record(head, content.view()));
    CASEMATE_TRY(Thing thing, close_thing(vault, std::move(opened)));
    return std::optional<Thing>(std::move(thing));
}

}  // namespace

Result<BackupCount> backup(Repository& repository, const Vault& vault,
                           const SecretBytes& passphrase, const Sink& sink,
                           const crypto::ScryptCost& cost) {
    CASEMATE_TRY(StreamKey key, StreamKey::make(passphrase, cost));
    StreamWriter writer(std::move(key), sink);
    CASEMATE_CHECK(writer.start());
    BackupCount counts;
    const auto done = repository.export_all([&](const Thing& thing) -> Result<> {
        CASEMATE_TRY(const OpenedThing opened, open_thing(vault, thing));
        CASEMATE_TRY(const SecretBytes record, write_record(opened));
        count(thing, counts);
        return writer.write(record.view());
    });
    CASEMATE_CHECK(done);
    CASEMATE_CHECK(writer.finish());
    return counts;
}

Result<BackupCount> restore(Repository& repository, const Vault& vault,
                            const SecretBytes& passphrase, const Source& source) {
    CASEMATE_TRY(StreamReader reader, start_reading(passphrase, source));
    BackupCount counts;
    const auto done = repository.import_all([&]() -> Result<std::optional<Thing>> {
        CASEMATE_TRY(std::optional<Thing> thing, read_thing(reader, vault));
        if (thing) {
            count(*thing, counts);
        }
        return thing;
    });
    CASEMATE_CHECK(done);
    return counts;
}

}  // namespace casemate::kms
