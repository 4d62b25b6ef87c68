import { connect } from 'node:net';
import type { SocketAddress } from '../../core/config/config.ts';
import { checkUpstreamReply } from '../../core/dns/upstream-reply.ts';
import { writeU16 } from '../../core/dns/wire.ts';
import { FrameReader } from './frame-reader.ts';
import { systemErrorCode } from './listen-failure.ts';
import { STRAYS_MAX, failed, runExchange } from './upstream-exchange.ts';
import type { ExchangeContext, ExchangeOutcome } from './upstream-exchange.ts';

/** Asks over a TCP connection of its own and takes the first reply to the question. */
export function askOverTcp(
  query: Uint8Array,
  upstream: SocketAddress,
  context: ExchangeContext,
): Promise<ExchangeOutcome> {
  return runExchange(context, (finish) => {
    const reader = new FrameReader();
    const socket = connect({ host: upstream.address, port: upstream.port, noDelay: true });
    let strays = 0;
    let connected = false;
    socket.on('connect', () => {
      connected = true;
      const frame = Buffer.allocUnsafe(2 + query.length);
      writeU16(frame, 0, query.length);
      frame.set(query, 2);
      socket.write(frame);
    });
    socket.on('data', (chunk) => {
      reader.push(chunk);
      let outcome: ExchangeOutcome | null = null;
      for (let message = reader.next(); message !== null; message = reader.next()) {
        const verdict = checkUpstreamReply(query, message, context.nameCase);
        if (verdict === 'ok') outcome ??= { kind: 'reply', reply: message };
        else if (verdict === 'malformed') outcome ??= failed('malformed');
        else if (++strays >= STRAYS_MAX) outcome ??= failed('strays');
      }
      if (outcome !== null) finish(outcome);
    });
    socket.on('error', (error) => {
      finish(failed(connected ? 'disconnected' : 'unreachable', systemErrorCode(error)));
    });
    socket.on('close', () => finish(failed('disconnected')));
    return () => socket.destroy();
  });
}
