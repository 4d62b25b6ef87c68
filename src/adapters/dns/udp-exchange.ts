import type { SocketAddress } from '../../core/config/config.ts';
import { FLAG } from '../../core/dns/constants.ts';
import { checkUpstreamReply } from '../../core/dns/upstream-reply.ts';
import { readU16 } from '../../core/dns/wire.ts';
import { systemErrorCode } from './listen-failure.ts';
import { createUdpSocket } from './udp-socket.ts';
import { STRAYS_MAX, failed, runExchange } from './upstream-exchange.ts';
import type { ExchangeContext, ExchangeOutcome } from './upstream-exchange.ts';

/**
 * Asks over UDP from a socket of its own: the kernel draws a port that no other exchange has, and
 * being connected it passes on only datagrams from the upstream's address and port (RFC 5452 §9).
 * A reply with TC may be cut anywhere, so only its head is checked.
 */
export function askOverUdp(
  query: Uint8Array,
  upstream: SocketAddress,
  context: ExchangeContext,
): Promise<ExchangeOutcome> {
  return runExchange(context, (finish) => {
    const socket = createUdpSocket(upstream.address);
    const fail = (error: Error): void => finish(failed('unreachable', systemErrorCode(error)));
    let strays = 0;
    socket.on('error', fail);
    socket.on('message', (message) => {
      const verdict = checkUpstreamReply(query, message);
      if (verdict === 'ok' || (verdict === 'malformed' && isTruncated(message))) {
        finish({ kind: 'reply', reply: message });
      } else if (verdict === 'malformed') {
        finish(failed('malformed'));
      } else if (++strays >= STRAYS_MAX) {
        finish(failed('strays'));
      }
    });
    socket.on('connect', () => {
      socket.send(query, (error) => {
        if (error) fail(error);
      });
    });
    // Bound first: if `connect` has to bind and fails, the socket can never be closed.
    socket.bind({ port: 0, exclusive: true }, () => {
      socket.connect(upstream.port, upstream.address);
    });
    return () => socket.close();
  });
}

/** TC in a message that has a header. */
export function isTruncated(message: Uint8Array): boolean {
  return (readU16(message, 2) & FLAG.TC) !== 0;
}
