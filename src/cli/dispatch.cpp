#include "cli/main.hpp"
#include "cli/verbs.hpp"

namespace casemate::cli {

namespace {

// Runner has one line per verb.
struct Runner {
    Output& output;

    int operator()(const BuildEnclaveArguments& a) const { return build_enclave(a, output); }
    int operator()(const DescribeEifArguments& a) const { return describe_eif(a, output); }
    int operator()(const ValidateEifArguments& a) const { return validate_eif(a, output); }
    int operator()(const PcrArguments& a) const { return pcr(a, output); }
    int operator()(const SignEifArguments& a) const { return sign_eif(a, output); }
    int operator()(const ExplainArguments& a) const { return explain(a, output); }
    int operator()(const RunEnclaveArguments& a) const { return run_enclave(a, output); }
    int operator()(const TerminateEnclaveArguments& a) const {
        return terminate_enclave(a, output);
    }
    int operator()(const DescribeEnclavesArguments& a) const {
        return describe_enclaves(a, output);
    }
    int operator()(const ConsoleArguments& a) const { return console(a, output); }
    int operator()(const CompletionArguments& a) const { return completion(a, output); }
    int operator()(const DoctorArguments& a) const { return doctor(a, output); }
    int operator()(const LogsArguments& a) const { return logs(a, output); }
    int operator()(const HealthArguments& a) const { return health(a, output); }
    int operator()(const PsArguments& a) const { return ps(a, output); }
    int operator()(const AuthorityArguments& a) const { return authority(a, output); }
    int operator()(const VerifyArguments& a) const { return verify(a, output); }
    int operator()(const VsockConnectArguments& a) const { return vsock_connect(a, output); }
    int operator()(const VsockListenArguments& a) const { return vsock_listen(a, output); }
};

}  // namespace

int dispatch(const Invocation& invocation, Output& output) {
    return std::visit(Runner{output}, invocation);
}

}  // namespace casemate::cli
