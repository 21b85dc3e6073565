// For tests: tar archives and OCI layouts made by hand, hostile ones included.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <zlib.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/fd.hpp"
#include "crypto/digest.hpp"
#include "image/content.hpp"

namespace casemate::image::forge {

// must ends the process when a test's own preparation fails.
template <class T>
T must(Result<T> result) {
    if (!result) {
        std::fprintf(stderr, "preparation failed: %s\n", result.error().message().c_str());
        std::abort();
    }
    return std::move(result).value();
}

inline void must(const Result<>& result) {
    if (!result) {
        std::fprintf(stderr, "preparation failed: %s\n", result.error().message().c_str());
        std::abort();
    }
}

// Tar builds an archive entry by entry; nothing is checked.
class Tar {
public:
    Tar& add(char type, const std::string& name, std::string_view content = {},
             unsigned mode = 0644, const std::string& link = "", unsigned major = 0,
             unsigned minor = 0) {
        header(type, name, content.size(), mode, link, major, minor);
        data(content);
        return *this;
    }
    Tar& file(const std::string& name, std::string_view content, unsigned mode = 0644) {
        return add('0', name, content, mode);
    }
    Tar& directory(const std::string& name, unsigned mode = 0755) {
        return add('5', name, {}, mode);
    }
    Tar& symlink(const std::string& name, const std::string& target) {
        return add('2', name, {}, 0777, target);
    }
    Tar& hard_link(const std::string& name, const std::string& target) {
        return add('1', name, {}, 0644, target);
    }
    // pax puts an extension header of one record in front of the next entry.
    Tar& pax(const std::string& key, const std::string& value) {
        return add('x', "pax", record(key, value));
    }
    static std::string record(const std::string& key, const std::string& value) {
        const std::string rest = " " + key + "=" + value + "\n";
        std::size_t length = rest.size() + 1;
        while (std::to_string(length).size() + rest.size() != length) {
            ++length;
        }
        return std::to_string(length) + rest;
    }

