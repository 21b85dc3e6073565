// An image's ramdisks: what is found in them does not depend on the pieces in which they are read.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "eif/ramdisk_scan.hpp"

namespace {

using casemate::ByteView;
using casemate::eif::RamdiskScan;

RamdiskScan::Found scan(ByteView bytes, std::size_t piece) {
    RamdiskScan scan("/init");
    // Two ramdisks: what one begins, the other may end.
    const std::size_t half = bytes.size() / 2;
    for (const ByteView part : {bytes.first(half), bytes.subspan(half)}) {
        scan.begin();
        for (std::size_t done = 0; done < part.size(); done += piece) {
            scan.feed(part.subspan(done, std::min(piece, part.size() - done)));
        }
    }
    return scan.finish();
}

bool same(const RamdiskScan::Found& a, const RamdiskScan::Found& b) {
    return a.init_mode == b.init_mode && a.init_ramdisk == b.init_ramdisk &&
           a.nsm_module == b.nsm_module && a.closed == b.closed && a.fault == b.fault &&
           std::equal(a.ramdisks.begin(), a.ramdisks.end(), b.ramdisks.begin(), b.ramdisks.end(),
                      [](const auto& one, const auto& other) {
                          return one.format == other.format && one.entries == other.entries;
                      });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView bytes(data, size);
    const RamdiskScan::Found whole = scan(bytes, size + 1);
    for (const std::size_t piece : {1UL, 5UL, 64UL}) {
        if (!same(whole, scan(bytes, piece))) {
            std::fprintf(stderr, "broken: pieces of %zu bytes give something else\n", piece);
            std::abort();
        }
    }
    return 0;
}
