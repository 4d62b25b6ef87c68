import type { VipStatus } from '../../src/core/ports.ts';
import type { NodeView } from '../../src/daemon/generation-protocol.ts';

/** A node that leaves the kernel alone, and on which no backend runs. */
export const ANY_NODE: NodeView = { addresses: [], programmed: null };

/** What a build says of VIPs where there are none. */
export const NO_VIPS: VipStatus = { enabled: false, services: 0, digest: '' };
