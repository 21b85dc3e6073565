#include "kms/audit/audit_log.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/fd.hpp"
#include "base/os_error.hpp"
#include "base/thread.hpp"
#include "codec/utf8.hpp"
#include "kms/audit/chain.hpp"
#include "kms/store/directory.hpp"
#include "kms/store/error.hpp"

namespace casemate::kms {

namespace {

Error unavailable(const Error& error) {
    return {AuditErrc::unavailable, error.message()};
}

Error of_place(const Error& error) {
    return {error.is(StoreErrc::bad_place) ? AuditErrc::not_a_log : AuditErrc::unavailable,
            error.detail()};
}

// open_private opens a file of the log that is its owner's alone.
Result<UniqueFd> open_private(int directory, const std::string& name, int flags) {
    UniqueFd file(
        ::openat(directory, name.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    struct stat status {};
    if (!file.valid() && errno == ELOOP) {
        return Error(AuditErrc::not_a_log, "expected a file " + name + ", found a link");
    }
    if (!file.valid() || ::fstat(file.get(), &status) != 0) {
        return unavailable(os_error("open " + name));
    }
    if (auto checked = check_private_file(status, name); !checked) {
        return of_place(checked.error());
    }
    return file;
}

// load_head reads the head; nothing: there is none.
Result<std::optional<AuditHead>> load_head(int directory) {
    const std::string name(audit::kHeadFile);
    struct stat status {};
    if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
        return std::optional<AuditHead>();
    }
    CASEMATE_TRY(const UniqueFd file, open_private(directory, name, O_RDONLY));
    Bytes text(128);
    auto got = read_some(file.get(), text);
    if (!got) {
        return unavailable(got.error());
    }
    auto head = audit::read_head(as_text(ByteView(text).first(*got)));
    if (!head) {
        return Error(AuditErrc::not_a_log, "expected a head in " + name + ", found other bytes");
    }
    return head;
}

// Walk goes through a log's files, line by line.
struct Walk {
    std::optional<AuditHead> known;
    AuditHead last;
    std::uint64_t unfinished = 0;
    // Where the last file's last whole line ends.
    std::uint64_t end = 0;

    // known_passes checks the line that the head names when it comes by.
    Result<> known_passes(const std::string& where) const {
        if (known && known->sequence == last.sequence && known->hash != last.hash) {
            return Error(AuditErrc::changed, where + ": expected the line of hash " + known->hash +
                                                 " that the head names, found one of hash " +
                                                 last.hash);
        }
        return {};
    }

    Result<> through(int directory, std::uint64_t first) {
        const std::string name = audit::file_name(first);
        if (unfinished != 0) {
            return Error(AuditErrc::not_a_log, "expected a whole last line before " + name +
                                                   ", found " + std::to_string(unfinished) +
                                                   " bytes without an end");
        }
        if (first != last.sequence + 1) {
            return Error(AuditErrc::out_of_order,
                         "expected " + audit::file_name(last.sequence + 1) + ", found " + name +
                             "; the lines between are missing");
        }
        CASEMATE_TRY(const UniqueFd file, open_private(directory, name, O_RDONLY));
        audit::Lines lines(file.get());
        for (std::uint64_t number = 1;; ++number) {
            const std::string where = name + " line " + std::to_string(number);
            auto line = lines.next();
            if (!line) {
                return std::move(line).error().while_doing(where);
            }
            if (!line->has_value()) {
                unfinished = lines.unfinished();
                end = lines.offset();
                return {};
            }
            CASEMATE_CHECK(audit::follow(last, **line, where));
            CASEMATE_CHECK(known_passes(where));
        }
    }

    // reached checks, at the end, that the head was there.
    [[nodiscard]] Result<> reached() const {
        if (!known && last.sequence != 0) {
            return Error(
                AuditErrc::truncated,
                "expected a head beside " + std::to_string(last.sequence) + " lines, found none");
        }
        if (known && known->sequence > last.sequence) {
            return Error(AuditErrc::truncated, "expected " + std::to_string(known->sequence) +
                                                   " lines, as the head says, found an end after " +
                                                   std::to_string(last.sequence));
        }
        return {};
    }
};

class FileLog final : public AuditLog {
public:
    explicit FileLog(const AuditOptions& options) : options_(options) {}

    ~FileLog() override {
        {
            const std::lock_guard lock(mutex_);
            closing_ = true;
        }
        wake_.notify_all();
        if (syncer_.joinable()) {
            syncer_.join();
        }
        // What could not be written is told to those who append; nobody listens any more.
        static_cast<void>(sync());
    }

    Result<> start() {
        auto directory = open_private_directory(options_.directory);
        if (!directory) {
            return of_place(directory.error());
        }
        directory_ = std::move(directory).value();
        if (::flock(directory_.get(), LOCK_EX | LOCK_NB) != 0) {
            return Error(AuditErrc::unavailable, "expected to be the only writer of " +
                                                     options_.directory + ", found another");
        }
        CASEMATE_TRY(const auto firsts, audit::files(directory_.get()));
        CASEMATE_TRY(known_.known, load_head(directory_.get()));
        CASEMATE_CHECK(go_on(firsts));
        if (options_.sync == AuditSync::each_second) {
            auto syncer = start_thread("the audit log", [this] { sync_each_second(); });
            if (!syncer) {
                return unavailable(syncer.error());
            }
            syncer_ = std::move(syncer).value();
        }
        return {};
    }

    Result<> append(std::string_view object) override {
        CASEMATE_CHECK(check_entry(object));
        std::unique_lock lock(mutex_);
        if (failure_) {
            return *failure_;
        }
        if (size_ >= options_.file_size) {
            CASEMATE_CHECK(fail_on(next_file(lock)));
        }
        const std::string line = audit::chained(last_, object);
        if (auto done = write_all_at(file_.get(), size_, as_bytes(line)); !done) {
            // A part of it may be there: nothing may follow.
            return fail_on(unavailable(done.error()));
        }
        size_ += line.size();
        last_.sequence += 1;
        last_.hash = audit::hash_of(std::string_view(line).substr(0, line.size() - 1));
        return options_.sync == AuditSync::each_line ? sync_to(lock, last_.sequence) : Result<>();
    }

    Result<> sync() override {
        std::unique_lock lock(mutex_);
        return sync_to(lock, last_.sequence);
    }

    [[nodiscard]] AuditHead head() const override {
        const std::lock_guard lock(mutex_);
        return last_;
    }

private:
    static Result<> check_entry(std::string_view object) {
        const bool is_object = object.size() > 2 && object.starts_with("{\"") &&
                               object.ends_with('}') && object.size() <= audit::kMaxEntry;
        const bool one_line = object.find('\n') == std::string_view::npos &&
                              object.find('\r') == std::string_view::npos;
        if (!is_object || !one_line || !is_utf8(as_bytes(object))) {
            return Error(AuditErrc::bad_entry,
                         "expected a JSON object of at least one member on one line, of at most " +
                             std::to_string(audit::kMaxEntry) + " bytes");
        }
        return {};
    }

    Result<> fail_on(Result<> done) {
        if (!done) {
            failure_ = done.error();
        }
        return done;
    }

    // go_on verifies the last file, cuts off a line that has no end and opens the file for more. A
    // head that is older than the last file is one whose writer was killed before it was moved.
    Result<> go_on(const std::vector<std::uint64_t>& firsts) {
        // What is verified begins at the head's file, so that its line is seen.
        std::size_t from = 0;
        const std::uint64_t head = known_.known ? known_.known->sequence : 0;
        while (from + 1 < firsts.size() && firsts[from + 1] <= head) {
            ++from;
        }
        if (from < firsts.size()) {
            CASEMATE_TRY(known_.last, before(firsts[from]));
        }
        for (std::size_t i = from; i < firsts.size(); ++i) {
            CASEMATE_CHECK(known_.through(directory_.get(), firsts[i]));
        }
        CASEMATE_CHECK(known_.reached());
        last_ = known_.last;
        synced_ = last_.sequence;
        const std::string name = audit::file_name(firsts.empty() ? 1 : firsts.back());
        CASEMATE_TRY(file_, open_private(directory_.get(), name, O_WRONLY | O_CREAT | O_APPEND));
        size_ = known_.end;
        if (::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0 || ::fsync(file_.get()) != 0) {
            return unavailable(os_error("cut off an unfinished line of " + name));
        }
        if (auto done = replace_private_file(directory_.get(), options_.directory,
                                             std::string(audit::kHeadFile),
                                             as_bytes(audit::write_head(last_)));
            !done) {
            return of_place(done.error());
        }
        CASEMATE_TRY(head_,
                     open_private(directory_.get(), std::string(audit::kHeadFile), O_WRONLY));
        return {};
    }

    // before gives the link that a file's first line says it follows: the earlier files are
    // verify_audit's.
    Result<AuditHead> before(std::uint64_t first) {
        AuditHead previous;
        previous.sequence = first - 1;
        if (first <= 1) {
            return previous;
        }
        const std::string name = audit::file_name(first);
        CASEMATE_TRY(const UniqueFd file, open_private(directory_.get(), name, O_RDONLY));
        audit::Lines lines(file.get());
        CASEMATE_TRY(const auto line, lines.next());
        const auto link = line ? audit::read_link(*line) : std::nullopt;
        if (link) {
            previous.hash = link->previous;
        } else if (known_.known && known_.known->sequence == previous.sequence) {
            // Made for a line that was not written any more.
            previous.hash = known_.known->hash;
        }
        return previous;
    }

    // next_file goes on in a new file; the old one is on the disk, whole, before.
    Result<> next_file(std::unique_lock<std::mutex>& lock) {
        CASEMATE_CHECK(sync_to(lock, last_.sequence));
        // Others may have appended, or gone on in a new file, while this one waited.
        if (size_ < options_.file_size || synced_ != last_.sequence) {
            return {};
        }
        CASEMATE_TRY(file_, open_private(directory_.get(), audit::file_name(last_.sequence + 1),
                                         O_WRONLY | O_CREAT | O_EXCL | O_APPEND));
        size_ = 0;
        if (auto done = sync_directory(directory_.get(), options_.directory); !done) {
            return of_place(done.error());
        }
        return {};
    }

    // sync_to waits until a line is on the disk. One thread at a time writes there, for all whose
    // lines are in the file by then.
    Result<> sync_to(std::unique_lock<std::mutex>& lock, std::uint64_t sequence) {
        while (!failure_ && synced_ < sequence) {
            if (syncing_) {
                synced_changed_.wait(lock);
                continue;
            }
            syncing_ = true;
            const AuditHead head = last_;
            lock.unlock();
            auto done = write_to_disk(head);
            lock.lock();
            syncing_ = false;
            if (done) {
                synced_ = head.sequence;
            } else {
                failure_ = done.error();
            }
            synced_changed_.notify_all();
        }
        return failure_ ? Result<>(*failure_) : Result<>();
    }

    // write_to_disk: first the lines, then the head, so that a head never names a line that is not
    // there. No file is exchanged meanwhile: next_file waits for who syncs.
    [[nodiscard]] Result<> write_to_disk(const AuditHead& head) const {
        if (::fdatasync(file_.get()) != 0) {
            return unavailable(os_error("write the audit log to disk"));
        }
        if (auto done = write_all_at(head_.get(), 0, as_bytes(audit::write_head(head))); !done) {
            return unavailable(done.error());
        }
        if (::fdatasync(head_.get()) != 0) {
            return unavailable(os_error("write the audit log's head to disk"));
        }
        return {};
    }

    void sync_each_second() {
        std::unique_lock lock(mutex_);
        while (!closing_) {
            wake_.wait_for(lock, std::chrono::seconds(1), [this] { return closing_; });
            static_cast<void>(sync_to(lock, last_.sequence));
        }
    }

    AuditOptions options_;
    UniqueFd directory_;
    Walk known_;
    UniqueFd head_;

    mutable std::mutex mutex_;
    std::condition_variable synced_changed_;
    std::condition_variable wake_;
    UniqueFd file_;
    std::uint64_t size_ = 0;
    AuditHead last_;
    std::uint64_t synced_ = 0;
    bool syncing_ = false;
    bool closing_ = false;
    std::optional<Error> failure_;
    std::thread syncer_;
};

}  // namespace

std::string_view describe(AuditErrc code) {
    switch (code) {
        case AuditErrc::changed:
            return "changed audit log";
        case AuditErrc::out_of_order:
            return "audit log out of order";
        case AuditErrc::truncated:
            return "truncated audit log";
        case AuditErrc::not_a_log:
            return "no audit log";
        case AuditErrc::bad_entry:
            return "no audit entry";
        case AuditErrc::unavailable:
            return "audit log unavailable";
    }
    return "unknown audit error";
}

Result<std::unique_ptr<AuditLog>> AuditLog::open(const AuditOptions& options) {
    auto log = std::make_unique<FileLog>(options);
    CASEMATE_CHECK(log->start());
    return std::unique_ptr<AuditLog>(std::move(log));
}

Result<AuditReport> verify_audit(const std::string& directory) {
    const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) {
        return unavailable(os_error("open " + directory));
    }
    Walk walk;
    // The head first: what is written meanwhile comes after it.
    CASEMATE_TRY(walk.known, load_head(fd.get()));
    CASEMATE_TRY(const auto firsts, audit::files(fd.get()));
    for (const std::uint64_t first : firsts) {
        CASEMATE_CHECK(walk.through(fd.get(), first));
    }
    CASEMATE_CHECK(walk.reached());
    AuditReport report;
    report.files = firsts.size();
    report.head = walk.last;
    report.after_head = walk.last.sequence - (walk.known ? walk.known->sequence : 0);
    report.unfinished_bytes = walk.unfinished;
    return report;
}

}  // namespace casemate::kms
