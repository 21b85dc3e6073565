#include "enclave/registry.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <filesystem>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "enclave/errors.hpp"

namespace casemate::enclave {

namespace {

namespace fs = std::filesystem;

// The registry's own lock orders those who add, remove and clear up. Lock files are the owner's
// alone: whoever can open one can hold it, and would keep everybody waiting.
Result<UniqueFd> locked(const std::string& path, int open_flags, int operation) {
    CASEMATE_TRY(UniqueFd file, open_file(path, open_flags, 0600));
    int status = 0;
    do {
        status = ::flock(file.get(), operation);
    } while (status != 0 && errno == EINTR);
    if (status != 0) {
        return os_error("lock " + path);
    }
    return file;
}

std::vector<std::string> names_in(const std::string& directory) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        names.push_back(entry->path().filename());
    }
    return names;
}

// The slot's number begins with the time, so ids of one machine sort by start.
std::string_view slot_of(const std::string& id) {
    const std::size_t mark = id.rfind("-enc");
    return mark == std::string::npos ? std::string_view(id) : std::string_view(id).substr(mark);
}

void sort_by_start(std::vector<std::string>& ids) {
    std::sort(ids.begin(), ids.end(), [](const std::string& a, const std::string& b) {
        const auto left = slot_of(a);
        const auto right = slot_of(b);
        return left.size() != right.size() ? left.size() < right.size() : left < right;
    });
}

Result<EnclaveRecord> read_record(const std::string& path) {
    CASEMATE_TRY(const Bytes content, read_file(path, kMaxRecordSize));
    return parse_record(as_text(content));
}

enum class Liveness { alive, dead };

// A lock file that can't be opened is another user's living enclave, as far as one can tell.
Liveness liveness(const std::string& lock) {
    const auto probe = locked(lock, O_RDONLY, LOCK_SH | LOCK_NB);
    if (probe) {
        return Liveness::dead;
    }
    return probe.error().is(static_cast<Errno>(ENOENT)) ? Liveness::dead : Liveness::alive;
}

void remove_cid(const Paths& paths, std::uint32_t cid, const std::string& id) {
    std::error_code error;
    const fs::path target = fs::read_symlink(paths.cid(cid), error);
    if (!error && target.string().find("/" + id + "/") != std::string::npos) {
        fs::remove(paths.cid(cid), error);
    }
}

// What leads to an enclave whose record can't be read: nothing may keep its CID for ever.
void remove_cids(const Paths& paths, const std::string& id) {
    for (const std::string& name : names_in(paths.cids())) {
        std::error_code error;
        const fs::path link = fs::path(paths.cids()) / name;
        const fs::path target = fs::read_symlink(link, error);
        if (!error && target.string().find("/" + id + "/") != std::string::npos) {
            fs::remove(link, error);
        }
    }
}

// A killed supervisor takes its children with it; this is for one that did not go.
void kill_child(const ChildProcess& child) {
    UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
    if (process.valid() && process_start_ticks(child.pid) == child.start_ticks) {
        ::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
    }
}

Result<> write_record(const std::string& path, const EnclaveRecord& record, unsigned mode) {
    return write_file_atomically(path, as_bytes(to_json(record)), mode);
}

}  // namespace

bool valid_id(std::string_view id) {
    const auto allowed = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '-' || c == '_' || c == '.';
    };
    return !id.empty() && id.size() <= 128 && id.front() != '.' &&
           id.find("-enc") != std::string_view::npos && std::all_of(id.begin(), id.end(), allowed);
}

std::uint64_t make_slot_uid() {
    std::uint16_t random = 0;
    if (::getrandom(&random, sizeof(random), 0) != static_cast<ssize_t>(sizeof(random))) {
        random = static_cast<std::uint16_t>(::getpid());
    }
    return (static_cast<std::uint64_t>(now_ms()) << 16U) | random;
}

std::uint64_t slot_uid_of(std::string_view id) {
    const std::size_t mark = id.rfind("-enc");
    const std::string_view digits =
        mark == std::string_view::npos ? std::string_view() : id.substr(mark + 4);
    std::uint64_t slot_uid = 0;
    const char* end = digits.data() + digits.size();
    const auto read = std::from_chars(digits.data(), end, slot_uid, 16);
    return read.ec == std::errc() && read.ptr == end ? slot_uid : 0;
}

Registration::Registration(Registration&& other) noexcept
    : paths_(std::move(other.paths_)),
      id_(std::exchange(other.id_, {})),
      cid_(other.cid_),
      lock_(std::move(other.lock_)) {
}

Result<> Registration::publish(const EnclaveRecord& record) const {
    CASEMATE_CHECK(write_record(paths_.history(id_) + "/record.json", record, 0600));
    return write_record(paths_.enclave(id_) + "/state.json", record, 0644);
}

void Registration::remove() {
    if (id_.empty()) {
        return;
    }
    // The lock is dropped last: before that nobody else clears up here.
    remove_cid(paths_, cid_, id_);
    std::error_code error;
    fs::remove_all(paths_.enclave(id_), error);
    id_.clear();
    lock_.reset();
}

Result<UniqueFd> Registry::lock_registry() const {
    return locked(paths_.runtime + "/lock", O_RDWR | O_CREAT, LOCK_EX);
}

void Registry::clear_up(const std::string& id) const {
    auto record = read_record(paths_.enclave(id) + "/state.json");
    if (record) {
        for (const ChildProcess& child : record->children) {
            kill_child(child);
        }
        if (!record->end) {
            record->end = End{EndKind::supervisor_killed,
                              "its supervisor (casemate-enclave, process " +
                                  std::to_string(record->supervisor) +
                                  ") was killed, or the machine was restarted",
                              {},
                              {}};
            record->state = EnclaveState::ended;
            record->ended_ms = now_ms();
        }
        static_cast<void>(write_record(paths_.history(id) + "/record.json", *record, 0600));
    }
    remove_cids(paths_, id);
    std::error_code error;
    fs::remove_all(paths_.enclave(id), error);
}

