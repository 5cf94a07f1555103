/* See ring.h. */
#include "ring.h"

#include "confine.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

namespace firehook {

namespace {

/** Room before the frame to put a VLAN tag back, and then some to keep what follows aligned. */
constexpr int kReserve = 8;
constexpr size_t kTag = 4;
constexpr size_t kMacAddresses = 12;
constexpr size_t kEthernet = 14;
/** Copies of frames that are longer than a slot wait here, in octets. */
constexpr int kOverflowQueue = 16 * 1024 * 1024;
/** The ring is allocated in blocks of this size: small enough for a fragmented kernel, a multiple of every page size. */
constexpr size_t kBlock = 256 * 1024;

/** virtio_net_hdr (virtio 1.2, 5.1.6); linux/virtio_net.h does not compile as C++. Host byte order on AF_PACKET. */
struct VnetHeader {
  uint8_t flags;
  uint8_t gsoType;
  uint16_t headerLength;
  uint16_t gsoSize;
  uint16_t checksumStart;
  uint16_t checksumOffset;
};
static_assert(sizeof(VnetHeader) == kVnetHeader);
constexpr uint8_t kNeedsChecksum = 1;
constexpr uint8_t kNoGso = 0;

/** PACKET_FANOUT_FLAG_IGNORE_OUTGOING (linux/if_packet.h since 5.18; known to the kernel since 4.20 as the flag below). */
constexpr int kFanoutIgnoreOutgoing = 0x4000;

template <typename T>
bool SetOption(int fd, int level, int option, const T& value) {
  return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

VnetHeader ReadVnet(const uint8_t* at) {
  VnetHeader header;
  memcpy(&header, at, kVnetHeader);
  return header;
}

/** Puts the tag that the kernel took out of the frame back in, ahead of where the frame starts. Returns octets added. */
size_t RestoreTag(uint8_t* vnet, uint32_t status, uint16_t tci, uint16_t tpid) {
  if ((status & TP_STATUS_VLAN_VALID) == 0) return 0;
  VnetHeader header = ReadVnet(vnet);
  if ((header.flags & kNeedsChecksum) != 0) header.checksumStart += kTag;
  if (header.headerLength != 0) header.headerLength += kTag;
  memmove(vnet - kTag + kVnetHeader, vnet + kVnetHeader, kMacAddresses);
  memcpy(vnet - kTag, &header, kVnetHeader);
  uint8_t* tag = vnet - kTag + kVnetHeader + kMacAddresses;
  const uint16_t type = htons((status & TP_STATUS_VLAN_TPID_VALID) != 0 ? tpid : ETH_P_8021Q);
  const uint16_t control = htons(tci);
  memcpy(tag, &type, sizeof(type));
  memcpy(tag + sizeof(type), &control, sizeof(control));
  return kTag;
}

uint32_t FlagsOf(const uint8_t* vnet) {
  const VnetHeader header = ReadVnet(vnet);
  uint32_t flags = 0;
  if ((header.flags & kNeedsChecksum) != 0) flags |= kChecksumPartial;
  if (header.gsoType != kNoGso) flags |= kSuperFrame;
  return flags;
}

}  // namespace

Ring::~Ring() { Close(); }

namespace {

/** Blocks of a ring and slots in each. */
struct Geometry {
  size_t blockSize;
  uint32_t slotsPerBlock;
  uint32_t blocks;
};

Geometry GeometryOf(const RingOptions& options) {
  Geometry geometry{kBlock, 0, 0};
  while (geometry.blockSize < options.slotSize) geometry.blockSize *= 2;
  geometry.slotsPerBlock = static_cast<uint32_t>(geometry.blockSize / options.slotSize);
  geometry.blocks = (options.slotCount + geometry.slotsPerBlock - 1) / geometry.slotsPerBlock;
  return geometry;
}

bool AttachFilter(int fd, const std::vector<uint8_t>& filter) {
  std::vector<sock_filter> code(filter.size() / sizeof(sock_filter));
  memcpy(code.data(), filter.data(), code.size() * sizeof(sock_filter));
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  return SetOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, program);
}

/** What a socket that has no ring yet lacks to have one; the name of the call that failed, null for none. */
const char* Equip(int fd, const RingOptions& options) {
  const Geometry geometry = GeometryOf(options);
  tpacket_req request{};
  request.tp_block_size = static_cast<unsigned>(geometry.blockSize);
  request.tp_frame_size = options.slotSize;
  request.tp_block_nr = geometry.blocks;
  request.tp_frame_nr = geometry.blocks * geometry.slotsPerBlock;
  const int one = 1;
  const int version = TPACKET_V2;
  // The order is the kernel's: version, headers and reserve before the ring.
  if (!SetOption(fd, SOL_PACKET, PACKET_VERSION, version)) return "PACKET_VERSION";
  if (!SetOption(fd, SOL_PACKET, PACKET_VNET_HDR, one)) return "PACKET_VNET_HDR";
  if (!SetOption(fd, SOL_PACKET, PACKET_RESERVE, kReserve)) return "PACKET_RESERVE";
  if (options.ignoreOutgoing && !SetOption(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, one)) return "PACKET_IGNORE_OUTGOING";
  if (options.overflowCount > 0 && !SetOption(fd, SOL_PACKET, PACKET_COPY_THRESH, one)) return "PACKET_COPY_THRESH";
  if (!SetOption(fd, SOL_PACKET, PACKET_RX_RING, request)) return "PACKET_RX_RING";
  // Needs CAP_NET_ADMIN; without it the system's limit holds, which is merely smaller.
  if (!SetOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, kOverflowQueue)) SetOption(fd, SOL_SOCKET, SO_RCVBUF, kOverflowQueue);
  if (!options.filter.empty() && !AttachFilter(fd, options.filter)) return "SO_ATTACH_FILTER";

  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = options.ifindex;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return "bind";
  if (options.fanoutGroup < 0) return nullptr;
  // Both directions of a flow hash alike (skb_get_hash is symmetric), so they meet the same lane.
  // The group has a hook of its own in the kernel, which has to be told again what to leave out.
  const int flags = options.ignoreOutgoing ? kFanoutIgnoreOutgoing : 0;
  const int fanout = options.fanoutGroup | ((PACKET_FANOUT_HASH | flags) << 16);
  return SetOption(fd, SOL_PACKET, PACKET_FANOUT, fanout) ? nullptr : "PACKET_FANOUT";
}

}  // namespace

