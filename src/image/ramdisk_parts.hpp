// What the writers of both layouts of ramdisks share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "codec/cpio.hpp"
#include "image/image.hpp"
#include "image/ramdisk.hpp"

namespace casemate::image {

inline constexpr std::string_view kRootfs = "rootfs";
inline constexpr std::uint32_t kDirectoryPermissions = 0755;
inline constexpr std::uint32_t kTextPermissions = 0644;

// path_in_root puts rootfs/ in front of a path of the tree.
[[nodiscard]] std::string path_in_root(std::string_view path);

// joined ends each item by a byte.
[[nodiscard]] std::string joined(const std::vector<std::string>& items, char end);

// PieceSink gathers small writes, headers mostly, into large ones.
class PieceSink {
public:
    explicit PieceSink(const RamdiskSink& sink);

    [[nodiscard]] Result<> write(ByteView bytes);
    [[nodiscard]] Result<> flush();

private:
    const RamdiskSink* sink_;
    Bytes buffer_;
};

// ContentCopier copies files' contents into an archive and tells how far it is.
class ContentCopier {
public:
    // image and progress must outlive it.
    ContentCopier(const Image& image, const Progress& progress);

    // add writes the content of the inode at a path of the tree. Errors: Errno and ImageErrc for
    // contents that can't be read as they were; the writer's.
    [[nodiscard]] Result<> add(const std::string& path, const Inode& inode,
                               codec::CpioWriter& writer);

private:
    const Image* image_;
    const Progress* progress_;
    Bytes buffer_;
    std::uint64_t done_ = 0;
    std::uint64_t reported_ = 0;
};

// add_program writes the file at a path of this machine, 0755.
[[nodiscard]] Result<> add_program(codec::CpioWriter& writer, std::string_view name,
                                   const std::string& path);

}  // namespace casemate::image
