#include "virtio/vsock/device.hpp"

#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <string>

namespace casemate::virtio::vsock {

namespace {

// Queues (virtio 1.2, 5.10.2). Linux gives each receive buffer 4 KiB and fills the queue, so its
// size is what the guest's memory pays for bursts: 1 MiB.
enum Index : std::size_t { kReceive = 0, kTransmit = 1, kEvent = 2 };
constexpr std::array<std::uint16_t, 3> kQueueSizes{256, 256, 16};

// How much is done before other descriptors get their turn.
constexpr std::size_t kTransmitBudget = 256;
constexpr std::size_t kReceiveTurns = 256;
// What one connection gets in one turn.
constexpr std::size_t kReadBytes = std::size_t{256} * 1024;
constexpr std::size_t kReadBuffers = 64;
// What one write to a socket takes; the kernel's own limit of pieces is 1,024.
constexpr std::size_t kMaxPieces = 1024;

constexpr std::size_t kMaxReplies = 256;
// Host ports for programs of the parent: above what programs name themselves.
constexpr std::uint32_t kFirstHostPort = 1U << 30U;

std::uint32_t port_after(std::uint32_t port) {
    // The last one means "any" to programs.
    return port >= UINT32_MAX - 1 ? kFirstHostPort : port + 1;
}

// hung_up asks the socket itself: an event may be left over from another one of the same number.
bool hung_up(int fd) {
    pollfd asked{fd, 0, 0};
    return ::poll(&asked, 1, 0) > 0 && (asked.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace

std::size_t VsockDevice::AddressHash::operator()(const Address& address) const {
    const std::uint64_t ports =
        (static_cast<std::uint64_t>(address.host_port) << 32U) | address.guest_port;
    return std::hash<std::uint64_t>()(ports * 0x9e37'79b9'7f4a'7c15ULL + address.host_cid);
}

VsockDevice::VsockDevice(EventLoop& loop, VsockHost& host, std::uint32_t guest_cid,
                         Timeouts timeouts)
    : loop_(loop),
      host_(host),
      guest_cid_(guest_cid),
      timeouts_(timeouts),
      next_host_port_(kFirstHostPort),
      receive_chains_(kReadBuffers) {
    // The configuration is the guest's CID (virtio 1.2, 5.10.4).
    for (std::size_t i = 0; i < config_.size(); ++i) {
        config_.at(i) = static_cast<std::uint8_t>(guest_cid_ >> (8 * i));
    }
    replies_.reserve(kMaxReplies);
}

VsockDevice::~VsockDevice() {
    for (const Connections* list : {&idle_, &ready_}) {
        for (const Connection& connection : *list) {
            loop_.remove(connection.fd());
        }
    }
    if (timer_ != 0) {
        loop_.cancel(timer_);
    }
}

std::span<const std::uint16_t> VsockDevice::queue_sizes() const {
    return kQueueSizes;
}

void VsockDevice::reset() {
    ++resets_;
    replies_.clear();
    transmit_held_ = false;
    while (!table_.empty()) {
        forget(table_.begin()->second);
    }
}

void VsockDevice::queue_notified(std::size_t index) {
    if (index == kTransmit) {
        drain_transmit();
        return;
    }
    if (index == kReceive) {
        pump_receive();
        return;
    }
    // The only event there is says that the guest has been moved to another host, which does not
    // happen; the buffers are kept. The ring is looked at so that a broken one is noticed.
    if (Queue* queue = transport_->queue(kEvent); queue != nullptr) {
        const auto listening = queue->listen();
        if (!listening) {
            fail(listening.error());
        }
    }
}

void VsockDevice::fail(const Error& reason) {
    transport_->fail(reason);
    reset();
}

// --- packets from the guest ---

void VsockDevice::drain_transmit() {
    Queue* queue = transport_->queue(kTransmit);
    if (queue == nullptr) {
        return;
    }
    queue->silence();
    std::size_t taken = 0;
    Result<bool> more = true;
    while (taken < kTransmitBudget && more && *more) {
        transmit_held_ = replies_.size() >= kMaxReplies;
        if (transmit_held_) {
            break;
        }
        more = transmit_one(*queue);
        if (more && !*more) {
            more = queue->listen();
        } else {
            ++taken;
        }
    }
    flush_batch();
    if (!more) {
        fail(more.error());
        return;
    }
    transport_->publish(*queue);
    if (taken == kTransmitBudget) {
        transport_->wake(kTransmit);
    }
    pump_receive();
}

Result<bool> VsockDevice::transmit_one(Queue& queue) {
    CASEMATE_TRY(const bool popped, queue.pop(transmit_chain_));
    if (!popped) {
        return false;
    }
    CASEMATE_CHECK(take_packet(transmit_chain_));
    queue.push(transmit_chain_.head, 0);
    return true;
}

Result<> VsockDevice::take_packet(const Chain& chain) {
    if (chain.writable.count() > 0) {
        return Error(VirtioErrc::wrong_direction,
                     "expected a packet to be read, found a buffer to be written");
    }
    std::array<std::uint8_t, kHeaderSize> raw{};
    if (!chain.readable.read(0, raw)) {
        return Error(VirtioErrc::short_buffer, "expected a packet of at least " +
                                                   std::to_string(kHeaderSize) + " bytes, found " +
                                                   std::to_string(chain.readable.size()));
    }
    const Header header = decode_header(raw);
    const bool sound = header.source_cid == guest_cid_ && is_host(header.destination_cid) &&
                       header.type == kTypeStream && is_known(header.operation) &&
                       header.length <= kMaxPayload &&
                       header.length <= chain.readable.size() - kHeaderSize;
    const Address address{header.destination_port, header.source_port, header.destination_cid};
    const auto found = header.source_cid == guest_cid_ && header.type == kTypeStream
                           ? table_.find(address)
                           : table_.end();
    const bool continues = batch_.place && found != table_.end() &&
                           found->second == *batch_.place && header.operation == Operation::data;
    if (!continues) {
        flush_batch();
    }
    if (found == table_.end()) {
        if (sound) {
            handle_stranger(header);
        } else {
            refuse(header);
        }
    } else if (sound) {
        handle_packet(found->second, header, chain);
    } else if (header.operation == Operation::reset) {
        forget(found->second);
    } else {
        reset_connection(found->second);
    }
    return {};
}

// refuse answers RST to a packet that belongs to no connection; never to a RST.
void VsockDevice::refuse(const Header& header) {
    if (header.operation == Operation::reset) {
        return;
    }
    Header reply;
    reply.source_cid = header.destination_cid;
    reply.destination_cid = header.source_cid;
    reply.source_port = header.destination_port;
    reply.destination_port = header.source_port;
    reply.type = header.type;
    reply.operation = Operation::reset;
    replies_.push_back(reply);
}

void VsockDevice::handle_stranger(const Header& header) {
    if (header.operation != Operation::request || connection_count() >= kMaxConnections) {
        refuse(header);
        return;
    }
    handle_request(header);
}

void VsockDevice::handle_request(const Header& header) {
    const Place place =
        add_connection({header.destination_port, header.source_port, header.destination_cid},
                       State::awaiting_host);
    place->take_credit(header);
    const std::uint64_t id = next_request_++;
    place->bookkeeping.request_id = id;
    requests_.emplace(id, place);
    host_.request_connection(id, static_cast<std::uint32_t>(header.destination_cid),
                             header.destination_port, header.source_port);
}

void VsockDevice::handle_packet(Place place, const Header& header, const Chain& chain) {
    if (header.operation == Operation::reset) {
        forget(place);
        return;
    }
    if (place->state() == State::closing) {
        return;  // a RST is on its way already
    }
    place->take_credit(header);
    if (place->state() == State::awaiting_guest && header.operation == Operation::response) {
        handle_response(place);
        return;
    }
    if (place->state() != State::established) {
        reset_connection(place);
        return;
    }
    switch (header.operation) {
        case Operation::data:
            handle_payload(place, header, chain);
            return;
        case Operation::shutdown:
            place->guest_shutdown(header.flags);
            break;
        case Operation::credit_request:
            place->owe(Connection::owes_credit_update);
            break;
        case Operation::credit_update:
            break;
        default:
            reset_connection(place);
            return;
    }
    update(place);
}

void VsockDevice::handle_response(Place place) {
    place->bookkeeping.ticks_left = 0;
    place->establish();
    if (!place->say("OK " + std::to_string(place->address().host_port) + "\n")) {
        reset_connection(place);
        return;
    }
    update(place);
}

void VsockDevice::handle_payload(Place place, const Header& header, const Chain& chain) {
    if (!place->accept_payload(header.length)) {
        flush_batch();
        reset_connection(place);
        return;
    }
    if (batch_.parts.size() + chain.readable.count() > kMaxPieces) {
        flush_batch();
    }
    batch_.place = place;
    chain.readable.gather(kHeaderSize, header.length, batch_.parts);
    batch_.size += header.length;
}

void VsockDevice::flush_batch() {
    if (!batch_.place) {
        return;
    }
    const Place place = *std::exchange(batch_.place, std::nullopt);
    if (batch_.size > 0) {
        place->deliver(batch_.parts, batch_.size);
    }
    batch_.parts.clear();
    batch_.size = 0;
    update(place);
}

// --- packets to the guest ---

void VsockDevice::pump_receive() {
    Queue* queue = transport_->queue(kReceive);
    if (queue == nullptr || !transport_->running()) {
        return;
    }
    queue->silence();
    std::size_t turns = 0;
    while (turns < kReceiveTurns && (!replies_.empty() || !ready_.empty())) {
        const auto served = serve(*queue);
        if (!served) {
            fail(served.error());
            return;
        }
        if (!*served) {
            break;  // no buffers: the driver will notify when it has made some
        }
        ++turns;
    }
    transport_->publish(*queue);
    if (turns == kReceiveTurns) {
        transport_->wake(kReceive);
    }
    if (transmit_held_ && replies_.size() < kMaxReplies) {
        transmit_held_ = false;
        transport_->wake(kTransmit);
    }
}

// serve gives the guest the next thing that is due; false when it has no buffer for it.
Result<bool> VsockDevice::serve(Queue& queue) {
    if (!replies_.empty()) {
        return serve_reply(queue);
    }
    const Place place = ready_.begin();
    if (place->owed() != 0) {
        return serve_owed(queue, place);
    }
    if (place->can_receive() && place->credit() > 0) {
        return serve_data(queue, place);
    }
    if (place->can_receive()) {
        place->ask_credit();
        return true;
    }
    unschedule(place);
    return true;
}

Result<bool> VsockDevice::pop_receive(Queue& queue, Chain& chain) {
    CASEMATE_TRY(bool popped, queue.pop(chain));
    if (!popped) {
        CASEMATE_TRY(const bool arrived, queue.listen());
        if (!arrived) {
            return false;
        }
        CASEMATE_TRY(popped, queue.pop(chain));
    }
    if (chain.readable.count() > 0) {
        return Error(VirtioErrc::wrong_direction,
                     "expected a receive buffer to be written, found one to be read");
    }
    // A buffer that holds a header and nothing else could never carry data.
    if (chain.writable.size() <= kHeaderSize) {
        return Error(VirtioErrc::short_buffer, "expected a receive buffer of more than " +
                                                   std::to_string(kHeaderSize) + " bytes, found " +
                                                   std::to_string(chain.writable.size()));
    }
    return popped;
}

void VsockDevice::put_packet(Queue& queue, const Chain& chain, const Header& header) {
    std::array<std::uint8_t, kHeaderSize> raw{};
    encode_header(header, raw);
    // pop_receive has seen that it fits.
    if (chain.writable.write(0, raw)) {
        queue.push(chain.head, static_cast<std::uint32_t>(kHeaderSize) + header.length);
    }
}

Result<bool> VsockDevice::serve_reply(Queue& queue) {
    Chain& chain = receive_chains_.front();
    CASEMATE_TRY(const bool popped, pop_receive(queue, chain));
    if (!popped) {
        return false;
    }
    put_packet(queue, chain, replies_.back());
    replies_.pop_back();
    return true;
}

Result<bool> VsockDevice::serve_owed(Queue& queue, Place place) {
    Chain& chain = receive_chains_.front();
    CASEMATE_TRY(const bool popped, pop_receive(queue, chain));
    if (!popped) {
        return false;
    }
    put_packet(queue, chain, place->next_packet(guest_cid_));
    if (place->state() == State::closing && place->owed() == 0) {
        forget(place);
        return true;
    }
    update(place);
    return true;
}

// gather pops buffers for up to limit bytes of data, at most that many of them, and gives how many
// it got. receive_parts_ then lies behind the headers.
Result<std::size_t> VsockDevice::gather(Queue& queue, std::size_t limit, std::size_t most) {
    receive_parts_.clear();
    std::size_t count = 0;
    std::size_t room = 0;
    while (room < limit && count < most) {
        Chain& chain = receive_chains_[count];
        CASEMATE_TRY(const bool popped, pop_receive(queue, chain));
        if (!popped) {
            break;
        }
        if (count > 0 && receive_parts_.size() + chain.writable.count() > kMaxPieces) {
            queue.put_back(1);
            break;
        }
        const std::size_t size =
            std::min<std::size_t>({chain.writable.size() - kHeaderSize, kMaxPayload, limit - room});
        chain.writable.gather(kHeaderSize, size, receive_parts_);
        room += size;
        ++count;
    }
    return count;
}

Result<bool> VsockDevice::serve_data(Queue& queue, Place place) {
    const std::size_t limit = std::min<std::size_t>(place->credit(), kReadBytes);
    CASEMATE_TRY(const std::size_t count, gather(queue, limit, place->bookkeeping.buffers));
    if (count == 0) {
        return false;
    }
    std::size_t room = 0;
    for (const iovec& part : receive_parts_) {
        room += part.iov_len;
    }
    std::size_t left = place->receive(receive_parts_, room);
    // A reader that is offered more buffers than it fills pays for taking them and putting them
    // back, so the offer follows what came last.
    const bool filled = left == room;
    std::size_t used = 0;
    for (; left > 0; ++used) {
        const Chain& chain = receive_chains_[used];
        const std::size_t size =
            std::min<std::size_t>({chain.writable.size() - kHeaderSize, kMaxPayload, left});
        put_packet(queue, chain, place->data_packet(guest_cid_, static_cast<std::uint32_t>(size)));
        left -= size;
    }
    queue.put_back(static_cast<std::uint16_t>(count - used));
    const std::size_t offer = filled ? count * 2 : used;
    place->bookkeeping.buffers =
        static_cast<std::uint32_t>(std::clamp<std::size_t>(offer, 1, kReadBuffers));
    transport_->publish(queue);
    // The guest can take these while the next are read.
    transport_->interrupt();
    // The others' turn.
    ready_.splice(ready_.end(), ready_, place);
    update(place);
    return true;
}

// --- the host's side ---

void VsockDevice::connection_accepted(std::uint64_t id, UniqueFd socket) {
    const Transport::Session session(*transport_);
    const auto found = requests_.find(id);
    if (found == requests_.end()) {
        return;
    }
    const Place place = found->second;
    requests_.erase(found);
    place->set_socket(std::move(socket));
    place->establish();
    place->owe(Connection::owes_response);
    if (!watch(place)) {
        place->close_with_reset();
    }
    update(place);
    pump_receive();
}

void VsockDevice::connection_refused(std::uint64_t id) {
    const Transport::Session session(*transport_);
    const auto found = requests_.find(id);
    if (found == requests_.end()) {
        return;
    }
    reset_connection(found->second);
    pump_receive();
}

void VsockDevice::open_stream(std::uint32_t guest_port, UniqueFd socket) {
    const Transport::Session session(*transport_);
    if (!transport_->running() || connection_count() >= kMaxConnections) {
        return;
    }
    Address address{next_host_port_, guest_port, kParentCid};
    while (table_.contains(address)) {
        address.host_port = port_after(address.host_port);
    }
    next_host_port_ = port_after(address.host_port);
    const Place place = add_connection(address, State::awaiting_guest);
    place->set_socket(std::move(socket));
    if (!watch(place)) {
        forget(place);
        return;
    }
    place->owe(Connection::owes_request);
    start_countdown(place, timeouts_.connect);
    update(place);
    pump_receive();
}

void VsockDevice::drain() {
    const Transport::Session session(*transport_);
    // Nobody waits for these any more, and they might hold up the rest.
    replies_.clear();
    if (transport_->running()) {
        drain_transmit();
    }
}

bool VsockDevice::has_unsent() const {
    const auto waits = [](const Connection& connection) { return connection.wants_writable(); };
    return std::any_of(idle_.begin(), idle_.end(), waits) ||
           std::any_of(ready_.begin(), ready_.end(), waits);
}

void VsockDevice::host_event(Place place, std::uint32_t events) {
    const Connection* connection = &*place;
    const std::uint64_t resets = resets_;
    const Transport::Session session(*transport_);
    // The session may have begun with word of a reset.
    if (resets != resets_ && !alive(connection)) {
        return;
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        place->host_readable((events & EPOLLRDHUP) != 0);
    }
    if ((events & (EPOLLHUP | EPOLLERR)) != 0 && hung_up(place->fd())) {
        if (place->state() == State::awaiting_guest) {
            reset_connection(place);
            pump_receive();
            return;
        }
        place->host_gone();
    }
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
        place->host_writable();
        if (place->bookkeeping.ticks_left > 0 && place->state() == State::lingering) {
            start_countdown(place, timeouts_.close);
        }
    }
    update(place);
    pump_receive();
}

// --- connections ---

bool VsockDevice::alive(const Connection* connection) const {
    const auto is_it = [connection](const Connection& other) { return &other == connection; };
    return std::any_of(idle_.begin(), idle_.end(), is_it) ||
           std::any_of(ready_.begin(), ready_.end(), is_it);
}

VsockDevice::Place VsockDevice::add_connection(const Address& address, State state) {
    const std::uint32_t buffer = promised_ + kBuffer <= kPromised ? kBuffer : kSmallBuffer;
    promised_ += buffer;
    const Place place = idle_.emplace(idle_.end(), address, state, buffer);
    table_.emplace(address, place);
    return place;
}

// watch has the loop tell of the socket, once per change. EPOLLOUT is only watched while bytes
// wait: every read of the peer would wake the loop otherwise.
bool VsockDevice::watch(Place place) {
    constexpr std::uint32_t kEvents = EPOLLIN | EPOLLRDHUP | EPOLLET;
    return loop_
        .add(place->fd(), kEvents,
             [this, place](std::uint32_t events) { host_event(place, events); })
        .ok();
}

// update does what follows from a change of a connection, and must be its last user: the connection
// may be gone afterwards.
void VsockDevice::update(Place place) {
    if (place->finished()) {
        place->close_with_reset();
    }
    if (place->awaiting_end() && place->bookkeeping.ticks_left == 0) {
        start_countdown(place, timeouts_.close);
    }
    if (place->state() == State::lingering && !place->wants_writable()) {
        erase(place);
        return;
    }
    if (place->wants_writable() != place->bookkeeping.watching_writable) {
        place->bookkeeping.watching_writable = place->wants_writable();
        const std::uint32_t out = place->wants_writable() ? std::uint32_t{EPOLLOUT} : 0U;
        // It fails for lack of memory alone, and then the stream can't be carried on.
        if (!loop_.change(place->fd(), EPOLLIN | EPOLLRDHUP | EPOLLET | out)) {
            place->close_with_reset();
        }
    }
    if (place->state() == State::closing && !place->wants_writable()) {
        // The host's program is not kept waiting for a guest that takes no RST.
        loop_.remove(place->fd());
        place->set_socket(UniqueFd());
    }
    if (place->has_work()) {
        schedule(place);
    } else {
        unschedule(place);
    }
}

void VsockDevice::schedule(Place place) {
    if (!place->bookkeeping.scheduled) {
        place->bookkeeping.scheduled = true;
        ready_.splice(ready_.end(), idle_, place);
    }
}

void VsockDevice::unschedule(Place place) {
    if (place->bookkeeping.scheduled) {
        place->bookkeeping.scheduled = false;
        idle_.splice(idle_.end(), ready_, place);
    }
}

// reset_connection ends a connection that the guest still believes in.
void VsockDevice::reset_connection(Place place) {
    requests_.erase(place->bookkeeping.request_id);
    place->close_with_reset();
    update(place);
}

// forget ends a connection for the guest; it stays only as long as bytes wait for the host.
void VsockDevice::forget(Place place) {
    requests_.erase(place->bookkeeping.request_id);
    table_.erase(place->address());
    if (place->linger()) {
        start_countdown(place, timeouts_.close);
        update(place);
    } else {
        erase(place);
    }
}

void VsockDevice::erase(Place place) {
    loop_.remove(place->fd());
    promised_ -= place->buffer_size();
    (place->bookkeeping.scheduled ? ready_ : idle_).erase(place);
}

void VsockDevice::start_countdown(Place place, std::uint32_t ticks) {
    // One more than asked for, since the first tick may come at once.
    place->bookkeeping.ticks_left = ticks + 1;
    if (timer_ == 0) {
        timer_ = loop_.after(timeouts_.tick, [this] { tick(); });
    }
}

void VsockDevice::tick() {
    const Transport::Session session(*transport_);
    timer_ = 0;
    bool counting = false;
    for (Connections* list : {&idle_, &ready_}) {
        for (Place place = list->begin(); place != list->end();) {
            const Place here = place++;
            std::uint32_t& left = here->bookkeeping.ticks_left;
            if (left == 0 || --left > 0) {
                counting = counting || left > 0;
                continue;
            }
            if (here->state() == State::lingering) {
                erase(here);
            } else {
                reset_connection(here);
            }
        }
    }
    if (counting && timer_ == 0) {
        timer_ = loop_.after(timeouts_.tick, [this] { tick(); });
    }
    pump_receive();
}

}  // namespace casemate::virtio::vsock
