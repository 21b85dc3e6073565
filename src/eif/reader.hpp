// Reading an image's structure, so that the two readers that exist elsewhere (AWS's walks section
// by section, QEMU's uses the header's tables) and this one see the same image, or nobody does.
#pragma once

#include "eif/format.hpp"

namespace casemate::eif {

// read_index checks the whole structure of the image in a seekable file and reads no section's
// data. The file must not change afterwards: whoever needs that copies or seals it. Errors: EifErrc
// not_an_image, unsupported, truncated, bad_layout, bad_sections; Errno when reading fails.
[[nodiscard]] Result<Index> read_index(int fd);

// read_section reads the data of one section of at most limit bytes. Errors: EifErrc bad_layout for
// a longer one, Errno when reading fails or the file has become shorter.
[[nodiscard]] Result<Bytes> read_section(int fd, const Section& section, std::uint64_t limit);

}  // namespace casemate::eif
