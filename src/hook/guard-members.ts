/**
 * Makes a name that a packet does not have an error, for the trial of hooks.
 *
 * JavaScript answers `packet.dport` with undefined, and a hook that asks for port 23 there drops nothing, ever, and says nothing. In a
 * trial it is a fault with the line of the hook. Rule: in a trial only. What a running hook reads costs nothing more, and a hook that
 * asks for what a later version may have goes on.
 *
 * @module
 */

import { closestKey } from '../config/closest-key.ts';
import { VIEWS, type View } from './packet/packet-view.ts';

/** What `await` and JSON ask of any object. */
const ASKED_OF_ALL: readonly string[] = ['then', 'toJSON'];

/** From now on, in this process. To be called before a hook is loaded. */
export function guardMembers(): void {
  // What inherits from another view is guarded with that.
  for (const view of VIEWS) if (Object.getPrototypeOf(view.prototype) === Object.prototype) guard(view);
}

/** Least letters of a name that others are made short to. */
const FEWEST_LETTERS = 3;

/** `destPort`, `dport`, `src`: the shortest member that has these letters in this order. */
function shortenedMember(name: string, members: readonly string[]): string | undefined {
  const letters = name.toLowerCase();
  const isIn = (member: string): boolean => {
    let at = 0;
    for (const letter of member.toLowerCase()) if (letter === letters[at]) at += 1;
    return at === letters.length;
  };
  if (letters.length < FEWEST_LETTERS) return undefined;
  return members.filter(isIn).sort((a, b) => a.length - b.length)[0];
}

/** What is read before what is called. */
function membersOf(prototype: object, fields: readonly string[]): string[] {
  const named = Object.entries(Object.getOwnPropertyDescriptors(prototype)).filter(([name]) => name !== 'constructor');
  const isRead = ([, { get }]: (typeof named)[number]): boolean => get !== undefined;
  const read = named.filter(isRead).map(([name]) => name);
  const called = named.filter((one) => !isRead(one)).map(([name]) => name);
  return [...read, ...fields, ...called];
}

function guard({ prototype, what, fields }: View): void {
  const members = membersOf(prototype, fields);
  const refuse = (name: string): never => {
    const near = closestKey(name, members) ?? shortenedMember(name, members);
    const hint = near === undefined ? `it has ${members.join(', ')}` : `did you mean ${near}?`;
    throw new TypeError(`${what} has no member '${name}'; ${hint}`);
  };
  const handler: ProxyHandler<object> = {
    get(target, name, receiver) {
      if (typeof name === 'symbol' || name in target || ASKED_OF_ALL.includes(name))
        return Reflect.get(target, name, receiver) as unknown;
      return refuse(name);
    },
    set: (target, name, value, receiver) =>
      typeof name === 'symbol' ? Reflect.set(target, name, value, receiver) : refuse(name),
  };
  Object.setPrototypeOf(prototype, new Proxy(Object.create(Object.prototype) as object, handler));
}
