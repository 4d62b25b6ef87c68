/**
 * A synthetic master state: Marathon-shaped, one healthy task per app, host networking, one named
 * port with a VIP label, spread over the agents; and `more` tasks.
 */
export function clusterState(
  tasks: number,
  agents: number,
  master: string,
  round: number,
  more: readonly unknown[] = [],
): string {
  const leader = `master@${master}`;
  return JSON.stringify({
    version: '1.11.0',
    pid: leader,
    leader,
    slaves: Array.from({ length: agents }, (_, i) => ({
      id: `a5e1-S${i}`,
      hostname: addressOf(i),
      pid: `slave(1)@${addressOf(i)}:5051`,
      port: 5051,
      active: true,
      attributes: {},
      resources: { cpus: 32, mem: 64_000, disk: 100_000, ports: '[1025-2180, 2182-32000]' },
    })),
    frameworks: [
      {
        id: 'fw-marathon',
        name: 'marathon',
        pid: 'scheduler-1@127.0.0.1:41000',
        hostname: '127.0.0.1',
        active: true,
        role: '*',
        tasks: [
          ...Array.from({ length: tasks }, (_, n) =>
            task(n === 0 ? `app0-${round}` : `app${n}`, n, n % agents, 10_000 + (n % 20_000)),
          ),
          ...more,
        ],
        completed_tasks: [],
      },
    ],
    completed_frameworks: [],
    orphan_tasks: [],
  });
}

const addressOf = (agent: number): string => `10.64.${agent >> 8}.${agent & 255}`;

/** Task number `n` of app `name`; with `ownAddress` its container has an address of its own. */
export function task(
  name: string,
  n: number,
  agent: number,
  port: number,
  ownAddress: string | null = null,
): unknown {
  const network = ownAddress === null ? {} : { name: 'overlay' };
  const ip_addresses = [{ protocol: 'IPv4', ip_address: ownAddress ?? addressOf(agent) }];
  const suffix = n.toString(16).padStart(8, '0');
  return {
    id: `${name}.instance-${suffix}-aaaa-11ee-bbbb-0242ac110002._app.1`,
    name,
    framework_id: 'fw-marathon',
    executor_id: '',
    slave_id: `a5e1-S${agent}`,
    state: 'TASK_RUNNING',
    resources: { cpus: 0.5, mem: 128, disk: 0, gpus: 0, ports: `[${port}-${port}]` },
    role: '*',
    labels: [{ key: 'team', value: `t${n % 17}` }],
    statuses: [
      {
        state: 'TASK_RUNNING',
        timestamp: 1_700_000_000 + n,
        healthy: true,
        container_status: {
          container_id: { value: `c${n}` },
          network_infos: [{ ...network, ip_addresses }],
        },
      },
    ],
    health_check: { type: 'COMMAND' },
    container: { type: 'MESOS' },
    discovery: {
      visibility: 'FRAMEWORK',
      name,
      ports: {
        ports: [
          {
            number: port,
            protocol: 'tcp',
            name: 'http',
            labels: { labels: [{ key: 'VIP_0', value: `/${name}:80` }] },
          },
        ],
      },
    },
  };
}
