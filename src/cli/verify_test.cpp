#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "attestation/testing/forger.hpp"
#include "base/file.hpp"
#include "base/temporary_directory.hpp"
#include "cli/json_output.hpp"
#include "cli/run_for_test.hpp"
#include "codec/base64.hpp"
#include "eif/forger.hpp"
#include "eif/measure.hpp"

namespace casemate::cli {
namespace {

using attestation::forger::forge;
using attestation::forger::Forged;
using attestation::forger::Forgery;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// filled is a register's value of 48 equal bytes, in hexadecimal. plain's PCR0 to PCR2 are filled
// with 0x10 to 0x12, all others with zero.
std::string filled(std::uint8_t byte) {
    return to_hex(Bytes(attestation::kPcrSize, byte));
}

class VerifyTest : public testing::Test {
protected:
    // Ten seconds after the documents are made.
    static constexpr const char* kAt = "2026-09-21T14:13:30Z";

    void SetUp() override {
        auto directory = TemporaryDirectory::create();
        ASSERT_TRUE(directory.ok());
        directory_.emplace(std::move(*directory));
        set(attestation::forger::plain());
    }

    [[nodiscard]] std::string path(const std::string& name) const {
        return directory_->path() + "/" + name;
    }

    std::string write(const std::string& name, std::string_view text) const {
        EXPECT_TRUE(write_file_atomically(path(name), as_bytes(text)).ok());
        return path(name);
    }

    void set(const Forgery& forgery) {
        forged_ = forge(forgery);
        write("document", as_text(forged_.document));
        write("root", forged_.root().to_pem());
    }

    // verify runs the verb on the document at kAt, with more options.
    [[nodiscard]] Ran verify(std::vector<std::string> more = {}) const {
        more.insert(more.begin(), {"verify", "--document", path("document"), "--root", path("root"),
                                   "--at", kAt});
        return run_for_test(more);
    }

    [[nodiscard]] Json verify_json(std::vector<std::string> more, int status) const {
        more.insert(more.end(), {"--output", "json"});
        const Ran ran = verify(more);
        EXPECT_EQ(ran.status, status) << ran.err;
        auto json = Json::parse(ran.out);
        EXPECT_TRUE(json.ok()) << ran.out;
        return json ? std::move(*json) : Json();
    }

    void expect_refused(const std::string& identifier, const std::vector<std::string>& more) const {
        const Json json = verify_json(more, 1);
        ASSERT_NE(json.find("Error"), nullptr) << json.compact();
        EXPECT_EQ(*json.find("Error")->text(), identifier);
    }

