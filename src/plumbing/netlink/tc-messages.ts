/**
 * Traffic control over rtnetlink: the redirects at the ends of an inbound detour, and the filters that others have at a port.
 *
 * ```
 *   tcmsg: family (1) 0 (3) ifindex (4) handle (4) parent (4) priority << 16 | protocol (4), then attributes
 * ```
 * Rule: pure. The redirect looks at the mark of a frame with classic BPF: matching by mark is an option in u32, and the kernels of
 * some distributions lack `fw` and `matchall`.
 *
 * @see tc(8), include/uapi/linux/rtnetlink.h, include/uapi/linux/pkt_cls.h, include/uapi/linux/tc_act/tc_mirred.h
 * @module
 */

import { assemble, type Instruction } from '../../drivers/classic-bpf.ts';
import { type Message, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, type Request } from '../../netlink/message.ts';
import {
  attribute,
  be16,
  join,
  nested,
  readAttributeList,
  readAttributes,
  readI32,
  readText,
  readU32,
  text,
  u8,
  u16,
  u32,
} from '../../netlink/octets.ts';

const RTM_NEWQDISC = 36;
const RTM_DELQDISC = 37;
export const RTM_NEWTFILTER = 44;
const RTM_GETTFILTER = 46;

const TCMSG = 20;
const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const TCA_ACT_KIND = 1;
const TCA_ACT_OPTIONS = 2;
const TCA_BPF_ACT = 1;
const TCA_BPF_OPS_LEN = 4;
const TCA_BPF_OPS = 5;
const TCA_MIRRED_PARMS = 2;
const TC_ACT_STOLEN = 4;
const ETH_P_ALL = 3;

const QUEUE_HANDLE = 0xffff0000;
const QUEUE_PARENT = 0xfffffff1;

/** What arrives on an interface, or what leaves it. */
export type Side = 'ingress' | 'egress';

const QUEUES: Readonly<Record<Side, string>> = { ingress: 'ingress', egress: 'clsact' };
/** Where the filters of a side hang; that of the ingress is the same in both kinds of queue. */
const PLACES: Readonly<Record<Side, number>> = { ingress: 0xfffffff2, egress: 0xfffffff3 };

/** What mirred does: include/uapi/linux/tc_act/tc_mirred.h. */
export const MIRRED = { egressRedirect: 1, egressMirror: 2, ingressRedirect: 3, ingressMirror: 4 } as const;

/** Where the actions of a classifier are among its options. */
const ACTIONS_OF: Readonly<Record<string, number>> = {
  basic: 3,
  bpf: TCA_BPF_ACT,
  cgroup: 1,
  flow: 9,
  flower: 3,
  fw: 4,
  matchall: 2,
  route: 6,
  u32: 7,
};

/** An action of a filter. */
export interface TcAction {
  /** `mirred`, `police`, `gact` ... */
  readonly kind: string;
  /** Of mirred, one of {@link MIRRED}; else 0. */
  readonly mirred: number;
  /** Of mirred, the target; else 0. */
  readonly ifindex: number;
}

/** A filter. */
export interface TcFilter {
  /** `u32`, `flower`, `bpf` ... */
  readonly kind: string;
  /** Null where this classifier keeps its actions in a place that is not known. */
  readonly actions: readonly TcAction[] | null;
  /** The instructions of a filter with classic BPF; empty for others. */
  readonly program: Uint8Array;
}

/** Gives an interface the queue that filters hang on: `ingress`, or `clsact`, which has a place for what leaves. */
export function addFilterQueue(ifindex: number, side: Side): Request {
  const body = [tcmsg(ifindex, QUEUE_HANDLE, QUEUE_PARENT, 0), attribute(TCA_KIND, text(QUEUES[side]))];
  return { type: RTM_NEWQDISC, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, body: join(body) };
}

/** Takes it away with its filters, whichever of the two it is. */
export function deleteFilterQueue(ifindex: number): Request {
  return { type: RTM_DELQDISC, flags: NLM_F_ACK, body: tcmsg(ifindex, QUEUE_HANDLE, QUEUE_PARENT, 0) };
}

