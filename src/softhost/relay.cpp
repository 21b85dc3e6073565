#include "softhost/relay.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

#include "base/os_error.hpp"
#include "base/socket.hpp"
#include "softhost/error.hpp"

namespace casemate::softhost {

namespace {

using namespace std::chrono_literals;

// One turn of a channel; it also bounds how long a frame keeps the others waiting.
constexpr std::size_t kMaxData = 32768;
// The longest packet: what the control protocol and the NSM's responses need, with room to spare
// for the attachments in the same payload.
constexpr std::size_t kMaxPacket = 32768;
constexpr std::size_t kMaxPacketCost = kMaxPacket + 64;
// Reading from local sockets pauses while that much waits for the far side.
constexpr std::size_t kOutTarget = std::size_t{256} * 1024;
// Reading from the far side pauses too at this point: its frames would only add answers.
constexpr std::size_t kOutLimit = std::size_t{4} * 1024 * 1024;
// Credit is given in portions, so that a busy stream costs few credit frames.
constexpr std::uint32_t kGrantPortion = kWindow / 4;
// How long the inside waits, after the VMM has ended, for its streams' last bytes to be taken.
constexpr auto kLinger = 5s;

constexpr std::uint32_t kLocalEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

static_assert(kMaxPacketCost <= kMaxPayload && kMaxPacketCost + kGrantPortion <= kWindow,
              "a packet channel could wait for credit for ever");

Error against_the_rules(std::string sentence) {
    return {SofthostErrc::protocol, std::move(sentence)};
}

std::string name_of(std::uint32_t channel) {
    return "channel " + std::to_string(channel);
}

bool would_block() {
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

// What a descriptor can be on the other side, by what it is here.
AttachmentKind kind_of(int fd) {
    int type = 0;
    socklen_t size = sizeof(type);
    if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0) {
        return type == SOCK_SEQPACKET ? AttachmentKind::packets : AttachmentKind::stream;
    }
    struct stat status {};
    const bool pipe = ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
    return pipe ? AttachmentKind::stream : AttachmentKind::left_out;
}

// A pipe's writing end is a stream that can only be written to.
bool write_only(int fd) {
    return (::fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY;
}

// Whether the peer of a local socket has closed whole, rather than one direction.
bool peer_gone(int fd) {
    pollfd state{fd, POLLRDHUP, 0};
    return ::poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLERR)) != 0;
}

ssize_t write_once(int fd, ByteView bytes) {
    ssize_t put = 0;
    do {
        put = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (put < 0 && errno == ENOTSOCK) {
            put = ::write(fd, bytes.data(), bytes.size());
        }
    } while (put < 0 && errno == EINTR);
    return put;
}

ssize_t read_once(int fd, MutableBytes out) {
    ssize_t got = 0;
    do {
        got = ::read(fd, out.data(), out.size());
    } while (got < 0 && errno == EINTR);
    return got;
}

std::vector<int> numbers_of(const std::vector<UniqueFd>& fds) {
    std::vector<int> numbers;
    for (const UniqueFd& fd : fds) {
        if (fd.valid()) {
            numbers.push_back(fd.get());
        }
    }
    return numbers;
}

}  // namespace

Relay::Relay(EventLoop& loop, Side side, UniqueFd far, Handlers handlers)
    : loop_(loop),
      side_(side),
      far_(std::move(far)),
      handlers_(std::move(handlers)),
      next_channel_(side == Side::outside ? 1 : 2) {
    Channel control;
    control.kind = AttachmentKind::packets;
    channels_.emplace(kControlChannel, std::move(control));
}

Result<std::unique_ptr<Relay>> Relay::create(EventLoop& loop, Side side, UniqueFd far,
                                             Handlers handlers) {
    CASEMATE_CHECK(set_nonblocking(far.get(), true));
    std::unique_ptr<Relay> relay(new Relay(loop, side, std::move(far), std::move(handlers)));
    relay->far_events_ = EPOLLIN;
    CASEMATE_CHECK(loop.add(relay->far_.get(), EPOLLIN,
                            [raw = relay.get()](std::uint32_t events) { raw->on_far(events); }));
    return relay;
}

