#include "service.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/file.hpp"

namespace casemate::bench {

namespace {

constexpr std::string_view kRegion = "us-east-1";

std::string read_all(int fd) {
    std::string text;
    std::array<char, 4096> piece{};
    for (;;) {
        const ssize_t size = ::read(fd, piece.data(), piece.size());
        if (size <= 0) {
            return text;
        }
        text.append(piece.data(), static_cast<std::size_t>(size));
    }
}

std::string read_line(int fd) {
    std::string line;
    char letter = 0;
    while (::read(fd, &letter, 1) == 1 && letter != '\n') {
        line += letter;
    }
    return line;
}

// Pipe: what a child writes comes out here.
struct Pipe {
    UniqueFd reading;
    UniqueFd writing;

    Pipe() {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
            fail("pipe2 failed");
        }
        reading = UniqueFd(ends[0]);
        writing = UniqueFd(ends[1]);
    }
};

std::vector<std::string> environment() {
    std::vector<std::string> variables;
    for (char** variable = environ; *variable != nullptr; ++variable) {
        variables.emplace_back(*variable);
    }
    return variables;
}

}  // namespace

void fail(const std::string& what) {
    std::fprintf(stderr, "kms_rates: %s\n", what.c_str());
    std::exit(1);
}

std::string Service::run(const std::vector<std::string>& arguments) const {
    Pipe pipe;
    SpawnOptions options;
    options.program = program_;
    options.arguments = arguments;
    options.environment = environment();
    options.standard_output = pipe.writing.get();
    Process process = expect(Process::spawn(options), program_);
    pipe.writing = UniqueFd();
    std::string text = read_all(pipe.reading.get());
    const ExitStatus status = expect(process.wait(), program_);
    if (status.exit_code != 0) {
        fail(program_ + " " + arguments.front() + ": " + status.text());
    }
    return text;
}

Service::Service(std::string program, std::string directory, const std::string& caller,
                 int processor, std::vector<std::string> options)
    : program_(std::move(program)), directory_(std::move(directory)) {
    const std::string user =
        run({"user", "add", caller, "--arn", "arn:aws:iam::111122223333:user/" + caller, "--data",
             directory_});
    const boost::json::value parsed = boost::json::parse(user);
    credential_.access_key_id = parsed.at("AccessKeyId").as_string();
    const boost::json::string& secret = parsed.at("SecretAccessKey").as_string();
    credential_.secret = SecretBytes(Bytes(secret.begin(), secret.end()));
    trusted_ = expect(
        crypto::TlsClientContext::from_pem(as_bytes(run({"export-ca", "--data", directory_}))),
        "the CA");

    Pipe pipe;
    SpawnOptions spawn;
    spawn.program = "/usr/bin/taskset";
    spawn.arguments = {"-c",       std::to_string(processor),
                       program_,   "serve",
                       "--data",   directory_,
                       "--listen", "127.0.0.1:0"};
    spawn.arguments.insert(spawn.arguments.end(), options.begin(), options.end());
    spawn.environment = environment();
    spawn.standard_output = pipe.writing.get();
    process_ = expect(Process::spawn(spawn), spawn.program);
    pipe.writing = UniqueFd();
    const std::string line = read_line(pipe.reading.get());
    const std::size_t colon = line.rfind(':');
    if (!line.starts_with("listening on ") || colon == std::string::npos) {
        fail("expected the service to listen, found \"" + line + "\"");
    }
    port_ = static_cast<std::uint16_t>(std::stoi(line.substr(colon + 1)));
    output_ = std::move(pipe.reading);
}

Exchange Service::sign(std::string_view operation, std::string_view json) const {
    Exchange exchange;
    exchange.request.method = "POST";
    exchange.request.target = "/";
    exchange.request.headers = {{"Host", "127.0.0.1:" + std::to_string(port_)},
                                {"Content-Type", "application/x-amz-json-1.1"},
                                {"X-Amz-Target", "TrentService." + std::string(operation)}};
    exchange.request.body = json;
    const sigv4::RequestView view{exchange.request.method, exchange.request.target,
                                  exchange.request.headers, as_bytes(exchange.request.body)};
    const auto now =
        std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
    const sigv4::Headers added =
        expect(sigv4::sign(view, credential_, {kRegion, "kms", now}), "signing");
    exchange.request.headers.insert(exchange.request.headers.end(), added.begin(), added.end());
    exchange.size = std::string_view("POST / HTTP/1.1\r\n\r\n").size() + json.size();
    for (const auto& [name, value] : exchange.request.headers) {
        exchange.size += name.size() + value.size() + 4;
    }
    return exchange;
}

http::Connection Service::connect() const {
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        fail("connect failed");
    }
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return expect(
        http::Connection::over(std::move(socket), http::TlsClient{*trusted_, "127.0.0.1"}), "TLS");
}

std::string Service::ask(std::string_view operation, std::string_view json) const {
    http::Connection connection = connect();
    http::Response response = expect(connection.exchange(sign(operation, json).request), operation);
    if (response.status != 200) {
        fail(std::string(operation) + ": " + response.body);
    }
    return std::move(response.body);
}

double Service::processor_seconds() const {
    std::ifstream file("/proc/" + std::to_string(process_.pid()) + "/stat");
    std::string text;
    std::getline(file, text);
    // After the name in parentheses: state is field 3, utime and stime are 14 and 15.
    std::istringstream fields(text.substr(text.rfind(')') + 2));
    std::string field;
    double ticks = 0;
    for (int number = 3; number <= 15 && fields >> field; ++number) {
        if (number >= 14) {
            ticks += std::stod(field);
        }
    }
    return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::size_t Service::resident() const {
    std::ifstream file("/proc/" + std::to_string(process_.pid()) + "/status");
    std::string word;
    while (file >> word) {
        if (word == "VmRSS:") {
            std::size_t size = 0;
            file >> size;
            return size;
        }
    }
    return 0;
}

void Service::stop() {
    process_.send_signal(SIGTERM);
    const ExitStatus status = expect(process_.wait(), "the service");
    if (status.exit_code != 0) {
        fail("expected the service to end with 0, found " + status.text());
    }
}

}  // namespace casemate::bench
