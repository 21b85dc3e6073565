#include "cli/main.hpp"
#include "cli/verbs.hpp"

namespace casemate::cli {

namespace {

// Runner has one line per verb.
struct Runner {
    Output& output;

    int operator()(const BuildEnclaveArguments& a) const { return build_enclave(a, output); }
    int operator()(const DescribeEifArguments& a) const { return describe_eif(a, output); }
    int operator()(const PcrArguments& a) const { return pcr(a, output); }
    int operator()(const ExplainArguments& a) const { return explain(a, output); }
    template <class Arguments>
    int operator()(const Arguments& /*arguments*/) const {
        return output.fail(ErrorCode::invalid_command, "this build does not have this verb");
    }
};

}  // namespace

int dispatch(const Invocation& invocation, Output& output) {
    return std::visit(Runner{output}, invocation);
}

}  // namespace casemate::cli