    Tar& header(char type, const std::string& name, std::uint64_t size, unsigned mode = 0644,
                const std::string& link = "", unsigned major = 0, unsigned minor = 0) {
        std::string block(512, '\0');
        const auto put = [&](std::size_t at, const std::string& text) {
            block.replace(at, text.size(), text);
        };
        put(0, name.substr(0, 100));
        put(100, octal(mode, 7));
        put(108, octal(owner_, 7));
        put(116, octal(owner_, 7));
        put(124, octal(size, 11));
        put(136, octal(1'700'000'000, 11));
        block[156] = type;
        put(157, link.substr(0, 100));
        put(257, std::string("ustar\00000", 8));
        put(329, octal(major, 7));
        put(337, octal(minor, 7));
        seal(block);
        raw(block);
        return *this;
    }
    // seal puts the right checksum into a header.
    static void seal(std::string& block) {
        block.replace(148, 8, 8, ' ');
        unsigned sum = 0;
        for (const char c : block) {
            sum += static_cast<unsigned char>(c);
        }
        block.replace(148, 7, octal(sum, 6) + '\0');
    }
    Tar& data(std::string_view content) {
        raw(content);
        bytes_.resize((bytes_.size() + 511) / 512 * 512);
        return *this;
    }
    Tar& raw(std::string_view text) {
        bytes_.insert(bytes_.end(), text.begin(), text.end());
        return *this;
    }
    Tar& owner(unsigned id) {
        owner_ = id;
        return *this;
    }
    // end gives the archive with its two blocks of zeros.
    [[nodiscard]] Bytes end() const {
        Bytes all = bytes_;
        all.resize(all.size() + 1024);
        return all;
    }
    [[nodiscard]] const Bytes& unfinished() const { return bytes_; }

    static std::string octal(std::uint64_t value, int digits) {
        std::string text(static_cast<std::size_t>(digits), '0');
        for (auto at = text.rbegin(); at != text.rend(); ++at) {
            *at = static_cast<char>('0' + value % 8);
            value /= 8;
        }
        return text;
    }

private:
    Bytes bytes_;
    unsigned owner_ = 0;
};

inline Content content_of(ByteView bytes) {
    UniqueFd file = must(make_memory_file("forged", bytes.size()));
    must(write_all_at(file.get(), 0, bytes));
    return {std::make_shared<const UniqueFd>(std::move(file)), 0, bytes.size()};
}

inline void write_file(const std::string& path, ByteView bytes) {
    const UniqueFd file = must(open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    must(write_all(file.get(), bytes));
}

inline std::string digest_of(ByteView bytes) {
    return "sha256:" + to_hex(crypto::sha256(bytes));
}

inline Bytes gzip(ByteView bytes) {
    z_stream state{};
    if (::deflateInit2(&state, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        std::abort();
    }
    Bytes out(::deflateBound(&state, bytes.size()));
    state.next_in = const_cast<Bytef*>(bytes.data());
    state.avail_in = static_cast<uInt>(bytes.size());
    state.next_out = out.data();
    state.avail_out = static_cast<uInt>(out.size());
    if (::deflate(&state, Z_FINISH) != Z_STREAM_END) {
        std::abort();
    }
    out.resize(state.total_out);
    ::deflateEnd(&state);
    return out;
}

// Layout writes an OCI image layout into an existing empty directory.
class Layout {
public:
    explicit Layout(std::string path) : path_(std::move(path)) {
        ::mkdir((path_ + "/blobs").c_str(), 0755);
        ::mkdir((path_ + "/blobs/sha256").c_str(), 0755);
        write_file(path_ + "/oci-layout", as_bytes(R"({"imageLayoutVersion":"1.0.0"})"));
    }

    // blob stores bytes and gives their descriptor, without the closing brace.
    std::string blob(ByteView bytes, const std::string& media_type) {
        const std::string digest = digest_of(bytes);
        write_file(blob_path(digest), bytes);
        return R"({"mediaType":")" + media_type + R"(","digest":")" + digest + R"(","size":)" +
               std::to_string(bytes.size());
    }
    // image stores a manifest of these layers and this configuration and gives its descriptor. An
    // empty list of diff_ids in the configuration is filled with the digests of unpacked, or else
    // of the layers as they are.
    std::string image(const std::vector<Bytes>& layers, std::string config,
                      const std::string& layer_type = "application/vnd.oci.image.layer.v1.tar",
                      const std::vector<Bytes>& unpacked = {}) {
        config = with_digests(std::move(config), unpacked.empty() ? layers : unpacked);
        std::string list;
        for (const Bytes& layer : layers) {
            list += (list.empty() ? "" : ",") + blob(layer, layer_type) + "}";
        }
        const std::string manifest =
            R"({"schemaVersion":2,"config":)" +
            blob(as_bytes(config), "application/vnd.oci.image.config.v1+json") + R"(},"layers":[)" +
            list + "]}";
        return blob(as_bytes(manifest), "application/vnd.oci.image.manifest.v1+json");
    }
    static std::string with_digests(std::string config, const std::vector<Bytes>& unpacked) {
        std::string digests;
        for (const Bytes& layer : unpacked) {
            digests += (digests.empty() ? "\"" : ",\"") + digest_of(layer) + "\"";
        }
        const std::string none = R"("diff_ids":[])";
        if (const std::size_t at = config.find(none); at != std::string::npos) {
            config.insert(at + none.size() - 1, digests);
        }
        return config;
    }
    // index writes index.json of whole descriptors.
    void index(const std::string& descriptors) {
        write_file(path_ + "/index.json",
                   as_bytes(R"({"schemaVersion":2,"manifests":[)" + descriptors + "]}"));
    }
    [[nodiscard]] std::string blob_path(const std::string& digest) const {
        return path_ + "/blobs/sha256/" + digest.substr(7);
    }

private:
    std::string path_;
};

}  // namespace casemate::image::forge
