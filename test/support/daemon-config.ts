import assert from 'node:assert/strict';
import type { Config } from '../../src/core/config/config.ts';
import { parseConfig } from '../../src/core/config/parse-config.ts';

/**
 * A good configuration; listeners are on loopback at ports that are free, the kernel is left alone,
 * masters are polled alone and believed at once, unless `parts` says otherwise.
 */
export function daemonConfig(parts: Readonly<Record<string, unknown>>): Config {
  const native = {
    forward: { enabled: false },
    ...parts,
    cluster: {
      events: { follow: 'never' },
      trust: { maxLossPercent: 100 },
      ...(parts['cluster'] as object | undefined),
    },
    kernel: { enabled: false, ...(parts['kernel'] as object | undefined) },
    dns: { listen: ['127.0.0.1:0'], ...(parts['dns'] as object | undefined) },
    http: { listen: '127.0.0.1:0', ...(parts['http'] as object | undefined) },
  };
  return goodConfig(native);
}

/** A Mesos-DNS file's configuration with the same listeners; it forwards nothing by default. */
export function mesosDnsConfig(parts: Readonly<Record<string, unknown>>): Config {
  const listeners = { listener: '127.0.0.1', port: 0, HTTPListener: '127.0.0.1', httpport: 0 };
  return goodConfig({ ...listeners, externalon: 'resolvers' in parts, ...parts });
}

function goodConfig(file: unknown): Config {
  const { config, problems } = parseConfig(JSON.stringify(file), '');
  assert.ok(config !== null, `the configuration is good: ${JSON.stringify(problems)}`);
  return config;
}
