/**
 * TCP states: what every combination of flags does in every state, from either end, and the ways a connection can go.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  COUNT_PICKED_UP,
  ENDED_REPLACED,
  INVALID_ACK,
  INVALID_FLAGS,
  INVALID_HEADER,
  INVALID_RESET,
  INVALID_SEQUENCE,
  INVALID_STATE,
} from '../../../src/flow/flow-counters.ts';
import type { Connection, Said } from './flow-rig.ts';
import { FlowRig } from './flow-rig.ts';

/** Segments that bring a connection into a state; sequence numbers 1000 and 5000, nothing but flags is sent. */
const STAGES: Readonly<Record<string, (tcp: Connection) => void>> = {
  none: () => undefined,
  'SYN sent': (tcp) => {
    tcp.client('S', { seq: 1_000 });
  },
  'both SYNs sent': (tcp) => {
    tcp.client('S', { seq: 1_000 });
    tcp.server('S', { seq: 5_000 });
  },
  'SYN answered': (tcp) => {
    tcp.client('S', { seq: 1_000 });
    tcp.server('SA', { seq: 5_000, ack: 1_001 });
  },
  'picked up': (tcp) => {
    tcp.client('A', { seq: 1_001, ack: 5_001 });
  },
  established: (tcp) => tcp.open(),
  'client finished': (tcp) => {
    tcp.open();
    tcp.client('FA', { seq: 1_001, ack: 5_001 });
  },
  'both finished': (tcp) => {
    tcp.open();
    tcp.client('FA', { seq: 1_001, ack: 5_001 });
    tcp.server('FA', { seq: 5_001, ack: 1_002 });
  },
  'both FINs acknowledged': (tcp) => {
    tcp.open();
    tcp.client('FA', { seq: 1_001, ack: 5_001 });
    tcp.server('FA', { seq: 5_001, ack: 1_002 });
    tcp.client('A', { seq: 1_002, ack: 5_002 });
  },
  reset: (tcp) => {
    tcp.open();
    tcp.client('RA', { seq: 1_001, ack: 5_001 });
  },
};

/** Next sequence number and right acknowledgement of client and server, per stage; where they differ from 1001 and 5001. */
const NEXT: Readonly<Record<string, readonly [client: number, server: number]>> = {
  'client finished': [1_002, 5_001],
  'both finished': [1_002, 5_002],
  'both FINs acknowledged': [1_002, 5_002],
};

const COLUMNS = ['S', 'SA', 'R', 'RA', 'A', 'FA'] as const;

/**
 * What the packet leaves: a state; a state with + for a new flow; or why it is invalid. SYNs have the first number of their
 * end, the others the next one.
 */
const TABLE: readonly (readonly [stage: string, from: 'client' | 'server', ...cells: string[]])[] = [
  //                                     S              SA             R              RA             A              FA
  ['none', 'client', '+new', '!state', '!state', '!state', '+new', '!state'],
  ['none', 'server', '+new', '!state', '!state', '!state', '+new', '!state'],
  ['SYN sent', 'client', 'new', '!state', 'closed', 'closed', '!state', '!state'],
  ['SYN sent', 'server', 'new', 'new', '!reset', 'closed', 'new', '!state'],
  ['both SYNs sent', 'client', 'new', 'new', 'closed', 'closed', 'new', 'new'],
  ['both SYNs sent', 'server', 'new', 'new', 'closed', 'closed', 'new', 'new'],
  ['SYN answered', 'client', 'new', 'established', 'closed', 'closed', 'established', 'closing'],
  ['SYN answered', 'server', 'new', 'new', 'closed', 'closed', 'new', 'new'],
  ['picked up', 'client', '+new', 'new', 'closed', 'closed', 'new', 'new'],
  ['picked up', 'server', '+new', 'established', 'closed', 'closed', 'established', 'closing'],
  ['established', 'client', 'established', 'established', 'closed', 'closed', 'established', 'closing'],
  ['established', 'server', 'established', 'established', 'closed', 'closed', 'established', 'closing'],
  ['client finished', 'client', 'closing', 'closing', 'closed', 'closed', 'closing', 'closing'],
  ['client finished', 'server', 'closing', 'closing', 'closed', 'closed', 'closing', 'closing'],
  ['both finished', 'client', '+new', 'closed', 'closed', 'closed', 'closed', 'closed'],
  ['both finished', 'server', '+new', 'closing', 'closed', 'closed', 'closing', 'closing'],
  ['both FINs acknowledged', 'client', '+new', '!state', 'closed', 'closed', 'closed', 'closed'],
  ['both FINs acknowledged', 'server', '+new', '!state', 'closed', 'closed', 'closed', 'closed'],
  ['reset', 'client', '+new', '!state', 'closed', 'closed', 'closed', 'closed'],
  ['reset', 'server', '+new', '!state', 'closed', 'closed', 'closed', 'closed'],
];

