/*
 * The yardstick of the pcap driver: the same way through libpcap, in C, with nothing in between.
 *
 *   pcap-forward SNAPLEN CAPTURE_A INJECT_B CAPTURE_B INJECT_A
 *
 *   CAPTURE_A ──> pcap_dispatch ──> pcap_inject ──> INJECT_B        and the same from CAPTURE_B to INJECT_A
 *
 * For a plain bridge of two interfaces: pcap-forward 1600 eth0 eth1 eth1 eth0. Runs until SIGTERM or SIGINT, then prints
 * counters. Rule: settings are those of the driver (immediate mode, 32 MiB, non-blocking, SNAPLEN, which sizes the slots
 * of the ring), so that a comparison is one.
 *
 *   cc -O2 -Wall -Wextra -o pcap-forward pcap-forward.c -lpcap
 *
 * Source: pcap(3PCAP), pcap_inject(3PCAP), pcap_get_selectable_fd(3PCAP).
 */

#include <pcap/pcap.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SNAPLEN 262144
#define BUFFER_OCTETS (32 * 1024 * 1024)
#define DIRECTIONS 2

struct direction {
  const char *capture_name;
  const char *inject_name;
  pcap_t *capture;
  pcap_t *inject;
  unsigned long received;
  unsigned long sent;
  unsigned long send_errors;
};

static volatile sig_atomic_t stopping;

static void stop(int signal_number) {
  (void)signal_number;
  stopping = 1;
}

static void fail(const char *name, const char *what, const char *why) {
  fprintf(stderr, "pcap-forward: %s: %s: %s\n", name, what, why);
  exit(1);
}

static pcap_t *open_handle(const char *name, int snaplen) {
  char why[PCAP_ERRBUF_SIZE];
  pcap_t *handle = pcap_create(name, why);
  if (handle == NULL) fail(name, "pcap_create", why);
  pcap_set_snaplen(handle, snaplen);
  pcap_set_promisc(handle, 1);
  pcap_set_immediate_mode(handle, 1);
  pcap_set_buffer_size(handle, BUFFER_OCTETS);
  /* A warning (for example: promiscuous mode not supported) is positive and no reason to stop. */
  if (pcap_activate(handle) < 0) fail(name, "pcap_activate", pcap_geterr(handle));
  if (pcap_setnonblock(handle, 1, why) != 0) fail(name, "pcap_setnonblock", why);
  return handle;
}

static void set_filter(pcap_t *handle, const char *name, const char *expression) {
  struct bpf_program program;
  if (pcap_compile(handle, &program, expression, 1, PCAP_NETMASK_UNKNOWN) != 0) {
    fail(name, "pcap_compile", pcap_geterr(handle));
  }
  if (pcap_setfilter(handle, &program) != 0) fail(name, "pcap_setfilter", pcap_geterr(handle));
  pcap_freecode(&program);
}

static void forward(u_char *user, const struct pcap_pkthdr *header, const u_char *frame) {
  struct direction *direction = (struct direction *)user;
  direction->received += 1;
  if (pcap_inject(direction->inject, frame, header->caplen) == (int)header->caplen) {
    direction->sent += 1;
  } else {
    direction->send_errors += 1;
  }
}

static void print_counters(struct direction *direction) {
  struct pcap_stat stat = {0};
  pcap_stats(direction->capture, &stat);
  printf("%s -> %s: received %lu, sent %lu, send errors %lu, dropped by kernel %u\n", direction->capture_name,
         direction->inject_name, direction->received, direction->sent, direction->send_errors, stat.ps_drop);
}

int main(int argc, char **argv) {
  int snaplen = argc > 1 ? atoi(argv[1]) : 0;
  if (argc != 2 + 2 * DIRECTIONS || snaplen < 1 || snaplen > MAX_SNAPLEN) {
    fprintf(stderr, "usage: pcap-forward SNAPLEN CAPTURE_A INJECT_B CAPTURE_B INJECT_A\n");
    return 2;
  }
  struct direction directions[DIRECTIONS] = {0};
  struct pollfd polls[DIRECTIONS];
  for (int i = 0; i < DIRECTIONS; i++) {
    struct direction *direction = &directions[i];
    direction->capture_name = argv[2 + 2 * i];
    direction->inject_name = argv[3 + 2 * i];
    direction->inject = open_handle(direction->inject_name, snaplen);
    /* An inject handle captures nothing: no frame is that short. */
    set_filter(direction->inject, direction->inject_name, "less 0");
    direction->capture = open_handle(direction->capture_name, snaplen);
    /*
     * What the other direction injects on the same interface must not come back. Not pcap_setdirection: that drops in
     * userspace, after the copy has taken a slot of the ring.
     */
    if (strcmp(direction->capture_name, argv[3 + 2 * (DIRECTIONS - 1 - i)]) == 0) {
      set_filter(direction->capture, direction->capture_name, "inbound");
    }
    polls[i].fd = pcap_get_selectable_fd(direction->capture);
    polls[i].events = POLLIN;
  }

  /* No SA_RESTART: poll has to return when the signal comes. */
  struct sigaction action = {.sa_handler = stop};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  fprintf(stderr, "ready\n");

  while (!stopping) {
    if (poll(polls, DIRECTIONS, -1) < 0) continue;
    for (int i = 0; i < DIRECTIONS; i++) {
      if (polls[i].revents == 0) continue;
      if (pcap_dispatch(directions[i].capture, -1, forward, (u_char *)&directions[i]) == PCAP_ERROR) {
        fail(directions[i].capture_name, "pcap_dispatch", pcap_geterr(directions[i].capture));
      }
    }
  }

  for (int i = 0; i < DIRECTIONS; i++) {
    print_counters(&directions[i]);
    pcap_close(directions[i].capture);
    pcap_close(directions[i].inject);
  }
  return 0;
}
