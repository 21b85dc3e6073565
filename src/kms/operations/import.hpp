// Import: GetParametersForImport, ImportKeyMaterial, DeleteImportedKeyMaterial.
//
// The import token holds the private half of the wrapping key, wrapped under the root key and bound
// to the id of the key that it is for, with the algorithm and the end of its validity: nothing is
// stored for it. So it stays good for its 24 hours however often it is used. Whoever sends an
// import again gets nothing new by it: it takes the permission kms:ImportKeyMaterial, and the same
// material goes into the same key. A token ends early when the root key that it is wrapped under is
// forgotten.
//
// A key takes the material that it was given first, and no other, whatever has become of it: a
// salted digest of it is kept beside the materials, wrapped like them (kImportedMaterial).
#pragma once

#include "kms/core/call.hpp"
#include "kms/core/core.hpp"

namespace casemate::kms {

// kImportValidity: how long what GetParametersForImport gives may be used.
inline constexpr std::chrono::hours kImportValidity{24};
// kMaxImportedLife: how long imported material may live that ends.
inline constexpr std::chrono::days kMaxImportedLife{365};

[[nodiscard]] Result<Answer> get_parameters_for_import(Core& core, Call& call);
[[nodiscard]] Result<Answer> import_key_material(Core& core, Call& call);
[[nodiscard]] Result<Answer> delete_imported_key_material(Core& core, Call& call);

}  // namespace casemate::kms
