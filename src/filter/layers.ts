/**
 * Where the layers of a packet begin, as far as a filter has named them, and how a layer says what it carries.
 *
 * ```
 *   ethernet   link: | MACs 12 | type 2 | tags, labels, PPPoE |      packet: | IP ...
 *   frame                        packet: | MACs 12 | type 2 | IP ...
 *   raw                                                         packet: | IP ...
 * ```
 * `raw` and `frame` are libpcap's DLT_RAW and DLT_EN10MB to the letter. `ethernet` is what hooks get: the datagram and its
 * link header apart. There the IP version is asked of the datagram itself, whatever stands before it, so that `tcp` also
 * holds on a tagged frame; every other type is read in the link header, at its place.
 *
 * `vlan`, `mpls` and `pppoes` move the places for all that stands to the right of them in the text, as in libpcap.
 *
 * Floor 1.
 *
 * @see gen_linktype of libpcap 1.10, pcap-filter(7)
 * @module
 */

import {
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  HEADER_LENGTH,
  TYPE_OFFSET,
  VLAN_TAG_LENGTH,
} from '../wire/ethernet.ts';
import { all, among, any, equals, type Load, not, type Place, type Test } from './tests.ts';

/** What a predicate is given. */
export type LinkKind = 'raw' | 'ethernet' | 'frame';

/** Says why a layer is not there; never returns. */
export type Refuse = (problem: string) => never;

/** Types of IEEE 802.1Q, of provider bridges, and of the tags before them: what `vlan` takes. */
const TAG_TYPES = [0x8100, 0x88a8, 0x9100];
const TYPE_RARP = 0x8035;
const TYPE_MPLS = 0x8847;
/** What PPP calls MPLS. */
const PPP_MPLS = 0x0281;
const TYPE_PPPOE_DISCOVERY = 0x8863;
const TYPE_PPPOE_SESSION = 0x8864;
const PPPOE_HEADER = 6;
const PPP_TYPE = 2;
const LABEL_LENGTH = 4;
const LLC_HEADER = 3;
/** A number up to here is the length of an IEEE 802.3 frame. */
const MAX_LENGTH_FIELD = 1500;

const SAP_IP = 0x06;
const SAP_STP = 0x42;
const SAP_IPX = 0xe0;
const SAP_NETBEUI = 0xf0;
const SAP_OSI = 0xfe;
const TYPE_IPX = 0x8137;
const TYPE_ATALK = 0x809b;
const TYPE_AARP = 0x80f3;
/** What PPP calls the types of Ethernet. */
const PPP_TYPES: ReadonlyMap<number, number> = new Map([
  [ETHERTYPE_IPV4, 0x0021],
  [ETHERTYPE_IPV6, 0x0057],
  [0x6003, 0x0027],
  [TYPE_ATALK, 0x0029],
  [0x0600, 0x0025],
  [SAP_OSI, 0x0023],
  [SAP_STP, 0x0031],
  [SAP_IPX, 0x002b],
]);

/** Where things are. One for a filter: it changes while the filter is read from left to right. */
export class Layers {
  readonly kind: LinkKind;
  /** Octets of the frame before the link header in question: 0 until PPPoE is named. */
  #header = 0;
  #type = TYPE_OFFSET;
  #payload = HEADER_LENGTH;
  #labels = 0;
  #isPpp = false;

  constructor(kind: LinkKind) {
    this.kind = kind;
    if (kind === 'raw') this.#payload = 0;
  }

  /** True where the layer in question is Ethernet. */
  get isEthernet(): boolean {
    return this.kind !== 'raw' && !this.#isPpp;
  }

  /** True behind MPLS, where there is nothing but IP. */
  get isLabelled(): boolean {
    return this.#labels > 0;
  }

  /** Octet `offset` of the IP header. */
  network(offset: number): Place {
    return { from: 'packet', offset: this.networkHeader + offset };
  }

  /** Octet of the packet where the IP header is. */
  get networkHeader(): number {
    return this.kind === 'ethernet' ? 0 : this.#payload + LABEL_LENGTH * this.#labels;
  }

  /** Octet `offset` of the link header in question. */
  link(offset: number): Place {
    return this.#frame(this.#header + offset);
  }

  /** Octet `offset` of what follows the link header, tags and labels that were named included. */
  payload(offset: number): Place {
    return this.#frame(this.#payload + LABEL_LENGTH * this.#labels + offset);
  }

  /** Octet `offset` behind the LLC header, which is three octets long on Ethernet. */
  behindLlc(offset: number): Place {
    return this.payload((this.isEthernet ? LLC_HEADER : 0) + offset);
  }

