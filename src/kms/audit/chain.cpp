#include "kms/audit/chain.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <memory>

#include "base/os_error.hpp"
#include "crypto/digest.hpp"

namespace casemate::kms::audit {

namespace {

constexpr std::string_view kSequence = R"({"sequence":)";
constexpr std::string_view kPrevious = R"(,"previous":")";
constexpr std::string_view kAfter = R"(",)";
constexpr std::size_t kHashDigits = 64;
constexpr std::size_t kNumberDigits = 20;
constexpr std::string_view kPrefix = "audit-";
constexpr std::string_view kSuffix = ".jsonl";

std::string padded(std::uint64_t number) {
    const std::string digits = std::to_string(number);
    return std::string(kNumberDigits - digits.size(), '0') + digits;
}

std::optional<std::uint64_t> read_number(std::string_view digits) {
    std::uint64_t number = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, number);
    if (error != std::errc() || stop != end) {
        return std::nullopt;
    }
    return number;
}

bool is_hash(std::string_view text) {
    return text.size() == kHashDigits &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

struct Close {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

}  // namespace

std::string hash_of(std::string_view line) {
    return to_hex(crypto::sha256(as_bytes(line)));
}

std::string chained(const AuditHead& previous, std::string_view entry) {
    std::string line;
    line.reserve(kSequence.size() + kNumberDigits + kPrevious.size() + kHashDigits + kAfter.size() +
                 entry.size());
    line += kSequence;
    line += std::to_string(previous.sequence + 1);
    line += kPrevious;
    line += previous.hash;
    line += kAfter;
    // The entry's own brace gives way to those members.
    line += entry.substr(1);
    line += '\n';
    return line;
}

std::optional<Link> read_link(std::string_view line) {
    if (!line.starts_with(kSequence) || !line.ends_with('}')) {
        return std::nullopt;
    }
    line.remove_prefix(kSequence.size());
    const std::size_t comma = line.find(',');
    if (comma == std::string_view::npos) {
        return std::nullopt;
    }
    const auto sequence = read_number(line.substr(0, comma));
    line.remove_prefix(comma);
    if (!sequence || !line.starts_with(kPrevious)) {
        return std::nullopt;
    }
    line.remove_prefix(kPrevious.size());
    const std::string_view hash = line.substr(0, kHashDigits);
    if (!is_hash(hash) || !line.substr(kHashDigits).starts_with(kAfter)) {
        return std::nullopt;
    }
    return Link{*sequence, std::string(hash)};
}

Result<> follow(AuditHead& previous, std::string_view line, const std::string& where) {
    const auto link = read_link(line);
    if (!link) {
        return Error(AuditErrc::not_a_log,
                     where + ": expected a line of an audit log, found another");
    }
    if (link->sequence != previous.sequence + 1) {
        return Error(AuditErrc::out_of_order, where + ": expected sequence number " +
                                                  std::to_string(previous.sequence + 1) +
                                                  ", found " + std::to_string(link->sequence));
    }
    if (link->previous != previous.hash) {
        return Error(AuditErrc::changed, where + ": expected the line after one of hash " +
                                             previous.hash + ", found the line after one of hash " +
                                             link->previous +
                                             "; the line before was changed, or this one");
    }
    previous.sequence = link->sequence;
    previous.hash = hash_of(line);
    return {};
}

std::string write_head(const AuditHead& head) {
    return padded(head.sequence) + " " + head.hash + "\n";
}

std::optional<AuditHead> read_head(std::string_view text) {
    if (text.size() != kNumberDigits + 1 + kHashDigits + 1 || text[kNumberDigits] != ' ' ||
        text.back() != '\n') {
        return std::nullopt;
    }
    const auto sequence = read_number(text.substr(0, kNumberDigits));
    const std::string_view hash = text.substr(kNumberDigits + 1, kHashDigits);
    if (!sequence || !is_hash(hash)) {
        return std::nullopt;
    }
    return AuditHead{*sequence, std::string(hash)};
}

std::string file_name(std::uint64_t sequence) {
    return std::string(kPrefix) + padded(sequence) + std::string(kSuffix);
}

std::optional<std::uint64_t> first_of(std::string_view name) {
    if (name.size() != kPrefix.size() + kNumberDigits + kSuffix.size() ||
        !name.starts_with(kPrefix) || !name.ends_with(kSuffix)) {
        return std::nullopt;
    }
    return read_number(name.substr(kPrefix.size(), kNumberDigits));
}

Result<std::vector<std::uint64_t>> files(int directory) {
    UniqueFd fd(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::unique_ptr<DIR, Close> listing(fd.valid() ? ::fdopendir(fd.get()) : nullptr);
    if (!listing) {
        return Error(AuditErrc::unavailable, os_error("list the audit log").message());
    }
    static_cast<void>(fd.release());
    std::vector<std::uint64_t> firsts;
    errno = 0;
    while (const dirent* entry = ::readdir(listing.get())) {
        if (const auto first = first_of(entry->d_name)) {
            firsts.push_back(*first);
        }
    }
    if (errno != 0) {
        return Error(AuditErrc::unavailable, os_error("list the audit log").message());
    }
    std::sort(firsts.begin(), firsts.end());
    return firsts;
}

Result<std::optional<std::string_view>> Lines::next() {
    constexpr std::size_t kChunk = 65536;
    constexpr std::size_t kLongest = kMaxEntry + 256;
    std::size_t looked = start_;
    while (true) {
        const std::size_t end = text_.find('\n', looked);
        if (end != std::string::npos) {
            const std::string_view line(text_.data() + start_, end - start_);
            start_ = end + 1;
            offset_ += line.size() + 1;
            return std::optional(line);
        }
        if (text_.size() - start_ > kLongest) {
            return Error(AuditErrc::not_a_log, "expected lines of at most " +
                                                   std::to_string(kLongest) + " bytes, found more");
        }
        text_.erase(0, start_);
        start_ = 0;
        looked = text_.size();
        Bytes chunk(kChunk);
        auto got = read_some(fd_, chunk);
        if (!got) {
            return Error(AuditErrc::unavailable, got.error().message());
        }
        if (*got == 0) {
            return std::optional<std::string_view>();
        }
        text_ += as_text(ByteView(chunk).first(*got));
    }
}

}  // namespace casemate::kms::audit
