import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FollowRule } from '../../../src/daemon/source/follow-rule.ts';

test('never is never and always is always, whatever the size', () => {
  const rule = new FollowRule();
  for (const agents of [null, 1, 9_999]) {
    assert.match(rule.objection({ follow: 'never', agentsMax: 100 }, agents) ?? '', /never/);
    assert.equal(rule.objection({ follow: 'always', agentsMax: 100 }, agents), null);
  }
});

test('auto follows up to the limit, and lets go only when that is well exceeded', () => {
  const rule = new FollowRule();
  const objection = (agents: number | null): string | null =>
    rule.objection({ follow: 'auto', agentsMax: 100 }, agents);
  assert.match(objection(null) ?? '', /not known/);
  assert.equal(objection(101), '101 agents are more than cluster.events.agentsMax (100)');
  assert.equal(objection(100), null);
  assert.equal(objection(110), null);
  assert.match(objection(111) ?? '', /^111 agents/);
  assert.match(objection(101) ?? '', /^101 agents/);
});
