// Registry: which enclaves there are. There is no daemon: an enclave is alive exactly while its
// supervisor holds the lock on RUNTIME/enclaves/ID/lock, and whoever finds one that is not held
// clears up after it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "enclave/paths.hpp"
#include "enclave/record.hpp"

namespace casemate::enclave {

// How many records and logs of ended enclaves are kept.
inline constexpr std::size_t kKeptHistories = 100;
// The first CID that is given to an enclave that asked for none.
inline constexpr std::uint32_t kFirstAutomaticCid = 16;

// Registration: a living enclave's place. The destructor takes it away again: sockets, CID and
// directory; the history stays.
class Registration {
public:
    Registration(Registration&& other) noexcept;
    Registration& operator=(Registration&& other) = delete;
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    ~Registration() { remove(); }

    // publish writes the record where other programs and later commands find it.
    [[nodiscard]] Result<> publish(const EnclaveRecord& record) const;
    // remove clears the place before the destructor does.
    void remove();

private:
    friend class Registry;
    Registration(Paths paths, std::string id, std::uint32_t cid, UniqueFd lock)
        : paths_(std::move(paths)), id_(std::move(id)), cid_(cid), lock_(std::move(lock)) {}

    Paths paths_;
    std::string id_;
    std::uint32_t cid_ = 0;
    UniqueFd lock_;
};

class Registry {
public:
    explicit Registry(Paths paths) : paths_(std::move(paths)) {}

    // register_enclave gives the enclave its id ("<instance id>-enc<slot uid in hex>"), its name
    // (with _1, _2, … when that is taken by a living enclave) and its CID (record.cid, or the next
    // free one when that is 0), and writes them into the record. Parallel callers never get the
    // same. It clears up after dead enclaves first. Errors: EnclaveErrc::machine_refused for an
    // occupied CID, Errno.
    [[nodiscard]] Result<Registration> register_enclave(EnclaveRecord& record,
                                                        const std::string& instance_id);

    // living lists the ids of the enclaves that live, in order of their start, and clears up after
    // those whose supervisor is gone. A missing runtime directory means none.
    [[nodiscard]] std::vector<std::string> living();

    // histories lists the records of all enclaves of this user, ended or not, oldest first. Records
    // that can't be read are left out.
    [[nodiscard]] std::vector<EnclaveRecord> histories();

    // read_living reads the state of a living enclave without asking its supervisor.
    [[nodiscard]] Result<EnclaveRecord> read_living(const std::string& id) const;

private:
    [[nodiscard]] Result<UniqueFd> lock_registry() const;
    [[nodiscard]] std::vector<std::string> sweep() const;
    void clear_up(const std::string& id) const;
    void forget_old_histories(const std::vector<std::string>& alive) const;
    [[nodiscard]] Result<std::uint32_t> free_cid(std::uint32_t wanted) const;
    [[nodiscard]] std::string free_name(const std::string& wanted,
                                        const std::vector<std::string>& alive) const;

    Paths paths_;
};

// valid_id tells whether a text has the form of an enclave's id and so may be part of a path.
[[nodiscard]] bool valid_id(std::string_view id);

// make_slot_uid: milliseconds since 1970 in the upper 48 bits, random below.
[[nodiscard]] std::uint64_t make_slot_uid();
// slot_uid_of reads it from an id that register_enclave has made; 0 for another text.
[[nodiscard]] std::uint64_t slot_uid_of(std::string_view id);

}  // namespace casemate::enclave