Relay::~Relay() {
    for (const EventLoop::TimerId timer : timers_) {
        loop_.cancel(timer);
    }
    for (auto& [id, channel] : channels_) {
        close_local(channel);
    }
    loop_.remove(far_.get());
}

Result<> Relay::attach_control(UniqueFd socket) {
    Channel& control = channels_.at(kControlChannel);
    CASEMATE_CHECK(set_nonblocking(socket.get(), true));
    CASEMATE_CHECK(loop_.add(socket.get(), kLocalEvents,
                             [this](std::uint32_t events) { on_local(kControlChannel, events); }));
    control.fd = std::move(socket);
    control_attached_ = true;
    return {};
}

UniqueFd Relay::take_control() {
    const auto control = channels_.find(kControlChannel);
    if (control == channels_.end() || !control->second.fd.valid()) {
        return {};
    }
    loop_.remove(control->second.fd.get());
    return std::move(control->second.fd);
}

void Relay::send_hello(const Hello& hello) {
    put_frame({FrameKind::hello, kControlChannel, encode_hello(hello)}, out_);
    pump();
}

void Relay::send_failure(std::string_view sentence) {
    put_frame({FrameKind::failure, kControlChannel, as_bytes(sentence.substr(0, kMaxSentence))},
              out_);
    pump();
}

// --- far side ---

void Relay::on_far(std::uint32_t events) {
    if (ended_) {
        return;
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        auto result = read_far();
        if (!result) {
            end(std::move(result));
            return;
        }
    }
    pump();
    sweep();
}

// Reads once and handles every whole frame; level-triggered, so what is left comes back.
Result<> Relay::read_far() {
    const MutableBytes space = reader_.space();
    const ssize_t got = read_once(far_.get(), space);
    if (got < 0 && would_block()) {
        return {};
    }
    if (got < 0) {
        return os_error("read from the software host's port");
    }
    if (got == 0) {
        return Error(SofthostErrc::ended_early, "the other end of its port closed");
    }
    reader_.received(static_cast<std::size_t>(got));
    while (!ended_ && !far_over_) {
        CASEMATE_TRY(const std::optional<Frame> frame, reader_.next());
        if (!frame) {
            break;
        }
        CASEMATE_CHECK(handle(*frame));
    }
    return {};
}

Result<> Relay::handle(const Frame& frame) {
    if (frame.kind == FrameKind::hello || frame.kind == FrameKind::failure) {
        return handle_unnumbered(frame);
    }
    const auto found = channels_.find(frame.channel);
    if (found == channels_.end() || found->second.last_received) {
        return against_the_rules("expected an open channel, got " + name_of(frame.channel));
    }
    Channel& channel = found->second;
    switch (frame.kind) {
        case FrameKind::data:
            return handle_data(channel, frame.payload);
        case FrameKind::packet:
            return handle_packet(channel, frame.payload);
        case FrameKind::credit:
            return handle_credit(channel, frame.payload);
        case FrameKind::finish:
            if (channel.finish_received || channel.kind != AttachmentKind::stream ||
                !frame.payload.empty()) {
                return against_the_rules("expected one finish, empty, of a stream");
            }
            channel.finish_received = true;
            deliver(channel);
            return {};
        default:
            if (!frame.payload.empty()) {
                return against_the_rules("expected an empty last frame");
            }
            handle_last(channel, frame.kind == FrameKind::reset);
            if (channel.id == kControlChannel && side_ == Side::outside) {
                on_far_over();
            }
            return {};
    }
}

// The VMM has ended and the inside has said all there was: what has arrived is still delivered.
void Relay::on_far_over() {
    far_over_ = true;
    loop_.remove(far_.get());
    for (auto& [id, channel] : channels_) {
        if (!channel.last_received) {
            handle_last(channel, false);
        }
    }
}

