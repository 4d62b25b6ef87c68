import type { SocketAddress } from '../../core/config/config.ts';
import { FLAG } from '../../core/dns/constants.ts';
import { checkUpstreamReply } from '../../core/dns/upstream-reply.ts';
import { readU16 } from '../../core/dns/wire.ts';
import { SILENCE_MS } from '../../core/forward/upstream-health.ts';
import { systemErrorCode } from './listen-failure.ts';
import { createUdpSocket } from './udp-socket.ts';
import { STRAYS_MAX, failed, runExchange } from './upstream-exchange.ts';
import type { ExchangeContext, ExchangeOutcome } from './upstream-exchange.ts';

/**
 * Asks over UDP from a socket of its own: the kernel draws a port that no other exchange has, and
 * being connected it passes on only datagrams from the upstream's address and port (RFC 5452 §9).
 * A reply with TC may be cut anywhere, so only its head is checked. In case a datagram was lost, the
 * same one is sent once more: to be answered twice makes guessing no easier.
 */
export function askOverUdp(
  query: Uint8Array,
  upstream: SocketAddress,
  context: ExchangeContext,
): Promise<ExchangeOutcome> {
  return runExchange(context, (finish) => {
    const socket = createUdpSocket(upstream.address);
    const fail = (error: Error): void => finish(failed('unreachable', systemErrorCode(error)));
    const send = (): void => {
      socket.send(query, (error) => {
        if (error) fail(error);
      });
    };
    let cancelResend = (): void => undefined;
    let isOpen = true;
    let strays = 0;
    socket.on('error', fail);
    socket.on('message', (message) => {
      const verdict = verdictOn(query, message, context.nameCase);
      if (verdict === 'ok') finish({ kind: 'reply', reply: message });
      else if (verdict !== 'stray') finish(failed(verdict));
      else if (++strays >= STRAYS_MAX) finish(failed('strays'));
    });
    socket.on('connect', () => {
      if (!isOpen) return;
      cancelResend = context.clock.after(SILENCE_MS, send);
      send();
    });
    // Bound first: if `connect` has to bind and fails, the socket can never be closed.
    socket.bind({ port: 0, exclusive: true }, () => {
      if (isOpen) socket.connect(upstream.port, upstream.address);
    });
    return () => {
      isOpen = false;
      cancelResend();
      socket.close();
    };
  });
}

/** TC in a message that has a header. */
export function isTruncated(message: Uint8Array): boolean {
  return (readU16(message, 2) & FLAG.TC) !== 0;
}

function verdictOn(
  query: Uint8Array,
  message: Uint8Array,
  nameCase: 'any' | 'exact',
): 'ok' | 'malformed' | 'other-case' | 'stray' {
  const verdict = checkUpstreamReply(query, message, nameCase);
  if (verdict === 'ok') return 'ok';
  if (verdict === 'malformed') return isTruncated(message) ? 'ok' : 'malformed';
  if (verdict !== 'wrong-question' || nameCase === 'any') return 'stray';
  return checkUpstreamReply(query, message) === 'wrong-question' ? 'stray' : 'other-case';
}
