/**
 * The generated function that calls the hooks of a chain.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DROP, FORWARD } from '../../../src/firewall/constants.ts';
import { systemPool } from '../../../src/firewall/ddk.ts';
import { compileCalls } from '../../../src/hook/compile-calls.ts';
import type { Handlers, Verdict } from '../../../src/hook/contract.ts';
import { defineHook } from '../../../src/hook/define-hook.ts';
import { ContextState, ContextView } from '../../../src/hook/packet/context-view.ts';
import { PacketState } from '../../../src/hook/packet/packet-state.ts';
import { PacketView } from '../../../src/hook/packet/packet-view.ts';
import { handlersOf } from '../../support/loaded-hook.ts';

const packet = new PacketView(new PacketState(systemPool));
const context = new ContextView(new ContextState());

describe('compileCalls', () => {
  it('calls the hook of the index and no other, with the packet and the context it was given', () => {
    const calls: unknown[][] = [];
    const hooks = Array.from({ length: 30 }, (_, number) => ({
      onPacket: (...args: unknown[]) => {
        calls.push([number, ...args]);
        return number % 2 === 0 ? FORWARD : DROP;
      },
    }));
    const call = compileCalls(hooks);
    for (const number of [29, 0, 17, 4])
      assert.equal(call(number, packet, context, true), number % 2 === 0 ? FORWARD : DROP);
    assert.deepEqual(
      calls.map(([number]) => number),
      [29, 0, 17, 4],
    );
    for (const [, ...args] of calls) {
      assert.equal(args.length, 2);
      assert.equal(args[0], packet);
      assert.equal(args[1], context);
    }
  });

  it('keeps the index where a hook of another kind stands between', () => {
    const hook = handlersOf(defineHook({ name: 'second', onPacket: () => DROP }));
    assert.equal(compileCalls([null, hook])(1, packet, context, true), DROP);
  });

  it('asks about the stream first, and the other handlers where the segment goes on', () => {
    const calls: string[] = [];
    const note =
      (what: string, verdict: Verdict = FORWARD) =>
      (): Verdict => {
        calls.push(what);
        return verdict;
      };
    const onStream = () => FORWARD as 0;
    const hooks = [
      { onStream, onPacket: note('packet 0') },
      { onStream },
      { onStream, onFlow: note('flow 2'), onPacket: note('packet 2') },
      { onPacket: note('packet 3') },
    ];
    for (const [verdict, expected] of [
      [FORWARD, ['stream 0', 'packet 0', 'stream 1', 'stream 2', 'flow 2', 'packet 2', 'packet 3']],
      [DROP, ['stream 0', 'stream 1', 'stream 2', 'packet 3']],
    ] as const) {
      const streams = [0, 1, 2].map((number) => ({ take: note(`stream ${number}`, verdict) }));
      const call = compileCalls(hooks, [...streams, null]);
      const verdicts = hooks.map((_, number) => call(number, packet, context, true));
      assert.deepEqual(calls.splice(0), expected);
      assert.deepEqual(verdicts, [verdict, verdict, verdict, FORWARD]);
    }
  });

  it('calls a hook as a method of its definition, so that it can use this', () => {
    const stateful = {
      seen: 0,
      onPacket(this: { seen: number }): Verdict {
        this.seen += 1;
        return FORWARD;
      },
    };
    const call = compileCalls([stateful]);
    call(0, packet, context, true);
    call(0, packet, context, true);
    assert.equal(stateful.seen, 2);
  });

  it('lets through what a hook throws', () => {
    const failure = new Error('on purpose');
    const hook = {
      onPacket: () => {
        throw failure;
      },
    };
    assert.throws(() => compileCalls([hook])(0, packet, context, true), failure);
  });

  it('makes nothing of a name that looks like code', () => {
    const hook: Handlers = {
      ...handlersOf(defineHook({ name: 'x', onPacket: () => DROP })),
      ...{ name: '} }; process.exit(9); //' },
    };
    assert.equal(compileCalls([hook])(0, packet, context, true), DROP);
  });

  it('takes a chain without hooks', () => {
    assert.equal(typeof compileCalls([]), 'function');
  });
});
