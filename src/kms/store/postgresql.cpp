#include <libpq-fe.h>

#include <array>
#include <charconv>
#include <map>

#include "kms/store/database.hpp"

namespace casemate::kms {

namespace {

// The types of the columns (pg_type.h); no header of libpq names them.
constexpr Oid kBytea = 17;
constexpr Oid kInt8 = 20;
constexpr Oid kInt4 = 23;
constexpr Oid kText = 25;

struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
};
using Answer = std::unique_ptr<PGresult, Clear>;

bool starts(std::string_view state, std::string_view group) {
    return state.starts_with(group);
}

// A line without its end, for the sentence.
std::string one_line(std::string_view text) {
    return std::string(text.substr(0, text.find('\n')));
}

// Parameters as libpq takes them: text, but for bytes.
struct Parameters {
    explicit Parameters(std::span<const Value> list) {
        numbers.reserve(list.size());
        for (const Value& value : list) {
            add(value);
        }
    }

    void add(const Value& value) {
        const char* data = nullptr;
        std::size_t size = 0;
        int format = 0;
        if (const auto* number = std::get_if<std::int64_t>(&value)) {
            data = numbers.emplace_back(std::to_string(*number)).c_str();
        } else if (const auto* text = std::get_if<std::string>(&value)) {
            data = text->c_str();
        } else if (const auto* bytes = std::get_if<Bytes>(&value)) {
            // A null pointer would be NULL.
            data = bytes->empty() ? "" : as_text(*bytes).data();
            size = bytes->size();
            format = 1;
        }
        values.push_back(data);
        sizes.push_back(static_cast<int>(size));
        formats.push_back(format);
    }

    std::vector<std::string> numbers;
    std::vector<const char*> values;
    std::vector<int> sizes;
    std::vector<int> formats;
};

class Postgresql final : public Database {
public:
    explicit Postgresql(PGconn* connection) : connection_(connection) {}

    [[nodiscard]] bool connected() const { return PQstatus(connection_.get()) == CONNECTION_OK; }

    // What the server or libpq says last.
    [[nodiscard]] std::string words() const {
        return "PostgreSQL says: " + one_line(PQerrorMessage(connection_.get()));
    }

    // prepare_connection: answers are given after the server's disk has them, and nobody waits for
    // ever.
    Result<> prepare_connection() {
        statements_.clear();
        for (const char* setting :
             {"SET client_min_messages = error", "SET synchronous_commit = on",
              "SET statement_timeout = '30s'", "SET lock_timeout = '10s'",
              "SET idle_in_transaction_session_timeout = '60s'", "SET bytea_output = hex"}) {
            CASEMATE_CHECK(execute(setting));
        }
        const char* encoding = PQparameterStatus(connection_.get(), "server_encoding");
        if (encoding == nullptr || std::string_view(encoding) != "UTF8" ||
            PQsetClientEncoding(connection_.get(), "UTF8") != 0) {
            return Error(StoreErrc::bad_place,
                         "expected a database whose encoding is UTF8, found " +
                             std::string(encoding == nullptr ? "none" : encoding));
        }
        return {};
    }

    [[nodiscard]] std::string adapted(std::string_view definition) const override {
        // The order of text is that of its bytes, as SQLite's is.
        std::string text(definition);
        for (const auto& [common, own] :
             {std::pair<std::string_view, std::string_view>{" TEXT", " TEXT COLLATE \"C\""},
              {" BLOB", " BYTEA"}}) {
            for (std::size_t at = 0; (at = text.find(common, at)) != std::string::npos;
                 at += own.size()) {
                text.replace(at, common.size(), own);
            }
        }
        return text;
    }

    [[nodiscard]] Result<bool> has_table(std::string_view name) override {
        CASEMATE_TRY(const Outcome found,
                     run("SELECT 1 FROM pg_catalog.pg_class c WHERE c.relname = $1::text AND "
                         "c.relkind = 'r' AND pg_catalog.pg_table_is_visible(c.oid)",
                         {std::string(name)}));
        return !found.rows.empty();
    }

    // LOCK takes no snapshot: the transaction's is taken by what comes after it, when those before
    // have committed. This lock excludes itself and all that change the table, but no reader.
    [[nodiscard]] Result<> wait_for_turn(std::string_view table) override {
        const std::string sql = "LOCK TABLE " + std::string(table) + " IN EXCLUSIVE MODE";
        return execute(sql.c_str());
    }

protected:
    Result<Outcome> run_checked(std::string_view sql, std::span<const Value> parameters) override {
        auto outcome = run_once(sql, parameters);
        if (!outcome && !connected() && !in_transaction_) {
            CASEMATE_CHECK(reconnect());
            return run_once(sql, parameters);
        }
        return outcome;
    }

