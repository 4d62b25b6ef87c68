import type { Json } from './state-builder.ts';

/** What the operator API's GET_STATE says of the cluster that a `/state` of Mesos 1.x describes. */
export function getStateOf(state: Json): Json {
  const frameworks = state['frameworks'] as readonly Json[];
  // Names need not be unique, ids are.
  const ids = frameworks.map((_, i) => ({ value: `framework-${i}` }));
  const get_state = {
    get_tasks: {
      tasks: frameworks.flatMap(({ tasks }, i) =>
        (tasks as readonly Json[]).map((task) => v1Task(task, ids[i])),
      ),
      completed_tasks: [],
    },
    get_executors: {},
    get_frameworks: {
      frameworks: frameworks.map(({ name, hostname, active }, i) => ({
        framework_info: { user: 'root', name, id: ids[i], hostname },
        active,
      })),
    },
    get_agents: {
      agents: (state['slaves'] as readonly Json[]).map(v1Agent),
      recovered_agents: state['recovered_slaves'] ?? [],
    },
  };
  return { type: 'GET_STATE', get_state };
}

function v1Agent({ id, hostname, pid, active }: Json): Json {
  return { agent_info: { hostname, port: 5051, id: { value: id } }, active, pid };
}

function v1Task(task: Json, framework_id: unknown): Json {
  const { id, slave_id, resources, labels, statuses, ...same } = task;
  return {
    ...same,
    task_id: { value: id },
    framework_id,
    agent_id: { value: slave_id },
    resources: v1Resources(resources as Json),
    labels: v1Labels(labels),
    statuses: (statuses as readonly Json[]).map(({ labels: own, ...status }) => ({
      ...status,
      labels: v1Labels(own),
    })),
  };
}

function v1Labels(labels: unknown): Json {
  return labels === undefined ? {} : { labels };
}

/** Such as `[31000-31001, 31005-31005]` for the ports. */
function v1Resources({ ports }: Json): readonly Json[] {
  const cpus = { name: 'cpus', type: 'SCALAR', scalar: { value: 0.1 } };
  const ranges = [...((ports as string | undefined) ?? '').matchAll(/(\d+)-(\d+)/g)];
  if (ranges.length === 0) return [cpus];
  const range = ranges.map(([, begin, end]) => ({ begin: Number(begin), end: Number(end) }));
  return [cpus, { name: 'ports', type: 'RANGES', ranges: { range } }];
}