std::vector<std::string> Registry::sweep() const {
    std::vector<std::string> alive;
    for (const std::string& id : names_in(paths_.enclaves())) {
        if (!valid_id(id)) {
            continue;
        }
        if (liveness(paths_.enclave(id) + "/lock") == Liveness::alive) {
            alive.push_back(id);
        } else {
            clear_up(id);
        }
    }
    // After a restart of the machine the runtime directory may be gone with the records in it.
    for (const std::string& id : names_in(paths_.histories())) {
        auto record = read_record(paths_.history(id) + "/record.json");
        if (record && !record->end && !fs::exists(paths_.enclave(id))) {
            record->end =
                End{EndKind::supervisor_killed, "its supervisor is gone without a word", {}, {}};
            record->state = EnclaveState::ended;
            record->ended_ms = now_ms();
            static_cast<void>(write_record(paths_.history(id) + "/record.json", *record, 0600));
        }
    }
    sort_by_start(alive);
    return alive;
}

std::vector<std::string> Registry::living() {
    const auto lock = lock_registry();
    if (lock) {
        return sweep();
    }
    // Another user's directory: one may look, not clear up.
    std::vector<std::string> alive;
    for (const std::string& id : names_in(paths_.enclaves())) {
        if (valid_id(id) && liveness(paths_.enclave(id) + "/lock") == Liveness::alive) {
            alive.push_back(id);
        }
    }
    sort_by_start(alive);
    return alive;
}

std::vector<EnclaveRecord> Registry::histories() {
    static_cast<void>(living());
    std::vector<std::string> ids = names_in(paths_.histories());
    sort_by_start(ids);
    std::vector<EnclaveRecord> records;
    for (const std::string& id : ids) {
        auto record = read_record(paths_.history(id) + "/record.json");
        if (record) {
            records.push_back(std::move(*record));
        }
    }
    return records;
}

Result<EnclaveRecord> Registry::read_living(const std::string& id) const {
    return read_record(paths_.enclave(id) + "/state.json");
}

void Registry::forget_old_histories(const std::vector<std::string>& alive) const {
    std::vector<std::string> ended = names_in(paths_.histories());
    std::erase_if(ended, [&alive](const std::string& id) {
        return std::find(alive.begin(), alive.end(), id) != alive.end();
    });
    sort_by_start(ended);
    std::error_code error;
    for (std::size_t i = 0; i + kKeptHistories < ended.size(); ++i) {
        fs::remove_all(paths_.history(ended[i]), error);
    }
}

Result<std::uint32_t> Registry::free_cid(std::uint32_t wanted) const {
    const auto taken = [this](std::uint32_t cid) {
        std::error_code error;
        return fs::symlink_status(paths_.cid(cid), error).type() != fs::file_type::not_found;
    };
    if (wanted != 0) {
        if (taken(wanted)) {
            return Error(EnclaveErrc::machine_refused,
                         "expected a CID that is free, found that CID " + std::to_string(wanted) +
                             " belongs to an enclave that is running (" + paths_.cid(wanted) + ")");
        }
        return wanted;
    }
    std::uint32_t cid = kFirstAutomaticCid;
    while (taken(cid)) {
        ++cid;
    }
    return cid;
}

std::string Registry::free_name(const std::string& wanted,
                                const std::vector<std::string>& alive) const {
    std::vector<std::string> names;
    for (const std::string& id : alive) {
        const auto record = read_living(id);
        if (record) {
            names.push_back(record->name);
        }
    }
    std::string name = wanted;
    for (int number = 1; std::find(names.begin(), names.end(), name) != names.end(); ++number) {
        name = wanted + "_" + std::to_string(number);
    }
    return name;
}

Result<Registration> Registry::register_enclave(EnclaveRecord& record,
                                                const std::string& instance_id) {
    CASEMATE_CHECK(make_directories(paths_));
    CASEMATE_CHECK(check_directories(paths_));
    CASEMATE_TRY(const UniqueFd registry_lock, lock_registry());
    const std::vector<std::string> alive = sweep();
    forget_old_histories(alive);
    CASEMATE_TRY(record.cid, free_cid(record.cid));
    record.name = free_name(record.name, alive);
    std::array<char, 17> slot{};
    do {
        std::snprintf(slot.data(), slot.size(), "%llx",
                      static_cast<unsigned long long>(make_slot_uid()));
        record.id = instance_id + "-enc" + slot.data();
    } while (fs::exists(paths_.enclave(record.id)) || fs::exists(paths_.history(record.id)));

    const std::string place = paths_.enclave(record.id);
    std::error_code error;
    for (const std::string& directory : {place, place + "/parent", paths_.history(record.id)}) {
        if (!fs::create_directory(directory, error)) {
            return os_error("make the directory " + directory, error.value());
        }
    }
    fs::permissions(place, fs::perms(0755), error);
    fs::permissions(place + "/parent", fs::perms(0755), error);
    fs::permissions(paths_.history(record.id), fs::perms(0700), error);
    CASEMATE_TRY(UniqueFd lock, locked(place + "/lock", O_RDWR | O_CREAT, LOCK_EX | LOCK_NB));
    Registration registration(paths_, record.id, record.cid, std::move(lock));
    CASEMATE_CHECK(registration.publish(record));
    fs::create_symlink("../enclaves/" + record.id + "/vsock", paths_.cid(record.cid), error);
    if (error) {
        return os_error("link " + paths_.cid(record.cid), error.value());
    }
    return registration;
}

}  // namespace casemate::enclave
