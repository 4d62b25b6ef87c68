import type { VipStatus } from '../../src/core/ports.ts';
import type { BuildReport, NodeView } from '../../src/daemon/generation-protocol.ts';

/** A node that leaves the kernel alone, and on which no backend runs. */
export const ANY_NODE: NodeView = { addresses: [], programmed: null };

/** What a build says of VIPs where there are none. */
export const NO_VIPS: VipStatus = { enabled: false, services: 0, digest: '' };

/** A build of a cluster with one agent and one task, whose table nobody reads. */
export const ANY_BUILD: BuildReport = {
  table: { buffer: new SharedArrayBuffer(0), root: 0 },
  changed: true,
  buildMs: 1,
  frameworks: 1,
  agents: 1,
  tasks: 1,
  rejections: 0,
  vips: NO_VIPS,
  isIncremental: false,
  hold: null,
  services: 0,
  kernelUpdate: null,
  firstRejections: [],
};
