/**
 * What an orderly stop may not leave behind.
 *
 * Rule: where it cannot be looked for, that is a finding too.
 *
 * @module
 */

import type { Stage } from './stage.ts';

/** What the end of a detour is renamed to by a disturbance. */
export const STRAY = 'stray0';

/** What is left of firehook, one sentence each. */
export async function findLeftovers(stage: Stage): Promise<string[]> {
  const wrong: string[] = [];
  const left = async (what: RegExp, command: string, ...args: string[]) => {
    const { code, stdout, stderr } = await stage.command(command, args);
    if (code !== 0) wrong.push(`cannot look for what is left: ${command} ${args.join(' ')}: ${stderr.trim()}`);
    const found = stdout.split('\n').filter((line) => what.test(line));
    wrong.push(...found.map((line) => `left behind: ${line.trim()}`));
  };
  await left(/firehook_/, 'nft', 'list', 'tables');
  await left(new RegExp(`^(?:fh\\d+[io][01]|${STRAY})$`), 'ls', '/sys/class/net');
  await left(/promiscuity [1-9]/, 'ip', '-d', 'link', 'show');
  await left(/ (?:ingress|clsact) /, 'tc', 'qdisc', 'show');
  const lanes = stage.daemon.leftLanes();
  if (lanes.length > 0) wrong.push(`left behind: lanes ${lanes.join(', ')}`);
  return wrong;
}
