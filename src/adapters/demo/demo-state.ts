/** State of the demo cluster in the form of a real master's `/master/state`. */

/** Where one task of the demo listens. */
export interface DemoTask {
  /** Marathon app id, such as `/shop/web`. */
  readonly app: string;
  readonly instance: number;
  readonly agent: number;
  readonly port: number;
  readonly healthy: boolean;
  readonly running: boolean;
}

/** Apps of the demo: how many instances, and what is special about them. */
export const DEMO_APPS: readonly {
  readonly app: string;
  readonly instances: number;
  readonly unhealthy?: number;
  readonly comesAndGoes?: number;
}[] = [
  { app: '/shop/web', instances: 2 },
  { app: '/shop/cart', instances: 2 },
  { app: '/shop/search', instances: 2, unhealthy: 1 },
  { app: '/infra/redis', instances: 1 },
  { app: '/batch/report', instances: 2, comesAndGoes: 1 },
];

const CLUSTER_ID = 'f1a2b3c4-5d6e-4f70-8192-a3b4c5d6e7f8';
const FRAMEWORK_ID = `${CLUSTER_ID}-0000`;
const STARTED_AT = 1_750_000_000;

/** The body of `/master/state` for the given tasks. */
export function demoState(
  master: string,
  agents: readonly string[],
  tasks: readonly DemoTask[],
): unknown {
  const leader = `master@${master}`;
  return {
    version: '1.11.0',
    id: CLUSTER_ID,
    pid: leader,
    leader,
    hostname: master.split(':')[0],
    activated_slaves: agents.length,
    slaves: agents.map((address, i) => ({
      id: `${CLUSTER_ID}-S${i}`,
      hostname: address,
      pid: `slave(1)@${address}:5051`,
      port: 5051,
      active: true,
      attributes: { rack: `r${i + 1}` },
      resources: { cpus: 8, mem: 16_000, disk: 100_000, ports: '[31000-32000]' },
    })),
    frameworks: [
      {
        id: FRAMEWORK_ID,
        name: 'marathon',
        hostname: agents[0],
        active: true,
        connected: true,
        role: '*',
        tasks: tasks.filter(({ running }) => running).map(demoTask),
        completed_tasks: [],
      },
    ],
    completed_frameworks: [],
  };
}

/** Marathon names tasks by the app id's parts in reverse, and labels ports with scope and VIP. */
function demoTask(task: DemoTask): unknown {
  const parts = task.app.slice(1).split('/');
  const name = [...parts].reverse().join('.');
  return {
    id: `${parts.join('_')}.instance-${task.instance}._app.1`,
    name,
    framework_id: FRAMEWORK_ID,
    executor_id: '',
    slave_id: `${CLUSTER_ID}-S${task.agent}`,
    state: 'TASK_RUNNING',
    resources: { cpus: 0.5, mem: 128, disk: 0, ports: `[${task.port}-${task.port}]` },
    health_check: { type: 'HTTP' },
    statuses: [
      {
        state: 'TASK_RUNNING',
        timestamp: STARTED_AT,
        healthy: task.healthy,
        container_status: { network_infos: [] },
      },
    ],
    discovery: {
      visibility: 'FRAMEWORK',
      name,
      ports: {
        ports: [
          {
            number: task.port,
            name: 'http',
            protocol: 'tcp',
            labels: {
              labels: [
                { key: 'VIP_0', value: `${task.app}:80` },
                { key: 'network-scope', value: 'host' },
              ],
            },
          },
        ],
      },
    },
  };
}
