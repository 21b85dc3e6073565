// Two other implementations: botocore, with which AWS's command line and Python SDK sign, and the
// specification written down once more in Python.
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <random>
#include <sstream>

#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "sigv4/date.hpp"
#include "sigv4/request_for_test.hpp"

namespace casemate::sigv4 {
namespace {

// Requests go as lines of hexadecimal fields, "-" for an empty one: access key id, secret, session
// token, method, target, body, then each header's name and value.
// "sign" makes requests and signs them by botocore; "check" recomputes the signatures of those it
// is given and prints a verdict for each.
constexpr const char* kPython = R"python(
import hashlib, hmac, random, re, sys, urllib.parse

def line(fields):
    print(" ".join((f if isinstance(f, bytes) else f.encode()).hex() or "-" for f in fields))

def fields(text):
    return [b"" if f == "-" else bytes.fromhex(f) for f in text.split()]

def quote(value, safe=""):
    return urllib.parse.quote(value, safe=safe + "-._~")

def sign(count):
    try:
        import botocore.auth, botocore.awsrequest, botocore.credentials
    except ImportError:
        sys.exit(42)
    r = random.Random(1)
    def text(alphabet, most, least=0):
        return "".join(r.choice(alphabet) for _ in range(r.randint(least, most)))
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    for _ in range(count):
        secret, token = text(letters + "/+", 40, 1), r.choice([None, text(letters + "/+=", 200, 1)])
        path = "/" + "/".join(quote(text(letters + " ./~*'()\u00e9\u1234", 6))
                              for _ in range(r.randrange(4)))
        path += r.choice(["", "", "/", "/.", "/..", "/../..", "//a"])
        query = "&".join(quote(text(letters + " /?&=+\u00e9", 5)) + "=" + quote(text(letters + " /?&=+*\u00e9", 5))
                         for _ in range(r.randrange(4)))
        headers = {"Content-Type": "application/x-amz-json-1.1",
                   "X-Amz-Target": "TrentService." + text(letters, 12, 1),
                   "User-Agent": text(letters, 10)}
        for _ in range(r.randrange(5)):
            headers[r.choice(["X-Amz-", "My-"]) + text(letters, 5, 1)] = text("ab, \t\"", 12).strip()
        body = bytes(r.randrange(256) for _ in range(r.randrange(100)))
        method = r.choice(["POST", "GET", "PUT"])
        request = botocore.awsrequest.AWSRequest(
            method=method, url="https://kms.us-east-1.amazonaws.com" + path + (query and "?" + query),
            headers=headers, data=body)
        credentials = botocore.credentials.Credentials("AKIDEXAMPLE", secret, token)
        botocore.auth.SigV4Auth(credentials, "kms", "us-east-1").add_auth(request)
        sent = request.prepare()
        parts = urllib.parse.urlsplit(sent.url)
        out = ["AKIDEXAMPLE", secret, token or "", method,
               parts.path + ("?" + parts.query if parts.query else ""), body, "Host", parts.netloc]
        for name, value in sent.headers.items():
            out += [name, value]
        line(out)

def segments(path):
    kept = []
    for segment in path.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    return b"/" + b"/".join(kept) + (b"/" if kept and path.endswith(b"/") else b"")

def check():
    for request in sys.stdin:
        key, secret, token, method, target, body, *headers = fields(request)
        path, _, query = target.partition(b"?")
        have = {}
        for name, value in zip(headers[::2], headers[1::2]):
            value = re.sub(rb"[ \t]+", b" ", value.strip(b" \t"))
            have.setdefault(name.lower(), []).append(value)
        authorization = have[b"authorization"][0]
        parts = re.fullmatch(rb"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
                             rb"SignedHeaders=([^,]+), Signature=([0-9a-f]{64})", authorization)
        who, day, region, service, names, signature = parts.groups()
        date = have[b"x-amz-date"][0]
        pairs = [tuple(quote(urllib.parse.unquote_to_bytes(x)) for x in (p.partition(b"=")[0], p.partition(b"=")[2]))
                 for p in query.split(b"&")] if query else []
        canonical = b"\n".join(
            [method, quote(segments(path), "/").encode(),
             "&".join(a + "=" + b for a, b in sorted(pairs)).encode()] +
            [n + b":" + b",".join(have[n]) for n in names.split(b";")] +
            [b"", names, hashlib.sha256(body).hexdigest().encode()])
        scope = b"/".join([day, region, service, b"aws4_request"])
        string = b"\n".join([b"AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical).hexdigest().encode()])
        code = b"AWS4" + secret
        for step in (day, region, service, b"aws4_request"):
            code = hmac.new(code, step, hashlib.sha256).digest()
        right = hmac.new(code, string, hashlib.sha256).hexdigest().encode() == signature
        right = right and who == key and date.startswith(day)
        right = right and have.get(b"x-amz-security-token", [b""]) == [token]
        print("right" if right else "wrong")

sign(int(sys.argv[2])) if sys.argv[1] == "sign" else check()
)python";

// python runs the script above; nothing when it is not there or lacks a module.
std::optional<std::string> python(std::vector<std::string> arguments, const std::string& input) {
    auto in = make_memory_file("in", 0);
    auto out = make_memory_file("out", 0);
    EXPECT_TRUE(in.ok() && out.ok() && write_all_at(in->get(), 0, as_bytes(input)).ok());
    SpawnOptions options;
    options.program = "/usr/bin/python3";
    options.arguments = {"-c", kPython};
    options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
    options.environment = {"PYTHONIOENCODING=utf-8"};
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

std::vector<std::string> fields_of(const std::string& line) {
    std::istringstream words(line);
    std::vector<std::string> fields;
    for (std::string word; words >> word;) {
        fields.emplace_back(word == "-" ? "" : as_text(from_hex(word).value()));
    }
    return fields;
}

std::string line_of(const std::vector<std::string>& fields) {
    std::string line;
    for (const std::string& field : fields) {
        line += field.empty() ? "-" : to_hex(as_bytes(field));
        line += ' ';
    }
    return line + '\n';
}

TEST(Python, BotocoresSignaturesAreVerified) {
    constexpr unsigned kCount = 400;
    const auto made = python({"sign", std::to_string(kCount)}, "");
    if (!made) {
        GTEST_SKIP() << "no /usr/bin/python3 with botocore";
    }
    std::istringstream lines(*made);
    unsigned count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        const auto fields = fields_of(line);
        ASSERT_GE(fields.size(), 8U);
        OwnedRequest request{fields[3], fields[4], {}, fields[5]};
        for (std::size_t i = 6; i + 1 < fields.size(); i += 2) {
            request.headers.emplace_back(fields[i], fields[i + 1]);
        }
        ASSERT_NE(request.find("X-Amz-Date"), nullptr);
        const auto time = parse_amz_date(*request.find("X-Amz-Date"));
        ASSERT_TRUE(time.has_value());
        const Lookup lookup = [&](std::string_view /*id*/) -> Result<std::optional<Known>> {
            return std::optional<Known>(Known{secret_of(fields[1]), secret_of(fields[2])});
        };
        const auto by = verify(request.view(), lookup, kms_expectations(), *time);
        ASSERT_TRUE(by.ok()) << request.target << ": " << by.error().message();
        request.body += 'x';
        EXPECT_FALSE(verify(request.view(), lookup, kms_expectations(), *time).ok());
    }
    EXPECT_EQ(count, kCount);
}

// random_request is anything that may be signed.
OwnedRequest random_request(std::mt19937& random) {
    static constexpr std::array<const char*, 8> kTargets = {
        "/",   "/a/../b//c/.", "/..", "/a%20b/", "/?b=1&a=2&a=1", "/x?a-=1&a=2&%c3%A9=%26",
        "/?a", "/~/*?=&k"};
    static constexpr std::array<const char*, 5> kValues = {"", "a  b", "\t a\t\tb ", "a,b",
                                                           "\"c\""};
    OwnedRequest request = kms_request();
    request.target = kTargets[random() % kTargets.size()];
    for (auto i = random() % 4; i > 0; --i) {
        request.headers.emplace_back("X-Amz-Own" + std::to_string(random() % 3),
                                     kValues[random() % kValues.size()]);
    }
    request.body = std::string(random() % 50, static_cast<char>(random() % 256));
    return request;
}

TEST(Python, OurSignaturesAreRightByTheSpecification) {
    constexpr unsigned kCount = 300;
    std::mt19937 random(2);
    std::string input;
    std::string verdicts;
    for (unsigned i = 0; i < kCount; ++i) {
        OwnedRequest request = random_request(random);
        const std::string token(random() % 3, 't');
        const auto added = sign(
            request.view(), example_credential(token),
            {"eu-central-1", "kms", example_time() + std::chrono::seconds(random() % 100'000'000),
             random() % 2 == 0});
        ASSERT_TRUE(added.ok()) << added.error().message();
        request.headers.insert(request.headers.end(), added->begin(), added->end());
        // Each fourth is spoiled, so that a script that finds everything right is found out.
        const bool spoiled = i % 4 == 3;
        if (spoiled) {
            request.body += 'x';
        }
        std::vector<std::string> fields = {std::string(kExampleId),
                                           std::string(kExampleSecret),
                                           token,
                                           request.method,
                                           request.target,
                                           request.body};
        for (const auto& [name, value] : request.headers) {
            fields.push_back(name);
            fields.push_back(value);
        }
        input += line_of(fields);
        verdicts += spoiled ? "wrong\n" : "right\n";
    }
    const auto answer = python({"check"}, input);
    if (!answer) {
        GTEST_SKIP() << "no /usr/bin/python3";
    }
    EXPECT_EQ(*answer, verdicts);
}

}  // namespace
}  // namespace casemate::sigv4
