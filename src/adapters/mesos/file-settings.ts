import type { Config } from '../../core/config/config.ts';

/** What the settings are called that name files. */
export interface FileSettings {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly serviceAccount: string;
}

const NATIVE: FileSettings = {
  caFile: 'cluster.tls.caFile',
  certFile: 'cluster.tls.certFile',
  keyFile: 'cluster.tls.keyFile',
  serviceAccount: 'cluster.auth.configFile',
};

const MESOS_DNS: FileSettings = {
  caFile: 'CACertFile',
  certFile: 'CertFile',
  keyFile: 'KeyFile',
  serviceAccount: 'IAMConfigFile',
};

/** Paths for problems with files, in the words of the configuration file that names them. */
export function fileSettings(format: Config['format']): FileSettings {
  return format === 'native' ? NATIVE : MESOS_DNS;
}
