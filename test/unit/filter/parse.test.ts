/**
 * The text of a filter as a tree: inherited qualifiers, precedence, and errors that point at the column.
 *
 * What the trees mean is compared with libpcap in test/conformance/filter.test.ts.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isFirehookError } from '../../../src/errors.ts';
import { FilterError } from '../../../src/filter/filter-error.ts';
import { REFUSED } from '../../../src/filter/names.ts';
import { parseFilter } from '../../../src/filter/parse.ts';
import { type Filter, printFilter } from '../../../src/filter/syntax.ts';
import { compileFilter } from '../../../src/filter/to-js.ts';
import { MAX_DEPTH } from '../../../src/filter/words.ts';
import { Random } from '../../chaos/random.ts';
import { validExpressions } from '../../conformance/filter-expressions.ts';
import { LAYERED_EXPRESSIONS, PLAIN_EXPRESSIONS } from '../../conformance/filter-written.ts';

function errorOf(text: string, link: 'raw' | 'ethernet' = 'ethernet'): FilterError {
  try {
    compileFilter(text, { link });
  } catch (error) {
    assert.ok(error instanceof FilterError, String(error));
    return error;
  }
  return assert.fail(`${text} is taken`);
}

/** A tree without its columns. */
function withoutColumns(filter: Filter): unknown {
  return JSON.parse(JSON.stringify(filter, (key, value: unknown) => (key === 'column' ? undefined : value)));
}

describe('a filter', () => {
  for (const [text, expected] of [
    ['', ''],
    ['tcp', 'tcp'],
    ['port 80 or 443', '(port 80) or (port 443)'],
    [
      'tcp port 80 or 81 and not src net 10.1',
      '((tcp port 80) or (tcp port 81)) and (not (src net 10.1.0.0 mask 255.255.0.0))',
    ],
    ['tcp or udp and icmp', '((tcp) or (udp)) and (icmp)'],
    ['not tcp and udp', '(not (tcp)) and (udp)'],
    [
      'host 10.1.2.3 and (port 80) or 10.1.2.4',
      '((net 10.1.2.3 mask 255.255.255.255) and (port 80)) or (net 10.1.2.4 mask 255.255.255.255)',
    ],
    ['src or dst port 80', 'port 80'],
    ['net 10', 'net 10.0.0.0 mask 255.0.0.0'],
    ['host 10', 'net 0.0.0.10 mask 255.255.255.255'],
    ['portrange 90-80', 'portrange 80-90'],
    ['port http', 'tcp port 80'],
    ['port domain', 'port 53'],
    ['udp port domain', 'udp port 53'],
    ['less 100', 'len <= 100'],
    ['ip[0] & 0xf != 5', '(ip[0:1] & 15) != 5'],
    ['1 + 2 * 3 = 7', '(1 + (2 * 3)) = 7'],
    ['10 - 3 - 2 = 5', '((10 - 3) - 2) = 5'],
    // libpcap's grammar gives % and ^ no precedence.
    ['2 * 3 % 4 = 6', '(2 * (3 % 4)) = 6'],
    ['1 ^ 2 | 3 = 3', '(1 ^ (2 | 3)) = 3'],
    ['- 5 % 3 = 1', '(- (5 % 3)) = 1'],
    ['ether host 02-00-00-00-00-01', 'ether host 2:0:0:0:0:1'],
    ['multicast', 'link multicast'],
    ['vlan (5)', 'vlan 5'],
  ] as const) {
    test(`${JSON.stringify(text)} is ${JSON.stringify(expected)}`, () =>
      assert.equal(printFilter(parseFilter(text)), expected));
  }

  test('is the same again when its tree is printed and read', () => {
    const random = new Random(7);
    const texts = [...PLAIN_EXPRESSIONS, ...LAYERED_EXPRESSIONS, ...validExpressions(random, 2000, true)];
    for (const text of texts) {
      const tree = parseFilter(text);
      assert.deepEqual(withoutColumns(parseFilter(printFilter(tree))), withoutColumns(tree), text);
    }
  });
});