const REASONS: Readonly<Record<number, string>> = {
  [INVALID_FLAGS]: '!flags',
  [INVALID_STATE]: '!state',
  [INVALID_SEQUENCE]: '!sequence',
  [INVALID_ACK]: '!ack',
  [INVALID_RESET]: '!reset',
};
const IMPOSSIBLE = ['', 'F', 'SF', 'SR', 'FR', 'SFR', 'SFA', 'SRA', 'FRA', 'SFRA'];

for (const [stage, from, ...cells] of TABLE) {
  describe(`${stage}, from the ${from}`, () => {
    for (const [column, flags] of COLUMNS.entries()) {
      test(`${flags}: ${cells[column]}`, () => {
        for (const marks of ['', 'P', 'U', 'C', 'PUC']) {
          assert.equal(inWords(sendIn(stage, from, flags + marks)), cells[column], flags + marks);
        }
      });
    }
    test('every other combination of flags is invalid and changes nothing', () => {
      for (const flags of IMPOSSIBLE) assert.equal(inWords(sendIn(stage, from, flags)), '!flags', `"${flags}"`);
    });
  });
}

test('the table has every stage from both ends, and every combination of four flags', () => {
  const rows = TABLE.map(([stage, from]) => `${stage} ${from}`);
  const expected = Object.keys(STAGES).flatMap((stage) => [`${stage} client`, `${stage} server`]);
  assert.deepEqual(rows.sort(), expected.sort());
  assert.equal(new Set([...COLUMNS, ...IMPOSSIBLE]).size, 16);
});

test('an invalid segment leaves state, packets and time as they were', () => {
  const rig = new FlowRig();
  const tcp = rig.connection();
  tcp.open();
  const { records } = rig.table;
  const before = [records.packetsOf(0, 0), records.octetsOf(0, 0), records.lastMsOf(0)];
  rig.nowMs += 50;
  assert.equal(tcp.client('SF', { seq: 1_001 }).isInvalid, 1);
  assert.equal(tcp.client('A', { seq: 1_001 + 20_000, ack: 5_001 }).reason, INVALID_SEQUENCE);
  assert.deepEqual([records.packetsOf(0, 0), records.octetsOf(0, 0), records.lastMsOf(0)], before);
  assert.equal(records.stateOf(0), 1);
});

test('a connection goes from new to established, closing and closed, and IPv6 goes the same way', () => {
  for (const version of [4, 6] as const) {
    const tcp = new FlowRig().connection(40_000, version);
    const states = [
      tcp.client('S', { seq: 1_000 }),
      tcp.server('SA', { seq: 5_000, ack: 1_001 }),
      tcp.client('A', { seq: 1_001, ack: 5_001 }),
      tcp.client('PA', { seq: 1_001, ack: 5_001, length: 100 }),
      tcp.server('PA', { seq: 5_001, ack: 1_101, length: 2_000 }),
      tcp.client('FA', { seq: 1_101, ack: 7_001 }),
      tcp.server('A', { seq: 7_001, ack: 1_102 }),
      tcp.server('FA', { seq: 7_001, ack: 1_102 }),
      tcp.client('A', { seq: 1_102, ack: 7_002 }),
    ];
    assert.deepEqual(
      states.map(({ state, isNew, isInvalid, direction }) => [state, isNew, isInvalid, direction]),
      [
        ['new', 1, 0, 0],
        ['new', 0, 0, 1],
        ['established', 0, 0, 0],
        ['established', 0, 0, 0],
        ['established', 0, 0, 1],
        ['closing', 0, 0, 0],
        ['closing', 0, 0, 1],
        ['closing', 0, 0, 1],
        ['closed', 0, 0, 0],
      ],
    );
  }
});

