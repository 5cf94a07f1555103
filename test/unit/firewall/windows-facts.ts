/**
 * What Microsoft published about the Windows firewall-hook interface, fact by fact: the data of `docs/windows-facts.md`.
 *
 * Rules: a fact stands on a documentation page (`DOC-`), in a public header (`HDR-`), or in a published sample or article that firehook
 * decided to follow (`SAMPLE-`); what somebody concluded from them is no fact. A fact is held by every test whose title carries its id;
 * one that cannot hold here is left out with the reason. An id is never given to another fact. After a change: `npm run facts`.
 *
 * @module
 */

/** A fact that no test holds, and why. */
export interface LeftOut {
  readonly says: string;
  readonly reason: string;
}

/** Facts about one subject from one source, by id. */
export interface FactSection {
  readonly subject: string;
  readonly source: SourceName;
  readonly facts: Readonly<Record<string, string | LeftOut>>;
}

const LEARN = 'https://learn.microsoft.com/en-us';
const MSDN = `${LEARN}/previous-versions/windows/hardware/network`;
const WDM = `${LEARN}/windows-hardware/drivers`;

/** Where the facts stand; without an address where the source is no page. */
export const SOURCES = {
  INTRO: { title: 'Introduction to Firewall-Hook Drivers', url: `${MSDN}/ff546499(v=vs.85)` },
  INDEX: { title: 'Firewall-Hook Functions', url: `${MSDN}/ff546497(v=vs.85)` },
  ALLOC: { title: 'IPAllocBuff', url: `${MSDN}/ff548979(v=vs.85)` },
  FREECH: { title: 'IPFreeBuff', url: `${MSDN}/ff548981(v=vs.85)` },
  FREE1: { title: 'FreeIprBuff', url: `${MSDN}/ff546504(v=vs.85)` },
  LOOKUP: { title: 'LookupRouteInformation', url: `${MSDN}/ff549228(v=vs.85)` },
  IOCTL: { title: 'IOCTL_IP_SET_FIREWALL_HOOK, a page of two sentences', url: null },
  V6HOOK: { title: 'The hook for IPv6', url: `${MSDN}/ff546496(v=vs.85)` },
  V6ENABLE: { title: 'IPv6EnableFirewallHook', url: `${MSDN}/ff548997(v=vs.85)` },
  V6DISABLE: { title: 'IPv6DisableFirewallHook', url: `${MSDN}/ff548996(v=vs.85)` },
  V6OBTAIN: { title: 'IPv6ObtainPacketData', url: `${MSDN}/ff549004(v=vs.85)` },
  V6ROUTE: { title: 'IPv6GetBestRouteInfo', url: `${MSDN}/ff549002(v=vs.85)` },
  V6ENTRY: { title: 'IP6RouteEntry', url: `${MSDN}/ff548978(v=vs.85)` },
  V6EXAMPLE: { title: 'Example of a firewall hook for IPv6', url: `${MSDN}/ff562447(v=vs.85)` },
  FILTER: {
    title: 'IOCTL_PF_SET_EXTENSION_POINTER and the other pages of the filter hook',
    url: `${MSDN}/ff548976(v=vs.85)`,
  },
  GENERIC: {
    title: 'IoBuildDeviceIoControlRequest and its kin',
    url: `${WDM}/ddi/wdm/nf-wdm-iobuilddeviceiocontrolrequest`,
  },
  POOL: { title: 'ExAllocatePoolWithTag', url: `${WDM}/ddi/wdm/nf-wdm-exallocatepoolwithtag` },
  POOLMON: { title: 'PoolMon Display', url: `${WDM}/devtest/poolmon-display` },
  CABLEGUY: { title: 'TCP/IP Packet Processing Paths', url: `${LEARN}/previous-versions/bb878072(v=technet.10)` },
  CE: {
    title: 'IPRcvBuf of Windows CE',
    url: `${LEARN}/previous-versions/windows/embedded/ms885685(v=msdn.10)`,
  },
  HEADER: { title: '`ipfirewall.h`, driver kits of Windows Server 2003 and Windows 7', url: null },
  HEADER2000: { title: '`ipfirewall.h`, driver kit of Windows 2000', url: null },
  HEADER6: { title: '`ip6firewall.h`, driver kit of Windows 7', url: null },
  IPINFO: { title: '`ipinfo.h`', url: null },
  SAMPLES: { title: 'Published samples and articles', url: null },
} as const;

/** Short name of a source. */
export type SourceName = keyof typeof SOURCES;

