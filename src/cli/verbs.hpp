// The verbs: each is one file of its name and gives the exit status.
#pragma once

#include "cli/arguments.hpp"
#include "cli/output.hpp"

namespace casemate::cli {

[[nodiscard]] int run_enclave(const RunEnclaveArguments& arguments, Output& output);
[[nodiscard]] int terminate_enclave(const TerminateEnclaveArguments& arguments, Output& output);
[[nodiscard]] int describe_enclaves(const DescribeEnclavesArguments& arguments, Output& output);
[[nodiscard]] int console(const ConsoleArguments& arguments, Output& output);
[[nodiscard]] int build_enclave(const BuildEnclaveArguments& arguments, Output& output);
[[nodiscard]] int describe_eif(const DescribeEifArguments& arguments, Output& output);
[[nodiscard]] int validate_eif(const ValidateEifArguments& arguments, Output& output);
[[nodiscard]] int pcr(const PcrArguments& arguments, Output& output);
[[nodiscard]] int sign_eif(const SignEifArguments& arguments, Output& output);
[[nodiscard]] int explain(const ExplainArguments& arguments, Output& output);
[[nodiscard]] int completion(const CompletionArguments& arguments, Output& output);
[[nodiscard]] int doctor(const DoctorArguments& arguments, Output& output);
[[nodiscard]] int logs(const LogsArguments& arguments, Output& output);
[[nodiscard]] int health(const HealthArguments& arguments, Output& output);
[[nodiscard]] int ps(const PsArguments& arguments, Output& output);
[[nodiscard]] int authority(const AuthorityArguments& arguments, Output& output);
[[nodiscard]] int verify(const VerifyArguments& arguments, Output& output);
[[nodiscard]] int vsock_connect(const VsockConnectArguments& arguments, Output& output);
[[nodiscard]] int vsock_listen(const VsockListenArguments& arguments, Output& output);

}  // namespace casemate::cli