Result<> Relay::handle_unnumbered(const Frame& frame) {
    if (side_ != Side::outside || frame.channel != kControlChannel) {
        return against_the_rules("expected a hello or failure from the inside, on channel 0");
    }
    if (frame.kind == FrameKind::hello) {
        CASEMATE_TRY(const Hello hello, decode_hello(frame.payload));
        if (handlers_.hello) {
            handlers_.hello(hello);
        }
        return {};
    }
    const std::string sentence(as_text(frame.payload).substr(0, kMaxSentence));
    if (handlers_.failure) {
        handlers_.failure(sentence);
    }
    return Error(SofthostErrc::ended_early, sentence);
}

// Takes size bytes from what the far side may still send.
Result<> Relay::accept_bytes(Channel& channel, std::size_t size) {
    if (channel.finish_received) {
        return against_the_rules("expected nothing after finish on " + name_of(channel.id));
    }
    if (size == 0 || size > channel.receive_credit) {
        return against_the_rules("expected 1 to " + std::to_string(channel.receive_credit) +
                                 " bytes on " + name_of(channel.id) + ", got " +
                                 std::to_string(size));
    }
    channel.receive_credit -= static_cast<std::uint32_t>(size);
    return {};
}

Result<> Relay::handle_data(Channel& channel, ByteView payload) {
    if (channel.kind != AttachmentKind::stream) {
        return against_the_rules("expected packets on " + name_of(channel.id) + ", got bytes");
    }
    CASEMATE_CHECK(accept_bytes(channel, payload.size()));
    if (!channel.last_sent) {
        channel.pending.push_back({Bytes(payload.begin(), payload.end()), {}, 0});
        deliver(channel);
    }
    return {};
}

Result<> Relay::handle_packet(Channel& channel, ByteView payload) {
    if (channel.kind != AttachmentKind::packets) {
        return against_the_rules("expected bytes on " + name_of(channel.id) + ", got a packet");
    }
    CASEMATE_TRY(const PacketFrame frame, read_packet_frame(payload));
    if (!frame.attachments.empty() && channel.id != kControlChannel) {
        return against_the_rules("expected attachments on the control channel alone");
    }
    CASEMATE_CHECK(accept_bytes(channel, payload.size()));
    CASEMATE_TRY(std::vector<UniqueFd> fds, accept(frame.attachments));
    if (!channel.last_sent) {
        channel.pending.push_back(
            {Bytes(frame.packet.begin(), frame.packet.end()), std::move(fds), payload.size()});
        deliver(channel);
    }
    return {};
}

// Makes the channels that a packet of the far side opens, and the descriptors that go with it.
Result<std::vector<UniqueFd>> Relay::accept(const std::vector<Attachment>& attachments) {
    std::vector<UniqueFd> fds;
    for (const Attachment& attachment : attachments) {
        if (attachment.kind == AttachmentKind::left_out) {
            fds.emplace_back();
            continue;
        }
        if (side_ != Side::inside || attachment.channel % 2 == 0 ||
            attachment.channel <= last_far_channel_) {
            return against_the_rules("expected a new channel number of the outside, got " +
                                     name_of(attachment.channel));
        }
        last_far_channel_ = attachment.channel;
        CASEMATE_TRY(FdPair pair,
                     make_socket_pair(attachment.kind == AttachmentKind::stream ? SOCK_STREAM
                                                                                : SOCK_SEQPACKET));
        CASEMATE_CHECK(add_channel(attachment.channel, attachment.kind, std::move(pair.first)));
        fds.push_back(std::move(pair.second));
    }
    return fds;
}

Result<> Relay::handle_credit(Channel& channel, ByteView payload) {
    CASEMATE_TRY(const std::uint32_t bytes, read_credit(payload));
    if (bytes > kWindow - channel.send_credit) {
        return against_the_rules(
            "expected at most " + std::to_string(kWindow - channel.send_credit) +
            " bytes of credit on " + name_of(channel.id) + ", got " + std::to_string(bytes));
    }
    channel.send_credit += bytes;
    want_read(channel);
    return {};
}

