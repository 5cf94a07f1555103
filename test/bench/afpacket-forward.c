/*
 * The yardstick of the afpacket driver: the same way through AF_PACKET rings, in C, with nothing in between.
 *
 *   afpacket-forward CAPTURE_A SEND_B CAPTURE_B SEND_A
 *
 *   CAPTURE_A ──> ring ──> sendmmsg out of the ring ──> SEND_B        and the same from CAPTURE_B to SEND_A
 *
 * For a plain bridge of two interfaces: afpacket-forward eth0 eth1 eth1 eth0. Runs until SIGTERM or SIGINT, then prints
 * counters. Rule: settings are those of the driver (TPACKET_V2, virtio-net headers, 16,384 slots of 2 KiB, longer frames
 * read whole with recvmsg, batches of 64, a socket of its own for sending, slots given back once the batch has left), so
 * that a comparison is one. VLAN tags are not put back: the benches send none.
 *
 *   cc -O2 -Wall -Wextra -o afpacket-forward afpacket-forward.c
 *
 * Source: packet(7), Documentation/networking/packet_mmap.rst, sendmmsg(2).
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define DIRECTIONS 2
#define SLOT_OCTETS 2048
#define SLOTS 16384
#define BLOCK_OCTETS (256 * 1024)
/* The driver keeps room for a VLAN tag. */
#define RESERVE_OCTETS 8
#define VNET_OCTETS 10
#define BATCH 64
#define LONG_OCTETS (68 * 1024)
#define RECEIVE_BUFFER_OCTETS (16 * 1024 * 1024)
#define SEND_BUFFER_OCTETS (8 * 1024 * 1024)
#define RETRIES 5
#define RETRY_MS 2

struct direction {
  const char *capture_name;
  const char *send_name;
  int capture;
  int send;
  uint8_t *ring;
  unsigned next;
  struct iovec parts[BATCH];
  struct mmsghdr messages[BATCH];
  unsigned long received;
  unsigned long read_whole;
  unsigned long sent;
  unsigned long send_errors;
};

static uint8_t long_frames[BATCH][LONG_OCTETS];
static volatile sig_atomic_t stopping;

static void stop(int signal_number) {
  (void)signal_number;
  stopping = 1;
}

static void fail(const char *name, const char *what) {
  fprintf(stderr, "afpacket-forward: %s: %s: %s\n", name, what, strerror(errno));
  exit(1);
}

static void set_option(int fd, int level, int option, int value, const char *name, const char *what) {
  if (setsockopt(fd, level, option, &value, sizeof value) != 0) fail(name, what);
}

/* Protocol 0 until it is bound: nothing arrives before everything is set up, and on a sending socket nothing ever. */
static int open_socket(const char *name) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) fail(name, "socket");
  set_option(fd, SOL_PACKET, PACKET_VNET_HDR, 1, name, "PACKET_VNET_HDR");
  return fd;
}

static void bind_socket(int fd, const char *name, uint16_t protocol) {
  struct sockaddr_ll address = {
      .sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = (int)if_nametoindex(name)};
  if (address.sll_ifindex == 0) fail(name, "if_nametoindex");
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) fail(name, "bind");
}

static void open_capture(struct direction *direction) {
  const char *name = direction->capture_name;
  int fd = direction->capture = open_socket(name);
  set_option(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2, name, "PACKET_VERSION");
  set_option(fd, SOL_PACKET, PACKET_RESERVE, RESERVE_OCTETS, name, "PACKET_RESERVE");
  set_option(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, name, "PACKET_IGNORE_OUTGOING");
  set_option(fd, SOL_PACKET, PACKET_COPY_THRESH, 1, name, "PACKET_COPY_THRESH");
  struct tpacket_req request = {.tp_block_size = BLOCK_OCTETS,
                                .tp_block_nr = SLOTS / (BLOCK_OCTETS / SLOT_OCTETS),
                                .tp_frame_size = SLOT_OCTETS,
                                .tp_frame_nr = SLOTS};
  if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) != 0) fail(name, "PACKET_RX_RING");
  set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_OCTETS, name, "SO_RCVBUFFORCE");
  direction->ring = mmap(NULL, (size_t)SLOTS * SLOT_OCTETS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (direction->ring == MAP_FAILED) fail(name, "mmap");
  bind_socket(fd, name, ETH_P_ALL);
  /* On a bridge of plain interfaces the frames are for other hosts. */
  struct packet_mreq everything = {.mr_ifindex = (int)if_nametoindex(name), .mr_type = PACKET_MR_PROMISC};
  if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &everything, sizeof everything) != 0) fail(name, "promiscuous");
}

