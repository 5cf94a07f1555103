/**
 * Words of a filter: the longest one that fits, and its column.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FilterError } from '../../../src/filter/filter-error.ts';
import { MAX_TEXT, Scanner } from '../../../src/filter/scan.ts';

function words(text: string): string[] {
  const scanner = new Scanner(text);
  const found: string[] = [];
  for (let word = scanner.next(); word.kind !== 'end'; word = scanner.next()) {
    found.push(`${word.column} ${word.kind} ${word.kind === 'number' ? word.value : word.text}`);
  }
  return found;
}

function problem(text: string): string {
  try {
    words(text);
  } catch (error) {
    assert.ok(error instanceof FilterError);
    return `${error.column} ${error.problem}`;
  }
  return '';
}

describe('the scanner', () => {
  for (const [text, ...expected] of [
    ['', ...[]],
    ['  \t\n', ...[]],
    ['tcp port 80', '1 keyword tcp', '5 keyword port', '10 number 80'],
    ['80-90', '1 name 80-90'],
    ['len-5', '1 name len-5'],
    ['len -5', '1 keyword len', '5 keyword -', '6 number 5'],
    ['tcp-syn|tcp-ack', '1 number 2', '8 keyword |', '9 number 16'],
    ['0x1F 017 0', '1 number 31', '6 number 15', '10 number 0'],
    ['4294967295', '1 number 4294967295'],
    ['10.1 10.1.2 10.1.2.3', '1 ipv4 10.1', '6 ipv4 10.1.2', '13 ipv4 10.1.2.3'],
    ['10.1.2.3/8', '1 ipv4 10.1.2.3', '9 keyword /', '10 number 8'],
    ['::1 2001:db8::/32', '1 ipv6 ::1', '5 ipv6 2001:db8::', '15 keyword /', '16 number 32'],
    ['1:2:3:4:5:6:7:8', '1 ipv6 1:2:3:4:5:6:7:8'],
    ['::ffff:10.1.2.3', '1 ipv6 ::ffff:10.1.2.3'],
    ['2:0:0:0:0:1', '1 mac 2:0:0:0:0:1'],
    ['02-00-00-00-00-01 0200.0000.0001', '1 mac 02-00-00-00-00-01', '19 mac 0200.0000.0001'],
    ['020000000001', '1 mac 020000000001'],
    ['1.2.3.4.5.6', '1 mac 1.2.3.4.5.6'],
    ['1.2.3.4.5', '1 name 1.2.3.4.5'],
    ['ip[2:2]', '1 keyword ip', '3 keyword [', '4 number 2', '5 keyword :', '6 number 2', '7 keyword ]'],
    ['&&||!not', '1 keyword and', '3 keyword or', '5 keyword !', '6 keyword !'],
    [
      '== = != >= <= << >>',
      '1 keyword =',
      '4 keyword =',
      '6 keyword !=',
      '9 keyword >=',
      '12 keyword <=',
      '15 keyword <<',
      '18 keyword >>',
    ],
    ['ether fddi link length', '1 keyword link', '7 keyword link', '12 keyword link', '17 keyword len'],
    ['\\tcp', '1 name tcp'],
    ['TCP', '1 name TCP'],
    ['a-', '1 name a', '2 keyword -'],
    ['geneve', '1 refused geneve'],
  ] as const) {
    test(`reads ${JSON.stringify(text)}`, () => assert.deepEqual(words(text), expected));
  }

  for (const [text, expected] of [
    ['tcp # udp', '5 "#" is no part of a filter'],
    ['tcp \u00e9', '5 this character is no part of a filter'],
    ['tcp \0', '5 this character is no part of a filter'],
    ['08', '1 08 begins with 0 and is read as octal, which has no 8 and 9'],
    ['ip[0] = 4294967296', '9 4294967296 is more than 32 bits hold'],
    ['0x100000000', '1 0x100000000 is more than 32 bits hold'],
    ['\\', '1 "\\\\" is no part of a filter'],
    [' '.repeat(MAX_TEXT + 1), `${MAX_TEXT + 1} the filter is longer than ${MAX_TEXT} characters`],
  ] as const) {
    test(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => assert.equal(problem(text), expected));
  }
});
