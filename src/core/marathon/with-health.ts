import type { ClusterSnapshot, Framework, Task } from '../mesos/snapshot.ts';
import type { TaskHealths } from './task-health.ts';

/**
 * Tasks as they are when Marathon finds fault with them, by the task that Mesos told of: so long as
 * that is the same object, so is this, and whoever compares snapshots sees no change.
 */
const FAULTED = new WeakMap<Task, Task>();

/** A name begins with what no label of a VIP holds, so that the two are never mistaken. */
const NAME_MARK = '\0';

/**
 * The snapshot with the health that Marathon knows of laid over: a task of a framework called
 * `framework` is healthy if Mesos and Marathon both say so. Marathon is believed only where it leaves
 * a choice: a task stays as Mesos has it if it would be the end of the last healthy one behind a VIP,
 * or behind its name if it declares no VIP. Marathon asks from one place, and what looks to it like
 * the end of every instance may be its own network. The same object if nothing differs; tasks that
 * do not differ are the same objects.
 */
export function withHealth(
  snapshot: ClusterSnapshot,
  framework: string,
  health: TaskHealths,
): ClusterSnapshot {
  const faulted = faultedTasks(snapshot, framework, health);
  if (faulted.size === 0) return snapshot;
  const places = new Set<string>();
  for (const task of faulted) everyPlace(task, (place) => places.add(place).size > 0);
  const sound = soundPlaces(snapshot, framework, faulted, places);
  const isSound = (place: string): boolean => sound.has(place);
  for (const task of faulted) if (!everyPlace(task, isSound)) faulted.delete(task);
  if (faulted.size === 0) return snapshot;
  return {
    ...snapshot,
    frameworks: snapshot.frameworks.map((one) =>
      one.name === framework ? withFaults(one, faulted) : one,
    ),
  };
}

/** Tasks that are healthy for Mesos and not for Marathon. */
function faultedTasks(
  { frameworks }: ClusterSnapshot,
  framework: string,
  health: TaskHealths,
): Set<Task> {
  const faulted = new Set<Task>();
  // Most verdicts are good; a small set is faster to ask 10,000 times than a large map.
  const ids = new Set<string>();
  for (const [id, verdict] of health) if (verdict !== 'healthy') ids.add(id);
  if (ids.size === 0) return faulted;
  for (const { name, tasks } of frameworks) {
    if (name !== framework) continue;
    for (const task of tasks) if (task.healthy && ids.has(task.id)) faulted.add(task);
  }
  return faulted;
}

/**
 * Those of `places` where a task stays healthy. Names of VIPs are a framework's own, and so are names
 * of tasks; at a VIP that is declared by its address, tasks of other frameworks are not counted on.
 */
function soundPlaces(
  { frameworks }: ClusterSnapshot,
  framework: string,
  faulted: ReadonlySet<Task>,
  places: ReadonlySet<string>,
): ReadonlySet<string> {
  const sound = new Set<string>();
  const note = (place: string): boolean => {
    if (places.has(place)) sound.add(place);
    return true;
  };
  for (const { name, tasks } of frameworks) {
    if (name !== framework) continue;
    for (const task of tasks) if (task.healthy && !faulted.has(task)) everyPlace(task, note);
  }
  return sound;
}

/**
 * Whether `test` holds wherever tasks stand in for this one: at the VIPs that it declares, as they are
 * written, or at its name if it declares none. Stops where it does not; makes no list, as it is called
 * for all tasks of the cluster.
 */
function everyPlace(
  { name, discovery, discoveryPorts, vipPortLabels }: Task,
  test: (place: string) => boolean,
): boolean {
  let declares = vipPortLabels.length > 0;
  for (const { labels } of discoveryPorts) {
    for (const { key, value } of labels) {
      if (!key.startsWith('VIP') && !key.startsWith('vip')) continue;
      if (!test(value)) return false;
      declares = true;
    }
  }
  if (!declares) return test(NAME_MARK + (discovery?.name ?? name));
  return vipPortLabels.every(({ value }) => test(value));
}

function withFaults(framework: Framework, faulted: ReadonlySet<Task>): Framework {
  if (!framework.tasks.some((task) => faulted.has(task))) return framework;
  const tasks = framework.tasks.map((task) => (faulted.has(task) ? faultedTask(task) : task));
  return { ...framework, tasks };
}

function faultedTask(task: Task): Task {
  const known = FAULTED.get(task);
  if (known !== undefined) return known;
  const faulted = { ...task, healthy: false };
  FAULTED.set(task, faulted);
  return faulted;
}
