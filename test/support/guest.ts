import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type GuestEvent, GuestEventReader } from './guest-event.ts';
import { missingTools, toolPath } from './tools.ts';

/**
 * Runs one compiled test file as root where there is IPVS: inside a User-Mode Linux kernel, or in
 * namespaces of the machine's own kernel. A guest sees the machine's files, cannot write to them,
 * and has a /run of its own; its other traces are the pages it used.
 */
export type Vehicle = 'uml' | 'native';

/** What is run in a guest. */
export interface GuestRun {
  readonly vehicle: Vehicle;
  /** Absolute path of a compiled test file. */
  readonly file: string;
  /** For the tests: variables whose names begin with HOPLITE_. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Default: what the slowest file takes on a loaded machine. */
  readonly timeoutMs?: number;
}

/** How a guest ended. */
export interface GuestEnd {
  /** Exit status of the test process; null if the guest ended without one. */
  readonly status: number | null;
  /** Every test of the file was reported. */
  readonly isComplete: boolean;
  /** Why the host ended it; null: it ended by itself. */
  readonly killed: string | null;
  /** The end of what tests and kernel printed. */
  readonly console: string;
}

/** Programs that guests need. */
const GUEST_TOOLS = [
  ...(['linux.uml', 'modprobe', 'ip', 'ipvsadm', 'iptables'] as const),
  ...(['unshare', 'nsenter', 'setpriv', 'dig', 'curl'] as const),
];

/** Half of it is what the largest test needs. */
const MEMORY_MIB = 1024;
/** Guests that may run at once: the memory of each is a file in /dev/shm. */
export const GUESTS_MAX = 2;
/** For the slowest file on a loaded machine with two cores. */
const TIMEOUT_MS = 240_000;
/** From its end on until all of its processes are gone. */
const END_MS = 5_000;
/** What of the console is shown with a failure. */
const CONSOLE_LENGTH_MAX = 6_000;

/** For `skip`: false where guests can be booted, else what is in the way. */
export function missingGuest(): string | false {
  const missing = missingTools(...GUEST_TOOLS);
  if (missing !== false) return missing;
  const { bavail, bsize } = statfsSync('/dev/shm');
  const needed = GUESTS_MAX * MEMORY_MIB * 2 ** 20;
  if (bavail * bsize >= needed) return false;
  return (
    `needs ${GUESTS_MAX} GiB in /dev/shm; enable with: ` +
    'mount -o remount,size=3g /dev/shm (in a container: --shm-size=3g)'
  );
}

/** For `skip`: false where the machine's own kernel has IPVS and lets us use it. */
export function missingNativeIpvs(): string | false {
  const missing = missingTools(...GUEST_TOOLS.filter((name) => name !== 'linux.uml'));
  if (missing !== false) return missing;
  if (process.getuid?.() !== 0) return 'needs root';
  // The module is loaded by whoever asks for it, and /proc/net is that of the asking process.
  const probe = 'ipvsadm -Ln >/dev/null 2>&1 && test -e /proc/net/ip_vs';
  const unshare = toolPath('unshare') ?? 'unshare';
  const { status } = spawnSync(unshare, ['--net', '--mount', 'sh', '-c', probe], {
    env: { ...process.env, PATH: GUEST_PATH },
  });
  return status === 0 ? false : 'needs ip_vs in the kernel of this machine';
}

const GUEST_PATH = '/run/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What both vehicles do before the tests; `events` is where the events go. */
function setUp({ file, vehicle, environment = {} }: GuestRun, events: string): string {
  const reporter = fileURLToPath(new URL('guest-reporter.js', import.meta.url));
  const node = [
    ...[process.execPath, '--enable-source-maps', `--test-reporter=${reporter}`],
    ...[`--test-reporter-destination=${events}`, file],
  ];
  return `
export PATH=${GUEST_PATH} HOME=/run/home TMPDIR=/run/tmp LANG=C HOPLITE_KERNEL=${vehicle}
${Object.entries(environment)
  .map(([name, value]) => `export ${name}=${quote(value)}`)
  .join('\n')}
unset NODE_TEST_CONTEXT NODE_OPTIONS
mount -t tmpfs tmpfs /run
mkdir -p /run/home /run/tmp /run/bin /run/netns /run/hidden /run/lib/modules
ip link set lo up
run() { ${node.map(quote).join(' ')}; }
`;
}

/**
 * Process 1 of a User-Mode Linux. Modules are found through a wrapper, which the kernel calls too;
 * a file in /run/hidden makes it miss the module of that name. Only iptables of the old kind
 * works with that kernel.
 */