void Relay::handle_last(Channel& channel, bool broken) {
    channel.last_received = true;
    channel.finish_received = true;
    if (broken) {
        channel.pending.clear();
    }
    send_last(channel, FrameKind::gone);
    deliver(channel);
}

// Gives the far side what waits for it; true when it took everything.
bool Relay::write_far() {
    while (out_begin_ < out_.size()) {
        const ssize_t put = write_once(far_.get(), ByteView(out_).subspan(out_begin_));
        if (put < 0) {
            if (!would_block()) {
                end(os_error("write to the software host's port"));
            }
            if (out_begin_ >= kOutTarget) {
                out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(out_begin_));
                out_begin_ = 0;
            }
            return false;
        }
        out_begin_ += static_cast<std::size_t>(put);
    }
    out_.clear();
    out_begin_ = 0;
    return true;
}

// --- local side ---

Result<> Relay::add_channel(std::uint32_t id, AttachmentKind kind, UniqueFd fd) {
    if (channels_.size() >= kMaxChannels) {
        return against_the_rules("expected at most " + std::to_string(kMaxChannels) + " channels");
    }
    CASEMATE_CHECK(set_nonblocking(fd.get(), true));
    CASEMATE_CHECK(loop_.add(fd.get(), kLocalEvents,
                             [this, id](std::uint32_t events) { on_local(id, events); }));
    Channel channel;
    channel.id = id;
    channel.kind = kind;
    // Nothing is ever read from a pipe's writing end.
    channel.finish_sent = write_only(fd.get());
    channel.fd = std::move(fd);
    channels_.emplace(id, std::move(channel));
    return {};
}

void Relay::on_local(std::uint32_t id, std::uint32_t events) {
    const auto found = channels_.find(id);
    if (ended_ || found == channels_.end()) {
        return;
    }
    Channel& channel = found->second;
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        channel.readable = true;
        want_read(channel);
    }
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
        deliver(channel);
    }
    if (channel.finish_sent && channel.fd.valid() && peer_gone(channel.fd.get())) {
        send_last(channel, FrameKind::gone);
        channel.pending.clear();
        settle(channel);
    }
    pump();
    sweep();
}

void Relay::want_read(Channel& channel) {
    if (channel.readable && !channel.queued && !channel.finish_sent && channel.fd.valid()) {
        channel.queued = true;
        to_read_.push_back(channel.id);
    }
}

// Turns at most one frame's worth of a local socket into a frame; true when there may be more.
bool Relay::read_local(Channel& channel) {
    if (!channel.readable || channel.finish_sent || channel.last_sent || !channel.fd.valid()) {
        return false;
    }
    return channel.kind == AttachmentKind::stream ? read_stream(channel) : read_packet(channel);
}

bool Relay::read_stream(Channel& channel) {
    const std::size_t limit = std::min<std::size_t>(channel.send_credit, kMaxData);
    if (limit == 0) {
        return false;
    }
    const std::size_t begun = begin_frame(FrameKind::data, channel.id, out_);
    const std::size_t start = out_.size();
    out_.resize(start + limit);
    const ssize_t got = read_once(channel.fd.get(), MutableBytes(out_).subspan(start));
    const int error_number = errno;
    if (got > 0) {
        out_.resize(start + static_cast<std::size_t>(got));
        end_frame(begun, out_);
        channel.send_credit -= static_cast<std::uint32_t>(got);
        return true;
    }
    out_.resize(begun);
    channel.readable = false;
    if (got == 0) {
        on_local_end(channel);
    } else if (error_number != EAGAIN) {
        break_channel(channel);
    }
    return false;
}

