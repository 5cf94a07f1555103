/*
 * The switch in front of two readers of one device: each frame goes to exactly one of them (packet(7), PACKET_FANOUT_CBPF).
 *
 *   frame ─> group ─ program: "return N" ─> member N modulo members      members in the order in which they came
 *   one leaves: the last one takes its place
 *
 * For sockets of npm `pcap`, whose ring no other process can take over. The program is exchanged between two frames, and when Turn
 * returns none is under way any more that the former one has judged.
 *
 * Rule: the descriptors are the caller's. A socket that has joined stays until it is closed.
 */
#ifndef FIREHOOK_NATIVE_INPUT_SWITCH_H_
#define FIREHOOK_NATIVE_INPUT_SWITCH_H_

#include "system-error.h"

namespace firehook {

/** Makes a bound packet socket a member of a group of 16 bits. Needs no rights. False, with `error` set, when refused. */
bool JoinSwitch(int fd, int group, SystemError* error);

/** Has all frames go to one member, 0 or 1, from now on. False, with `error` set, when refused. */
bool TurnSwitch(int fd, int member, SystemError* error);

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_INPUT_SWITCH_H_
