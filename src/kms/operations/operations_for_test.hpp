// For tests of operations: keys without CreateKey, requests and answers.
#pragma once

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/temporary_directory.hpp"
#include "codec/base64.hpp"
#include "crypto/rsa_for_test.hpp"
#include "kms/core/core_for_test.hpp"
#include "kms/core/material.hpp"
#include "kms/core/names.hpp"
#include "kms/operations/keys_for_test.hpp"
#include "support/paths.hpp"

namespace casemate::kms {

// text and base64 are values of requests.
inline json::value text(std::string_view letters) {
    return json::string(letters);
}
inline json::value base64(ByteView bytes) {
    return text(codec::encode_base64(bytes));
}

// blob_of gives a member of an answer that is base64.
inline Bytes blob_of(const Answer& answer, std::string_view name) {
    const json::value* value = answer.if_contains(name);
    EXPECT_NE(value, nullptr) << name;
    if (value == nullptr) {
        return {};
    }
    const json::string* text = value->if_string();
    EXPECT_NE(text, nullptr) << name;
    const auto bytes = codec::decode_base64(text != nullptr ? std::string_view(*text) : "!");
    EXPECT_TRUE(bytes.has_value()) << name;
    return bytes.value_or(Bytes());
}

// expect_refused checks an answer's error and its sentence.
inline void expect_refused(const Result<Answer>& answer, KmsErrc code, std::string_view sentence) {
    ASSERT_FALSE(answer.ok());
    EXPECT_TRUE(answer.error().is(code)) << answer.error().message();
    EXPECT_EQ(answer.error().detail(), sentence);
}

// allowing_alice is a key policy: "alice", if the condition (JSON, empty for none) holds.
inline std::string allowing_alice(std::string_view condition = {}) {
    std::string text = R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":)"
                       R"({"AWS":"arn:aws:iam::111122223333:user/alice"},"Action":"kms:*",)"
                       R"("Resource":"*")";
    if (!condition.empty()) {
        text.append(R"(,"Condition":)").append(condition);
    }
    return text + "}]}";
}

class OperationsTest : public ::testing::Test {
protected:
    struct Stored {
        Key key;
        // secret: as it was wrapped.
        Bytes secret;
    };

    // store_key puts one into the store; RSA keys of a size have the same material in one test.
    Stored store_key(KeySpec spec, KeyUsage usage, const std::string& policy = allowing_alice()) {
        Stored stored;
        Key& key = stored.key;
        key.id = new_uuid();
        key.arn = key_arn(kTestRegion, kTestAccount, key.id);
        key.spec = spec;
        key.usage = usage;
        key.policy = policy;
        key.created = service_.now();
        NewSecret made;
        if (is_rsa(spec)) {
            const crypto::RsaPrivateKey& rsa = crypto::rsa_key_for_test(rsa_bits(spec));
            made = {rsa.to_pkcs8(), rsa.public_key().spki()};
        } else {
            made = generate_secret(spec).value();
        }
        stored.secret.assign(made.secret.view().begin(), made.secret.view().end());
        const Material first =
            wrap_material(service_.vault(), key.id, made, 1, "", key.created).value();
        key.current_material = first.id;
        EXPECT_TRUE(service_.repository().create_key(key, first));
        return stored;
    }

    // set_state changes a stored key behind the service's back.
    void set_state(const Stored& stored, KeyState state) {
        Key key = service_.repository().key(stored.key.id).value();
        key.state = state;
        EXPECT_TRUE(service_.repository().update_key(key));
    }

    Result<Answer> ask(std::string_view operation, const json::object& input,
                       Caller who = CoreForTest::caller("alice", "")) {
        call_ = service_.call(operation, json::serialize(input), std::move(who));
        return perform(service_.core(), call_);
    }

    // with gives the input with one member another; null takes it away.
    static json::object with(json::object input, std::string_view name, const json::value& value) {
        input[name] = value;
        return input;
    }

    // BadInput: a member of a request, a value that is refused, and the error.
    struct BadInput {
        const char* member;
        json::value value;
        KmsErrc code;
    };
    // expect_bad checks that each of these operations refuses the good request with each of these.
    void expect_bad(std::initializer_list<std::string_view> operations, const json::object& good,
                    const std::vector<BadInput>& cases) {
        for (const BadInput& bad : cases) {
            for (const std::string_view operation : operations) {
                SCOPED_TRACE(std::string(operation) + " " + bad.member + " " +
                             json::serialize(bad.value).substr(0, 40));
                expect_error(ask(operation, with(good, bad.member, bad.value)), bad.code);
            }
        }
    }

    // recipient_for is a request's Recipient whose document has this key.
    static json::object recipient_for(const Bytes& spki) {
        attestation::forger::Forgery forgery = attestation::forger::plain();
        forgery.contents.public_key = spki;
        return {{"KeyEncryptionAlgorithm", "RSAES_OAEP_SHA_256"},
                {"AttestationDocument", base64(attestation::forger::forge(forgery).document)}};
    }

    CoreForTest service_;
    // call_ is the last request, with its notes.
    Call call_;
};

// oracle has tests/oracles/kms_answers.py (Debian's python3-cryptography) do its half of some
// tasks, and gives an answer for each; nothing where it has refused.
inline json::array oracle(const json::array& tasks) {
    const auto directory = TemporaryDirectory::create();
    auto pipe = make_pipe();
    EXPECT_TRUE(directory.ok() && pipe.ok());
    const std::string file = directory->path() + "/tasks";
    EXPECT_TRUE(write_file_atomically(file, as_bytes(json::serialize(tasks))));
    SpawnOptions options;
    options.program = "/usr/bin/python3";
    options.arguments = {test::source_dir() + "/tests/oracles/kms_answers.py", file};
    options.standard_output = pipe->second.get();
    auto process = Process::spawn(options);
    EXPECT_TRUE(process.ok());
    pipe->second.reset();
    std::string said;
    Bytes buffer(65536);
    while (const auto size = read_some(pipe->first.get(), buffer).value()) {
        said += as_text(ByteView(buffer).first(size));
    }
    EXPECT_EQ(process->wait()->exit_code, 0);
    boost::system::error_code error;
    const json::value answers = boost::json::parse(said, error);
    EXPECT_FALSE(error) << said;
    return answers.is_array() ? answers.as_array() : json::array();
}

}  // namespace casemate::kms