static void open_send(struct direction *direction) {
  direction->send = open_socket(direction->send_name);
  set_option(direction->send, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER_OCTETS, direction->send_name, "SO_SNDBUFFORCE");
  bind_socket(direction->send, direction->send_name, 0);
}

static struct tpacket2_hdr *slot_at(const struct direction *direction, unsigned index) {
  return (struct tpacket2_hdr *)(direction->ring + (size_t)(index % SLOTS) * SLOT_OCTETS);
}

/* The frame of a slot with its virtio-net header; one that is longer than a slot is read whole into `spare`. */
static struct iovec frame_of(struct direction *direction, struct tpacket2_hdr *slot, uint8_t *spare) {
  if ((slot->tp_status & TP_STATUS_COPY) != 0) {
    ssize_t length = recv(direction->capture, spare, LONG_OCTETS, MSG_DONTWAIT);
    direction->read_whole += 1;
    return (struct iovec){.iov_base = spare, .iov_len = length < 0 ? 0 : (size_t)length};
  }
  return (struct iovec){.iov_base = (uint8_t *)slot + slot->tp_mac - VNET_OCTETS,
                        .iov_len = slot->tp_snaplen + VNET_OCTETS};
}

static void send_batch(struct direction *direction, unsigned count) {
  unsigned done = 0;
  int retries = 0;
  while (done < count) {
    int sent = sendmmsg(direction->send, direction->messages + done, count - done, MSG_DONTWAIT);
    if (sent > 0) {
      done += (unsigned)sent;
      direction->sent += (unsigned)sent;
      retries = 0;
    } else if ((errno == EAGAIN || errno == ENOBUFS) && retries < RETRIES) {
      struct pollfd waiting = {.fd = direction->send, .events = POLLOUT};
      poll(&waiting, 1, RETRY_MS);
      retries += 1;
    } else if (errno != EINTR) {
      direction->send_errors += 1;
      done += 1;
    }
  }
}

/* Forwards up to BATCH frames. Returns how many there were. */
static unsigned forward(struct direction *direction) {
  unsigned count = 0;
  for (; count < BATCH; count++) {
    struct tpacket2_hdr *slot = slot_at(direction, direction->next + count);
    if ((__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) break;
    direction->parts[count] = frame_of(direction, slot, long_frames[count]);
  }
  direction->received += count;
  send_batch(direction, count);
  for (unsigned i = 0; i < count; i++) {
    struct tpacket2_hdr *slot = slot_at(direction, direction->next + i);
    __atomic_store_n(&slot->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
  }
  direction->next = (direction->next + count) % SLOTS;
  return count;
}

static void print_counters(struct direction *direction) {
  struct tpacket_stats stats = {0};
  socklen_t length = sizeof stats;
  getsockopt(direction->capture, SOL_PACKET, PACKET_STATISTICS, &stats, &length);
  printf("%s -> %s: received %lu, %lu of them read whole, sent %lu, send errors %lu, dropped by kernel %u\n",
         direction->capture_name, direction->send_name, direction->received, direction->read_whole, direction->sent,
         direction->send_errors, stats.tp_drops);
}

int main(int argc, char **argv) {
  if (argc != 1 + 2 * DIRECTIONS) {
    fprintf(stderr, "usage: afpacket-forward CAPTURE_A SEND_B CAPTURE_B SEND_A\n");
    return 2;
  }
  static struct direction directions[DIRECTIONS];
  struct pollfd polls[DIRECTIONS];
  for (int i = 0; i < DIRECTIONS; i++) {
    directions[i].capture_name = argv[1 + 2 * i];
    directions[i].send_name = argv[2 + 2 * i];
    open_send(&directions[i]);
    open_capture(&directions[i]);
    for (int at = 0; at < BATCH; at++) {
      directions[i].messages[at].msg_hdr.msg_iov = &directions[i].parts[at];
      directions[i].messages[at].msg_hdr.msg_iovlen = 1;
    }
    polls[i] = (struct pollfd){.fd = directions[i].capture, .events = POLLIN};
  }

  /* No SA_RESTART: poll has to return when the signal comes. */
  struct sigaction action = {.sa_handler = stop};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  fprintf(stderr, "ready\n");

  while (!stopping) {
    if (poll(polls, DIRECTIONS, -1) < 0) continue;
    /* In turns, so that neither direction starves the other. */
    unsigned total;
    do {
      total = 0;
      for (int i = 0; i < DIRECTIONS; i++) total += forward(&directions[i]);
    } while (total > 0 && !stopping);
  }

  for (int i = 0; i < DIRECTIONS; i++) print_counters(&directions[i]);
  return 0;
}
