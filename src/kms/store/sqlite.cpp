#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <map>
#include <thread>

#include "base/os_error.hpp"
#include "kms/store/database.hpp"
#include "kms/store/directory.hpp"

namespace casemate::kms {

namespace {

constexpr int kPatienceMs = 10000;

struct Close {
    void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
};
struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

StoreErrc code_of(int result) {
    switch (result) {
        case SQLITE_CONSTRAINT_PRIMARYKEY:
        case SQLITE_CONSTRAINT_UNIQUE:
        case SQLITE_CONSTRAINT_ROWID:
            return StoreErrc::exists;
        case SQLITE_CONSTRAINT_FOREIGNKEY:
            return StoreErrc::not_found;
        default:
            break;
    }
    switch (static_cast<unsigned>(result) & 0xffU) {
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_CONSTRAINT:
        case SQLITE_MISMATCH:
        // A table or a column that is not there.
        case SQLITE_ERROR:
            return StoreErrc::damaged;
        default:
            return StoreErrc::unavailable;
    }
}

class Sqlite final : public Database {
public:
    explicit Sqlite(sqlite3* connection) : connection_(connection) {}

    // prepare_connection makes changes durable before they are answered for.
    Result<> prepare_connection() {
        sqlite3_extended_result_codes(connection_.get(), 1);
        sqlite3_busy_timeout(connection_.get(), kPatienceMs);
        CASEMATE_CHECK(switch_to_wal());
        // Deleted rows are overwritten: what is wrapped in them is to be gone.
        for (const char* pragma : {"PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON",
                                   "PRAGMA trusted_schema = OFF", "PRAGMA secure_delete = ON",
                                   "PRAGMA cell_size_check = ON"}) {
            CASEMATE_CHECK(execute(pragma));
        }
        return {};
    }

    [[nodiscard]] std::string adapted(std::string_view definition) const override {
        std::string text(definition);
        constexpr std::string_view kCommon = "BIGINT";
        for (std::size_t at = 0; (at = text.find(kCommon, at)) != std::string::npos;) {
            text.replace(at, kCommon.size(), "INTEGER");
        }
        return text.starts_with("CREATE TABLE") ? text + " STRICT" : text;
    }

    [[nodiscard]] Result<bool> has_table(std::string_view name) override {
        CASEMATE_TRY(const Outcome found,
                     run("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = $1",
                         {std::string(name)}));
        return !found.rows.empty();
    }

    // BEGIN IMMEDIATE has waited.
    [[nodiscard]] Result<> wait_for_turn(std::string_view /*table*/) override { return {}; }

protected:
    Result<Outcome> run_checked(std::string_view sql, std::span<const Value> parameters) override {
        CASEMATE_TRY(sqlite3_stmt * statement, prepared(sql));
        auto outcome = step_through(statement, parameters);
        sqlite3_reset(statement);
        // What was bound points to the caller's values.
        sqlite3_clear_bindings(statement);
        return outcome;
    }

    // IMMEDIATE: who writes waits at the beginning, so that nothing that was read is outdated.
    Result<> begin() override { return execute("BEGIN IMMEDIATE"); }
    Result<> begin_snapshot() override { return execute("BEGIN DEFERRED"); }
    Result<> commit() override { return execute("COMMIT"); }
    void rollback() override {
        if (sqlite3_get_autocommit(connection_.get()) == 0) {
            static_cast<void>(execute("ROLLBACK"));
        }
    }

private:
    [[nodiscard]] Error failure(int result) const {
        return {code_of(result), "SQLite says: " + std::string(sqlite3_errmsg(connection_.get()))};
    }

    Result<> execute(const char* sql) {
        const int result = sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr);
        if (result != SQLITE_OK) {
            return failure(result);
        }
        return {};
    }