test('sequence numbers go over the end of their circle', () => {
  const tcp = new FlowRig().connection();
  const start = 0xffff_fff0;
  tcp.client('S', { seq: start });
  tcp.server('SA', { seq: 0x7fff_fff0, ack: start + 1 });
  tcp.client('A', { seq: start + 1, ack: 0x7fff_fff1 });
  const said = [
    tcp.client('A', { seq: start + 1, ack: 0x7fff_fff1, length: 1_000 }),
    tcp.server('A', { seq: 0x7fff_fff1, ack: start + 1_001, length: 1_000 }),
    tcp.client('A', { seq: start + 1_001, ack: 0x7fff_fff1 + 1_000 }),
  ];
  assert.deepEqual(
    said.map(({ state }) => state),
    ['established', 'established', 'established'],
  );
  assert.ok(said.every(({ isInvalid }) => isInvalid === 0));
});

describe('the window check', () => {
  const WIN = 10_000;

  test('takes data up to the edge that the other end announced, and none that starts beyond', () => {
    const tcp = opened();
    assert.equal(tcp.client('A', { seq: 1_001 + WIN, ack: 5_001, length: 1 }).isInvalid, 0);
    assert.equal(tcp.client('A', { seq: 1_002 + WIN, ack: 5_001, length: 1 }).reason, INVALID_SEQUENCE);
    assert.equal(tcp.server('A', { seq: 5_001 + WIN + 1, ack: 1_001, length: 1 }).reason, INVALID_SEQUENCE);
  });

  test('takes what is sent again, and nothing older than a window', () => {
    const tcp = opened();
    tcp.client('A', { seq: 1_001, ack: 5_001, length: 9_000 });
    assert.equal(tcp.client('A', { seq: 1_001, ack: 5_001, length: 1_000 }).isInvalid, 0);
    tcp.server('A', { seq: 5_001, ack: 10_001 });
    tcp.client('A', { seq: 10_001, ack: 5_001, length: 9_000 });
    assert.equal(tcp.client('A', { seq: 9_001, ack: 5_001, length: 1_000 }).isInvalid, 0);
    assert.equal(tcp.client('A', { seq: 1_001, ack: 5_001, length: 1_000 }).reason, INVALID_SEQUENCE);
  });

  test('takes segments out of order', () => {
    const tcp = opened();
    for (const part of [2, 0, 3, 1]) {
      assert.equal(tcp.client('A', { seq: 1_001 + part * 1_000, ack: 5_001, length: 1_000 }).isInvalid, 0);
    }
    assert.equal(tcp.server('A', { seq: 5_001, ack: 5_001 }).isInvalid, 0, 'acknowledges all of it');
  });

  test('refuses the acknowledgement of data that was never sent, and one that is far too old', () => {
    const tcp = opened();
    tcp.client('A', { seq: 1_001, ack: 5_001, length: 500 });
    assert.equal(tcp.server('A', { seq: 5_001, ack: 1_502 }).reason, INVALID_ACK);
    assert.equal(tcp.server('A', { seq: 5_001, ack: 1_501 }).isInvalid, 0);
    assert.equal(tcp.server('A', { seq: 5_001, ack: 1_501 - 66_000 }).isInvalid, 0, 'late');
    assert.equal(tcp.server('A', { seq: 5_001, ack: 1_500 - 66_000 }).reason, INVALID_ACK);
  });

  test('does not complete a handshake by the acknowledgement of another SYN', () => {
    const tcp = new FlowRig().connection();
    tcp.client('S', { seq: 1_000 });
    tcp.server('SA', { seq: 5_000, ack: 1_001 });
    for (const ack of [5_000, 4_000, 5_002]) {
      const { reason, state } = tcp.client('A', { seq: 1_001, ack });
      assert.deepEqual([reason, state], [INVALID_ACK, 'new'], String(ack));
    }
    assert.equal(tcp.client('A', { seq: 1_001, ack: 5_001 }).state, 'established');
  });

  test('scales windows where both ends offer it, and a SYN has its window unscaled', () => {
    const tcp = opened({ client: 7, server: 4 });
    tcp.server('A', { seq: 5_001, ack: 1_001, win: 10_000 });
    assert.equal(tcp.client('A', { seq: 1_001 + 160_000, ack: 5_001, length: 1 }).isInvalid, 0);
    assert.equal(tcp.client('A', { seq: 1_002 + 160_000, ack: 5_001, length: 1 }).reason, INVALID_SEQUENCE);
    const fresh = new FlowRig().connection();
    fresh.client('S', { seq: 1_000, scale: 7 });
    fresh.server('SA', { seq: 5_000, ack: 1_001, win: 1_000, scale: 4 });
    fresh.client('A', { seq: 1_001, ack: 5_001 });
    assert.equal(fresh.client('A', { seq: 2_002, ack: 5_001, length: 1 }).reason, INVALID_SEQUENCE);
  });

  test('scales no window where one end does not offer it', () => {
    for (const scale of [{ client: 7 }, { server: 7 }]) {
      const tcp = opened(scale);
      tcp.server('A', { seq: 5_001, ack: 1_001 });
      assert.equal(tcp.client('A', { seq: 1_002 + WIN, ack: 5_001, length: 1 }).reason, INVALID_SEQUENCE);
    }
  });

  test('takes a scale above 14 for 14', () => {
    const tcp = opened({ client: 0, server: 255 });
    tcp.server('A', { seq: 5_001, ack: 1_001, win: 2 });
    assert.equal(tcp.client('A', { seq: 1_001 + (2 << 14), ack: 5_001 }).isInvalid, 0);
    assert.equal(tcp.client('A', { seq: 1_002 + (2 << 14) + WIN, ack: 5_001 }).reason, INVALID_SEQUENCE);
  });

  test('takes keepalives and the probes of a window of 0', () => {
    const tcp = opened();
    tcp.client('A', { seq: 1_001, ack: 5_001, length: WIN });
    assert.equal(tcp.server('A', { seq: 5_001, ack: 1_001 + WIN, win: 0 }).isInvalid, 0);
    assert.equal(tcp.client('A', { seq: 1_001 + WIN, ack: 5_001, length: 1 }).isInvalid, 0, 'probe with an octet');
    assert.equal(tcp.client('A', { seq: WIN + 1_000, ack: 5_001 }).isInvalid, 0, 'keepalive');
    assert.equal(tcp.client('A', { seq: WIN + 1_000, ack: 5_001, length: 1 }).isInvalid, 0, 'keepalive with an octet');
    assert.equal(tcp.server('A', { seq: 5_000, ack: 1_001 + WIN }).isInvalid, 0, 'keepalive of the server');
  });

  test('takes the last segment over the edge, and what is sent again of it', () => {
    const tcp = opened();
    const over = 60_000;
    assert.equal(
      tcp.client('A', { seq: 1_001, ack: 5_001, length: over }).isInvalid,
      0,
      'one segment of 60,000 octets',
    );
    assert.equal(tcp.client('A', { seq: 1_001, ack: 5_001, length: 1 }).isInvalid, 0, 'its first octet again');
    assert.equal(tcp.server('A', { seq: 5_001, ack: 1_001 + over }).isInvalid, 0);
  });

  test('takes duplicate acknowledgements while a hole is open, as selective acknowledgements have them', () => {
    const tcp = opened();
    for (let part = 1; part < 9; part++) {
      tcp.client('A', { seq: 1_001 + part * 1_000, ack: 5_001, length: 1_000 });
      assert.equal(tcp.server('A', { seq: 5_001, ack: 1_001 }).isInvalid, 0);
    }
  });
});

