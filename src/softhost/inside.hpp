// The first process of the software host: the small Linux that QEMU emulates on machines without
// usable KVM. It makes /dev/kvm work, says hello through the serial port, receives the Start
// packet, takes the measured image from the read-only disk, starts casemate-vmm with the
// descriptors that a supervisor would have given it, relays until it ends, and resets the machine.
//
// It has no configuration: the launcher puts all it needs into its root (paths below).
#pragma once

namespace casemate::softhost {

// What the launcher puts into the root.
inline constexpr const char* kVmmPath = "/casemate-vmm";
inline constexpr const char* kModuleDirectory = "/modules";
// One module a line in the order to load them: its file name, then its parameters.
inline constexpr const char* kModuleList = "/modules/order";
// The read-only disk that holds the guest's memory file.
inline constexpr const char* kImageDisk = "/dev/vda";

// run_inside does all that and never returns. What fails is told as a failure frame when the port
// is open, else on the console.
[[noreturn]] void run_inside();

}  // namespace casemate::softhost