int Ring::OpenSocket(const RingOptions& options, SystemError* error) {
  // Protocol 0: nothing arrives before everything is set up and the socket is bound.
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    Fail(error, "socket");
    return -1;
  }
  const char* failed = Equip(fd, options);
  if (failed == nullptr) return fd;
  Fail(error, failed);
  close(fd);
  return -1;
}

bool Ring::Adopt(int fd, const RingOptions& options, SystemError* error) {
  const Geometry geometry = GeometryOf(options);
  fd_ = fd;
  slotSize_ = options.slotSize;
  blockSize_ = geometry.blockSize;
  slotsPerBlock_ = geometry.slotsPerBlock;
  slotCount_ = geometry.blocks * geometry.slotsPerBlock;
  memoryLength_ = geometry.blocks * blockSize_;
  // The kernel maps a ring of exactly this length, and nothing that is none.
  void* mapped = mmap(nullptr, memoryLength_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (mapped == MAP_FAILED) {
    Fail(error, "mmap");
    memoryLength_ = 0;
    Close();
    return false;
  }
  memory_ = static_cast<uint8_t*>(mapped);
  overflow_.resize(options.overflowCount * kOverflowSlot);
  return true;
}

bool Ring::Open(const RingOptions& options, SystemError* error) {
  const int fd = OpenSocket(options, error);
  return fd >= 0 && Adopt(fd, options, error);
}

bool Ring::SetFilter(const std::vector<uint8_t>& filter, SystemError* error) {
  return AttachFilter(fd_, filter) || Fail(error, "SO_ATTACH_FILTER");
}

uint8_t* Ring::Slot(uint32_t index) const {
  return memory_ + (index / slotsPerBlock_) * blockSize_ + (index % slotsPerBlock_) * slotSize_;
}

bool Ring::SetFence(int fd, SystemError* error) {
  const char* failed = fence_.Open(fd);
  if (failed != nullptr) return Fail(error, failed);
  fence_.IsOpen(&epoch_);
  ReadStatistics();
  stale_ = captured_ - taken_;
  return true;
}

bool Ring::Leave(RingPlace* place) {
  if (memory_ == nullptr || isWaiting_ || out_ > 0) return false;
  // The last look: from here on the statistics are another's.
  ReadStatistics();
  *place = {next_, captured_ - taken_, epoch_, stale_};
  isWaiting_ = true;
  return true;
}

bool Ring::GoOn(const RingPlace& place) {
  if (memory_ == nullptr || !isWaiting_ || place.next >= slotCount_ || place.unread > slotCount_ || place.stale > slotCount_) return false;
  next_ = oldest_ = place.next;
  captured_ = place.unread;
  taken_ = 0;
  // An epoch that has begun meanwhile is noticed by the next look: what is in the ring by then is stale.
  epoch_ = place.epoch;
  stale_ = place.stale;
  isWaiting_ = false;
  return true;
}

uint64_t Ring::LookAtFence() {
  if (isWaiting_ && fence_.IsSet()) fence_.IsOpen(&epoch_);
  if (isWaiting_) return epoch_;
  // Frames that are out have passed the fence; the next batch meets it.
  if (memory_ == nullptr || !fence_.IsSet() || out_ > 0) return epoch_;
  if (!IsWithheld()) Discard(stale_);
  return epoch_;
}

uint32_t Ring::Receive(uint32_t* fields, uint32_t max) {
  if (memory_ == nullptr || isWaiting_) return 0;
  if (!fence_.IsSet()) return Take(fields, max);
  // Slots are given back in order: nothing can be discarded behind frames that are out.
  if (out_ > 0) return 0;
  if (stale_ > 0) Discard(stale_);
  if (stale_ > 0) return 0;
  const uint32_t count = Take(fields, max);
  // After the batch was taken: this process may have stood still for long, at any line.
  if (count == 0 || IsWithheld()) return count;
  fenced_ += count;
  Release(count);
  Discard(stale_ > 0 ? stale_ : slotCount_);
  return 0;
}

/** True when the kernel withholds the original of each frame in the ring; with a new epoch they are stale, and it says no. */
bool Ring::IsWithheld() {
  uint64_t epoch = epoch_;
  const bool isOpen = fence_.IsOpen(&epoch);
  if (!isOpen || epoch == epoch_) return isOpen;
  epoch_ = epoch;
  // Whatever has a slot by now, also a frame that another CPU is still writing into its slot.
  ReadStatistics();
  stale_ = captured_ - taken_;
  return false;
}

/** Gives up to `max` frames that have arrived back unread. Only while none is out. */
void Ring::Discard(uint64_t max) {
  for (uint64_t i = 0; i < max; i++) {
    auto* header = reinterpret_cast<tpacket2_hdr*>(Slot(next_));
    const uint32_t status = __atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE);
    if ((status & TP_STATUS_USER) == 0) return;
    // Its copy waits in the socket's queue: read away, or the next long frame would get its octets.
    if ((status & TP_STATUS_COPY) != 0) recv(fd_, nullptr, 0, kReadFlags);
    __atomic_store_n(&header->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    next_ = next_ + 1 == slotCount_ ? 0 : next_ + 1;
    oldest_ = next_;
    taken_ += 1;
    fenced_ += 1;
    stale_ -= std::min<uint64_t>(stale_, 1);
  }
}

uint32_t Ring::Take(uint32_t* fields, uint32_t max) {
  uint32_t count = 0;
  while (count < max && out_ < slotCount_) {
    uint8_t* slot = Slot(next_);
    auto* header = reinterpret_cast<tpacket2_hdr*>(slot);
    const uint32_t status = __atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE);
    if ((status & TP_STATUS_USER) == 0) break;
    uint32_t* row = fields + count * kFieldCount;
    // JavaScript has a view of the whole ring, and a hook may have written anything there: each number is read once, and looked at.
    const size_t mac = header->tp_mac;
    const size_t length = header->tp_snaplen;
    const bool isSound = mac >= kVnetHeader + kTag && mac <= slotSize_ - kEthernet && length <= slotSize_ - mac;
    row[4] = header->tp_sec;
    row[5] = header->tp_nsec;
    row[6] = next_;
    if ((status & TP_STATUS_COPY) != 0) {
      if ((overflowUsed_ + 1) * kOverflowSlot > overflow_.size()) break;
      if (!ReadOverflow(slot, row)) {
        // The copy was lost for want of queue space: what is in the slot is the head of the frame, and said to be.
        uint8_t* vnet = slot + (isSound ? mac : kVnetHeader) - kVnetHeader;
        memset(vnet, 0, kVnetHeader);
        row[0] = static_cast<uint32_t>(vnet + kVnetHeader - memory_);
        row[1] = isSound ? static_cast<uint32_t>(length) : 0;
        row[2] = header->tp_len;
        row[3] = 0;
        row[7] = row[0] - kVnetHeader;
      }
    } else if (!isSound) {
      // A frame of no octets, which the lane counts as malformed.
      row[0] = static_cast<uint32_t>(slot + kVnetHeader - memory_);
      row[1] = 0;
      row[2] = 0;
      row[3] = 0;
      row[7] = row[0] - kVnetHeader;
    } else {
      uint8_t* vnet = slot + mac - kVnetHeader;
      const size_t added = RestoreTag(vnet, status, header->tp_vlan_tci, header->tp_vlan_tpid);
      vnet -= added;
      row[0] = static_cast<uint32_t>(vnet + kVnetHeader - memory_);
      row[1] = static_cast<uint32_t>(length + added);
      row[2] = header->tp_len + static_cast<uint32_t>(added);
      row[3] = FlagsOf(vnet);
      row[7] = row[0] - kVnetHeader;
    }
    next_ = next_ + 1 == slotCount_ ? 0 : next_ + 1;
    out_ += 1;
    count += 1;
  }
  taken_ += count;
  return count;
}