bool Relay::read_packet(Channel& channel) {
    if (channel.send_credit < kMaxPacketCost) {
        return false;
    }
    auto packet = receive_packet(channel.fd.get(), kMaxPacket);
    if (!packet) {
        channel.readable = false;
        if (!packet.error().is(Errno{EAGAIN})) {
            break_channel(channel);
        }
        return false;
    }
    if (packet->end_of_stream) {
        channel.readable = false;
        on_local_end(channel);
        return false;
    }
    std::vector<Attachment> attachments;
    for (UniqueFd& fd : packet->fds) {
        attachments.push_back(attach(std::move(fd)));
    }
    const std::size_t begun = begin_frame(FrameKind::packet, channel.id, out_);
    put_packet_prefix(attachments, out_);
    ByteWriter(out_).put_bytes(packet->bytes);
    end_frame(begun, out_);
    channel.send_credit -= static_cast<std::uint32_t>(out_.size() - begun - kFrameHeaderSize);
    return true;
}

// Opens a channel for a descriptor that travels. Only the outside does; what it can't open (too
// many, not a socket) stays behind, and the packet's receiver misses it.
Attachment Relay::attach(UniqueFd fd) {
    const AttachmentKind kind = kind_of(fd.get());
    if (side_ != Side::outside || kind == AttachmentKind::left_out) {
        return {};
    }
    const std::uint32_t id = next_channel_;
    if (!add_channel(id, kind, std::move(fd))) {
        return {};
    }
    next_channel_ += 2;
    return {kind, id};
}

void Relay::on_local_end(Channel& channel) {
    if (channel.id == kControlChannel) {
        on_control_end();
        return;
    }
    const bool whole = channel.kind == AttachmentKind::packets || peer_gone(channel.fd.get());
    channel.finish_sent = true;
    if (whole) {
        send_last(channel, FrameKind::gone);
        channel.pending.clear();
    } else {
        put_frame({FrameKind::finish, channel.id, {}}, out_);
    }
    settle(channel);
}

// Outside, the supervisor has let go of its VMM. Inside, the VMM has ended: what its streams still
// hold goes first, then the control channel's last frame.
void Relay::on_control_end() {
    if (side_ == Side::outside) {
        end({});
        return;
    }
    Channel& control = channels_.at(kControlChannel);
    control.finish_sent = true;
    control_closing_ = true;
    close_local(control);
    timers_.push_back(loop_.after(kLinger, [this] {
        send_last(channels_.at(kControlChannel), FrameKind::gone);
        pump();
        sweep();
    }));
}

// Gives the local socket what it takes of what waits for it, then does what was due after that.
void Relay::deliver(Channel& channel) {
    while (!channel.pending.empty() && deliver_one(channel)) {
    }
    if (channel.pending.empty() && channel.finish_received && !channel.shut_down &&
        channel.fd.valid()) {
        channel.shut_down = true;
        ::shutdown(channel.fd.get(), SHUT_WR);
    }
    settle(channel);
}

// Delivers the first of what waits; false when the socket takes no more.
bool Relay::deliver_one(Channel& channel) {
    Pending& first = channel.pending.front();
    if (channel.id == kControlChannel && !control_attached_ && handlers_.packet) {
        Pending packet = std::move(first);
        channel.pending.pop_front();
        grant(channel, packet.cost);
        handlers_.packet(std::move(packet.bytes), std::move(packet.fds));
        return true;
    }
    if (!channel.fd.valid()) {
        return false;
    }
    if (channel.kind == AttachmentKind::packets) {
        const auto sent = send_packet(channel.fd.get(), first.bytes, numbers_of(first.fds));
        if (sent) {
            grant(channel, first.cost);
            channel.pending.pop_front();
        } else if (!sent.error().is(Errno{EAGAIN})) {
            break_channel(channel);
        }
        return sent.ok();
    }
    const ssize_t put =
        write_once(channel.fd.get(), ByteView(first.bytes).subspan(channel.pending_offset));
    if (put < 0) {
        if (!would_block()) {
            break_channel(channel);
        }
        return false;
    }
    grant(channel, static_cast<std::size_t>(put));
    channel.pending_offset += static_cast<std::size_t>(put);
    if (channel.pending_offset == first.bytes.size()) {
        channel.pending.pop_front();
        channel.pending_offset = 0;
    }
    return true;
}