describe('a reset', () => {
  test('of a blind attacker is invalid: RFC 5961 wants the very number', () => {
    const tcp = opened();
    for (const seq of [1_000, 1_002, 5_000, 0]) {
      const { reason, state } = tcp.client('R', { seq });
      assert.deepEqual([reason, state], [INVALID_RESET, 'established'], String(seq));
    }
    assert.equal(tcp.client('R', { seq: 1_001 }).state, 'closed');
  });

  test('counts anywhere between what is acknowledged and what is sent', () => {
    for (const [seq, state] of [
      [1_001, 'closed'],
      [1_500, 'closed'],
      [2_001, 'closed'],
      [2_002, 'established'],
    ] as const) {
      const tcp = opened();
      tcp.client('A', { seq: 1_001, ack: 5_001, length: 1_000 });
      assert.equal(tcp.client('R', { seq }).state, state, String(seq));
    }
  });

  test('that refuses a SYN has to acknowledge it', () => {
    const tcp = new FlowRig().connection();
    tcp.client('S', { seq: 1_000 });
    assert.equal(tcp.server('RA', { seq: 0, ack: 1_002 }).reason, INVALID_RESET);
    assert.equal(tcp.server('R', { seq: 1_001 }).reason, INVALID_RESET);
    assert.equal(tcp.server('RA', { seq: 0, ack: 1_001 }).state, 'closed');
  });
});