bool Ring::ReadOverflow(const uint8_t* slot, uint32_t* row) {
  const auto* header = reinterpret_cast<const tpacket2_hdr*>(slot);
  // Room for a tag before the header, as in a slot.
  uint8_t* vnet = overflow_.data() + overflowUsed_ * kOverflowSlot + kReserve;
  iovec part{vnet, kOverflowSlot - kReserve};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const ssize_t read = recvmsg(fd_, &message, kReadFlags);
  if (read < static_cast<ssize_t>(kVnetHeader)) return false;
  const size_t whole = static_cast<size_t>(read);
  const size_t kept = whole < part.iov_len ? whole : part.iov_len;
  const size_t added = RestoreTag(vnet, header->tp_status, header->tp_vlan_tci, header->tp_vlan_tpid);
  vnet -= added;
  row[0] = static_cast<uint32_t>(vnet + kVnetHeader - overflow_.data());
  row[1] = static_cast<uint32_t>(kept - kVnetHeader + added);
  row[2] = static_cast<uint32_t>(whole - kVnetHeader + added);
  row[3] = FlagsOf(vnet) | kOverflow;
  row[7] = row[0] - kVnetHeader;
  overflowUsed_ += 1;
  return true;
}

void Ring::Release(uint32_t count) {
  if (memory_ == nullptr) return;
  if (count > out_) count = out_;
  for (uint32_t i = 0; i < count; i++) {
    auto* header = reinterpret_cast<tpacket2_hdr*>(Slot(oldest_));
    __atomic_store_n(&header->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    oldest_ = oldest_ + 1 == slotCount_ ? 0 : oldest_ + 1;
  }
  out_ -= count;
  if (out_ == 0) overflowUsed_ = 0;
}

uint64_t Ring::Dropped() {
  ReadStatistics();
  return dropped_;
}

void Ring::ReadStatistics() {
  if (isWaiting_) return;
  tpacket_stats stats{};
  socklen_t length = sizeof(stats);
  if (fd_ < 0 || getsockopt(fd_, SOL_PACKET, PACKET_STATISTICS, &stats, &length) != 0) return;
  // Reading them resets them. Packets are those that got a slot and those that found none.
  dropped_ += stats.tp_drops;
  captured_ += stats.tp_packets - stats.tp_drops;
}

void Ring::ClearError() {
  int error = 0;
  socklen_t length = sizeof(error);
  // Reading it resets it.
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
}

void Ring::Close() {
  if (memory_ != nullptr) munmap(memory_, memoryLength_);
  memory_ = nullptr;
  memoryLength_ = 0;
  overflow_.clear();
  fence_.Close();
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

}  // namespace firehook