function initScript(run: GuestRun): string {
  return `#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
${setUp(run, '/dev/tty1')}
ln -s "/usr/lib/uml/modules/$(uname -r)" /run/lib/modules/
cat > /run/bin/modprobe <<'EOF'
#!/bin/sh
for name; do [ -e "/run/hidden/$name" ] && exit 1; done
exec ${toolPath('modprobe') ?? 'modprobe'} -d /run "$@"
EOF
chmod +x /run/bin/modprobe
echo /run/bin/modprobe > /proc/sys/kernel/modprobe
for tool in iptables iptables-restore iptables-save ip6tables ip6tables-restore ip6tables-save; do
  legacy=$(command -v "$(echo $tool | sed 's/tables/tables-legacy/')")
  [ -z "$legacy" ] || ln -s "$legacy" /run/bin/$tool
done
modprobe -a ipv6 dummy veth bridge ip_vs
stty -F /dev/tty1 raw
run
printf '{"kind":"exit","status":%s}\\n' $? > /dev/tty1
# The host switches off once it has read that.
sleep 60
`;
}

function nativeScript(run: GuestRun): string {
  return `${setUp(run, '/run/events')}
# What we have for the events is a socket, which cannot be opened by a name.
mkfifo /run/events
cat /run/events >&3 &
run
status=$?
# Should it have ended before it opened that: the reader would wait for ever.
: <> /run/events
wait
printf '{"kind":"exit","status":%s}\\n' $status >&3
`;
}

function command(vehicle: Vehicle, script: string, folder: string): readonly string[] {
  if (vehicle === 'native') {
    const namespaces = ['--net', '--mount', '--pid', '--mount-proc', '--fork', '--kill-child'];
    return [toolPath('unshare') ?? 'unshare', ...namespaces, 'sh', script];
  }
  return [
    ...[toolPath('linux.uml') ?? 'linux.uml', `mem=${MEMORY_MIB}M`, `uml_dir=${folder}/`],
    ...['rootfstype=hostfs', 'rootflags=/', 'ro', `init=${script}`, 'quiet'],
    // The kernel and what tests print are console 0; events have console 1 for themselves.
    ...['con=null', 'con0=fd:0,fd:1', 'con1=null,fd:3'],
  ];
}

/** Runs a compiled test file in a guest and hands on its events as they come. */
export async function runGuest(
  run: GuestRun,
  onEvent: (event: GuestEvent) => void,
): Promise<GuestEnd> {
  const { vehicle } = run;
  const folder = mkdtempSync(join(tmpdir(), 'hoplite-guest-'));
  const script = join(folder, 'init');
  const text = vehicle === 'uml' ? initScript(run) : nativeScript(run);
  writeFileSync(script, text, { mode: 0o755 });
  const child = spawn('sh', ['-c', SUPERVISOR, 'guest', ...command(vehicle, script, folder)], {
    // TMPDIR would be where the guest has its memory, and has to be on a tmpfs.
    env: { ...process.env, TMPDIR: '' },
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  try {
    return await follow(child, run.timeoutMs ?? TIMEOUT_MS, onEvent);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Ends a guest with all of its processes when our end of its input is closed, and so when this
 * process dies too. User-Mode Linux makes a process group of its own; unshare ends its children.
 */
const SUPERVISOR = `
exec 4<&0
"$@" </dev/null 4<&- &
guest=$!
{ cat <&4; kill -s KILL -- -$guest $guest; } >/dev/null 2>&1 3>&- &
wait $guest
`;

async function follow(
  child: ChildProcess,
  timeoutMs: number,
  onEvent: (event: GuestEvent) => void,
): Promise<GuestEnd> {
  let console = '';
  let status: number | null = null;
  let killed: string | null = null;
  let isComplete = false;
  const end = (): void => {
    child.stdin?.end();
    // Whatever still holds the other ends is no guest any more.
    setTimeout(() => child.stdio.forEach((stream) => stream?.destroy()), END_MS).unref();
  };
  const kill = (reason: string): void => {
    killed ??= reason;
    end();
  };
  const deadline = setTimeout(() => kill(`not finished after ${timeoutMs / 1_000} s`), timeoutMs);
  const reader = new GuestEventReader();
  const [, stdout, stderr, events] = child.stdio as readonly Readable[];
  for (const stream of [stdout, stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      console = (console + text).slice(-CONSOLE_LENGTH_MAX);
    });
  }
  events?.setEncoding('utf8').on('data', (text: string) => {
    try {
      for (const event of reader.read(text)) {
        onEvent(event);
        isComplete ||= event.kind === 'end';
        if (event.kind !== 'exit') continue;
        ({ status } = event);
        end();
      }
    } catch (error) {
      kill(String(error));
    }
  });
  const failed = once(child, 'error').then(([error]) => kill(String(error)));
  child.stdin?.on('error', () => undefined);
  await Promise.race([once(child, 'close'), failed]);
  child.stdin?.end();
  clearTimeout(deadline);
  return { status, isComplete, killed, console };
}

/** A word of a shell command. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
