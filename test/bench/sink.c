/*
 * Counts the frames of flood.c that arrive at an interface.
 *
 *   sink INTERFACE [DESTINATION_PORT]
 *
 * Says `ready` on stderr when nothing can be missed any more, runs until SIGTERM or SIGINT, then prints
 * `received N in S s, R kpps, dropped D`: the time from the first frame to the last, and what its own socket lost, which
 * must be 0 for a measurement to count. Rule: IPv4 and UDP to the one port only, checked in the kernel, incoming frames
 * only; so that it costs the measured machine as little as can be.
 *
 *   cc -O2 -Wall -Wextra -o sink sink.c
 *
 * Source: packet(7), recvmmsg(2), linux/filter.h.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define DEFAULT_PORT 9
#define BATCH 256
#define RECEIVE_BUFFER_OCTETS (128 * 1024 * 1024)
/* Of each frame only this much is kept: counting needs none of it. */
#define SNAPLEN 1
#define OFFSET_ETHERTYPE 12
#define OFFSET_PROTOCOL 23
#define OFFSET_UDP_DESTINATION 36

static volatile sig_atomic_t stopping;

static void stop(int signal_number) {
  (void)signal_number;
  stopping = 1;
}

static void fail(const char *what) {
  fprintf(stderr, "sink: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void attach_filter(int fd, uint16_t port) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, OFFSET_ETHERTYPE),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 5),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, OFFSET_PROTOCOL),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 3),
      /* flood.c sends headers without options, so the port is where it is. */
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, OFFSET_UDP_DESTINATION),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SNAPLEN),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) fail("SO_ATTACH_FILTER");
}

static double now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  long port = argc == 3 ? strtol(argv[2], NULL, 10) : DEFAULT_PORT;
  if ((argc != 2 && argc != 3) || port < 1 || port > UINT16_MAX) {
    fprintf(stderr, "usage: sink INTERFACE [DESTINATION_PORT]\n");
    return 2;
  }
  /* Protocol 0 until the filter is in place: nothing unfiltered gets into the buffer. */
  int fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0) fail("socket");
  attach_filter(fd, (uint16_t)port);
  int size = RECEIVE_BUFFER_OCTETS, on = 1;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0) fail("PACKET_IGNORE_OUTGOING");
  struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                .sll_protocol = htons(ETH_P_ALL),
                                .sll_ifindex = (int)if_nametoindex(argv[1])};
  if (address.sll_ifindex == 0) fail(argv[1]);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");

  /* No SA_RESTART: recvmmsg has to return when the signal comes. */
  struct sigaction action = {.sa_handler = stop};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  fprintf(stderr, "ready\n");

  static uint8_t octets[BATCH][SNAPLEN];
  struct iovec vectors[BATCH];
  struct mmsghdr messages[BATCH] = {0};
  for (int i = 0; i < BATCH; i++) {
    vectors[i] = (struct iovec){.iov_base = octets[i], .iov_len = SNAPLEN};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  unsigned long received = 0;
  double first_s = 0, last_s = 0;
  /* After the signal what has already arrived is still counted. */
  for (;;) {
    int count = recvmmsg(fd, messages, BATCH, stopping ? MSG_DONTWAIT : MSG_WAITFORONE, NULL);
    if (count < 0 && stopping) break;
    if (count < 0 && errno != EINTR) fail("recvmmsg");
    if (count <= 0) continue;
    last_s = now_s();
    if (received == 0) first_s = last_s;
    received += (unsigned long)count;
  }

  struct tpacket_stats stats = {0};
  socklen_t length = sizeof stats;
  getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &length);
  double seconds = last_s - first_s;
  double kpps = seconds > 0 ? (double)received / seconds / 1000 : 0;
  printf("received %lu in %.3f s, %.1f kpps, dropped %u\n", received, seconds, kpps, stats.tp_drops);
  return 0;
}
