import type { KernelReply, KernelRequest } from './kernel-protocol.ts';

/**
 * From the daemon to its keeper. `child` numbers the kernel processes of a daemon, so that what is
 * meant for one never reaches the next.
 */
export type KeeperRequest =
  | { readonly kind: 'start' | 'close' | 'kill'; readonly child: number }
  | { readonly kind: 'request'; readonly child: number; readonly request: KernelRequest };

/** From the keeper to the daemon. */
export type KeeperReply =
  | { readonly kind: 'reply'; readonly child: number; readonly reply: KernelReply }
  /** The kernel process has taken in the oldest request that was not yet. */
  | { readonly kind: 'read'; readonly child: number }
  | { readonly kind: 'ended'; readonly child: number; readonly why: string }
  /** A signal that the keeper got and the daemon is to obey. */
  | { readonly kind: 'signal'; readonly signal: NodeJS.Signals };