    Result<> begin() override { return begin_by("BEGIN ISOLATION LEVEL SERIALIZABLE"); }
    Result<> begin_snapshot() override {
        return begin_by("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    }

    Result<> commit() override {
        auto done = execute("COMMIT");
        in_transaction_ = !done.ok();
        return done;
    }

    void rollback() override {
        if (PQtransactionStatus(connection_.get()) != PQTRANS_IDLE && connected()) {
            static_cast<void>(execute("ROLLBACK"));
        }
        in_transaction_ = false;
    }

private:
    Result<> begin_by(const char* sql) {
        auto done = execute(sql);
        if (!done && !connected()) {
            CASEMATE_CHECK(reconnect());
            done = execute(sql);
        }
        in_transaction_ = done.ok();
        return done;
    }

    Result<> reconnect() {
        PQreset(connection_.get());
        if (!connected()) {
            return Error(StoreErrc::unavailable, words());
        }
        return prepare_connection();
    }

    [[nodiscard]] Error failure(const PGresult* answer) const {
        const char* field = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
        const std::string_view state = field == nullptr ? "" : field;
        if (state == "40001" || state == "40P01") {
            return {Contention::begin_again, words()};
        }
        StoreErrc code = StoreErrc::unavailable;
        if (state == "23505" || state == "42P07" || state == "42710") {
            code = StoreErrc::exists;
        } else if (state == "23503") {
            code = StoreErrc::not_found;
        } else if (state == "22021" || state == "22P05") {
            code = StoreErrc::bad_text;
        } else if (starts(state, "XX") || starts(state, "42") || starts(state, "22") ||
                   starts(state, "23")) {
            code = StoreErrc::damaged;
        }
        return {code, words()};
    }

    Result<> execute(const char* sql) {
        const Answer answer(PQexec(connection_.get(), sql));
        if (PQresultStatus(answer.get()) != PGRES_COMMAND_OK) {
            return failure(answer.get());
        }
        // A transaction that has failed is rolled back by COMMIT, which says so.
        if (std::string_view(sql) == "COMMIT" &&
            std::string_view(PQcmdStatus(answer.get())) != "COMMIT") {
            return Error(StoreErrc::unavailable, "expected a commit, found a rollback");
        }
        return {};
    }

    Result<std::string> prepared(std::string_view sql) {
        const auto known = statements_.find(sql);
        if (known != statements_.end()) {
            return known->second;
        }
        const std::string name = "casemate_" + std::to_string(statements_.size());
        const std::string text(sql);
        const Answer answer(PQprepare(connection_.get(), name.c_str(), text.c_str(), 0, nullptr));
        if (PQresultStatus(answer.get()) != PGRES_COMMAND_OK) {
            return failure(answer.get());
        }
        statements_.emplace(text, name);
        return name;
    }

    Result<Outcome> run_once(std::string_view sql, std::span<const Value> parameters) {
        CASEMATE_TRY(const std::string name, prepared(sql));
        const Parameters list(parameters);
        const Answer answer(PQexecPrepared(connection_.get(), name.c_str(),
                                           static_cast<int>(list.values.size()), list.values.data(),
                                           list.sizes.data(), list.formats.data(), 1));
        const ExecStatusType status = PQresultStatus(answer.get());
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
            return failure(answer.get());
        }
        Outcome outcome;
        const std::string_view changed = PQcmdTuples(answer.get());
        if (status == PGRES_COMMAND_OK) {
            std::from_chars(changed.data(), changed.data() + changed.size(), outcome.changed);
        }
        const int rows = PQntuples(answer.get());
        for (int row = 0; row < rows; ++row) {
            CASEMATE_TRY(Row columns, read_row(answer.get(), row));
            outcome.rows.push_back(std::move(columns));
        }
        return outcome;
    }

    static Result<Row> read_row(const PGresult* answer, int row) {
        Row columns;
        const int count = PQnfields(answer);
        columns.reserve(static_cast<std::size_t>(count));
        for (int i = 0; i < count; ++i) {
            if (PQgetisnull(answer, row, i) != 0) {
                columns.emplace_back(std::monostate());
                continue;
            }
            const std::string_view data(PQgetvalue(answer, row, i),
                                        static_cast<std::size_t>(PQgetlength(answer, row, i)));
            CASEMATE_TRY(Value value, read_column(PQftype(answer, i), as_bytes(data)));
            columns.push_back(std::move(value));
        }
        return columns;
    }

    static Result<Value> read_column(Oid type, ByteView data) {
        ByteReader reader(data);
        std::uint64_t wide = 0;
        std::uint32_t narrow = 0;
        if (type == kText) {
            return Value(std::string(as_text(data)));
        }
        if (type == kBytea) {
            return Value(Bytes(data.begin(), data.end()));
        }
        if (type == kInt8 && data.size() == sizeof(wide) && reader.read_be(wide)) {
            return Value(static_cast<std::int64_t>(wide));
        }
        if (type == kInt4 && data.size() == sizeof(narrow) && reader.read_be(narrow)) {
            return Value(std::int64_t{static_cast<std::int32_t>(narrow)});
        }
        return Error(StoreErrc::damaged,
                     "expected a column of text, bytes or a number, found PostgreSQL's type " +
                         std::to_string(type));
    }

    std::unique_ptr<PGconn, Finish> connection_;
    std::map<std::string, std::string, std::less<>> statements_;
    bool in_transaction_ = false;
};

}  // namespace

Result<std::unique_ptr<Database>> open_postgresql(const std::string& url) {
    if (!url.starts_with("postgresql://") && !url.starts_with("postgres://")) {
        // It is not repeated: it may hold a password.
        return Error(StoreErrc::bad_place, "expected an address that begins with postgresql://");
    }
    auto database = std::make_unique<Postgresql>(PQconnectdb(url.c_str()));
    if (!database->connected()) {
        return Error(StoreErrc::unavailable, database->words());
    }
    CASEMATE_CHECK(database->prepare_connection());
    return std::unique_ptr<Database>(std::move(database));
}

}  // namespace casemate::kms