describe('opening', () => {
  test('at the same time completes when both SYNs are acknowledged', () => {
    const tcp = new FlowRig().connection();
    tcp.client('S', { seq: 1_000 });
    assert.equal(tcp.server('S', { seq: 5_000 }).state, 'new');
    assert.equal(tcp.client('SA', { seq: 1_000, ack: 5_001 }).state, 'new');
    assert.equal(tcp.server('SA', { seq: 5_000, ack: 1_001 }).state, 'established');
    assert.equal(tcp.client('A', { seq: 1_001, ack: 5_001, length: 10 }).isInvalid, 0);
  });

  test('with data in the SYN goes on whether the server takes the data or not', () => {
    for (const ack of [1_001, 1_101]) {
      const tcp = new FlowRig().connection();
      tcp.client('S', { seq: 1_000, length: 100 });
      assert.equal(tcp.server('SA', { seq: 5_000, ack: 1_102 }).reason, INVALID_ACK);
      assert.equal(tcp.server('SA', { seq: 5_000, ack }).isInvalid, 0);
      assert.equal(tcp.client('A', { seq: ack, ack: 5_001 }).state, 'established');
    }
  });

  test('takes another first number of a server that keeps no state for a SYN', () => {
    const tcp = new FlowRig().connection();
    tcp.client('S', { seq: 1_000 });
    tcp.server('SA', { seq: 5_000, ack: 1_001 });
    tcp.server('SA', { seq: 9_000, ack: 1_001 });
    assert.equal(tcp.client('A', { seq: 1_001, ack: 9_001 }).state, 'established');
  });

  test('anew with another first number, before an answer, starts a new flow with the answer', () => {
    const rig = new FlowRig();
    const tcp = rig.connection();
    tcp.client('S', { seq: 1_000 });
    assert.equal(tcp.client('S', { seq: 2_000, scale: 3 }).isInvalid, 0);
    const answer = tcp.server('SA', { seq: 5_000, ack: 2_001, scale: 3 });
    assert.deepEqual([answer.isNew, answer.direction, answer.state], [1, 1, 'new']);
    assert.deepEqual(rig.ended, [{ index: 0, reason: ENDED_REPLACED }]);
    assert.equal(tcp.client('A', { seq: 2_001, ack: 5_001 }).state, 'established');
    tcp.server('A', { seq: 5_001, ack: 2_001 });
    assert.equal(tcp.client('A', { seq: 2_001 + 80_000, ack: 5_001 }).isInvalid, 0, 'the scale came along');
  });

  test('on a server that forgot the old connection replaces it', () => {
    const rig = new FlowRig();
    const tcp = rig.connection();
    tcp.open();
    assert.equal(tcp.client('S', { seq: 90_000 }).state, 'established');
    assert.equal(tcp.server('SA', { seq: 70_000, ack: 90_001 }).isNew, 1);
    assert.equal(tcp.client('A', { seq: 90_001, ack: 70_001 }).state, 'established');
    assert.equal(rig.table.size, 1);
  });

  test('by a forged SYN does not shake a connection that lives', () => {
    const rig = new FlowRig();
    const tcp = rig.connection();
    tcp.open();
    tcp.client('S', { seq: 90_000 });
    tcp.server('A', { seq: 5_001, ack: 1_001 }); // the challenge
    assert.equal(tcp.server('SA', { seq: 70_000, ack: 90_001 }).reason, INVALID_SEQUENCE);
    assert.equal(tcp.client('A', { seq: 1_001, ack: 5_001, length: 10 }).state, 'established');
    assert.deepEqual(rig.ended, []);
  });

  test('by a SYN on a live connection is refused without an end of the connection, and nobody answers his own SYN', () => {
    const rig = new FlowRig();
    const tcp = rig.connection();
    tcp.open();
    tcp.client('S', { seq: 90_000 });
    assert.equal(tcp.client('SA', { seq: 1_000, ack: 90_001 }).reason, INVALID_ACK);
    assert.deepEqual(short(tcp.server('RA', { seq: 0, ack: 90_001 })), ['established', 0]);
    assert.deepEqual(short(tcp.client('A', { seq: 1_001, ack: 5_001, length: 10 })), ['established', 0]);
    assert.deepEqual(rig.ended, []);
  });

  test('is answered by the first segment that comes back', () => {
    const rig = new FlowRig();
    const tcp = rig.connection();
    const answered = (): boolean => rig.table.records.isAnswered(0);
    tcp.client('S', { seq: 1_000 });
    tcp.server('SA', { seq: 5_000, ack: 7 });
    assert.equal(answered(), false, 'an invalid one does not count');
    tcp.server('SA', { seq: 5_000, ack: 1_001 });
    assert.equal(answered(), true);
  });

  test('against an old connection of the server lets its challenge and the reset pass, and then opens', () => {
    const tcp = new FlowRig().connection();
    tcp.client('S', { seq: 1_000 });
    assert.deepEqual(short(tcp.server('A', { seq: 77_000, ack: 66_000 })), ['new', 0]);
    assert.deepEqual(short(tcp.client('R', { seq: 66_000 })), ['new', 0]);
    tcp.client('S', { seq: 1_000 });
    tcp.server('SA', { seq: 5_000, ack: 1_001 });
    assert.deepEqual(short(tcp.client('A', { seq: 1_001, ack: 5_001 })), ['established', 0]);
  });

  test('anew after the end, from either side, is a new flow with the direction of the SYN', () => {
    const rig = new FlowRig();
    const tcp = rig.connection();
    tcp.open();
    tcp.server('R', { seq: 5_001 });
    const generation = rig.table.records.generationOf(0);
    const said = tcp.server('S', { seq: 50_000 });
    assert.deepEqual([said.isNew, said.direction, said.state], [1, 0, 'new']);
    assert.deepEqual(rig.ended, [{ index: 0, reason: ENDED_REPLACED }]);
    assert.equal(rig.table.records.isCurrent(0, generation), false);
    assert.equal(rig.table.records.packetsOf(0, 0), 1);
  });
});

