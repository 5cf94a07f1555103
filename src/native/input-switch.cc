/* See input-switch.h. */
#include "input-switch.h"

#include <cstdint>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

namespace firehook {

bool JoinSwitch(int fd, int group, SystemError* error) {
  const int fanout = group | (PACKET_FANOUT_CBPF << 16);
  return setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &fanout, sizeof(fanout)) == 0 || Fail(error, "PACKET_FANOUT");
}

bool TurnSwitch(int fd, int member, SystemError* error) {
  sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, static_cast<uint32_t>(member))};
  const sock_fprog program{1, code};
  // Where there was a program before, the kernel waits until nobody runs it (synchronize_net).
  return setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, &program, sizeof(program)) == 0 || Fail(error, "PACKET_FANOUT_DATA");
}

}  // namespace firehook
