import type { EventsConfig } from '../../core/config/config.ts';

/** A cluster about as large as the limit must not begin and end streams with every agent. */
const HYSTERESIS = 0.1;

/** Whether the event stream is followed: each node that does is a subscriber of the master. */
export class FollowRule {
  #isFollowing = false;

  /** Why no stream is followed, in words for the status; null: it is. `agents` null: not known. */
  objection({ follow, agentsMax }: EventsConfig, agents: number | null): string | null {
    const limit = agentsMax * (this.#isFollowing ? 1 + HYSTERESIS : 1);
    const objection =
      follow === 'never'
        ? 'cluster.events.follow is never'
        : follow === 'always'
          ? null
          : agents === null
            ? 'the size of the cluster is not known yet'
            : agents > limit
              ? `${agents} agents are more than cluster.events.agentsMax (${agentsMax})`
              : null;
    this.#isFollowing = objection === null;
    return objection;
  }
}
