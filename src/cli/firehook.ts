/**
 * `firehook`: asks a running daemon, replays captures, makes packages of hooks, examines the machine, shows the main job.
 *
 * Rule: what only some commands need is loaded by those. Scripts ask for status and stats again and again.
 *
 * @module
 */

import { Command, Option } from 'commander';
import type { HooksReport, PoolReport, StatsReport, StatusReport } from '../control/reports.ts';
import { FirehookError } from '../errors.ts';
import { version } from '../supervisor/version.ts';
import { printableJson } from '../telemetry/printable.ts';
import type { ApplyOptions } from './apply.ts';
import { ask } from './client.ts';
import type { ExplainOptions } from './explain.ts';
import { fail, refuseWrongUsage } from './fail.ts';
import type { HookOptions } from './hook-command.ts';
import type { InitOptions } from './init.ts';
import type { IoctlOptions } from './ioctl.ts';
import type { MetricsOptions } from './metrics.ts';
import { outliveReaders, printableLines } from './output.ts';
import type { RecordOptions } from './record.ts';
import type { ReplayOptions } from './replay.ts';
import { showHooks, showPool, showStats, showStatus } from './show.ts';
import { fold, widthOf } from './table.ts';
import type { TopOptions } from './top.ts';
import type { TraceOptions } from './trace.ts';

const DEFAULT_SOCKET = '/run/firehook/firehook.sock';

interface AskOptions {
  readonly socket: string;
  readonly json?: boolean;
}

/** A command that prints one of the daemon's reports. */
function reportCommand<Report>(
  name: string,
  description: string,
  show: (report: Report, width: number) => string,
  exitCode: (report: Report) => number = () => 0,
): Command {
  return askCommand(name, description).action(async ({ socket, json }: AskOptions) => {
    const { status, body } = await ask(socket, 'GET', `/${name}`);
    if (status !== 200)
      throw new FirehookError('FIREHOOK_CONTROL_UNREACHABLE', `${socket}: answered ${status}: ${JSON.stringify(body)}`);
    const width = widthOf(process.stdout);
    const text =
      json === true
        ? printableJson(JSON.stringify(body, null, 2))
        : fold(printableLines(show(body as Report, width)), width);
    process.stdout.write(`${text}\n`);
    process.exitCode = exitCode(body as Report);
  });
}

function askCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--socket <path>', 'control socket of the daemon', DEFAULT_SOCKET)
    .option('--json', 'print JSON');
}