/** Frames of an interface that arrive on another one instead. */
export interface Redirect {
  readonly ifindex: number;
  /** What arrives on the interface, or what leaves it. */
  readonly side: Side;
  /** Which of it. */
  readonly program: readonly Instruction[];
  /** The interface that it arrives on. */
  readonly target: number;
}

/** Redirects frames; needs the queue of that side. */
export function addRedirect({ ifindex, side, program, target }: Redirect): Request {
  // struct tc_mirred: index, capabilities, action, two reference counts, what to do, target.
  const parameters = [u32(0), u32(0), u32(TC_ACT_STOLEN), u32(0), u32(0), u32(MIRRED.ingressRedirect), u32(target)];
  const mirred = nested(
    1,
    attribute(TCA_ACT_KIND, text('mirred')),
    nested(TCA_ACT_OPTIONS, attribute(TCA_MIRRED_PARMS, ...parameters)),
  );
  const body = [
    tcmsg(ifindex, 0, PLACES[side], ((1 << 16) | readProtocol(ETH_P_ALL)) >>> 0),
    attribute(TCA_KIND, text('bpf')),
    nested(
      TCA_OPTIONS,
      nested(TCA_BPF_ACT, mirred),
      attribute(TCA_BPF_OPS_LEN, u16(program.length)),
      attribute(TCA_BPF_OPS, assemble(program)),
    ),
  ];
  return { type: RTM_NEWTFILTER, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, body: join(body) };
}

/** True where these are the filters of an interface's side that {@link addRedirect} leaves there, and no others. */
export function isRedirect(filters: readonly TcFilter[], { program, target }: Redirect): boolean {
  const [only] = filters;
  const [action] = only?.actions ?? [];
  return (
    filters.length === 1 &&
    only?.kind === 'bpf' &&
    Buffer.compare(only.program, assemble(program)) === 0 &&
    only.actions?.length === 1 &&
    action?.mirred === MIRRED.ingressRedirect &&
    action.ifindex === target
  );
}

/** Asks for the filters of a side of an interface. Refused with EINVAL where it has no queue for them. */
export function listFilters(ifindex: number, side: Side): Request {
  return { type: RTM_GETTFILTER, flags: NLM_F_DUMP, body: tcmsg(ifindex, 0, PLACES[side], 0) };
}

/** Reads the answer to {@link listFilters}. Entries that classify nothing, such as u32's hash tables, are left out. */
export function readFilters(messages: readonly Message[]): TcFilter[] {
  return messages.filter(({ type }) => type === RTM_NEWTFILTER).flatMap(readFilter);
}

function readFilter({ body }: Message): TcFilter[] {
  const attributes = readAttributes(body.subarray(TCMSG));
  const kind = readText(attributes.get(TCA_KIND));
  const options = attributes.get(TCA_OPTIONS);
  // The first entry of a classifier that was made only stands for the classifier.
  if (options === undefined || options.length === 0) return [];
  const place = ACTIONS_OF[kind];
  const program = (kind === 'bpf' ? readAttributes(options).get(TCA_BPF_OPS) : undefined) ?? new Uint8Array(0);
  if (place === undefined) return [{ kind, actions: null, program }];
  const actions = readAttributes(options).get(place);
  return [{ kind, program, actions: readAttributeList(actions).map(([, action]) => readAction(action)) }];
}

function readAction(bytes: Uint8Array): TcAction {
  const attributes = readAttributes(bytes);
  const kind = readText(attributes.get(TCA_ACT_KIND));
  if (kind !== 'mirred') return { kind, mirred: 0, ifindex: 0 };
  const parameters = readAttributes(attributes.get(TCA_ACT_OPTIONS)).get(TCA_MIRRED_PARMS);
  return { kind, mirred: readI32(parameters, 20), ifindex: readU32(parameters, 24) };
}

/** A protocol in network order, as the number it makes in the order of this machine. */
function readProtocol(protocol: number): number {
  return readU32(join([be16(protocol), u16(0)])) & 0xffff;
}

function tcmsg(ifindex: number, handle: number, parent: number, info: number): Uint8Array {
  return join([u8(0), u8(0), u16(0), u32(ifindex), u32(handle), u32(parent), u32(info)]);
}