const leftOut = (says: string, reason: string): LeftOut => ({ says, reason });
const section = (subject: string, source: SourceName, facts: FactSection['facts']): FactSection => ({
  subject,
  source,
  facts,
});

const SIZE_ON_X86 = 'Sizes of 32-bit Windows: firehook has those of 64-bit Windows only.';

/** Every fact, in the order of the page. */
export const FACTS: readonly FactSection[] = [
  section('The interface', 'INTRO', {
    'DOC-INTRO-1': 'A firewall-hook driver handles the packets that are sent and those that are received.',
    'DOC-INTRO-2': leftOut(
      'The interface came with the driver kit of Windows 2000.',
      'A date, which no program shows.',
    ),
    'DOC-INTRO-3': leftOut(
      'From Windows XP on other kinds of drivers are recommended: NDIS intermediate drivers, later WFP callouts.',
      'Advice about Windows; firehook is for the drivers that exist.',
    ),
    'DOC-INTRO-4': leftOut(
      'The hook runs too high in the stack for a good firewall, and may conflict with connection sharing or another firewall.',
      'A property of the stack of Windows; firehook takes packets elsewhere.',
    ),
  }),
  section('The interface', 'INDEX', {
    'DOC-INDEX-1': 'Four functions are documented: IPAllocBuff, IPFreeBuff, FreeIprBuff, LookupRouteInformation.',
    'DOC-INDEX-2': leftOut(
      'The callback, its structures and FORWARD_ACTION have no page.',
      'An absence. What firehook decided instead is in windows-interface.md, section Decisions.',
    ),
  }),
  section('The interface', 'HEADER', {
    'HDR-TARGET-1': leftOut(
      'The header declares something only for targets before Windows Vista.',
      'A module in TypeScript has no target version.',
    ),
    'HDR-TARGET-2': leftOut('The functions are linked from Tcpip.lib.', 'There is no linker: they are imported.'),
  }),
  section('The interface', 'CABLEGUY', {
    'DOC-PATH-1': 'The hook meets the traffic of the host and the traffic that it forwards.',
    'DOC-PATH-2': leftOut('The driver that ships with Windows XP SP2 is Ipnat.sys.', 'A driver of Windows.'),
    'DOC-PATH-3': leftOut(
      'The article describes unicast packets that are neither fragmented nor tunnelled.',
      'A limit of the article. What firehook does with the others is its own decision.',
    ),
    'DOC-PATH-4': leftOut(
      'A packet meets firewall hook, filter hook, IPsec and TCP/IP filtering.',
      'The other three are parts of Windows.',
    ),
  }),
  section('Numbers', 'HEADER', {
    'HDR-CONST-1': 'INVALID_IF_INDEX is 0xFFFFFFFF: no interface.',
    'HDR-CONST-2': 'LOCAL_IF_INDEX is 0: the host itself.',
    'HDR-CONST-3': 'DIRECTION_E is IP_TRANSMIT 0, IP_RECEIVE 1, in this order.',
    'HDR-CONST-4': 'FORWARD_ACTION is FORWARD 0, DROP 1, ICMP_ON_DROP 2.',
    'HDR-CONST-5': 'IPROUTEINFOCLASS has three classes, 0 to 2, and the bound MaxIPRouteInfoClass 3.',
    'HDR-CONST-6': 'IPR_FLAG_CHECKSUM_OFFLOAD is 2, and the only flag that is public.',
    'HDR-CONST-7': 'DD_IP_DEVICE_NAME is \\Device\\Ip.',
    'HDR-CONST-8':
      'IOCTL_IP_SET_FIREWALL_HOOK is function 12 of FILE_DEVICE_NETWORK, METHOD_BUFFERED, FILE_WRITE_ACCESS: 0x00128030.',
  }),
  section('Destination types', 'HEADER', {
    'HDR-DEST-1': 'DEST_LOCAL is 0x00: a unicast address of the host.',
    'HDR-DEST-2': 'DEST_BCAST is 0x01: a network or local broadcast.',
    'HDR-DEST-3': 'DEST_SN_BCAST is 0x03: a subnet broadcast.',
    'HDR-DEST-4': 'DEST_MCAST is 0x05: a multicast that the host takes part in.',
    'HDR-DEST-5': 'DEST_REMOTE is 0x08: a unicast address elsewhere.',
    'HDR-DEST-6': 'DEST_REM_BCAST is 0x0B: a broadcast elsewhere.',
    'HDR-DEST-7': 'DEST_REM_MCAST is 0x0D: a multicast elsewhere.',
    'HDR-DEST-8': 'DEST_INVALID is 0xFF.',
    'HDR-DEST-9': 'DEST_PROMIS is 0x20.',
    'HDR-DEST-10': 'DEST_BCAST_BIT 0x01, DEST_MCAST_BIT 0x05 and DEST_OFFNET_BIT 0x10 are masks.',
    'HDR-DEST-11': 'A destination type is a UCHAR.',
  }),
  section('IPRcvBuf', 'HEADER', {
    'HDR-RCVBUF-1': 'The structure has nine members, from ipr_next to ipr_flags, in this order.',
    'HDR-RCVBUF-2': 'ipr_next is the next descriptor of the chain, NULL at its end.',
    'HDR-RCVBUF-3': 'ipr_owner, a UINT, says who owns the buffer.',
    'HDR-RCVBUF-4': 'ipr_buffer points to the data.',
    'HDR-RCVBUF-5': 'ipr_size is the size of the data.',
    'HDR-RCVBUF-6': 'ipr_pMdl, ipr_pClientCnt, ipr_RcvContext and ipr_RcvOffset are members without a stated meaning.',
    'HDR-RCVBUF-7': 'ipr_flags holds IPR_FLAG_ bits, from Windows XP on.',
    'HDR-RCVBUF-8': 'By its members the structure has 64 octets on 64-bit Windows.',
    'HDR-RCVBUF-9': leftOut('By its members it has 36 octets on 32-bit Windows.', SIZE_ON_X86),
  }),
  section('IPRcvBuf', 'HEADER2000', {
    'HDR-RCVBUF-10': leftOut(
      'The ninth member is ipr_promiscuous.',
      'firehook has the structure of Windows XP and later, where it is ipr_flags.',
    ),
    'HDR-DATA-1': leftOut('pData may point to an MDL or to an IPRcvBuf.', 'There are no MDLs: it is always a chain.'),
  }),
  section('IPRcvBuf', 'CE', {
    'DOC-CE-1': 'One IPRcvBuf is one buffer of a chain, and the chain together is one IP packet.',
    'DOC-CE-2': leftOut('There it has five members.', 'firehook has the structure of Windows XP and Server 2003.'),
    'DOC-CE-3': leftOut('NAT editors call EditSession to change a packet.', 'A function of Windows CE.'),
  }),
  section('FIREWALL_CONTEXT_T', 'HEADER', {
    'HDR-CONTEXT-1': 'The members are Direction, NTE, LinkCtxt, LContext1 and LContext2, in this order.',
    'HDR-CONTEXT-2': 'Direction says whether the packet is sent or received.',
    'HDR-CONTEXT-3': 'NTE, LinkCtxt and LContext1 are pointers, LContext2 is a UINT; all four are opaque.',
    'HDR-CONTEXT-4': 'By its members it has 40 octets on 64-bit Windows.',
    'HDR-CONTEXT-5': leftOut('By its members it has 20 octets on 32-bit Windows.', SIZE_ON_X86),
  }),
  section('IP_SET_FIREWALL_HOOK_INFO', 'HEADER', {
    'HDR-INFO-1': 'The members are FirewallPtr, Priority and Add.',
    'HDR-INFO-2': 'Add is TRUE to add the callback, FALSE to delete it.',
    'HDR-INFO-3': 'Priority is a UINT.',
    'HDR-INFO-4': 'By its members it has 16 octets on 64-bit Windows.',
    'HDR-INFO-5': leftOut('By its members it has 12 octets on 32-bit Windows.', SIZE_ON_X86),
  }),
  section('Registration', 'IOCTL', {
    'DOC-IOCTL-1': 'The control code is sent as IRP_MJ_DEVICE_CONTROL.',
    'DOC-IOCTL-2': 'The status block holds STATUS_SUCCESS or the status of an error.',
  }),
  section('Registration', 'GENERIC', {
    'DOC-REGISTER-1':
      'IoGetDeviceObjectPointer finds a device by name, and gives its file object and its device object.',
    'DOC-REGISTER-2':
      'IoBuildDeviceIoControlRequest builds a request from code, device, buffers, event and status block.',
    'DOC-REGISTER-3': 'IoCallDriver sends it; the event is signalled and the status block filled when it is complete.',
    'DOC-REGISTER-4': 'ObDereferenceObject gives the file object back.',
  }),
  section('Registration', 'SAMPLES', {
    'SAMPLE-REGISTER-1': 'The same request with Add = FALSE and the same FirewallPtr deletes the callback.',
    'SAMPLE-REGISTER-2': 'Several hooks may be set, also several of one driver.',
  }),
  section('The callback', 'HEADER', {
    'HDR-CALLBACK-1': 'It has seven parameters; none of them is for a context of the driver.',
    'HDR-CALLBACK-2': 'pData, pSendInterfaceIndex and pDestinationType are in and out.',
    'HDR-CALLBACK-3': 'RecvInterfaceIndex, pContext and ContextLength are in; pContext points to a FIREWALL_CONTEXT_T.',
    'HDR-CALLBACK-4': 'ppRcvBuf is out.',
    'HDR-CALLBACK-5': 'It runs at DISPATCH_LEVEL at most.',
    'HDR-CALLBACK-6': leftOut(
      'The names of its parameters differ between the driver kits.',
      'A callback names its parameters as it likes.',
    ),
    'HDR-VERDICT-1': 'FORWARD passes the packet on.',
    'HDR-VERDICT-2': 'DROP discards it.',
    'HDR-VERDICT-3': 'ICMP_ON_DROP discards it and sends an ICMP error.',
    'HDR-CHANGE-1': 'A change of *pSendInterfaceIndex has an effect.',
    'HDR-CHANGE-2': 'A change of *pDestinationType has an effect.',
    'HDR-REPLACE-1': 'A chain may come out in *ppRcvBuf.',
    'HDR-REPLACE-2': 'Another chain may come out in *pData.',
  }),
  section('The callback', 'SAMPLES', {
    'SAMPLE-DATA-1': '*pData is the head of a chain whose first octet is that of the IP header.',
    'SAMPLE-DATA-2': 'Sent or received, the packet is such a chain.',
    'SAMPLE-CONTEXT-1': 'ContextLength is always the size of a FIREWALL_CONTEXT_T.',
  }),
  section('IPAllocBuff', 'ALLOC', {
    'DOC-ALLOC-1':
      'It gives a descriptor that is there a data buffer of Size octets; it does not allocate the descriptor.',
    'DOC-ALLOC-2': 'It returns 1 on success, and any other number on failure.',
    'DOC-ALLOC-3': "The descriptor comes from ExAllocatePoolWithTag(NonPagedPool, sizeof(IPRcvBuf), 'fPCT').",
    'DOC-ALLOC-4': 'That call answers NULL where there is no memory.',
    'DOC-ALLOC-5': 'After a failure the descriptor is the caller’s, who frees it with ExFreePool.',
    'DOC-ALLOC-6': 'A chain is made by repeating this, and by setting ipr_next of the descriptor before.',
    'DOC-ALLOC-7': 'The tag marks the memory as that of TCP.',
    'DOC-ALLOC-8': 'IPFreeBuff gives a chain with its descriptors back, FreeIprBuff one buffer.',
  }),
  section('IPAllocBuff', 'HEADER', {
    'HDR-ALLOC-1': 'Success is a result that equals TRUE.',
    'HDR-ALLOC-2': 'It may be called at DISPATCH_LEVEL at most.',
  }),
  section('IPFreeBuff', 'FREECH', {
    'DOC-FREECH-1': 'It frees every data buffer of the chain.',
    'DOC-FREECH-2': 'It frees every descriptor of the chain.',
    'DOC-FREECH-3': 'The chain begins with the descriptor that it is given.',
    'DOC-FREECH-4': 'Nothing of the chain may be used afterwards.',
  }),
  section('FreeIprBuff', 'FREE1', {
    'DOC-FREE1-1': 'It frees the data buffer of one descriptor and does not follow ipr_next.',
    'DOC-FREE1-2': 'The descriptor stays, and stays the caller’s.',
  }),
  section('LookupRouteInformation', 'LOOKUP', {
    'DOC-LOOKUP-1': 'It takes lookup data, a route entry, a class, information and its length, in this order.',
    'DOC-LOOKUP-2': 'Route entry, information and length may be NULL.',
    'DOC-LOOKUP-3': 'The class IPRouteNoInformation asks for no more than the route.',
    'DOC-LOOKUP-4': 'It returns STATUS_SUCCESS or the status of an error.',
  }),
  section('LookupRouteInformation', 'HEADER', {
    'HDR-LOOKUP-1':
      'RouteInfoLength is in and out in the kit of Server 2003, out in that of Windows 7; firehook takes the former.',
  }),
  section('Structures of routes', 'IPINFO', {
    'HDR-ROUTE-1': 'IPRouteLookupData has Version, DestAdd, SrcAdd and Info.',
    'HDR-ROUTE-2': 'IPRouteEntry has twelve members, from ire_dest to ire_metric5, in this order.',
    'HDR-ROUTE-3': leftOut(
      'In some kits a context follows.',
      'Its meaning is not public, so nothing could be put there.',
    ),
  }),
  section('IPv6: numbers', 'HEADER6', {
    'HDR-IPV6-1': 'IPv6Direction is DirectionTransmit 0, DirectionReceive 1; DirectionMax 2 is a bound.',
    'HDR-IPV6-2': 'IPv6Action is ActionAccept 0, ActionDrop 1; ActionMax 2 is a bound.',
    'HDR-IPV6-3': 'There is no verdict that sends an ICMP error.',
    'HDR-IPV6-4': 'An IPv6Addr has 16 octets.',
    'HDR-IPV6-5': 'The hook runs at DISPATCH_LEVEL at most.',
    'HDR-IPV6-6': 'IPv6EnableFirewallHook may be called at DISPATCH_LEVEL at most; its page says at any level.',
    'HDR-IPV6-7': leftOut(
      'The functions are linked from Tcpip6.lib, on Windows XP SP2 and Server 2003 SP1 only.',
      'There is no linker, and no version of Windows.',
    ),
  }),
  section('IPv6: the hook', 'V6HOOK', {
    'DOC-IPV6-1': 'It has ten parameters, from SourceAddress to IsLoopBack, in this order.',
    'DOC-IPV6-2': 'Everything it is given is constant: it cannot change a packet.',
    'DOC-IPV6-3': 'PayloadLength is the number of octets without the IPv6 header.',
    'DOC-IPV6-4': 'HeaderType is the protocol number of the transport header.',
    'DOC-IPV6-5': 'HeaderData is the transport header.',
    'DOC-IPV6-6': 'PacketContext is opaque, for IPv6ObtainPacketData; DataLength is the octets that it describes.',
    'DOC-IPV6-7': 'InterfaceIndex is the interface of arrival or of departure.',
    'DOC-IPV6-8': 'It is called for every packet that is sent or received.',
    'DOC-IPV6-9': leftOut(
      'IsLoopBack is TRUE for a packet that the host sends to itself.',
      'Loopback is not attached, so it is always FALSE.',
    ),
  }),
  section('IPv6: the hook', 'SAMPLES', {
    'SAMPLE-IPV6-1':
      'A driver found the IPv6 header counted into PayloadLength on receive. An option of firehook does so.',
  }),
  section('IPv6: enable and disable', 'V6ENABLE', {
    'DOC-IPV6-10': 'The hook must not be NULL.',
    'DOC-IPV6-11':
      'It answers STATUS_SUCCESS, or STATUS_INVALID_DEVICE_REQUEST while a hook is enabled: there is one at a time.',
    'DOC-IPV6-12': 'It is usually called in DriverEntry, and may be called later.',
  }),
  section('IPv6: enable and disable', 'V6DISABLE', {
    'DOC-IPV6-13': 'The completion routine must not be NULL.',
    'DOC-IPV6-14': 'It is called after every call of the hook that is under way has returned.',
    'DOC-IPV6-15': 'It is called at once where none is under way.',
  }),
  section('IPv6: data', 'V6OBTAIN', {
    'DOC-IPV6-16': 'It answers one block of contiguous octets, or NULL on an error.',
    'DOC-IPV6-17': 'DataLength is at most what the hook was told.',
    'DOC-IPV6-18': 'Alignment is a power of two.',
    'DOC-IPV6-19': 'It may be called in the hook only.',
    'DOC-IPV6-20': 'The octets may be read, not written.',
  }),
  section('IPv6: routes', 'V6ROUTE', {
    'DOC-IPV6-21': 'It takes an address, a scope, an interface (0 for any) and a route entry.',
    'DOC-IPV6-22':
      'It answers IP_SUCCESS 0, IP_DEST_NO_ROUTE 11002, IP_NO_RESOURCES 11006, IP_BAD_ROUTE 11012 or IP_PARAMETER_PROBLEM 11015.',
    'DOC-IPV6-23':
      'IP_BAD_ROUTE is a route without an address to send from, IP_DEST_NO_ROUTE an address that cannot be reached.',
  }),
  section('IPv6: routes', 'V6ENTRY', {
    'DOC-IPV6-24': 'On the systems with the hook the entry has seven members and 52 octets.',
    'DOC-IPV6-25': 'ire_Type is OTHER 1, INVALID 2, DIRECT 3 or INDIRECT 4.',
    'DOC-IPV6-26': leftOut('On other systems it has four members.', 'Those systems have no firewall hook for IPv6.'),
  }),
  section('IPv6: the example', 'V6EXAMPLE', {
    'DOC-IPV6-27': 'The example drops a packet whose data or route it cannot get: alignment 4, scope 0, any interface.',
  }),
  section('The pool', 'POOL', {
    'DOC-POOL-1': 'It takes type, size and tag, and answers a pointer, or NULL where memory is short.',
    'DOC-POOL-2': 'A tag has 1 to 4 characters from 0x20 to 0x7E and is not zero.',
    'DOC-POOL-3': 'Tags differ in the case of their letters.',
    'DOC-POOL-4': "Tags are written in reverse: 'fPCT' is 0x66504354 and shows as TCPf, 'Fred' as derF.",
    'DOC-POOL-5': 'The memory is not initialised.',
    'DOC-POOL-6': 'A request of zero octets is wrong.',
    'DOC-POOL-7': 'It may be called at DISPATCH_LEVEL at most, and there for nonpaged pool only.',
    'DOC-POOL-8': 'ExFreePool frees the memory, or ExFreePoolWithTag with the same tag.',
    'DOC-POOL-9': 'Freeing twice, or what is no allocation, is a bug check.',
    'DOC-POOL-10': 'Memory from ExAllocatePool, without a tag, shows as None.',
    'DOC-POOL-11': leftOut(
      'POOL_RAISE_IF_ALLOCATION_FAILURE raises an exception instead of NULL.',
      'firehook knows NonPagedPool and PagedPool only; another type is answered with null and counted as a fault.',
    ),
    'DOC-POOL-12': leftOut(
      'Memory is aligned to 8 or 16 octets, and does not cross a page, or is aligned to one.',
      'A promise about addresses of the kernel; a Buffer has no address that a hook could see.',
    ),
    'DOC-POOL-13': leftOut('The function is deprecated from Windows 10 2004 on.', 'Advice about Windows.'),
  }),
  section('PoolMon', 'POOLMON', {
    'DOC-POOLMON-1': 'Allocs and Frees are totals that never fall.',
    'DOC-POOLMON-2': 'Diff is Allocs less Frees, and Bytes is what is in use: both are of now.',
    'DOC-POOLMON-3': 'Per Alloc is Bytes by Diff.',
    'DOC-POOLMON-4': 'There is a row for each tag and type, sorted by tag.',
    'DOC-POOLMON-5': 'The lines above the table give totals of the pool.',
    'DOC-POOLMON-6': 'Diff of a tag that comes back to where it was shows that nothing leaked.',
    'DOC-POOLMON-7': leftOut(
      'A column in brackets shows the change since the last refresh, and keys sort and filter.',
      '`firehook pool` prints once; `--json` is there for programs that compare.',
    ),
    'DOC-POOLMON-8': leftOut(
      'pooltag.txt names the drivers of tags, and Windows XP needs a flag for tags.',
      'Set-up of Windows. `firehook pool` names the hook that did not free.',
    ),
  }),
  section('PoolMon', 'SAMPLES', {
    'SAMPLE-POOLMON-1': 'Per Alloc is rounded down, 281 for 8456 octets in 30 allocations, and 0 where Diff is 0.',
  }),
  section('The filter hook, another interface', 'FILTER', {
    'DOC-FILTER-1':
      'Its device is \\Device\\IPFILTERDRIVER and its function code 22: neither is that of the firewall hook.',
    'DOC-FILTER-2':
      'Its verdicts are PF_FORWARD 0, PF_DROP 1, PF_PASS 2, PF_ICMP_ON_DROP 3: 2 is another one, 3 none here.',
    'DOC-FILTER-3': 'It is cleared with a NULL pointer, the firewall hook is not.',
    'DOC-FILTER-4': leftOut('It has one driver at a time.', 'There is no filter hook here.'),
    'DOC-FILTER-5': leftOut('It is given header and packet apart.', 'There is no filter hook here.'),
    'DOC-FILTER-6': leftOut(
      'An interface that is not there is 0xFFFFFFFF: on transmit that of arrival, on receive that of departure.',
      'Of the filter hook only. The firewall hook has LOCAL_IF_INDEX as well, which firehook gives on transmit.',
    ),
  }),
];
