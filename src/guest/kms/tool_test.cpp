#include "guest/kms/tool.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <map>

#include "base/collected_for_test.hpp"
#include "guest/kms/stand_in_service_for_test.hpp"
#include "guest/kms/tool_arguments.hpp"
#include "kms_client/json.hpp"

namespace casemate::kms_client {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Said {
    int status = -1;
    std::string out;
    std::string err;
};

using Words = std::vector<std::string>;

class Tool : public testing::Test {
protected:
    Said run(const Words& words, std::string input = "") const {
        const Collected out;
        const Collected err;
        // fmemopen takes no empty buffers.
        const bool none = input.empty();
        std::FILE* const in =
            none ? std::fopen("/dev/null", "r") : fmemopen(input.data(), input.size(), "r");
        const std::vector<std::string_view> arguments(words.begin(), words.end());
        const int status = run_tool(
            arguments, {in, out.stream(), err.stream(),
                        [this](const char* name) -> const char* {
                            const auto found = environment_.find(name);
                            return found != environment_.end() ? found->second.c_str() : nullptr;
                        },
                        forged_module()});
        std::fclose(in);
        return {status, out.text(), err.text()};
    }

    // to_service adds what reaches the service.
    Words to_service(Words words, bool with_credentials = true) const {
        const Words there{"--connect", "unix:" + service_.socket(), "--ca-file",
                          service_.ca_file()};
        words.insert(words.end(), there.begin(), there.end());
        if (with_credentials) {
            const Words signing{"--aws-access-key-id", std::string(kCaller),
                                "--aws-secret-access-key", std::string(kCallersSecret)};
            words.insert(words.end(), signing.begin(), signing.end());
        }
        return words;
    }

    static std::string base64(std::string_view text) {
        return codec::encode_base64(as_bytes(text));
    }
    static std::string sealed(std::string_view text, const StandInService::Object& context = {}) {
        return codec::encode_base64(StandInService::sealed(text, context));
    }
    // line gives what follows "NAME: " in an output.
    static std::string line(const std::string& out, const std::string& name) {
        const std::size_t start = out.find(name + ": ");
        return start == out.npos ? ""
                                 : out.substr(start + name.size() + 2,
                                              out.find('\n', start) - start - name.size() - 2);
    }