    std::optional<TemporaryDirectory> directory_;
    Forged forged_;
};

std::string keys_of(const Json& json) {
    std::string keys;
    for (const auto& [key, value] : json.members()) {
        keys += key + " ";
    }
    return keys;
}

TEST_F(VerifyTest, JsonOfAVerifiedDocument) {
    Forgery forgery = attestation::forger::plain();
    forgery.contents.user_data = Bytes{};
    forgery.contents.public_key = Bytes{0xfb, 0xff};
    set(forgery);
    const Json json = verify_json({}, 0);
    EXPECT_EQ(keys_of(json),
              "Verified ModuleId Timestamp Isolation Debug PCRs PublicKey UserData Nonce "
              "RootFingerprint ValidFrom ValidUntil ");
    const auto text = [&](const char* key) { return json.find(key)->compact(); };
    EXPECT_EQ(text("Verified"), "true");
    EXPECT_EQ(text("ModuleId"), "\"i-0123456789abcdef0-enc018aa8b8e2285d13\"");
    EXPECT_EQ(text("Timestamp"), "\"2026-09-21T14:13:20Z\"");
    EXPECT_EQ(text("Isolation"), "\"kvm\"");
    EXPECT_EQ(text("Debug"), "false");
    EXPECT_EQ(json.find("PCRs")->members().size(), 16U);
    EXPECT_EQ(*json.find("PCRs")->find("PCR1")->text(), filled(0x11));
    EXPECT_EQ(*json.find("PCRs")->find("PCR15")->text(), filled(0));
    EXPECT_EQ(text("PublicKey"), "\"+/8=\"");
    EXPECT_EQ(text("UserData"), "\"\"");
    EXPECT_EQ(text("Nonce"), "null");
    EXPECT_EQ(*json.find("RootFingerprint")->text(), to_hex(crypto::sha256(forged_.chain[0])));
    EXPECT_EQ(text("ValidFrom"), "\"2026-09-21T14:13:17Z\"");
    EXPECT_EQ(text("ValidUntil"), "\"2026-09-21T17:13:20Z\"");
}

TEST_F(VerifyTest, TextOfAVerifiedDocument) {
    const Ran ran = verify();
    EXPECT_EQ(ran.status, 0);
    EXPECT_EQ(ran.out,
              "Verified.\n"
              "module id    i-0123456789abcdef0-enc018aa8b8e2285d13\n"
              "time         2026-09-21T14:13:20Z\n"
              "isolation    kvm\n"
              "debug mode   no\n"
              "PCR0         " +
                  filled(0x10) + "\n" + "PCR1         " + filled(0x11) + "\n" + "PCR2         " +
                  filled(0x12) + "\n" +
                  "public key   none\n"
                  "user data    none\n"
                  "nonce        none\n"
                  "root         " +
                  to_hex(crypto::sha256(forged_.chain[0])) + "\n" +
                  "valid until  2026-09-21T17:13:20Z\n");
}

// The module id is the signer's own text: no terminal obeys it.
TEST_F(VerifyTest, TextIsPrintable) {
    Forgery forgery = attestation::forger::plain();
    forgery.contents.module_id = "i-1\x1b[2J\n";
    set(forgery);
    EXPECT_THAT(verify().out, HasSubstr("module id    i-1\\x1b[2J\\x0a\n"));
}

TEST_F(VerifyTest, ARefusalHandsNothingBack) {
    Forgery forgery = attestation::forger::plain();
    forgery.contents.user_data = Bytes(4, 0x41);
    forgery.edit_signature = [](Bytes& signature) { signature[5] ^= 1U; };
    set(forgery);
    const Json json = verify_json({}, 1);
    EXPECT_EQ(keys_of(json), "Verified Error Message ");
    EXPECT_EQ(json.find("Verified")->compact(), "false");
    EXPECT_EQ(*json.find("Error")->text(), "bad_signature");
    EXPECT_THAT(*json.find("Message")->text(), StartsWith("wrong signature of the document: "));
    const Ran ran = verify({"--write-user-data", path("user-data")});
    EXPECT_EQ(ran.status, 1);
    EXPECT_THAT(ran.out, StartsWith("Refused (bad_signature). wrong signature of the document: "));
    EXPECT_THAT(ran.out, Not(HasSubstr("AAAA")));
    EXPECT_EQ(ran.err, "");
    EXPECT_FALSE(std::filesystem::exists(path("user-data")));
}

TEST_F(VerifyTest, ATrustedRootIsNeeded) {
    Forgery stranger = attestation::forger::plain({"kvm"}, attestation::forger::kMade, "Stranger");
    write("stranger", forge(stranger).root().to_pem());
    const auto with_roots = [&](std::vector<std::string> roots) {
        std::vector<std::string> line{"verify", "--document", path("document"), "--at", kAt};
        for (const std::string& root : roots) {
            line.insert(line.end(), {"--root", root});
        }
        return run_for_test(line);
    };
    const Ran refused = with_roots({path("stranger")});
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.out, StartsWith("Refused (untrusted_root)."));
    EXPECT_EQ(with_roots({path("stranger"), path("root")}).status, 0);
    const std::string both = forged_.root().to_pem() + forge(stranger).root().to_pem();
    EXPECT_EQ(with_roots({write("both", both)}).status, 0);
}

TEST_F(VerifyTest, TimeNonceAndAge) {
    Forgery forgery = attestation::forger::plain();
    forgery.contents.nonce = Bytes{0xab, 0xcd};
    set(forgery);
    EXPECT_EQ(verify({"--nonce", "ABcd"}).status, 0);
    expect_refused("nonce_mismatch", {"--nonce", "abce"});
    EXPECT_EQ(verify({"--max-age", "10"}).status, 0);
    expect_refused("too_old", {"--max-age", "9"});
    const auto at = [&](const std::vector<std::string>& time) {
        std::vector<std::string> line{"verify", "--document", path("document"), "--root",
                                      path("root")};
        line.insert(line.end(), time.begin(), time.end());
        return run_for_test(line);
    };
    EXPECT_EQ(at({"--at", "2026-09-21T16:13:30+02:00"}).status, 0);
    EXPECT_THAT(at({"--at", "2026-09-22T14:13:30Z"}).out, StartsWith("Refused (expired)."));
    EXPECT_THAT(at({"--at", "2026-09-21T14:13:10Z"}).out, StartsWith("Refused (not_yet_valid)."));
    EXPECT_EQ(at({"--at-document-time"}).status, 0);
    // Without --at it is the clock's time: after the document, or before.
    EXPECT_EQ(at({}).status, 1);
}

TEST_F(VerifyTest, SaysWhatIsNotProven) {
    const auto fresh = HasSubstr("nothing proves that this document is fresh");
    const auto code = HasSubstr("who signed, not what runs");
    const std::string pcr = "0=" + filled(0x10);
    EXPECT_THAT(verify().err, AllOf(fresh, code));
    EXPECT_THAT(verify({"--max-age", "10"}).err, AllOf(Not(fresh), code));
    EXPECT_THAT(verify({"--pcr", pcr}).err, AllOf(fresh, Not(code)));
    EXPECT_EQ(verify({"--max-age", "10", "--pcr", pcr}).err, "");
}

TEST_F(VerifyTest, IsolationAndDebugModeHaveToBeAllowed) {
    set(attestation::forger::plain({"software"}));
    expect_refused("isolation_refused", {});
    expect_refused("isolation_refused", {"--allow-isolation", "kvm", "--allow-debug"});
    EXPECT_EQ(verify({"--allow-isolation", "kvm", "--allow-isolation", "software"}).status, 0);
    EXPECT_THAT(verify({"--allow-isolation", "software"}).out, HasSubstr("isolation    software"));

    EXPECT_EQ(verify({"--require-isolation", "software"}).status, 0);
    expect_refused("isolation_refused", {"--require-isolation", "kvm"});

    set(attestation::forger::plain({"kvm"}));
    EXPECT_EQ(verify({"--require-isolation", "kvm"}).status, 0);
    expect_refused("isolation_refused", {"--require-isolation", "nitro"});

    Forgery debug = attestation::forger::plain({"kvm", "debug"});
    for (std::uint16_t index = 0; index < 3; ++index) {
        debug.contents.pcrs[index].fill(0);
    }
    set(debug);
    expect_refused("debug_refused", {"--allow-isolation", "software"});
    EXPECT_THAT(verify({"--allow-debug"}).out, HasSubstr("debug mode   yes"));
    EXPECT_EQ(verify_json({"--allow-debug"}, 0).find("Debug")->compact(), "true");
}

TEST_F(VerifyTest, Registers) {
    EXPECT_EQ(verify({"--pcr", "0=" + filled(0x10), "--pcr", "15=" + filled(0)}).status, 0);
    // Either value of a register will do.
    EXPECT_EQ(verify({"--pcr", "1=" + filled(9), "--pcr", "1=" + filled(0x11)}).status, 0);
    expect_refused("pcr_mismatch", {"--pcr", "1=" + filled(9), "--pcr", "1=" + filled(8)});
    expect_refused("pcr_missing", {"--pcr", "16=" + filled(0)});
    const std::string json = write(
        "pcrs", R"([{"PCR0": ")" + filled(0x20) + R"("}, {"PCR0": ")" + filled(0x10) + R"("}])");
    EXPECT_EQ(verify({"--pcrs", json}).status, 0);
    // The file and the option have to hold.
    EXPECT_EQ(verify({"--pcrs", json, "--pcr", "1=" + filled(0x11)}).status, 0);
    expect_refused("pcr_mismatch", {"--pcrs", json, "--pcr", "1=" + filled(0x12)});
    const Ran contradiction = verify({"--pcrs", json, "--pcr", "0=" + filled(1)});
    EXPECT_EQ(contradiction.status, 3);
    EXPECT_EQ(contradiction.out, "");
    EXPECT_THAT(contradiction.err, HasSubstr("measurements that one enclave can have"));
}

TEST_F(VerifyTest, AnImageThatHasToBeTheOneThatRuns) {
    const std::string image = eif::forger::forge(eif::forger::plain());
    write("app.eif", image);
    const auto measured = eif::measure(eif::forger::memory_file(image).get());
    ASSERT_TRUE(measured.ok());
    Forgery forgery = attestation::forger::plain();
    forgery.contents.pcrs[0] = measured->measurements.pcr0;
    forgery.contents.pcrs[1] = measured->measurements.pcr1;
    forgery.contents.pcrs[2] = measured->measurements.pcr2;
    set(forgery);
    EXPECT_EQ(verify({"--eif", path("app.eif")}).status, 0);
    EXPECT_EQ(verify({"--eif", path("app.eif"), "--pcr", "15=" + filled(0)}).status, 0);
    expect_refused("pcr_mismatch", {"--eif", path("app.eif"), "--pcr", "15=" + filled(1)});
    // What the other verbs print is understood.
    const Ran described = run_for_test({"describe-eif", "--eif-path", path("app.eif")});
    ASSERT_EQ(described.status, 0);
    EXPECT_EQ(verify({"--pcrs", write("described", described.out)}).status, 0);
    EXPECT_EQ(verify({"--pcrs", path("described"), "--eif", path("app.eif")}).status, 0);
    forgery.contents.pcrs[2].fill(1);
    set(forgery);
    expect_refused("pcr_mismatch", {"--eif", path("app.eif")});
    expect_refused("pcr_mismatch", {"--pcrs", path("described")});
}

TEST_F(VerifyTest, ExplainShowsEachStep) {
    const Ran good = verify({"--explain"});
    EXPECT_EQ(good.status, 0);
    EXPECT_THAT(good.out, StartsWith("ok      "));
    EXPECT_THAT(good.out, HasSubstr("\n-       nonce: "));
    EXPECT_THAT(good.out, Not(HasSubstr("FAILED")));
    EXPECT_THAT(good.out, HasSubstr("\n\nVerified.\nmodule id"));
    const Ran bad = verify({"--explain", "--nonce", "00"});
    EXPECT_EQ(bad.status, 1);
    EXPECT_THAT(bad.out, HasSubstr("\nFAILED  nonce: another nonce: expected the nonce 00"));
    EXPECT_THAT(bad.out, HasSubstr("\n-       measurements\n"));
    EXPECT_THAT(bad.out, HasSubstr("\n\nRefused (nonce_mismatch). "));
    const Json json = verify_json({"--explain", "--nonce", "00"}, 1);
    EXPECT_EQ(keys_of(json), "Verified Error Message Steps ");
    const std::string steps = json.find("Steps")->compact();
    EXPECT_THAT(steps, StartsWith(R"([{"Step":")"));
    EXPECT_THAT(steps,
                HasSubstr(R"({"Step":"nonce","Result":"failed","Finding":"another nonce: )"));
    EXPECT_THAT(steps, EndsWith(R"("Result":"not reached","Finding":""}])"));
    EXPECT_EQ(keys_of(verify_json({"--explain"}, 0)),
              "Verified ModuleId Timestamp Isolation Debug PCRs PublicKey UserData Nonce "
              "RootFingerprint ValidFrom ValidUntil Steps ");
}

TEST_F(VerifyTest, Base64OfTheDocumentWillDo) {
    const std::string text = codec::encode_base64(forged_.document);
    write("document", text);
    EXPECT_EQ(verify().status, 0);
    std::string lines = "\n";
    for (std::size_t i = 0; i < text.size(); i += 76) {
        lines += text.substr(i, 76) + "\r\n";
    }
    write("document", lines);
    EXPECT_EQ(verify().status, 0);
    write("document", text.substr(0, text.size() - 4));
    expect_refused("not_cbor", {});
    for (const std::string_view none : {"", "?", "=", "hello", "{}"}) {
        write("document", none);
        EXPECT_EQ(verify().status, 1) << none;
    }
}

TEST_F(VerifyTest, StandardInput) {
    const UniqueFd before(::dup(STDIN_FILENO));
    const UniqueFd input(::open(path("document").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(before.valid() && input.valid());
    ASSERT_EQ(::dup2(input.get(), STDIN_FILENO), STDIN_FILENO);
    const std::vector<std::string> line{"verify",     "--document", "-", "--root",
                                        path("root"), "--at",       kAt};
    const Ran first = run_for_test(line);
    const Ran at_end = run_for_test(line);
    ::dup2(before.get(), STDIN_FILENO);
    EXPECT_EQ(first.status, 0) << first.err;
    EXPECT_EQ(at_end.status, 1) << "an empty document is none";
}

TEST_F(VerifyTest, WritesFieldsOfAVerifiedDocument) {
    Forgery forgery = attestation::forger::plain();
    forgery.contents.user_data = Bytes{1, 2, 3};
    forgery.contents.public_key = Bytes{4, 5};
    set(forgery);
    ASSERT_EQ(verify({"--write-user-data", path("data"), "--write-public-key", path("key")}).status,
              0);
    EXPECT_EQ(*read_file(path("data"), 100), (Bytes{1, 2, 3}));
    EXPECT_EQ(*read_file(path("key"), 100), (Bytes{4, 5}));
    const Ran nowhere = verify({"--write-user-data", path("no/such/folder")});
    EXPECT_EQ(nowhere.status, 19);
    EXPECT_EQ(nowhere.out, "");
    set(attestation::forger::plain());
    const Ran absent = verify({"--write-public-key", path("absent")});
    EXPECT_EQ(absent.status, 19);
    EXPECT_EQ(absent.out, "");
    EXPECT_THAT(absent.err, HasSubstr("The document carries no public key"));
    EXPECT_FALSE(std::filesystem::exists(path("absent")));
}

// What can't be used decides nothing: no answer on standard output, and neither 0 nor 1.
TEST_F(VerifyTest, InputsThatCantBeUsed) {
    const auto expect = [](const Ran& ran, int status, const std::string& sentence) {
        EXPECT_EQ(ran.status, status) << ran.err;
        EXPECT_EQ(ran.out, "");
        EXPECT_THAT(ran.err, HasSubstr(sentence));
    };
    const std::string absent = path("absent");
    expect(run_for_test({"verify", "--document", absent, "--root", path("root")}), 19, absent);
    expect(run_for_test({"verify", "--document", directory_->path(), "--root", path("root")}), 19,
           "Is a directory");
    expect(verify({"--root", absent}), 19, absent);
    expect(verify({"--pcrs", absent}), 19, absent);
    expect(verify({"--eif", absent}), 19, absent);
    expect(verify({"--root", "/dev/null"}), 3, "/dev/null");
    expect(verify({"--root", path("document")}), 3, path("document"));
    expect(verify({"--pcrs", write("bad", "{}")}), 3, path("bad"));
    expect(verify({"--eif", path("bad")}), 35, path("bad"));
    expect(verify({"--root", write("leaf", attestation::forger::must(
                                               crypto::Certificate::from_der(forged_.chain[4]))
                                               .to_pem())}),
           3, "trusted roots can't be used");
    write("document", std::string((1UL << 20U) + 1, 'A'));
    expect(verify(), 19, "larger than 1048576 bytes");
}

class VerifyOptionsTest : public testing::TestWithParam<const char*> {};

// The command line is looked at before any file.
TEST_P(VerifyOptionsTest, AreUsageErrors) {
    std::istringstream words(GetParam());
    std::vector<std::string> line{"verify"};
    for (std::string word; words >> word;) {
        line.push_back(word == "''" ? "" : word);
    }
    const Ran ran = run_for_test(line);
    EXPECT_EQ(ran.status, 2) << GetParam();
    EXPECT_EQ(ran.out, "");
    EXPECT_THAT(ran.err, StartsWith("error: "));
}

INSTANTIATE_TEST_SUITE_P(
    Lines, VerifyOptionsTest,
    testing::Values(
        "", "--document d", "--root r", "--document d --root", "--document d --root r extra",
        "--document d --root r s", "--document d --document e --root r",
        "--document d --root r --nonce", "--document d --root r --nonce ''",
        "--document d --root r --nonce 0", "--document d --root r --nonce xx",
        "--document d --root r --nonce 00 --nonce 01", "--document d --root r --pcr 0",
        "--document d --root r --pcr 0=", "--document d --root r --pcr 0=00",
        "--document d --root r --pcr "
        "32=000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "000000000000",
        "--document d --root r --pcr "
        "-1=000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "000000000000",
        "--document d --root r --pcr "
        "=0000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "00000000000",
        "--document d --root r --pcr "
        "0=g00000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "000000000000",
        "--document d --root r --at now", "--document d --root r --at 2022-10-13",
        "--document d --root r --at 1969-12-31T23:59:59Z",
        "--document d --root r --at 9999-12-31T23:59:59-01:00",
        "--document d --root r --at 2022-10-13T08:58:02Z --at-document-time",
        "--document d --root r --max-age 1 --at-document-time",
        "--document d --root r --max-age -1", "--document d --root r --max-age soon",
        "--document d --root r --max-age 4294967296",
        "--document d --root r --allow-isolation unknown",
        "--document d --root r --require-isolation unknown",
        "--document d --root r --require-isolation kvm --allow-isolation software",
        "--document d --root r --allow-isolation none", "--document d --root r --output xml",
        "--document d --root r --eif a --eif b", "--document d --root r --unknown"));

TEST(VerifyHelpTest, NamesTheExitStatuses) {
    const Ran ran = run_for_test({"verify", "--help"});
    EXPECT_EQ(ran.status, 0);
    EXPECT_THAT(ran.out, HasSubstr("Exit status: 0 verified; 1 refused; 2 wrong command line"));
    EXPECT_THAT(ran.out, HasSubstr("either value will do"));
    EXPECT_THAT(ran.out, HasSubstr("all of them have to hold"));
    EXPECT_THAT(ran.out, HasSubstr("base64"));
}

}  // namespace
}  // namespace casemate::cli