describe('a connection whose start was not seen', () => {
  test('is new until the other end speaks, and its windows may be of any scale', () => {
    const rig = new FlowRig();
    const tcp = rig.connection();
    const first = tcp.client('A', { seq: 100_000, ack: 200_000, win: 500, length: 100 });
    assert.deepEqual([first.isNew, first.state], [1, 'new']);
    assert.equal(rig.table.counters[COUNT_PICKED_UP], 1);
    assert.deepEqual(short(tcp.server('A', { seq: 201_000, ack: 100_100, length: 1_000 })), ['established', 0]);
    assert.deepEqual(short(tcp.client('A', { seq: 2_000_000, ack: 900_000 })), ['established', 0]);
    assert.equal(tcp.client('A', { seq: 100_000 - 0x7000_0000, ack: 900_000 }).isInvalid, 1);
  });

  test('is not picked up from FIN, RST or SYN ACK, nor at all where that is not wanted', () => {
    for (const flags of ['FA', 'R', 'RA', 'SA']) {
      assert.equal(new FlowRig().connection().client(flags, { seq: 1, ack: 1 }).reason, INVALID_STATE, flags);
    }
    const strict = new FlowRig({ isLoose: false }).connection();
    assert.equal(strict.client('A', { seq: 1, ack: 1 }).reason, INVALID_STATE);
    assert.equal(strict.client('S', { seq: 1 }).isNew, 1);
  });

  test('ends by the reset with which a host answers it', () => {
    const tcp = new FlowRig().connection();
    tcp.client('A', { seq: 100_000, ack: 200_000 });
    assert.equal(tcp.server('R', { seq: 200_000 }).state, 'closed');
  });
});

test('a half-closed connection goes on in the other direction', () => {
  const tcp = opened();
  tcp.client('FA', { seq: 1_001, ack: 5_001 });
  let seq = 5_001;
  for (let part = 0; part < 50; part++, seq += 1_000) {
    assert.deepEqual(short(tcp.server('A', { seq, ack: 1_002, length: 1_000 })), ['closing', 0]);
    assert.deepEqual(short(tcp.client('A', { seq: 1_002, ack: seq + 1_000 })), ['closing', 0]);
  }
  tcp.server('FA', { seq, ack: 1_002 });
  assert.equal(tcp.client('A', { seq: 1_002, ack: seq + 1 }).state, 'closed');
});