    // Changing the journal's kind does not wait for another process that does the same.
    Result<> switch_to_wal() {
        const auto until =
            std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
        while (true) {
            const int result = sqlite3_exec(connection_.get(), "PRAGMA journal_mode = WAL", nullptr,
                                            nullptr, nullptr);
            if (result == SQLITE_OK) {
                return {};
            }
            const bool busy = (static_cast<unsigned>(result) & 0xffU) == SQLITE_BUSY;
            if (!busy || std::chrono::steady_clock::now() >= until) {
                return failure(result);
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }

    Result<sqlite3_stmt*> prepared(std::string_view sql) {
        const auto known = statements_.find(sql);
        if (known != statements_.end()) {
            return known->second.get();
        }
        sqlite3_stmt* raw = nullptr;
        const int result =
            sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                               SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
        Statement statement(raw);
        if (result != SQLITE_OK) {
            return failure(result);
        }
        return statements_.emplace(std::string(sql), std::move(statement)).first->second.get();
    }

    static int bind(sqlite3_stmt* statement, int index, const Value& value) {
        if (const auto* number = std::get_if<std::int64_t>(&value)) {
            return sqlite3_bind_int64(statement, index, *number);
        }
        if (const auto* text = std::get_if<std::string>(&value)) {
            return sqlite3_bind_text64(statement, index, text->data(), text->size(), SQLITE_STATIC,
                                       SQLITE_UTF8);
        }
        if (const auto* bytes = std::get_if<Bytes>(&value)) {
            // A null pointer would be NULL.
            return bytes->empty() ? sqlite3_bind_zeroblob(statement, index, 0)
                                  : sqlite3_bind_blob64(statement, index, bytes->data(),
                                                        bytes->size(), SQLITE_STATIC);
        }
        return sqlite3_bind_null(statement, index);
    }

    Result<Outcome> step_through(sqlite3_stmt* statement, std::span<const Value> parameters) {
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            // SQLite takes $1 for a name.
            const std::string name = "$" + std::to_string(i + 1);
            const int index = sqlite3_bind_parameter_index(statement, name.c_str());
            const int result = index == 0 ? SQLITE_RANGE : bind(statement, index, parameters[i]);
            if (result != SQLITE_OK) {
                return Error(StoreErrc::damaged, "expected a parameter " + name + ", found none");
            }
        }
        Outcome outcome;
        int result = SQLITE_ROW;
        while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
            CASEMATE_TRY(Row row, read_row(statement));
            outcome.rows.push_back(std::move(row));
        }
        if (result != SQLITE_DONE) {
            return failure(result);
        }
        if (sqlite3_stmt_readonly(statement) == 0) {
            outcome.changed = static_cast<std::uint64_t>(sqlite3_changes64(connection_.get()));
        }
        return outcome;
    }

    static Result<Row> read_row(sqlite3_stmt* statement) {
        Row row;
        const int columns = sqlite3_column_count(statement);
        row.reserve(static_cast<std::size_t>(columns));
        for (int i = 0; i < columns; ++i) {
            const int type = sqlite3_column_type(statement, i);
            // Its size is asked for after the pointer, as SQLite wants it.
            if (type == SQLITE_INTEGER) {
                row.emplace_back(std::int64_t{sqlite3_column_int64(statement, i)});
            } else if (type == SQLITE_TEXT || type == SQLITE_BLOB) {
                const auto* data =
                    static_cast<const std::uint8_t*>(sqlite3_column_blob(statement, i));
                const ByteView bytes(data,
                                     static_cast<std::size_t>(sqlite3_column_bytes(statement, i)));
                if (type == SQLITE_TEXT) {
                    row.emplace_back(std::string(as_text(bytes)));
                } else {
                    row.emplace_back(Bytes(bytes.begin(), bytes.end()));
                }
            } else if (type == SQLITE_NULL) {
                row.emplace_back(std::monostate());
            } else {
                return Error(StoreErrc::damaged, "expected no real number in column " +
                                                     std::to_string(i + 1) + ", found one");
            }
        }
        return row;
    }

    // The statements go before the connection.
    std::unique_ptr<sqlite3, Close> connection_;
    std::map<std::string, Statement, std::less<>> statements_;
};

// The file is looked at by its name: closing a descriptor of it would end the locks of this
// process's other connections.
Result<> make_private_file(int directory, const std::string& name, const std::string& path) {
    const UniqueFd made(::openat(directory, name.c_str(),
                                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!made.valid() && errno != EEXIST) {
        return Error(StoreErrc::unavailable, os_error("make " + path).message());
    }
    struct stat status {};
    if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return Error(StoreErrc::unavailable, os_error("look at " + path).message());
    }
    CASEMATE_CHECK(check_private_file(status, path));
    return made.valid() ? sync_directory(directory, path) : Result<>();
}

}  // namespace

Result<std::unique_ptr<Database>> open_sqlite(const std::string& directory) {
    CASEMATE_TRY(const UniqueFd fd, open_private_directory(directory));
    const std::string name = "kms.db";
    const std::string path = directory + "/" + name;
    CASEMATE_CHECK(make_private_file(fd.get(), name, path));
    sqlite3* raw = nullptr;
    const int result = sqlite3_open_v2(
        path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
        nullptr);
    // There is a connection also when it could not be opened.
    auto database = std::make_unique<Sqlite>(raw);
    if (result != SQLITE_OK) {
        return Error(code_of(result), "open " + path + ": " + std::string(sqlite3_errmsg(raw)));
    }
    if (auto done = database->prepare_connection(); !done) {
        return std::move(done).error().while_doing(path);
    }
    return std::unique_ptr<Database>(std::move(database));
}

}  // namespace casemate::kms
