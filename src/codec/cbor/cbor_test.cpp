#include "codec/cbor/cbor.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <random>
#include <sstream>

#include "base/fd.hpp"
#include "base/process.hpp"
#include "codec/utf8.hpp"

namespace casemate::cbor {
namespace {

Bytes hex(std::string_view digits) {
    return from_hex(digits).value();
}

std::optional<CborErrc> refusal(std::string_view digits, const Options& options = {}) {
    const Bytes input = hex(digits);
    const auto reader = Reader::open(input, options);
    return reader ? std::nullopt : reader.error().code_as<CborErrc>();
}

// diagnose writes what a reader still holds as one line; the Python side writes the same.
void diagnose(Reader& reader, std::string& out);

void diagnose_all(Reader reader, std::string& out) {
    for (bool first = true; reader.remaining() > 0; first = false) {
        out += first ? "" : ",";
        diagnose(reader, out);
    }
}

void diagnose(Reader& reader, std::string& out) {
    switch (reader.peek().value()) {
        case Kind::unsigned_integer:
            out += std::to_string(reader.read_uint().value());
            break;
        case Kind::negative_integer:
            // Below int64_t there is no number to print; the item alone is skipped.
            if (auto ahead = reader; ahead.read_int()) {
                out += std::to_string(reader.read_int().value());
            } else {
                out += "huge " + to_hex(reader.read_encoded().value());
            }
            break;
        case Kind::bytes:
            out += "h" + to_hex(reader.read_bytes().value());
            break;
        case Kind::text:
            out += "t" + to_hex(as_bytes(reader.read_text().value()));
            break;
        case Kind::array:
            out += "[";
            diagnose_all(reader.read_array().value(), out);
            out += "]";
            break;
        case Kind::map:
            out += "{";
            diagnose_all(reader.read_map()->pairs(), out);
            out += "}";
            break;
        case Kind::tag:
            out += "tag " + std::to_string(reader.read_tag().value()) + " ";
            diagnose(reader, out);
            break;
        case Kind::boolean:
            out += reader.read_bool().value() ? "true" : "false";
            break;
        case Kind::null:
            out += reader.read_null().ok() ? "null" : "?";
            break;
    }
}

// --- reading ---

TEST(CborReader, ReadsTheExamplesOfTheSpecification) {
    // RFC 8949, appendix A, without floating point, big numbers and indefinite lengths.
    struct Example {
        const char* digits;
        const char* meaning;
    };
    for (const Example& example : {
             Example{"00", "0"},
             Example{"17", "23"},
             Example{"1818", "24"},
             Example{"18ff", "255"},
             Example{"190100", "256"},
             Example{"1a000f4240", "1000000"},
             Example{"1bffffffffffffffff", "18446744073709551615"},
             Example{"20", "-1"},
             Example{"3863", "-100"},
             Example{"3903e7", "-1000"},
             Example{"3b7fffffffffffffff", "-9223372036854775808"},
             Example{"f4", "false"},
             Example{"f5", "true"},
             Example{"f6", "null"},
             Example{"c11a514b67b0", "tag 1 1363896240"},
             Example{"d74401020304", "tag 23 h01020304"},
             Example{"40", "h"},
             Example{"62c3bc", "tc3bc"},
             Example{"80", "[]"},
             Example{"8301820203820405", "[1,[2,3],[4,5]]"},
             Example{"a201020304", "{1,2,3,4}"},
             Example{"a26161016162820203", "{t61,1,t62,[2,3]}"},
         }) {
        const Bytes input = hex(example.digits);
        auto reader = Reader::open(input);
        ASSERT_TRUE(reader.ok()) << example.digits << " " << reader.error().message();
        std::string meaning;
        diagnose(*reader, meaning);
        EXPECT_EQ(meaning, example.meaning) << example.digits;
        EXPECT_TRUE(reader->finish().ok());
    }
}

TEST(CborReader, RefusesEachKindOfMalformedInput) {
    struct Case {
        const char* digits;
        CborErrc code;
    };
    for (const Case& wrong : {
             Case{"", CborErrc::truncated},
             Case{"18", CborErrc::truncated},
             Case{"1b00000000000000", CborErrc::truncated},
             Case{"4201", CborErrc::truncated},
             Case{"5bffffffffffffffff00", CborErrc::truncated},
             Case{"8201", CborErrc::truncated},
             Case{"9bffffffffffffffff00", CborErrc::truncated},
             Case{"a101", CborErrc::truncated},
             Case{"bb8000000000000000", CborErrc::truncated},
             Case{"c1", CborErrc::truncated},
             Case{"0000", CborErrc::trailing_bytes},
             Case{"8000", CborErrc::trailing_bytes},
             Case{"1817", CborErrc::not_shortest},
             Case{"190018", CborErrc::not_shortest},
             Case{"1900ff", CborErrc::not_shortest},
             Case{"1a0000ffff", CborErrc::not_shortest},
             Case{"1b00000000ffffffff", CborErrc::not_shortest},
             Case{"3800", CborErrc::not_shortest},
             Case{"580141", CborErrc::not_shortest},
             Case{"780161", CborErrc::not_shortest},
             Case{"980100", CborErrc::not_shortest},
             Case{"b8010000", CborErrc::not_shortest},
             Case{"d80100", CborErrc::not_shortest},
             Case{"1c", CborErrc::reserved_head},
             Case{"1f", CborErrc::reserved_head},
             Case{"3d", CborErrc::reserved_head},
             Case{"5e", CborErrc::reserved_head},
             Case{"df00", CborErrc::reserved_head},
             Case{"fc", CborErrc::reserved_head},
             Case{"5f4101ff", CborErrc::indefinite_length},
             Case{"7f6161ff", CborErrc::indefinite_length},
             Case{"9f01ff", CborErrc::indefinite_length},
             Case{"bf0102ff", CborErrc::indefinite_length},
             Case{"ff", CborErrc::stray_break},
             Case{"81ff", CborErrc::stray_break},
             Case{"f90000", CborErrc::floating_point},
             Case{"fa47c35000", CborErrc::floating_point},
             Case{"fb3ff199999999999a", CborErrc::floating_point},
             Case{"f7", CborErrc::unknown_simple},
             Case{"e0", CborErrc::unknown_simple},
             Case{"f816", CborErrc::unknown_simple},
             Case{"f8ff", CborErrc::unknown_simple},
             Case{"61ff", CborErrc::not_utf8},
             Case{"a201000100", CborErrc::duplicate_key},
             Case{"a3616100010061610a", CborErrc::duplicate_key},
             Case{"a18000", CborErrc::unsupported_key},
             Case{"a1f600", CborErrc::unsupported_key},
         }) {
        EXPECT_EQ(refusal(wrong.digits), wrong.code) << wrong.digits;
    }
}

TEST(CborReader, DuplicatesAreTheSameValueNotTheSameBytes) {
    const Options any_width{true, 16};
    EXPECT_EQ(refusal("a20100180100"), CborErrc::not_shortest);
    EXPECT_EQ(refusal("a20100180100", any_width), CborErrc::duplicate_key);
    // The text "a", the bytes "a" and the integers 1 and -2 are four keys.
    EXPECT_EQ(refusal("a461610041610001002100"), std::nullopt);
    // The same key in two maps.
    EXPECT_EQ(refusal("82a10100a10100"), std::nullopt);
}

TEST(CborReader, WideIntegersOnAskingAndLengthsNever) {
    const Options any_width{true, 16};
    for (const char* wide : {"1800", "190000", "1a00000000", "1b0000000000000000"}) {
        EXPECT_EQ(refusal(wide), CborErrc::not_shortest) << wide;
        const Bytes input = hex(wide);
        auto reader = Reader::open(input, any_width);
        ASSERT_TRUE(reader.ok()) << wide;
        EXPECT_EQ(reader->read_uint().value(), 0U) << wide;
    }
    EXPECT_EQ(refusal("580141", any_width), CborErrc::not_shortest);
    EXPECT_EQ(refusal("d80100", any_width), CborErrc::not_shortest);
}

TEST(CborReader, DepthIsLimited) {
    const Options two{false, 2};
    EXPECT_EQ(refusal("8180", two), std::nullopt);
    EXPECT_EQ(refusal("818180", two), CborErrc::too_deep);
    EXPECT_EQ(refusal("81c100", two), std::nullopt);
    EXPECT_EQ(refusal("81c1c100", two), CborErrc::too_deep);
    // What would be a stack overflow to a reader without a limit.
    const Bytes deep(100'000, 0x81);
    const auto reader = Reader::open(deep);
    ASSERT_FALSE(reader.ok());
    EXPECT_TRUE(reader.error().is(CborErrc::too_deep));
}

TEST(CborReader, PullsScopesApart) {
    const Bytes input = hex("83a201820203616201f5f6");
    auto reader = Reader::open(input);
    ASSERT_TRUE(reader.ok());
    auto outer = reader->read_array();
    ASSERT_TRUE(outer.ok());
    EXPECT_EQ(reader->remaining(), 0U);
    EXPECT_EQ(outer->remaining(), 3U);
    const auto map = outer->read_map();
    ASSERT_TRUE(map.ok());
    EXPECT_EQ(map->size(), 2U);
    // The outer scope goes on behind the map, whether anybody reads the map or not.
    EXPECT_TRUE(outer->read_bool().value());
    EXPECT_EQ(outer->peek(), Kind::null);
    EXPECT_TRUE(outer->read_null().ok());
    EXPECT_EQ(outer->peek(), std::nullopt);
    EXPECT_TRUE(outer->finish().ok());

    auto values = map->find(1);
    ASSERT_TRUE(values.has_value());
    auto list = values->read_array();
    ASSERT_TRUE(list.ok());
    EXPECT_EQ(list->read_uint().value(), 2U);
    EXPECT_TRUE(list->finish().error().is(CborErrc::wrong_count));
    EXPECT_EQ(list->read_uint().value(), 3U);
    EXPECT_TRUE(list->finish().ok());
    EXPECT_TRUE(list->read_uint().error().is(CborErrc::wrong_count));
    EXPECT_EQ(map->find("b")->read_uint().value(), 1U);
    EXPECT_FALSE(map->find("c").has_value());
    EXPECT_FALSE(map->find(7).has_value());
    EXPECT_TRUE(map->get("c").error().is(CborErrc::wrong_count));
}

TEST(CborReader, AWrongTypeMovesNothing) {
    const Bytes input = hex("05");
    auto reader = Reader::open(input);
    ASSERT_TRUE(reader.ok());
    EXPECT_TRUE(reader->read_text().error().is(CborErrc::wrong_type));
    EXPECT_TRUE(reader->read_bytes().error().is(CborErrc::wrong_type));
    EXPECT_TRUE(reader->read_bool().error().is(CborErrc::wrong_type));
    EXPECT_TRUE(reader->read_null().error().is(CborErrc::wrong_type));
    EXPECT_TRUE(reader->read_tag().error().is(CborErrc::wrong_type));
    EXPECT_TRUE(reader->read_array().error().is(CborErrc::wrong_type));
    EXPECT_TRUE(reader->read_map().error().is(CborErrc::wrong_type));
    EXPECT_EQ(reader->read_uint().value(), 5U);
}

TEST(CborReader, IntegersOutOfRange) {
    for (const char* digits : {"1b8000000000000000", "3b8000000000000000"}) {
        const Bytes input = hex(digits);
        auto reader = Reader::open(input);
        ASSERT_TRUE(reader.ok());
        EXPECT_TRUE(reader->read_int().error().is(CborErrc::out_of_range)) << digits;
    }
    const Bytes input = hex("1820");
    EXPECT_EQ(Reader::open(input)->read_uint_up_to(32).value(), 32U);
    EXPECT_TRUE(Reader::open(input)->read_uint_up_to(31).error().is(CborErrc::out_of_range));
}

TEST(CborReader, EncodedItemsAreViewsOfTheInput) {
    const Bytes input = hex("8201820203");
    auto list = Reader::open(input)->read_array();
    ASSERT_TRUE(list.ok());
    ASSERT_TRUE(list->read_encoded().ok());
    const auto second = list->read_encoded();
    ASSERT_TRUE(second.ok());
    EXPECT_EQ(second->data(), input.data() + 2);
    EXPECT_EQ(to_hex(*second), "820203");
    EXPECT_TRUE(list->read_encoded().error().is(CborErrc::wrong_count));
}

TEST(Utf8, AcceptsAndRefusesAtTheEdges) {
    for (const char* good : {"", "00", "7f", "c280", "dfbf", "e0a080", "ed9fbf", "ee8080", "efbfbf",
                             "f0908080", "f48fbfbf"}) {
        EXPECT_TRUE(is_utf8(hex(good))) << good;
    }
    for (const char* bad :
         {"80", "bf", "c0af", "c1bf", "c2", "e0", "e09fbf", "e0a0", "eda080", "edbfbf", "f08fbfbf",
          "f4908080", "f5808080", "ff", "c241", "e28241", "f09f9841"}) {
        EXPECT_FALSE(is_utf8(hex(bad))) << bad;
    }
}

// --- writing ---

TEST(CborWriter, WritesTheShortestHeads) {
    struct Case {
        std::uint64_t value;
        const char* digits;
    };
    for (const Case& one :
         {Case{0, "00"}, Case{23, "17"}, Case{24, "1818"}, Case{255, "18ff"}, Case{256, "190100"},
          Case{65535, "19ffff"}, Case{65536, "1a00010000"}, Case{0xffff'ffff, "1affffffff"},
          Case{0x1'0000'0000, "1b0000000100000000"}}) {
        Bytes out;
        Writer(out).put_uint(one.value);
        EXPECT_EQ(to_hex(out), one.digits);
    }
    Bytes out;
    Writer writer(out);
    writer.begin_array(8);
    writer.put_int(-1);
    writer.put_int(std::numeric_limits<std::int64_t>::min());
    writer.put_int(7);
    writer.put_bytes(hex("0102"));
    writer.put_text("\xc3\xbc");
    writer.begin_map(1);
    writer.put_tag(18);
    writer.put_bool(false);
    writer.put_bool(true);
    writer.put_null();
    EXPECT_EQ(to_hex(out), "88203b7fffffffffffffff0742010262c3bca1d2f4f5f6");
}

// --- against Python's cbor2 ---

constexpr const char* kPython = R"(
import random, sys
try:
    import cbor2
except ImportError:
    sys.exit(42)

def diagnose(item):
    if item is None: return "null"
    if isinstance(item, bool): return "true" if item else "false"
    if isinstance(item, int): return str(item)
    if isinstance(item, bytes): return "h" + item.hex()
    if isinstance(item, str): return "t" + item.encode().hex()
    if isinstance(item, (list, tuple)): return "[" + ",".join(map(diagnose, item)) + "]"
    if isinstance(item, cbor2.CBORTag): return "tag %d %s" % (item.tag, diagnose(item.value))
    return "{" + ",".join(diagnose(k) + "," + diagnose(v) for k, v in item.items()) + "}"

def number(r): return r.choice([0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63 - 1,
                                r.getrandbits(r.randrange(1, 63))]) * r.choice([1, 1, -1])
def text(r): return "".join(r.choice("aZ0 \x00\u00fc\u20ac\U0001f512") for _ in range(r.randrange(30)))
def blob(r): return r.randbytes(r.choice([0, 1, 23, 24, 255, 256, 300]))

def make(r, depth):
    kind = r.randrange(9 if depth < 4 else 6)
    if kind == 0: return number(r)
    if kind == 1: return text(r)
    if kind == 2: return blob(r)
    if kind == 3: return None
    if kind == 4: return r.random() < 0.5
    if kind == 5: return 2**64 - 1
    if kind == 6: return [make(r, depth + 1) for _ in range(r.randrange(7))]
    if kind == 7: return {r.choice([number, text, blob])(r): make(r, depth + 1)
                          for _ in range(r.randrange(7))}
    return cbor2.CBORTag(r.choice([2000, 65536, 2**40]), make(r, depth + 1))

if sys.argv[1] == "make":
    r = random.Random(8949)
    for _ in range(500):
        item = make(r, 0)
        print(cbor2.dumps(item).hex(), diagnose(item))
else:
    for line in sys.stdin:
        print(diagnose(cbor2.loads(bytes.fromhex(line))))
)";

// python runs the script above; nothing when there is no Python with cbor2.
std::optional<std::string> python(const std::string& mode, const std::string& input) {
    auto in = make_memory_file("in", 0);
    auto out = make_memory_file("out", 0);
    EXPECT_TRUE(in.ok() && out.ok() && write_all_at(in->get(), 0, as_bytes(input)).ok());
    SpawnOptions options;
    options.program = "/usr/bin/python3";
    options.arguments = {"-c", kPython, mode};
    options.standard_input = in->get();
    options.standard_output = out->get();
    auto process = Process::spawn(options);
    if (!process) {
        return std::nullopt;
    }
    const auto status = process->wait();
    if (!status || status->exit_code == 42) {
        return std::nullopt;
    }
    EXPECT_EQ(status->exit_code, 0);
    Bytes text(file_size(out->get()).value());
    EXPECT_TRUE(read_exactly_at(out->get(), 0, text).ok());
    return std::string(as_text(text));
}

// Writes again what a reader holds.
void rewrite(Reader reader, Writer& writer) {
    while (reader.remaining() > 0) {
        switch (reader.peek().value()) {
            case Kind::unsigned_integer:
                writer.put_uint(reader.read_uint().value());
                break;
            case Kind::negative_integer:
                writer.put_int(reader.read_int().value());
                break;
            case Kind::bytes:
                writer.put_bytes(reader.read_bytes().value());
                break;
            case Kind::text:
                writer.put_text(reader.read_text().value());
                break;
            case Kind::array: {
                const Reader inner = reader.read_array().value();
                writer.begin_array(inner.remaining());
                rewrite(inner, writer);
                break;
            }
            case Kind::map: {
                const Map inner = reader.read_map().value();
                writer.begin_map(inner.size());
                rewrite(inner.pairs(), writer);
                break;
            }
            case Kind::tag:
                writer.put_tag(reader.read_tag().value());
                break;
            case Kind::boolean:
                writer.put_bool(reader.read_bool().value());
                break;
            case Kind::null:
                EXPECT_TRUE(reader.read_null().ok());
                writer.put_null();
                break;
        }
    }
}

TEST(CborAgainstPython, ReadsAndWritesWhatPythonWrites) {
    const auto made = python("make", "");
    if (!made) {
        GTEST_SKIP() << "no /usr/bin/python3 with cbor2";
    }
    std::istringstream lines(*made);
    std::string line;
    unsigned count = 0;
    while (std::getline(lines, line)) {
        const auto space = line.find(' ');
        const Bytes input = hex(line.substr(0, space));
        auto reader = Reader::open(input);
        ASSERT_TRUE(reader.ok()) << line << reader.error().message();
        Bytes again;
        Writer writer(again);
        rewrite(*reader, writer);
        EXPECT_EQ(to_hex(again), to_hex(input));
        std::string meaning;
        diagnose(*reader, meaning);
        EXPECT_EQ(meaning, line.substr(space + 1));
        ++count;
    }
    EXPECT_EQ(count, 500U);
}

TEST(CborAgainstPython, WhatIsAcceptedMeansTheSameToPython) {
    const auto made = python("make", "");
    if (!made) {
        GTEST_SKIP() << "no /usr/bin/python3 with cbor2";
    }
    // Each of Python's items with a few bits turned over; what still passes goes back to Python.
    std::mt19937 random(8949);
    std::istringstream lines(*made);
    std::string line;
    std::string accepted;
    std::string meanings;
    unsigned refused = 0;
    while (std::getline(lines, line)) {
        Bytes input = hex(line.substr(0, line.find(' ')));
        for (int i = 0; i < 20; ++i) {
            Bytes bent = input;
            bent[random() % bent.size()] ^= static_cast<std::uint8_t>(1U << (random() % 8));
            auto reader = Reader::open(bent);
            if (!reader) {
                ++refused;
                continue;
            }
            std::string meaning;
            diagnose(*reader, meaning);
            // Python turns some tags into types of its own, and has integers without an end.
            if (meaning.find("tag ") == std::string::npos &&
                meaning.find("huge ") == std::string::npos) {
                accepted += to_hex(bent) + "\n";
                meanings += meaning + "\n";
            }
        }
    }
    EXPECT_GT(refused, 100U);
    EXPECT_GT(accepted.size(), 1000U);
    EXPECT_EQ(python("read", accepted), meanings);
}

}  // namespace
}  // namespace casemate::cbor