// Credits the far side with what has left this process.
void Relay::grant(Channel& channel, std::size_t size) {
    channel.to_grant += static_cast<std::uint32_t>(size);
    if (channel.to_grant >= kGrantPortion && !channel.last_sent) {
        put_credit(channel.id, channel.to_grant, out_);
        channel.receive_credit += channel.to_grant;
        channel.to_grant = 0;
    }
}

void Relay::send_last(Channel& channel, FrameKind kind) {
    if (!channel.last_sent) {
        channel.last_sent = true;
        channel.finish_sent = true;
        put_frame({kind, channel.id, {}}, out_);
    }
}

// The local socket is broken: nothing can be delivered, nothing more will come.
void Relay::break_channel(Channel& channel) {
    if (channel.id == kControlChannel) {
        on_control_end();
        return;
    }
    channel.pending.clear();
    close_local(channel);
    send_last(channel, FrameKind::reset);
    settle(channel);
}

void Relay::close_local(Channel& channel) {
    if (channel.fd.valid()) {
        loop_.remove(channel.fd.get());
        channel.fd.reset();
    }
}

// Closes and forgets what has come to its end.
void Relay::settle(Channel& channel) {
    if (channel.id == kControlChannel) {
        return;
    }
    const bool both_finished =
        channel.finish_sent && channel.finish_received && channel.pending.empty();
    if (both_finished) {
        send_last(channel, FrameKind::gone);
    }
    if (channel.last_sent && channel.pending.empty()) {
        close_local(channel);
        if (channel.last_received) {
            forgotten_.push_back(channel.id);
        }
    }
}

// --- both ---

void Relay::pump() {
    while (!ended_ && !far_over_) {
        fill();
        if (ended_ || !write_far() || to_read_.empty()) {
            break;
        }
    }
    watch_far();
}

// Takes turns among the channels that have something, until enough waits for the far side.
void Relay::fill() {
    while (!ended_ && unsent() < kOutTarget && !to_read_.empty()) {
        const auto found = channels_.find(to_read_.front());
        to_read_.pop_front();
        if (found == channels_.end()) {
            continue;
        }
        found->second.queued = false;
        if (read_local(found->second)) {
            want_read(found->second);
        }
    }
}

void Relay::watch_far() {
    if (ended_ || far_over_) {
        return;
    }
    std::uint32_t wanted = 0;
    if (unsent() < kOutLimit) {
        wanted |= EPOLLIN;
    }
    if (unsent() > 0) {
        wanted |= EPOLLOUT;
    }
    if (wanted != far_events_) {
        far_events_ = wanted;
        auto changed = loop_.change(far_.get(), wanted);
        if (!changed) {
            end(std::move(changed));
        }
    }
}

// Forgets channels outside of whatever was using them, and ends the relay when the control channel
// has come to its end.
void Relay::sweep() {
    for (const std::uint32_t id : forgotten_) {
        channels_.erase(id);
    }
    forgotten_.clear();
    if (ended_) {
        return;
    }
    Channel& control = channels_.at(kControlChannel);
    if (control_closing_ && channels_.size() == 1 && !control.last_sent) {
        send_last(control, FrameKind::gone);
        pump();
    }
    // Inside the last frame has to be on its way; outside all that came before it, delivered.
    const bool said_all = side_ == Side::inside && control.last_sent && unsent() == 0;
    const bool delivered_all = far_over_ && control.pending.empty() && channels_.size() == 1;
    if (said_all || delivered_all) {
        end({});
    }
}

void Relay::end(Result<> result) {
    if (ended_) {
        return;
    }
    ended_ = true;
    loop_.remove(far_.get());
    timers_.push_back(loop_.after(0s, [this, result = std::move(result)] {
        if (handlers_.ended) {
            // The handler may destroy the relay, and with it this function.
            const auto ended = std::move(handlers_.ended);
            ended(result);
        }
    }));
}

}  // namespace casemate::softhost
