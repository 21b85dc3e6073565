#include "guest/nsm_cli/run.hpp"

#include <gmock/gmock.h>

#include <cstdlib>

#include "base/collected_for_test.hpp"
#include "base/file.hpp"
#include "base/temporary_directory.hpp"
#include "crypto/digest.hpp"
#include "guest/nsm/real_module.hpp"
#include "guest/nsm/stand_in_driver.hpp"
#include "guest/nsm_cli/text.hpp"

namespace casemate::nsm_cli {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

struct Said {
    Status status;
    std::string out;
    std::string err;
};

Said call(std::initializer_list<std::string_view> arguments) {
    const Collected out;
    const Collected err;
    const Status status =
        run(std::span(arguments.begin(), arguments.size()), out.stream(), err.stream());
    return {status, out.text(), err.text()};
}

class Shell : public testing::Test {
protected:
    [[nodiscard]] std::string path(const std::string& name) const {
        return directory_.path() + "/" + name;
    }

    // Attests with these arguments, and gives user_data, nonce and public_key of the document.
    static std::array<std::optional<std::string>, 3> attested(
        std::initializer_list<std::string_view> arguments) {
        const Said said = call(arguments);
        EXPECT_EQ(said.status, kDone) << said.err;
        return fields(as_bytes(said.out));
    }
    static std::array<std::optional<std::string>, 3> fields(ByteView document) {
        return {libnsm::field_of(document, "user_data"), libnsm::field_of(document, "nonce"),
                libnsm::field_of(document, "public_key")};
    }

