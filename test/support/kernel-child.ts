/**
 * A kernel process of a test: says back what it is told, as the reasons of a report, and does what
 * the interface's name or a view asks of it.
 */
import {
  type KernelReply,
  type KernelRequest,
  NOTHING_YET,
} from '../../src/daemon/kernel/kernel-protocol.ts';

const heard: string[] = [];
let sleepsMs = 0;
let updates = 0;

function send(reply: KernelReply): void {
  // A daemon that is gone is no error.
  process.send?.(reply, undefined, undefined, () => undefined);
}

function report(): void {
  send({
    kind: 'report',
    status: { ...NOTHING_YET, state: 'synced', reasons: heard.splice(0), programmed: 1 },
    programmed: ['10.208.0.1'],
    counters: new Map(),
    updates,
  });
}

/** Reads nothing meanwhile. */
function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

process.on('message', (request: KernelRequest) => {
  switch (request.kind) {
    case 'configure': {
      const name = request.settings.interface;
      if (name === 'exits') process.exit(3);
      if (name === 'throws') throw new Error('the child of a test throws, as it should');
      sleepsMs = name === 'sleeps' ? 300 : 0;
      heard.push(`configure ${name}`);
      break;
    }
    case 'desire': {
      updates++;
      const text = Buffer.from(request.update).toString();
      heard.push(`desire ${text.length > 100 ? text.length : text}`);
      sleep(sleepsMs);
      break;
    }
    case 'view':
      if (request.view === 'ipvs') send({ kind: 'view', id: request.id, json: '{}' });
      else {
        const { id } = request;
        send({ kind: 'view-failed', id, code: 'kernel-timeout', message: 'as the test wants' });
      }
      return;
  }
  report();
});
process.on('disconnect', () => process.exit(0));