async function main(): Promise<void> {
  outliveReaders('firehook');
  const program = new Command('firehook')
    .description('Asks a running firehookd, replays captures, examines this machine.')
    .version(version)
    .addHelpText(
      'after',
      '\nExit codes: 0 ok, 1 failed, 2 usage or configuration, 3 daemon unreachable, 4 permission.',
    );
  program.addCommand(
    reportCommand<StatusReport>('status', 'what the daemon is doing', showStatus, ({ state }) =>
      state === 'unprotected' ? 1 : 0,
    ),
  );
  program.addCommand(
    reportCommand<StatsReport>('stats', 'the ledger: where every packet went, and whether it adds up', showStats),
  );
  program.addCommand(reportCommand<HooksReport>('hooks', 'the hooks in running order, and what each did', showHooks));
  program.addCommand(
    reportCommand<PoolReport>('pool', 'the buffer pool by tag, and what hooks have not freed', showPool),
  );
  program.addCommand(
    new Command('top')
      .description('ways, hooks, flows and drops, moving; keys as in top(1), h shows them')
      .option('--socket <path>', 'control socket of the daemon', DEFAULT_SOCKET)
      .option('-b, --batch', 'plain text, one screen below the other; needs no terminal')
      .option('-n, --count <screens>', 'end after so many')
      .option('-d, --delay <seconds>', 'from one look to the next', '2')
      .action(async (options: TopOptions) => {
        const { top } = await import('./top.ts');
        await top(options);
      }),
  );
  program.addCommand(
    new Command('metrics')
      .description('all numbers as Prometheus reads them')
      .option('--socket <path>', 'control socket of the daemon', DEFAULT_SOCKET)
      .option('--openmetrics', 'as OpenMetrics 1.0; without it as text of Prometheus')
      .action(async (options: MetricsOptions) => {
        const { printMetrics } = await import('./metrics.ts');
        await printMetrics(options);
      }),
  );
  program.addCommand(
    askCommand('ioctl', 'ask a device of a driver, as DeviceIoControl does; needs control.devices: true')
      .argument('<device>', 'name of the device: \\\\.\\Name or \\Device\\Name')
      .argument('<code>', 'I/O control code, decimal or with 0x')
      .option('--in <file>', 'what the driver gets; - is standard input')
      .option('--out <file>', 'where its answer goes; - is standard output')
      .option('--length <octets>', 'octets of the answer that there is room for', '4096')
      .action(async (device: string, code: string, options: IoctlOptions) => {
        const { ioctl } = await import('./ioctl.ts');
        await ioctl(device, code, options);
      }),
  );
  program.addCommand(
    askCommand('trace', 'say of live packets what every hook does with them, until Ctrl-C')
      .argument('[expression...]', 'which packets, in the language of pcap-filter(7); without it all')
      .option('-n, --count <packets>', 'end after so many')
      .option('--hook <name>', 'packets that this hook is called with, and no others')
      .action(async (words: string[], options: TraceOptions) => {
        const { trace } = await import('./trace.ts');
        await trace(words, options);
      }),
  );
  program.addCommand(
    new Command('record')
      .description('write live packets as they came, what went out for them and what hooks decided, until Ctrl-C')
      .argument('[expression...]', 'which packets, in the language of pcap-filter(7); without it all')
      .requiredOption('-w, --write <file>', 'pcapng file, for its owner alone; - is standard output')
      .option('-n, --count <packets>', 'end after so many')
      .option('--hook <name>', 'packets that this hook is called with, and no others')
      .option('--snaplen <octets>', 'octets of each frame at most; without it all')
      .option('--force', 'write over a file that is there')
      .option('--socket <path>', 'control socket of the daemon', DEFAULT_SOCKET)
      .action(async (words: string[], options: RecordOptions) => {
        const { record } = await import('./record.ts');
        await record(words, options);
      }),
  );
  program.addCommand(
    askCommand('hook', 'take a hook out, or have one that was taken out get packets again; needs faults.breaker')
      .argument('<name>', 'name of the hook, as firehook hooks says it')
      .option('--close-breaker', 'it gets packets again')
      .option('--open-breaker', 'it gets none, until it is tried again')
      .action(async (name: string, options: HookOptions) => {
        const { hookCommand } = await import('./hook-command.ts');
        await hookCommand(name, options);
      }),
  );
  program.addCommand(
    askCommand('reload', 'load configuration and hooks anew, without a packet lost or unhooked').action(
      async (options: AskOptions) => {
        const { reload } = await import('./reload.ts');
        await reload(options);
      },
    ),
  );
  program.addCommand(
    askCommand('upgrade', 'have the firehookd that is installed now take over from the one that runs').action(
      async (options: AskOptions) => {
        const { upgrade } = await import('./upgrade.ts');
        await upgrade(options);
      },
    ),
  );
  program.addCommand(
    askCommand('apply', 'put a configuration in force for a while: without firehook confirm the former one comes back')
      .argument('[file]', "the new configuration, in the folder of the daemon's own")
      .option('--confirm-within <seconds>', 'how long it is in force without a confirmation', '60')
      .option('--cancel', 'go back at once')
      .action(async (file: string | undefined, options: ApplyOptions) => {
        const { apply } = await import('./apply.ts');
        await apply(file, options);
      }),
  );
  program.addCommand(
    askCommand('confirm', 'keep what firehook apply has put in force, also for the next start').action(
      async (options: AskOptions) => {
        const { confirm } = await import('./apply.ts');
        await confirm(options);
      },
    ),
  );
  program.addCommand(
    replayOptions(
      new Command('replay')
        .description('run a capture file through hooks; needs no root')
        .argument('<input>', 'pcap or pcapng file; - is standard input')
        .option(
          '-w, --write <file>',
          'write what was forwarded, what hooks sent and ICMP errors; - is standard output, the report then goes to standard error',
        ),
    )
      .option('--events <file>', 'write a line of JSON for each event of a hook')
      .option('--json', 'print JSON')
      .action(async (input: string, options: ReplayOptions) => {
        const { replay } = await import('./replay.ts');
        await replay(input, options);
      }),
  );
  program.addCommand(
    replayOptions(
      new Command('explain')
        .description('say what became of each packet of a capture file, hook by hook; needs no root')
        .argument('<input>', 'pcap or pcapng file; - is standard input')
        .option('--packet <number>', 'of this packet alone; the first is 1'),
    )
      .option('--json', 'print a line of JSON for each packet')
      .action(async (input: string, options: ExplainOptions) => {
        const { explain } = await import('./explain.ts');
        await explain(input, options);
      }),
  );
  program.addCommand(
    new Command('init')
      .description('make the npm package of a new hook, with a test, a capture and a configuration')
      .argument('<name>', 'name of the package; its last part is the name of the new folder')
      .option('--js', 'in JavaScript; without it in TypeScript')
      .action(async (name: string, options: InitOptions) => {
        const { init } = await import('./init.ts');
        init(name, options);
      }),
  );
  program.addCommand(
    new Command('doctor')
      .description('name what this machine lacks to run firehookd, and what to do')
      .option('-c, --config <file>', 'look at the interfaces and the user of this configuration too')
      .option('--json', 'print JSON')
      .action(async (options: { config?: string; json?: boolean }) => {
        const { doctor } = await import('./doctor.ts');
        await doctor(options);
      }),
  );
  program.addCommand(
    new Command('demo')
      .description('show the main job on live traffic, in network namespaces of its own')
      .option('--json', 'print JSON')
      .action(async (options: { json?: boolean }) => {
        const { demo } = await import('./demo.ts');
        await demo(options);
      }),
  );
  program.addCommand(
    new Command('selftest')
      .description('try what firehook promises on this kernel, in network namespaces of its own')
      .option('--json', 'print JSON')
      .action(async (options: { json?: boolean }) => {
        const { selftest } = await import('./selftest.ts');
        await selftest(options);
      }),
  );
  refuseWrongUsage(program, 'firehook');
  for (const command of program.commands) refuseWrongUsage(command, `firehook ${command.name()}`);
  await program.parseAsync();
}

/** What a replay and its explanation take. */
function replayOptions(command: Command): Command {
  return command
    .option(
      '--hook <file>',
      'a hook module, a folder of them or an npm package; may be given several times',
      collect,
      [],
    )
    .option('-c, --config <file>', 'take hooks, policy, pool and verifier from a configuration file')
    .addOption(
      new Option('--direction <way>', 'all packets arrive at a host, or are sent by one').choices(['in', 'out']),
    )
    .option(
      '--local <prefix>',
      'packets with a source in this address or prefix go out, all others come in; may be given several times',
      collect,
      [],
    )
    .option('--bridge', 'the two interfaces of a pcapng file are the two ports of a bridge')
    .option(
      '--verifier <key=value>',
      'a key of verifier: in the configuration, for example chains=octets; may be given several times',
      collect,
      [],
    );
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

main().catch((error: unknown) => fail('firehook', error));