test('a super-frame is one long segment, also with a total length of 0', () => {
  const rig = new FlowRig();
  const tcp = rig.connection();
  tcp.open({ client: 7, server: 7 });
  tcp.server('A', { seq: 5_001, ack: 1_001 });
  const frame = tcp.segment('client', 'A', { seq: 1_001, ack: 5_001, length: 65_000 });
  assert.deepEqual(short(rig.send(frame)), ['established', 0]);
  const long = tcp.segment('client', 'A', { seq: 66_001, ack: 5_001, length: 65_000 });
  long.writeUInt16BE(0, 2);
  const longer = Buffer.concat([long, Buffer.alloc(100_000)]);
  assert.deepEqual(short(rig.send(longer)), ['established', 0]);
  assert.equal(tcp.server('A', { seq: 5_001, ack: 66_001 + 165_000 }).isInvalid, 0, 'acknowledges all of it');
  assert.equal(tcp.server('A', { seq: 5_001, ack: 66_002 + 165_000 }).reason, INVALID_ACK);
});

test('a segment that the capture cut is as long as it was on the wire', () => {
  const rig = new FlowRig();
  const tcp = rig.connection();
  tcp.open();
  const whole = tcp.segment('client', 'A', { seq: 1_001, ack: 5_001, length: 1_000 });
  assert.deepEqual(short(rig.send(whole.subarray(0, 60), 0, whole.length)), ['established', 0]);
  assert.equal(tcp.server('A', { seq: 5_001, ack: 2_001 }).isInvalid, 0);
  const { reason, isInvalid } = rig.send(whole.subarray(0, 39), 0, whole.length);
  assert.deepEqual([reason, isInvalid], [INVALID_HEADER, 1], 'a header that is not there whole is not judged');
});

function opened(scale?: { client?: number; server?: number }): Connection {
  const tcp = new FlowRig().connection();
  tcp.open(scale);
  return tcp;
}

function sendIn(stage: string, from: 'client' | 'server', flags: string): Said {
  const tcp = new FlowRig().connection();
  STAGES[stage]?.(tcp);
  const [client, server] = NEXT[stage] ?? [1_001, 5_001];
  const hasSyn = flags.includes('S');
  const seq = from === 'client' ? (hasSyn ? 1_000 : client) : hasSyn ? 5_000 : server;
  const ack = flags.includes('A') ? (from === 'client' ? server : client) : 0;
  return tcp[from](flags, { seq, ack });
}

function inWords({ isInvalid, isNew, reason, state }: Said): string {
  if (isInvalid === 1) return REASONS[reason] ?? String(reason);
  return `${isNew === 1 ? '+' : ''}${state}`;
}

function short({ state, isInvalid }: Said): [string, number] {
  return [state, isInvalid];
}

describe('the start of a stream', () => {
  test('is known of each direction whose SYN was seen, and of none that was picked up', () => {
    const rig = new FlowRig();
    const { table } = rig;
    const tcp = rig.connection();
    const { index } = tcp.client('S', { seq: 0xffff_ffff });
    assert.equal(table.knowsStart(index, 0), true);
    assert.equal(table.startOf(index, 0), -1);
    assert.equal(table.knowsStart(index, 1), false);
    tcp.server('SA', { seq: 5_000, ack: 0 });
    assert.equal(table.knowsStart(index, 1), true);
    assert.equal(table.startOf(index, 1), 5_000);
    const other = rig.connection(50_000).client('A', { seq: 1_001, ack: 5_001 });
    assert.equal(table.knowsStart(other.index, 0), false);
    assert.equal(table.knowsStart(other.index, 1), false);
  });

  test('is that of the SYN which took the place of an old connection, once it is answered', () => {
    const rig = new FlowRig();
    const tcp = rig.connection();
    tcp.open();
    tcp.client('S', { seq: 90_000 });
    const { index, isNew } = tcp.server('SA', { seq: 7_000, ack: 90_001 });
    assert.equal(isNew, 1);
    assert.equal(rig.table.knowsStart(index, 0), true);
    assert.equal(rig.table.startOf(index, 0), 90_000);
    assert.equal(rig.table.startOf(index, 1), 7_000);
  });
});
