#include "kms/cli/main.hpp"

#include <variant>

#include "kms/cli/arguments.hpp"
#include "kms/cli/commands.hpp"

namespace casemate::kms::cli {

namespace {

// Runner calls the command of an invocation.
struct Runner {
    const Places& places;
    Console& console;

    int operator()(const ServeArguments& of) const { return serve(of, places, console); }
    int operator()(const UserAddArguments& of) const { return user_add(of, console); }
    int operator()(const UserListArguments& of) const { return user_list(of, console); }
    int operator()(const UserRemoveArguments& of) const { return user_remove(of, console); }
    int operator()(const UserPolicyArguments& of) const { return user_policy(of, console); }
    int operator()(const UserSessionArguments& of) const { return user_session(of, console); }
    int operator()(const ExportCaArguments& of) const { return export_ca(of, console); }
    int operator()(const PolicyCheckArguments& of) const { return policy_check(of, console); }
    int operator()(const PolicyExplainArguments& of) const {
        return policy_explain(of, places, console);
    }
    int operator()(const RootKeyStatusArguments& of) const { return root_key_status(of, console); }
    int operator()(const RootKeyRotateArguments& of) const { return root_key_rotate(of, console); }
    int operator()(const RootKeyProtectArguments& of) const {
        return root_key_protect(of, console);
    }
    int operator()(const AuditArguments& of) const { return audit(of, console); }
    int operator()(const BackupArguments& of) const { return backup_or_restore(of, console); }
    int operator()(const CompletionArguments& of) const {
        return console.text(completion_script(of.shell));
    }
    int operator()(const StatusArguments& of) const { return status(of, console); }
};

}  // namespace

int run(const std::vector<std::string>& arguments, const Places& places, std::ostream& out,
        std::ostream& err) {
    Console console(out, err);
    const auto parsed = parse(arguments, places);
    if (const auto* end = std::get_if<UsageEnd>(&parsed)) {
        if (!end->standard_error.empty()) {
            err << end->standard_error << std::flush;
        }
        const int written = console.text(end->standard_output);
        return end->status != 0 ? end->status : written;
    }
    return std::visit(Runner{places, console}, *std::get_if<Invocation>(&parsed));
}

}  // namespace casemate::kms::cli
