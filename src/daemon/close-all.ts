import type { Log } from '../core/ports.ts';

/**
 * Closes all parts at once; one that fails is logged, and does not keep the others from being
 * closed. False if one failed.
 */
export async function closeAll(log: Log, parts: readonly { close(): unknown }[]): Promise<boolean> {
  const results = await Promise.allSettled(
    parts.map(async (part) => {
      await part.close();
    }),
  );
  const failed = results.filter((result) => result.status === 'rejected');
  for (const { reason: err } of failed) log.error('stop-failed', { err });
  return failed.length === 0;
}