  /** The packet carries that protocol: an Ethernet type, or a service access point of LLC. */
  carries(type: number, refuse: Refuse): Test {
    const version = type === ETHERTYPE_IPV4 ? 4 : type === ETHERTYPE_IPV6 ? 6 : 0;
    if (this.isLabelled) {
      if (version === 0) return refuse('behind mpls there is nothing but ip and ip6');
      return this.kind === 'ethernet' ? { kind: 'version', version } : this.#carriesLabelled(version);
    }
    if (this.kind === 'ethernet' && version !== 0) return { kind: 'version', version };
    if (this.#isPpp) return this.inLink(equals(this.#typeField(2), PPP_TYPES.get(type) ?? type));
    if (this.kind === 'raw') return version === 0 ? { kind: 'constant', value: false } : { kind: 'version', version };
    if (this.kind === 'ethernet' && (type === ETHERTYPE_ARP || type === TYPE_RARP)) {
      // A hook's packet is IP: the answer is no before the link header is looked at.
      const [isIpv4, isIpv6]: [Test, Test] = [
        { kind: 'version', version: 4 },
        { kind: 'version', version: 6 },
      ];
      return all(not(any(isIpv4, isIpv6)), this.inLink(this.#carriesOnEthernet(type)));
    }
    return this.inLink(this.#carriesOnEthernet(type));
  }

  /** Asks of the link header; the answer is no for a packet that came without one. */
  inLink(test: Test): Test {
    return this.kind === 'ethernet' ? all({ kind: 'link' }, test) : test;
  }

  /** Steps over a VLAN tag. */
  vlan(id: number | null, refuse: Refuse): Test {
    if (this.isLabelled) return refuse('vlan cannot stand behind mpls');
    if (!this.isEthernet) return refuse('vlan needs Ethernet');
    const isTagged = this.inLink(among(this.#typeField(2), TAG_TYPES));
    const test = id === null ? isTagged : all(isTagged, equals({ ...this.payload(0), size: 2 }, id, 0x0fff));
    this.#payload += VLAN_TAG_LENGTH;
    this.#type += VLAN_TAG_LENGTH;
    return test;
  }

  /** Steps over an MPLS label. */
  mpls(label: number | null, refuse: Refuse): Test {
    if (this.kind === 'raw' && !this.#isPpp) return refuse('mpls needs Ethernet');
    const type = this.#isPpp ? PPP_MPLS : TYPE_MPLS;
    const isThere = this.isLabelled ? not(this.#isLastLabel()) : this.carries(type, refuse);
    const test =
      label === null ? isThere : all(isThere, equals({ ...this.payload(0), size: 4 }, (label << 12) >>> 0, 0xfffff000));
    this.#labels++;
    return test;
  }

  /** A packet of PPPoE discovery. */
  pppoeDiscovery(refuse: Refuse): Test {
    return this.carries(TYPE_PPPOE_DISCOVERY, refuse);
  }

  /** Steps over the header of a PPPoE session and its PPP protocol. */
  pppoeSession(session: number | null, refuse: Refuse): Test {
    const isThere = this.carries(TYPE_PPPOE_SESSION, refuse);
    const test = session === null ? isThere : all(isThere, equals({ ...this.payload(0), size: 4 }, session, 0xffff));
    this.#header = this.#payload + PPPOE_HEADER;
    this.#type = this.#header;
    this.#payload = this.#header + PPP_TYPE;
    this.#isPpp = true;
    return test;
  }

  #frame(offset: number): Place {
    return this.kind === 'ethernet' ? { from: 'frame', offset } : { from: 'packet', offset };
  }

  #typeField(size: 1 | 2, offset = 0): Load {
    return { ...this.#frame(this.#type + offset), size };
  }

  #isLastLabel(): Test {
    return equals({ ...this.payload(-2), size: 1 }, 1, 1);
  }

  #carriesLabelled(version: 4 | 6): Test {
    return all(this.#isLastLabel(), equals({ ...this.network(0), size: 1 }, version << 4, 0xf0));
  }

  #carriesOnEthernet(type: number): Test {
    const isType = equals(this.#typeField(2), type);
    const isLlc = not({ kind: 'load', load: this.#typeField(2), mask: 0xffffffff, is: '>', value: MAX_LENGTH_FIELD });
    const points = equals({ ...this.payload(0), size: 2 }, (type << 8) | type);
    switch (type) {
      case SAP_OSI:
      case SAP_IP:
      case SAP_NETBEUI:
        return all(isLlc, points);
      case SAP_IPX: {
        const isPoint = equals({ ...this.payload(0), size: 1 }, SAP_IPX);
        const isBare = equals({ ...this.payload(0), size: 2 }, 0xffff);
        const isIpx = equals(this.#typeField(2), TYPE_IPX);
        return any(isIpx, all(isLlc, any(this.#snap(0, TYPE_IPX), isPoint, isBare)));
      }
      case TYPE_ATALK:
        return any(isType, all(isLlc, this.#snap(0x080007, type)));
      case TYPE_AARP:
        return any(isType, all(isLlc, this.#snap(0, type)));
      default:
        return type > MAX_LENGTH_FIELD ? isType : all(isLlc, equals(this.#typeField(1, 2), type));
    }
  }

  /** An LLC header with SNAP, which names an organization and a type of it. The hindmost octets are compared first. */
  #snap(organization: number, type: number): Test {
    const second = (((organization & 0xffff) << 16) | type) >>> 0;
    const first = (0xaaaa0300 | (organization >>> 16)) >>> 0;
    return all(equals({ ...this.payload(4), size: 4 }, second), equals({ ...this.payload(0), size: 4 }, first));
  }
}