    TemporaryDirectory directory_ = TemporaryDirectory::create().value();
    libnsm::RealModule module_{"i-1-enc\"2"};
    libnsm::StandInDriver driver_{[this](ByteView request) { return module_.answer(request); }};
};

TEST_F(Shell, DescribesTheModule) {
    const Said json = call({"describe"});
    EXPECT_EQ(json.status, kDone);
    EXPECT_EQ(json.out,
              "{\n  \"module_id\": \"i-1-enc\\\"2\",\n  \"version\": \"1.0.0\",\n"
              "  \"digest\": \"SHA384\",\n  \"max_pcrs\": 32,\n"
              "  \"locked_pcrs\": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]\n}\n");
    EXPECT_EQ(call({"describe", "--text"}).out,
              "module_id: i-1-enc\"2\nversion: 1.0.0\ndigest: SHA384\nmax_pcrs: 32\n"
              "locked_pcrs: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n");
}

TEST_F(Shell, ShowsRegisters) {
    std::string value;
    for (int i = 0; i < 48; ++i) {
        value += "a0";
    }
    EXPECT_EQ(call({"pcr", "0"}).out,
              "{\"index\": 0, \"locked\": true, \"value\": \"" + value + "\"}\n");
    EXPECT_EQ(call({"pcr", "--text", "0"}).out, value + "\n");
    EXPECT_THAT(call({"pcr", "16"}).out, HasSubstr("\"locked\": false"));
    const Said missing = call({"pcr", "32"});
    EXPECT_EQ(missing.status, kFailed);
    EXPECT_EQ(missing.out, "");
    EXPECT_EQ(missing.err,
              "nsm-cli: the security module refused register 32: no register of this index "
              "(InvalidIndex)\n");
}

TEST_F(Shell, ExtendsByTextHexAndFile) {
    Bytes expected(48);
    const auto extend = [&](std::string_view data) {
        expected.insert(expected.end(), data.begin(), data.end());
        const auto digest = crypto::sha384(expected);
        expected.assign(digest.begin(), digest.end());
        return to_hex(expected) + "\n";
    };
    EXPECT_EQ(call({"extend", "16", "words", "--text"}).out, extend("words"));
    EXPECT_EQ(call({"extend", "16", "--hex", "000aFF", "--text"}).out,
              extend(std::string_view("\0\n\xff", 3)));
    EXPECT_EQ(call({"extend", "16", "--hex=", "--text"}).out, extend(""));
    EXPECT_EQ(call({"extend", "--text", "--", "16", "--hex"}).out, extend("--hex"));
    ASSERT_TRUE(write_file_atomically(path("data"), as_bytes("contents\n")));
    EXPECT_EQ(call({"extend", "16", "--file", path("data"), "--text"}).out, extend("contents\n"));
    EXPECT_EQ(call({"pcr", "16", "--text"}).out, to_hex(expected) + "\n");
    EXPECT_EQ(call({"extend", "17", "words"}).out.substr(0, 29),
              R"({"index": 17, "locked": false)");

    ASSERT_TRUE(write_file_atomically(path("large"), Bytes(5000)));
    EXPECT_THAT(call({"extend", "16", "--file", path("large")}).err, HasSubstr("InputTooLarge"));
    ASSERT_TRUE(write_file_atomically(path("huge"), Bytes(100000)));
    EXPECT_EQ(call({"extend", "16", "--file", path("huge")}).status, kFailed);
    EXPECT_THAT(call({"extend", "16", "--file", path("missing")}).err, HasSubstr("missing"));
    EXPECT_THAT(call({"extend", "15", "words"}).err, HasSubstr("is locked (ReadOnlyIndex)"));
}

TEST_F(Shell, LocksRegisters) {
    EXPECT_EQ(call({"lock", "20"}).status, kDone);
    EXPECT_EQ(call({"lock", "20"}).status, kFailed);
    EXPECT_EQ(call({"lock", "--range", "19"}).status, kDone);
    EXPECT_TRUE(module_.pcr(18).locked);
    EXPECT_FALSE(module_.pcr(19).locked);
    EXPECT_EQ(call({"lock", "--range=33"}).err,
              "nsm-cli: the security module refused to lock the registers below 33: no register of "
              "this index (InvalidIndex)\n");
}

TEST_F(Shell, Attests) {
    EXPECT_THAT(call({"attest"}).err, HasSubstr("InternalError"));  // not certified yet
    ASSERT_TRUE(module_.certify());
    EXPECT_THAT(attested({"attest"}), Each(std::nullopt));
    ASSERT_TRUE(write_file_atomically(path("key"), as_bytes("KEY")));
    EXPECT_THAT(attested({"attest", "--user-data", "words", "--nonce", "6162", "--public-key",
                          path("key")}),
                ElementsAre("words", "ab", "KEY"));
    EXPECT_THAT(attested({"attest", "--user-data-file", path("key"), "--nonce="}),
                ElementsAre("KEY", "", std::nullopt));
    const Said to_file = call({"attest", "--user-data=x", "--output", path("document")});
    EXPECT_EQ(to_file.status, kDone);
    EXPECT_EQ(to_file.out, "");
    EXPECT_THAT(fields(read_file(path("document"), 65536).value()),
                ElementsAre("x", std::nullopt, std::nullopt));
    // AWS's documents begin with these letters in base64: an array of four, {1: -35}.
    const Said encoded = call({"attest", "--base64"});
    EXPECT_THAT(encoded.out, StartsWith("hEShATgioFk"));
    EXPECT_EQ(encoded.out.find('\n'), encoded.out.size() - 1);
    EXPECT_EQ(call({"attest", "--output", path("no/document")}).status, kFailed);
}

TEST_F(Shell, GivesRandomBytes) {
    const std::string first = call({"random"}).out;
    EXPECT_EQ(first.size(), 65U);
    EXPECT_TRUE(from_hex(first.substr(0, 64)).has_value());
    EXPECT_NE(call({"random"}).out, first);
    EXPECT_EQ(call({"random", "--raw", "1000"}).out.size(), 1000U);
    EXPECT_EQ(call({"random", "0"}).out, "\n");
}

TEST_F(Shell, RefusesWhatItIsNotAskedRight) {
    const auto misused = [&](std::initializer_list<std::string_view> arguments) {
        const Said said = call(arguments);
        EXPECT_EQ(said.status, kMisused) << said.err;
        EXPECT_EQ(said.out, "");
        return said.err;
    };
    EXPECT_THAT(misused({}), HasSubstr("nsm-cli attest"));
    EXPECT_THAT(misused({"attests"}), HasSubstr("found attests"));
    EXPECT_THAT(misused({"pcr"}), HasSubstr("expected a register's INDEX, found none"));
    for (const std::string_view index : {"-1", "65536", "x", "", "1 ", "0x1"}) {
        EXPECT_THAT(misused({"pcr", index}), HasSubstr("from 0 to 65535"));
    }
    EXPECT_THAT(misused({"pcr", "1", "2"}), HasSubstr("expected nothing more, found 2"));
    EXPECT_THAT(misused({"pcr", "1", "--what"}), HasSubstr("found --what"));
    EXPECT_THAT(misused({"pcr", "1", "--text", "--text"}), HasSubstr("--text once"));
    EXPECT_THAT(misused({"pcr", "1", "--text=yes"}), HasSubstr("--text without a value"));
    EXPECT_THAT(misused({"extend", "16"}), HasSubstr("one of TEXT, --hex HEX and --file FILE"));
    EXPECT_THAT(misused({"extend", "16", "words", "--hex", "00"}), HasSubstr("found 2"));
    EXPECT_THAT(misused({"extend", "16", "--hex"}), HasSubstr("a value after --hex"));
    EXPECT_THAT(misused({"extend", "16", "--hex", "abc"}), HasSubstr("hexadecimal"));
    EXPECT_THAT(misused({"lock"}), HasSubstr("either INDEX or --range COUNT, found none"));
    EXPECT_THAT(misused({"lock", "1", "--range", "2"}), HasSubstr("found both"));
    EXPECT_THAT(misused({"attest", "--user-data", "a", "--user-data-file", "b"}),
                HasSubstr("both"));
    EXPECT_THAT(misused({"random", "1048577"}), HasSubstr("BYTES"));
    EXPECT_TRUE(driver_.requests().empty());
}

TEST(Help, IsOnStandardOutput) {
    for (const std::string_view word : {"--help", "-h", "help"}) {
        const Said said = call({word});
        EXPECT_EQ(said.status, kDone);
        EXPECT_THAT(said.out, StartsWith("nsm-cli: "));
    }
    EXPECT_EQ(call({"attest", "--help"}).status, kDone);
}

TEST(OutsideOfEnclaves, SaysSo) {
    if (SecurityModule::open()) {
        GTEST_SKIP() << "SKIPPED: this machine has /dev/nsm";
    }
    const Said said = call({"describe"});
    EXPECT_EQ(said.status, kNoModule);
    EXPECT_THAT(said.err, HasSubstr("/dev/nsm, found none: not in an enclave?"));
}

TEST(Text, JsonStringsAreEscaped) {
    EXPECT_EQ(json_string("a\"b\\c\n\x7f"), R"("a\"b\\c\u000a\u007f")");
}

}  // namespace
}  // namespace casemate::nsm_cli
