/**
 * Entry of the kernel process, forked by `kernel-process.ts`: the only process that talks to the
 * kernel, since the native part of netlink can only abort when something goes wrong. It ends with
 * the channel to the daemon, and leaves the kernel as it is: traffic goes on.
 */
import { systemClock } from '../../adapters/clock.ts';
import { openKernel } from '../../adapters/kernel/kernel.ts';
import { DaemonError } from '../../core/base/daemon-error.ts';
import { KernelLoop } from './kernel-loop.ts';
import type {
  DesiredUpdate,
  KernelReply,
  KernelRequest,
  KernelSettings,
} from './kernel-protocol.ts';

/** For the changes under way; what is not made by then is made after the next start. */
const STOP_GRACE_MS = 2_000;

const decoder = new TextDecoder();
let loop: KernelLoop | null = null;
let isStopping = false;

function send(reply: KernelReply): void {
  // A daemon that is gone needs no answer; `disconnect` says so too.
  if (process.connected) process.send?.(reply, undefined, undefined, () => undefined);
}

function startLoop(settings: KernelSettings): KernelLoop {
  const kernel = openKernel({ interface: settings.interface });
  return new KernelLoop(kernel, { clock: systemClock, random: Math.random }, send);
}

async function sendView(id: number, view: 'ipvs' | 'ipvs-plan'): Promise<void> {
  try {
    if (loop === null) throw new DaemonError('kernel-process', 'the kernel process just started');
    send({ kind: 'view', id, json: await loop.view(view) });
  } catch (error) {
    if (!(error instanceof DaemonError)) throw error;
    send({ kind: 'view-failed', id, code: error.code, message: error.message });
  }
}

function handle(request: KernelRequest): void {
  switch (request.kind) {
    case 'configure':
      loop ??= startLoop(request.settings);
      loop.configure(request.settings);
      break;
    case 'desire':
      loop?.desire(JSON.parse(decoder.decode(request.update)) as DesiredUpdate);
      break;
    case 'view':
      void sendView(request.id, request.view);
      break;
  }
}

function stop(): void {
  if (isStopping) return;
  isStopping = true;
  setTimeout(() => process.exit(0), STOP_GRACE_MS);
  void Promise.resolve(loop?.stop()).finally(() => process.exit(0));
}

process.on('message', handle);
process.on('disconnect', stop);
process.on('SIGTERM', stop);
// Would open a debugger, through which any process of our user could use our rights.
process.on('SIGUSR1', () => undefined);
// A terminal sends it to all processes; the daemon decides what comes of it.
process.on('SIGINT', () => undefined);
