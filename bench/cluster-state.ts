/**
 * A synthetic master state: Marathon-shaped, one healthy task per app, host networking, one named
 * port with a VIP label, spread over the agents.
 */
export function clusterState(tasks: number, agents: number, master: string, round: number): string {
  const addressOf = (agent: number): string => `10.64.${agent >> 8}.${agent & 255}`;
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
        tasks: Array.from({ length: tasks }, (_, n) =>
          task(n, n % agents, addressOf(n % agents), n === 0 ? `app0-${round}` : `app${n}`),
        ),
        completed_tasks: [],
      },
    ],
    completed_frameworks: [],
    orphan_tasks: [],
  });
}

function task(n: number, agent: number, address: string, name: string): unknown {
  const port = 10_000 + (n % 20_000);
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
          network_infos: [{ ip_addresses: [{ protocol: 'IPv4', ip_address: address }] }],
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