    StandInService service_;
    std::map<std::string, std::string> environment_;
};

TEST_F(Tool, decrypts_as_awss_does) {
    service_.expect_token(true);
    const Said said =
        run({"decrypt", "--region", "us-east-1", "--proxy-port", "8000", "--aws-access-key-id",
             std::string(kCaller), "--aws-secret-access-key", std::string(kCallersSecret),
             "--aws-session-token", std::string(kCallersToken), "--ciphertext", sealed("a secret"),
             "--connect", "unix:" + service_.socket(), "--ca-file", service_.ca_file()});
    EXPECT_EQ(said.status, 0);
    EXPECT_EQ(said.out, "PLAINTEXT: " + base64("a secret") + "\n");
    EXPECT_EQ(said.err, "");
}

TEST_F(Tool, generates_as_awss_does) {
    Said said = run(to_service({"genkey", "--key-id", std::string(kKey), "--key-spec", "AES-256"}));
    EXPECT_EQ(said.status, 0) << said.err;
    EXPECT_THAT(said.out, testing::MatchesRegex(
                              "CIPHERTEXT: [A-Za-z0-9+/=]+\nPLAINTEXT: [A-Za-z0-9+/=]{44}\n"));
    const std::string key = line(said.out, "PLAINTEXT");
    said = run(to_service({"decrypt", "--ciphertext", line(said.out, "CIPHERTEXT")}));
    EXPECT_EQ(line(said.out, "PLAINTEXT"), key);

    said = run(to_service({"genkey", "-K", std::string(kKey), "-p", "AES-128"}));
    EXPECT_EQ(codec::decode_base64(line(said.out, "PLAINTEXT"))->size(), 16U);
    said = run(to_service({"genrandom", "--length=1024"}));
    EXPECT_EQ(codec::decode_base64(line(said.out, "PLAINTEXT"))->size(), 1024U);
    EXPECT_THAT(said.out, StartsWith("PLAINTEXT: "));
}

TEST_F(Tool, has_more_commands) {
    Said said = run(
        to_service({"genkeypair", "--key-id", std::string(kKey), "--key-spec", "ECC_NIST_P256"}));
    EXPECT_EQ(said.status, 0) << said.err;
    const auto pair = crypto::PrivateKey::from_pkcs8(
        codec::decode_base64(line(said.out, "PLAINTEXT")).value_or(Bytes()));
    ASSERT_TRUE(pair.ok());
    EXPECT_EQ(codec::decode_base64(line(said.out, "PUBLIC_KEY")), pair->public_key().spki());
    EXPECT_NE(line(said.out, "CIPHERTEXT"), "");

    said = run(to_service({"derive", "--key-id", std::string(kKey), "--public-key",
                           codec::encode_base64(pair->public_key().spki())}));
    EXPECT_EQ(codec::decode_base64(line(said.out, "PLAINTEXT"))->size(), 32U);

    const Words context{"--encryption-context", "a=b=c", "--encryption-context", "d="};
    Words words{"encrypt", "--key-id", std::string(kKey), "--plaintext", "-"};
    words.insert(words.end(), context.begin(), context.end());
    said = run(to_service(words), base64("text") + "\n");
    EXPECT_EQ(said.status, 0) << said.err;
    EXPECT_EQ(line(said.out, "CIPHERTEXT"), sealed("text", {{"a", "b=c"}, {"d", ""}}));
    words = {"decrypt", "--ciphertext", "-"};
    words.insert(words.end(), context.begin(), context.end());
    said = run(to_service(words), line(said.out, "CIPHERTEXT"));
    EXPECT_EQ(said.out, "PLAINTEXT: " + base64("text") + "\n");

    said = run(to_service({"call", "--operation", "GetPublicKey"}), "{}");
    EXPECT_EQ(said.status, 0) << said.err;
    EXPECT_TRUE(Fields::parse(said.out)->bytes("PublicKey").ok());
    said = run(to_service({"call", "--operation", "GenerateRandom"}), R"({"NumberOfBytes": 3})");
    EXPECT_EQ(codec::decode_base64(line(said.out, "PLAINTEXT"))->size(), 3U);
}

TEST_F(Tool, credentials_come_from_one_place) {
    const std::string good = R"({"AccessKeyId": ")" + std::string(kCaller) +
                             R"(", "SecretAccessKey": ")" + std::string(kCallersSecret) + "\"}";
    const Words words = to_service({"genrandom", "--length", "1"}, false);
    EXPECT_EQ(run(words).err, "--aws-access-key-id must be set\n");
    EXPECT_EQ(run(words).status, 1);
    Words from_input = words;
    from_input.insert(from_input.end(), {"--credentials", "-"});
    EXPECT_EQ(run(from_input, good).status, 0);
    EXPECT_THAT(run(from_input, "{}").err, HasSubstr("AccessKeyId"));
    EXPECT_THAT(run(from_input, "x").err, HasSubstr("JSON"));
    ASSERT_TRUE(write_file_atomically(service_.path("credentials"), as_bytes(good)).ok());
    Words from_file = words;
    from_file.insert(from_file.end(), {"--credentials", service_.path("credentials")});
    EXPECT_EQ(run(from_file).status, 0);

    environment_ = {{"AWS_ACCESS_KEY_ID", std::string(kCaller)},
                    {"AWS_SECRET_ACCESS_KEY", std::string(kCallersSecret)},
                    {"AWS_SESSION_TOKEN", ""}};
    EXPECT_EQ(run(words).status, 0);
    // A token of the environment does not belong to a key of the options.
    environment_["AWS_SESSION_TOKEN"] = "token";
    EXPECT_EQ(run(words).status, 255);
    EXPECT_EQ(run(to_service({"genrandom", "--length", "1"})).status, 0);
    // AWS's program wants a token always; an empty one is none.
    EXPECT_EQ(run(to_service({"genrandom", "--length", "1", "--aws-session-token", ""})).status, 0);
    // Half a pair is not filled up from elsewhere.
    Words half = words;
    half.insert(half.end(), {"--aws-access-key-id", "AKIA"});
    EXPECT_EQ(run(half).err, "--aws-secret-access-key must be set\n");
}

