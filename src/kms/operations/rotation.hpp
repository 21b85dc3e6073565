// Rotation: EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, RotateKeyOnDemand,
// ListKeyRotations.
//
// A rotation adds material that encrypts from then on; each ciphertext names the material that it
// was made with, so that older ones still decrypt. As in AWS, only SYMMETRIC_DEFAULT keys whose
// material the service has made rotate; imported material does not (AWS's later model of several
// imported materials a key is not here). A rotation is done when it is answered for.
#pragma once

#include "kms/core/call.hpp"
#include "kms/core/core.hpp"

namespace casemate::kms {

// kMaxOnDemandRotations: how often a key may be rotated on demand (KMS's quota).
inline constexpr std::size_t kMaxOnDemandRotations = 25;

[[nodiscard]] Result<Answer> enable_key_rotation(Core& core, Call& call);
[[nodiscard]] Result<Answer> disable_key_rotation(Core& core, Call& call);
[[nodiscard]] Result<Answer> get_key_rotation_status(Core& core, Call& call);
[[nodiscard]] Result<Answer> rotate_key_on_demand(Core& core, Call& call);
[[nodiscard]] Result<Answer> list_key_rotations(Core& core, Call& call);

}  // namespace casemate::kms
