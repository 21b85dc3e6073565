// Database: one connection to an SQL database, SQLite's or PostgreSQL's. SQL is written once for
// both; what they have in common is enough. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "kms/store/error.hpp"

namespace casemate::kms {

// Value: a parameter or a column: NULL, an integer (BIGINT), text (TEXT) or bytes (BLOB).
using Value = std::variant<std::monostate, std::int64_t, std::string, Bytes>;

// Rows: the columns of what a statement gave, row by row.
using Row = std::vector<Value>;
using Rows = std::vector<Row>;

// Outcome: the rows of a SELECT or a RETURNING, and how many rows a change touched.
struct Outcome {
    Rows rows;
    std::uint64_t changed = 0;
};

class Database {
public:
    virtual ~Database() = default;
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    // run runs one statement whose parameters are $1, $2, … in the order of the list, each used at
    // least once. Statements are prepared once a connection and text. A column's type is the one it
    // was declared with: BIGINT, TEXT or BLOB. Outside a transaction it is for reading: where a
    // connection is lost, the statement is run again on the next. Errors: StoreErrc exists (a
    // unique column), not_found (a foreign key), unavailable, damaged, bad_text.
    [[nodiscard]] Result<Outcome> run(std::string_view sql, std::span<const Value> parameters);
    // The same, of values in braces.
    [[nodiscard]] Result<Outcome> run(std::string_view sql,
                                      std::initializer_list<Value> parameters = {}) {
        return run(sql, std::span(parameters.begin(), parameters.size()));
    }

    // transaction runs work between BEGIN and COMMIT, as if nobody else used the database; an error
    // of work is the transaction's, and nothing was changed. work may be run again, after a
    // rollback, when others were in the way; it must have no other effects. Once this has returned
    // without error, the change survives the machine's sudden end. Errors: of work and of run;
    // unavailable when others were in the way for too long.
    [[nodiscard]] Result<> transaction(const std::function<Result<>()>& work);

    // snapshot runs work, which only reads, on the database as it is at its first statement,
    // whatever others change meanwhile; it keeps nobody waiting. (SQLite: what others write
    // meanwhile stays in the write-ahead log until the end. PostgreSQL: REPEATABLE READ.) Errors:
    // of work and of run.
    [[nodiscard]] Result<> snapshot(const std::function<Result<>()>& work);

    // adapted gives the statement that makes tables in this database: in the common text the types
    // are BIGINT, TEXT and BLOB.
    [[nodiscard]] virtual std::string adapted(std::string_view definition) const = 0;

    // has_table tells whether there is a table. Errors: those of run.
    [[nodiscard]] virtual Result<bool> has_table(std::string_view name) = 0;

    // wait_for_turn, as the first of a transaction, waits until every earlier transaction that took
    // its turn at this table has ended: those that follow one another so see all of each other's
    // changes and are never in each other's way. Who only reads is not kept waiting. Errors: those
    // of run.
    [[nodiscard]] virtual Result<> wait_for_turn(std::string_view table) = 0;

protected:
    Database() = default;

    [[nodiscard]] virtual Result<Outcome> run_checked(std::string_view sql,
                                                      std::span<const Value> parameters) = 0;
    [[nodiscard]] virtual Result<> begin() = 0;
    [[nodiscard]] virtual Result<> begin_snapshot() = 0;
    [[nodiscard]] virtual Result<> commit() = 0;
    // rollback ends a transaction whatever its state; what it can't end is a broken connection.
    virtual void rollback() = 0;
};

// Contention is the drivers' word to transaction: others were in the way, begin again.
enum class Contention : std::uint8_t { begin_again };
[[nodiscard]] std::string_view describe(Contention code);

// open_sqlite opens directory/kms.db, made with mode 0600 at first; the directory too, with mode
// 0700. Errors: StoreErrc bad_place, unavailable, damaged.
[[nodiscard]] Result<std::unique_ptr<Database>> open_sqlite(const std::string& directory);

// open_postgresql connects to postgresql://… (libpq's URL). Errors: StoreErrc bad_place for another
// address or a database whose encoding is not UTF8; unavailable.
[[nodiscard]] Result<std::unique_ptr<Database>> open_postgresql(const std::string& url);

}  // namespace casemate::kms