TEST_F(Tool, failures_are_told_as_awss_does) {
    Said said = run(to_service({"decrypt", "--ciphertext", sealed("s", {{"a", "b"}})}));
    EXPECT_EQ(said.status, 255);
    EXPECT_EQ(said.out, "");
    EXPECT_EQ(said.err, "InvalidCiphertextException\nCould not decrypt\n");
    said = run(to_service({"genkey", "--key-id", "k", "--key-spec", "AES-256"}));
    EXPECT_EQ(said.err, "NotFoundException: Key 'k' does not exist\nCould not generate data key\n");
    said = run(to_service({"decrypt", "--ciphertext", "not base64"}));
    EXPECT_EQ(said.status, 255);
    EXPECT_EQ(said.err, "Ciphertext not a base64 string\nCould not decrypt\n");
    said = run(to_service({"genrandom", "--length", "1", "--endpoint-host", "example.com"}));
    EXPECT_EQ(said.status, 255);
    EXPECT_THAT(said.err, StartsWith("untrusted_server: "));
    service_.edit_answer([](StandInService::Object& answer) { answer["Plaintext"] = "cGxhaW4="; });
    said = run(to_service({"decrypt", "--ciphertext", sealed("s")}));
    EXPECT_EQ(said.status, 255);
    EXPECT_EQ(said.out, "");
    EXPECT_THAT(said.err, StartsWith("plaintext_answer: "));
    EXPECT_THAT(said.err, Not(HasSubstr("cGxhaW4=")));
}

TEST_F(Tool, misuse_has_status_one) {
    const std::vector<std::pair<Words, std::string>> cases{
        {{}, "usage: kmstool_enclave_cli [command]"},
        {{"nothing"}, "usage: kmstool_enclave_cli [command]"},
        {{"--help"}, "usage: kmstool_enclave_cli [command]"},
        {{"decrypt", "--help"}, "usage: kmstool_enclave_cli decrypt [options]"},
        {{"genkey", "-h"}, "usage: kmstool_enclave_cli genkey [options]"},
        {{"decrypt"}, "--ciphertext must be set"},
        {{"decrypt", "--length", "3"}, "Unknown option: --length"},
        {{"decrypt", "--nothing"}, "Unknown option: --nothing"},
        {{"decrypt", "word"}, "Unknown option: word"},
        {{"decrypt", "--ciphertext"}, "--ciphertext must have a value"},
        {{"genkey", "--key-spec", "AES-256"}, "--key-id must be set"},
        {{"genkey", "--key-id", "k"}, "--key-spec must be set"},
        {{"genkey", "--key-id", "k", "--key-spec", "AES_256"}, "Unknown key spec: AES_256"},
        {{"genrandom"}, "--length must be set"},
        {{"genrandom", "--length", "0"}, "--length must be greater than 0"},
        {{"genrandom", "--length", "1025"}, "--length must be smaller or equal to 1024"},
        {{"genrandom", "--length", "-1"}, "--length must be a number"},
        {{"genrandom", "--length", "9 "}, "--length must be a number"},
        {{"genrandom", "--length", "1", "--proxy-port", "x"}, "--proxy-port must be a number"},
        {{"genrandom", "--length", "1", "--connect", "x"}, "expected an address"},
        {{"genrandom", "--plaintext", "x"}, "Unknown option: --plaintext"},
        {{"decrypt", "--ciphertext", "AA==", "--encryption-context", "x"}, "NAME=VALUE"},
        {{"derive", "--key-id", "k"}, "--public-key must be set"},
        {{"encrypt", "--plaintext", "AA=="}, "--key-id must be set"},
        {{"call"}, "--operation must be set"},
    };
    for (const auto& [words, sentence] : cases) {
        Words given = words;
        if (!given.empty() && given[0] != "nothing" && given[0] != "--help") {
            given.insert(given.begin() + 1, {"--aws-access-key-id", "a"});
            given.insert(given.begin() + 1, {"--aws-secret-access-key", "b"});
        }
        const Said said = run(given);
        EXPECT_EQ(said.status, 1) << testing::PrintToString(words);
        EXPECT_EQ(said.out, "");
        EXPECT_THAT(said.err, HasSubstr(sentence));
    }
    EXPECT_EQ(service_.requests(), 0U);
}

TEST(ToolArguments, pass_over_what_awss_does) {
    const std::vector<std::string_view> given{"--ciphertext", "x",        "-r",
                                              "us-east-2",    "--region", "us-east-3"};
    EXPECT_FALSE(parse_arguments(Command::encrypt, given).ok());
    const auto arguments = parse_arguments(Command::genrandom, given);
    ASSERT_TRUE(arguments.ok());
    EXPECT_EQ(arguments->text("region"), "us-east-3");
}

}  // namespace
}  // namespace casemate::kms_client
