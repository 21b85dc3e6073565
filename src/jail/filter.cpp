#include "jail/filter.hpp"

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <cstddef>
#include <optional>

#include "jail/jail.hpp"

namespace casemate::jail {

namespace {

constexpr std::uint32_t kNumberOffset = offsetof(seccomp_data, nr);
constexpr std::uint32_t kArchitectureOffset = offsetof(seccomp_data, arch);
constexpr std::uint32_t kArgumentsOffset = offsetof(seccomp_data, args);
constexpr std::uint32_t kMaxArguments = 6;
// Numbers from here on are the x32 ABI's (arch/x86/include/uapi/asm/unistd.h).
constexpr std::uint32_t kX32Bit = 0x4000'0000;
// A conditional jump of classic BPF holds its distance in 8 bits.
constexpr std::size_t kMaxJump = 255;

using Program = std::vector<sock_filter>;

sock_filter load(std::uint32_t offset) {
    return sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, offset};
}

sock_filter mask_with(std::uint32_t bits) {
    return sock_filter{BPF_ALU | BPF_AND | BPF_K, 0, 0, bits};
}

sock_filter jump_if_equal(std::uint32_t value, std::size_t if_so, std::size_t if_not) {
    return sock_filter{BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint8_t>(if_so),
                       static_cast<std::uint8_t>(if_not), value};
}

sock_filter answer(std::uint32_t action) {
    return sock_filter{BPF_RET | BPF_K, 0, 0, action};
}

std::uint32_t low_half(std::uint64_t value) {
    return static_cast<std::uint32_t>(value);
}
std::uint32_t high_half(std::uint64_t value) {
    return static_cast<std::uint32_t>(value >> 32U);
}

std::uint32_t action_of(Violation violation) {
    switch (violation) {
        case Violation::trap:
            return SECCOMP_RET_TRAP;
        case Violation::log:
            return SECCOMP_RET_LOG;
        case Violation::kill_process:
            break;
    }
    return SECCOMP_RET_KILL_PROCESS;
}

// One comparison of a rule: fails to the end of its block (patched later), passes to what follows.
// The halves of a 64-bit argument are compared one after the other, each value on its own:
//     load high; mask; equal? else next value; load low; mask; equal → pass; …; jump to failure
void append_argument(const ArgumentRule& rule, Program& block, std::vector<std::size_t>& failures) {
    const std::uint32_t offset = kArgumentsOffset + rule.index * 8;
    const bool wide = high_half(rule.mask) != 0;
    const std::size_t length_of_one = wide ? 6 : 1;
    const std::size_t prologue = wide ? 0 : 2;
    const std::size_t after = prologue + rule.one_of.size() * length_of_one + 1;
    const std::size_t start = block.size();
    if (!wide) {
        block.push_back(load(offset));
        block.push_back(mask_with(low_half(rule.mask)));
    }
    for (const std::uint64_t value : rule.one_of) {
        if (wide) {
            block.push_back(load(offset + 4));
            block.push_back(mask_with(high_half(rule.mask)));
            block.push_back(jump_if_equal(high_half(value), 0, 3));
            block.push_back(load(offset));
            block.push_back(mask_with(low_half(rule.mask)));
        }
        const std::size_t next = block.size() - start + 1;
        block.push_back(jump_if_equal(low_half(value), after - next, 0));
    }
    failures.push_back(block.size());
    block.push_back(sock_filter{BPF_JMP | BPF_JA, 0, 0, 0});
}

// The block of one call: number? → arguments → answer; else to the next block, which loads anew.
void append_call(int number, const std::vector<ArgumentRule>& arguments, std::uint32_t action,
                 Program& program) {
    Program block;
    std::vector<std::size_t> failures;
    for (const ArgumentRule& rule : arguments) {
        append_argument(rule, block, failures);
    }
    block.push_back(answer(action));
    for (const std::size_t position : failures) {
        block[position].k = static_cast<std::uint32_t>(block.size() - position - 1);
    }
    program.push_back(load(kNumberOffset));
    program.push_back(jump_if_equal(static_cast<std::uint32_t>(number), 1, 0));
    program.push_back(
        sock_filter{BPF_JMP | BPF_JA, 0, 0, static_cast<std::uint32_t>(block.size())});
    program.insert(program.end(), block.begin(), block.end());
}

std::optional<std::string> contradiction(const Profile& profile) {
    for (const AllowedCall& call : profile.allowed) {
        for (const ArgumentRule& rule : call.arguments) {
            // A longer list than this would not fit the distance of a jump.
            const bool fits = rule.one_of.size() * 6 + 3 <= kMaxJump;
            if (rule.index >= kMaxArguments || rule.one_of.empty() || !fits) {
                return "call " + std::to_string(call.number) + ": argument " +
                       std::to_string(rule.index) + " with " + std::to_string(rule.one_of.size()) +
                       " values; expected an argument of 0 to 5 and 1 to 42 values";
            }
        }
        const bool refused =
            std::any_of(profile.refused.begin(), profile.refused.end(),
                        [&call](const RefusedCall& r) { return r.number == call.number; });
        if (refused) {
            return "call " + std::to_string(call.number) + " is both allowed and refused";
        }
    }
    return std::nullopt;
}

}  // namespace

Result<std::vector<sock_filter>> compile(const Profile& profile) {
    if (const auto problem = contradiction(profile)) {
        return Error(JailErrc::bad_profile, std::string(profile.name) + ": " + *problem);
    }
    Program program;
    program.push_back(load(kArchitectureOffset));
    program.push_back(jump_if_equal(AUDIT_ARCH_X86_64, 1, 0));
    program.push_back(answer(SECCOMP_RET_KILL_PROCESS));
    program.push_back(load(kNumberOffset));
    program.push_back(sock_filter{BPF_JMP | BPF_JGE | BPF_K, 0, 1, kX32Bit});
    program.push_back(answer(SECCOMP_RET_KILL_PROCESS));
    for (const AllowedCall& call : profile.allowed) {
        append_call(call.number, call.arguments, SECCOMP_RET_ALLOW, program);
    }
    for (const RefusedCall& call : profile.refused) {
        const auto error_number = static_cast<std::uint32_t>(call.error_number);
        append_call(call.number, {}, SECCOMP_RET_ERRNO | (error_number & SECCOMP_RET_DATA),
                    program);
    }
    program.push_back(answer(action_of(profile.violation)));
    if (program.size() > BPF_MAXINSNS) {
        return Error(JailErrc::bad_profile,
                     std::string(profile.name) + ": a filter of " + std::to_string(program.size()) +
                         " instructions; the kernel takes " + std::to_string(BPF_MAXINSNS));
    }
    return program;
}

}  // namespace casemate::jail
