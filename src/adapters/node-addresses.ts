import { networkInterfaces } from 'node:os';

/** Texts of all addresses that this node has now, on whichever interface. */
export function nodeAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list = []) =>
    list.map(({ address }) => address),
  );
}