describe('an error of a filter', () => {
  for (const [text, column, problem] of [
    [
      'tcp dst prot 443',
      9,
      '"prot" is not known here; did you mean port? (names of hosts are not looked up: write an address)',
    ],
    [
      'tcp dst poort 443',
      9,
      '"poort" is not known here; did you mean port? (names of hosts are not looked up: write an address)',
    ],
    ['host example.org', 6, '"example.org" is not known here (names of hosts are not looked up: write an address)'],
    [
      'tpc',
      1,
      '"tpc" is not known here; expected a protocol, or a primitive such as host, net, port, vlan or ip[0] = 1',
    ],
    [
      'ip[len-len] = 0',
      4,
      '"len-len" is one name; write spaces around the -; expected a number, len, or octets such as ip[0]',
    ],
    ['tcp port', 9, 'the filter ends here; expected an address, a number or a name'],
    ['tcp port 70000', 10, 'a port is 65535 at most'],
    [
      'tcp and',
      8,
      'the filter ends here; expected a protocol, or a primitive such as host, net, port, vlan or ip[0] = 1',
    ],
    ['tcp udp', 5, '"udp" does not fit here (as a name it is written \\udp); expected and, or, or the end'],
    [
      'ip proto tcp',
      10,
      '"tcp" does not fit here (as a name it is written \\tcp); expected an address, a number or a name',
    ],
    ['(tcp', 5, 'the filter ends here; expected )'],
    ['tcp)', 4, '")" does not fit here; expected and, or, or the end'],
    ['tcp and 80', 9, 'nothing before it says what it is; write host, net, port or proto before it'],
    ['icmp port 80', 11, 'icmp has no ports; port goes with tcp, udp and sctp'],
    ['tcp host 10.1.2.3', 10, 'tcp has no IPv4 addresses; ip, arp and rarp have'],
    ['ip host ::1', 9, 'ip has no IPv6 addresses; ip6 has'],
    ['net 10.1.2.3/16', 5, '10.1.2.3 has bits set that its mask leaves out'],
    ['net 10.0.0.0/33', 14, 'a prefix of IPv4 has 32 bits at most'],
    ['host 10.0.0.0/8', 6, 'a mask needs net before the address'],
    ['host 10.1.2.300', 6, '10.1.2.300 is no IPv4 address'],
    ['host 02:00:00:00:00:01', 6, 'an Ethernet address needs ether before it: ether host, ether src or ether dst'],
    [
      'port gopher',
      6,
      '"gopher" is none of the services that are known here, which are few, because /etc/services differs from machine to machine: write the number of the port',
    ],
    ['udp port ssh', 10, 'the service ssh is not one of udp'],
    ['ip[0:3] = 1', 6, '3 octets cannot be read at once; 1, 2 or 4 can'],
    ['ip[0]', 6, 'the filter ends here; expected a comparison such as = or >'],
    ['ip[0] / 0 = 1', 7, 'division by zero'],
    ['ip[0] << 32 = 1', 7, 'a number of 32 bits is shifted by 31 bits at most'],
    ['esp[0] = 1', 1, 'octets of esp cannot be read'],
    [
      'ip broadcast',
      1,
      'ip broadcast needs the mask of a net, which a filter does not know: write dst host 255.255.255.255, or the address',
    ],
    ['vlan 4096', 6, 'the number of a VLAN is 4095 at most'],
    ['tcp and (mpls and arp)', 19, 'behind mpls there is nothing but ip and ip6'],
    ['wlan type mgt', 6, 'type speaks of IEEE 802.11 frames, which firehook does not read'],
    ['gateway 10.1.2.3', 1, 'gateway needs a host name that is looked up; write "ether host MAC and not host ADDRESS"'],
  ] as const) {
    test(`points at column ${column} of ${JSON.stringify(text)}`, () => {
      const error = errorOf(text);
      assert.deepEqual([error.column, error.problem], [column, problem]);
    });
  }

  for (const [text, problem] of [
    ['ether host 02:00:00:00:00:01', 'Ethernet addresses need Ethernet'],
    ['multicast', 'multicast needs Ethernet; ip multicast and ip6 multicast do not'],
    ['vlan', 'vlan needs Ethernet'],
    ['mpls', 'mpls needs Ethernet'],
  ] as const) {
    test(`says that a packet without a link header has no ${text}`, () => {
      const error = errorOf(`tcp and ${text}`, 'raw');
      assert.deepEqual([error.column, error.problem], [9, problem]);
    });
  }

  for (const word of REFUSED.keys()) {
    test(`names ${word}, which is not supported`, () => {
      const error = errorOf(`tcp and ${word} 1`);
      assert.equal(error.column, 9);
      assert.ok(error.problem.startsWith(`${word} `), error.problem);
    });
  }

  test('has a code, one line, and the text with a caret', () => {
    const error = errorOf('tcp dst prot 443');
    assert.ok(isFirehookError(error));
    assert.deepEqual([error.code, error.op, error.exitCode], ['FIREHOOK_FILTER_INVALID', 'filter', 2]);
    assert.match(error.message, /^filter: column 9: "prot" is not known here; did you mean port\?/);
    assert.ok(!error.message.includes('\n'));
    assert.equal(error.excerpt, 'tcp dst prot 443\n        ^');
  });

  test('shows only the neighbourhood of a column in a long text, and no control characters', () => {
    const error = errorOf(`${'tcp or '.repeat(100)}prot\u001b[31m`);
    const [shown = '', caret = ''] = error.excerpt.split('\n');
    assert.equal(shown.indexOf('prot'), caret.indexOf('^'));
    assert.ok(shown.length <= 80);
    assert.doesNotMatch(shown, /[^\x20-\x7e]/);
  });

  test('stops at the depth that is allowed', () => {
    const nested = (depth: number): string => `${'('.repeat(depth)}tcp${')'.repeat(depth)}`;
    compileFilter(nested(MAX_DEPTH), { link: 'ethernet' });
    const error = errorOf(nested(MAX_DEPTH + 1));
    assert.deepEqual(
      [error.column, error.problem],
      [MAX_DEPTH + 1, `more than ${MAX_DEPTH} levels of parentheses and of not`],
    );
    assert.equal(errorOf(`${'not '.repeat(MAX_DEPTH + 1)}tcp`).column, 4 * MAX_DEPTH + 1);
    assert.equal(errorOf(`${'ip['.repeat(MAX_DEPTH + 1)}0${']'.repeat(MAX_DEPTH + 1)} = 0`).column, 3 * MAX_DEPTH + 1);
  });
});
