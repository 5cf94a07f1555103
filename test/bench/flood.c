/*
 * Sends small frames as fast as it is told to, for the benchmarks.
 *
 *   flood INTERFACE COUNT SIZE RATE DESTINATION_MAC SOURCE_IP DESTINATION_IP [DESTINATION_PORT]
 *
 * COUNT frames of SIZE octets (60 to 1514, frame check sequence not counted), RATE frames a second, 0 for as fast as it
 * goes. UDP in IPv4 with valid checksums; the source port goes round, so that a receiver that spreads by flow sees many
 * flows. At the end it prints `sent N in S s, R kpps, E errors`. What arrives is read from interface counters.
 *
 * Rule: the frames are made before the first one is sent; while it sends it does nothing else.
 *
 *   cc -O2 -Wall -Wextra -o flood flood.c
 *
 * Source: packet(7), sendmmsg(2), RFC 768, RFC 791, RFC 1071.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#define FLOWS 1024
#define FIRST_SOURCE_PORT 10000
#define DEFAULT_DESTINATION_PORT 9
#define BATCH 64
#define MIN_SIZE 60
#define MAX_SIZE 1514
#define TIME_TO_LIVE 64
#define SEND_BUFFER_OCTETS (4 * 1024 * 1024)
#define NS_PER_S 1000000000LL

static uint8_t frames[FLOWS][MAX_SIZE];
static volatile sig_atomic_t stopping;

static void stop(int signal_number) {
  (void)signal_number;
  stopping = 1;
}

static void fail(const char *what) {
  fprintf(stderr, "flood: %s: %s\n", what, errno == 0 ? "not valid" : strerror(errno));
  exit(1);
}

static unsigned long parse_number(const char *text, unsigned long min, unsigned long max, const char *what) {
  char *end;
  errno = 0;
  unsigned long value = strtoul(text, &end, 10);
  if (end == text || *end != '\0' || value < min || value > max) fail(what);
  return value;
}

static uint32_t sum_words(const void *data, size_t length, uint32_t sum) {
  const uint8_t *octets = data;
  for (size_t i = 0; i + 1 < length; i += 2) sum += (uint32_t)octets[i] << 8 | octets[i + 1];
  if (length % 2 == 1) sum += (uint32_t)octets[length - 1] << 8;
  return sum;
}

static uint16_t fold(uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return htons((uint16_t)~sum);
}

static void make_frame(uint8_t *frame, size_t size, const struct ether_header *link, in_addr_t source,
                       in_addr_t destination, uint16_t source_port, uint16_t destination_port) {
  size_t ip_length = size - sizeof *link;
  size_t udp_length = ip_length - sizeof(struct iphdr);
  struct iphdr ip = {.version = 4,
                     .ihl = 5,
                     .tot_len = htons((uint16_t)ip_length),
                     .frag_off = htons(IP_DF),
                     .ttl = TIME_TO_LIVE,
                     .protocol = IPPROTO_UDP,
                     .saddr = source,
                     .daddr = destination};
  ip.check = fold(sum_words(&ip, sizeof ip, 0));
  struct udphdr udp = {
      .source = htons(source_port), .dest = htons(destination_port), .len = htons((uint16_t)udp_length)};
  uint32_t pseudo = sum_words(&ip.saddr, 2 * sizeof ip.saddr, IPPROTO_UDP + (uint32_t)udp_length);
  /* The payload is all zero and adds nothing. */
  udp.check = fold(sum_words(&udp, sizeof udp, pseudo));
  if (udp.check == 0) udp.check = 0xffff;

  memset(frame, 0, size);
  memcpy(frame, link, sizeof *link);
  memcpy(frame + sizeof *link, &ip, sizeof ip);
  memcpy(frame + sizeof *link + sizeof ip, &udp, sizeof udp);
}

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void sleep_until(int64_t at_ns) {
  struct timespec at = {.tv_sec = at_ns / NS_PER_S, .tv_nsec = at_ns % NS_PER_S};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static int open_socket(const char *interface, uint8_t *mac) {
  int fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0) fail("socket");
  struct ifreq request = {0};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
  if (ioctl(fd, SIOCGIFHWADDR, &request) != 0) fail(interface);
  memcpy(mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
  int size = SEND_BUFFER_OCTETS;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 8 && argc != 9) {
    fprintf(stderr, "usage: flood INTERFACE COUNT SIZE RATE DESTINATION_MAC SOURCE_IP DESTINATION_IP [PORT]\n");
    return 2;
  }
  unsigned long count = parse_number(argv[2], 1, UINT32_MAX, "COUNT");
  size_t size = parse_number(argv[3], MIN_SIZE, MAX_SIZE, "SIZE");
  int64_t rate = (int64_t)parse_number(argv[4], 0, NS_PER_S, "RATE");
  struct ether_header link = {.ether_type = htons(ETHERTYPE_IP)};
  uint8_t *to = link.ether_dhost;
  if (sscanf(argv[5], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &to[0], &to[1], &to[2], &to[3], &to[4], &to[5]) != ETH_ALEN) {
    fail("DESTINATION_MAC");
  }
  struct in_addr source, destination;
  if (inet_pton(AF_INET, argv[6], &source) != 1) fail("SOURCE_IP");
  if (inet_pton(AF_INET, argv[7], &destination) != 1) fail("DESTINATION_IP");
  uint16_t port = argc == 9 ? (uint16_t)parse_number(argv[8], 1, UINT16_MAX, "PORT") : DEFAULT_DESTINATION_PORT;

  int fd = open_socket(argv[1], link.ether_shost);
  struct iovec vectors[FLOWS];
  struct mmsghdr messages[FLOWS] = {0};
  for (unsigned flow = 0; flow < FLOWS; flow++) {
    make_frame(frames[flow], size, &link, source.s_addr, destination.s_addr, (uint16_t)(FIRST_SOURCE_PORT + flow), port);
    vectors[flow] = (struct iovec){.iov_base = frames[flow], .iov_len = size};
    messages[flow].msg_hdr.msg_iov = &vectors[flow];
    messages[flow].msg_hdr.msg_iovlen = 1;
  }
  struct sigaction action = {.sa_handler = stop};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);

  unsigned long sent = 0, errors = 0;
  int64_t started_ns = now_ns();
  while (sent < count && !stopping) {
    unsigned first = (unsigned)(sent % FLOWS);
    unsigned long batch = count - sent < BATCH ? count - sent : BATCH;
    if (batch > FLOWS - first) batch = FLOWS - first;
    if (rate > 0) sleep_until(started_ns + (int64_t)sent * NS_PER_S / rate);
    int done = sendmmsg(fd, &messages[first], (unsigned)batch, 0);
    if (done > 0) {
      sent += (unsigned long)done;
    } else if (errno == ENOBUFS || errno == EAGAIN) {
      errors += 1;
    } else if (errno != EINTR) {
      fail("sendmmsg");
    }
  }
  double seconds = (double)(now_ns() - started_ns) / NS_PER_S;
  printf("sent %lu in %.3f s, %.1f kpps, %lu errors\n", sent, seconds, (double)sent / seconds / 1000, errors);
  return 0;
}
