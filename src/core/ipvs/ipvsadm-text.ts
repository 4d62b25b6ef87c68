import type { KernelChange } from './plan.ts';
import {
  type Destination,
  destinationKey,
  type ForwardingMethod,
  SCHEDULER_FLAG,
  type ServiceId,
  serviceKey,
  type ServiceSettings,
} from './table.ts';

/** Options of ipvsadm(8) for what a service is keyed by. */
const SERVICE_OPTION = { tcp: '-t', udp: '-u', sctp: '--sctp-service' } as const;

/** Options for packet forwarding methods; the others cannot be asked for. */
const FORWARDING_OPTION: Partial<Record<ForwardingMethod, string>> = {
  masq: '-m',
  tunnel: '-i',
  direct: '-g',
};

/**
 * Changes as `ipvsadm --restore` reads them, one line each. Left out is what ipvsadm(8) has no
 * words for: routes, services of port 0, and the forwarding methods `local` and `bypass`. There is
 * no comment in its place, since ipvsadm knows none.
 */
export function ipvsadmText(changes: readonly KernelChange[]): string {
  return changes
    .flatMap((change) => {
      const line = restoreLine(change);
      return line === null ? [] : [`${line}\n`];
    })
    .join('');
}

/** Changes for people, one line each without its end. */
export function changeLine(change: KernelChange): string {
  switch (change.kind) {
    case 'set-route':
      return `set-route ${change.address} source ${change.source}`;
    case 'delete-route':
      return `delete-route ${change.address}`;
    case 'add-service':
    case 'edit-service':
      return `${change.kind} ${serviceKey(change.service)} ${settingsText(change.service)}`;
    case 'delete-service':
      return `delete-service ${serviceKey(change.service)}`;
    case 'add-destination':
    case 'edit-destination': {
      const { service, destination } = change;
      const name = `${serviceKey(service)} ${destinationKey(destination)}`;
      return `${change.kind} ${name} ${destinationText(destination)}`;
    }
    case 'delete-destination':
      return `${change.kind} ${serviceKey(change.service)} ${destinationKey(change.destination)}`;
  }
}

function settingsText(settings: ServiceSettings): string {
  const { scheduler, schedulerFlags, persistenceSeconds } = settings;
  const flags = schedulerFlags === 0 ? '' : ` flags ${schedulerFlags}`;
  const persistence = persistenceSeconds === 0 ? '' : ` persistent ${persistenceSeconds} s`;
  return `scheduler ${scheduler}${flags}${persistence}`;
}

function destinationText(destination: Destination): string {
  const { forwarding, weight, upperThreshold, lowerThreshold } = destination;
  const isLimited = upperThreshold !== 0 || lowerThreshold !== 0;
  const thresholds = isLimited ? ` thresholds ${lowerThreshold} to ${upperThreshold}` : '';
  return `weight ${weight} ${forwarding}${thresholds}`;
}

function restoreLine(change: KernelChange): string | null {
  if (change.kind === 'set-route' || change.kind === 'delete-route') return null;
  const { service } = change;
  if (service.port === 0) return null;
  const key = serviceOption(service);
  switch (change.kind) {
    case 'add-service':
      return `-A ${key} ${settingsOptions(change.service)}`;
    case 'edit-service':
      return `-E ${key} ${settingsOptions(change.service)}`;
    case 'delete-service':
      return `-D ${key}`;
    case 'delete-destination':
      return `-d ${key} -r ${destinationKey(change.destination)}`;
    case 'add-destination':
    case 'edit-destination': {
      const options = destinationOptions(change.destination);
      const command = change.kind === 'add-destination' ? '-a' : '-e';
      return options === null ? null : `${command} ${key} ${options}`;
    }
  }
}

function serviceOption(service: ServiceId): string {
  return `${SERVICE_OPTION[service.protocol]} ${destinationKey(service)}`;
}

function settingsOptions(settings: ServiceSettings): string {
  const { scheduler, schedulerFlags, persistenceSeconds } = settings;
  const flags = [
    ...(schedulerFlags & SCHEDULER_FLAG.FALLBACK ? ['flag-1'] : []),
    ...(schedulerFlags & SCHEDULER_FLAG.PORT ? ['flag-2'] : []),
  ];
  const persistence = persistenceSeconds === 0 ? '' : ` -p ${persistenceSeconds}`;
  return `-s ${scheduler}${persistence}${flags.length === 0 ? '' : ` -b ${flags.join(',')}`}`;
}

function destinationOptions(destination: Destination): string | null {
  const { forwarding, weight, upperThreshold, lowerThreshold } = destination;
  const option = FORWARDING_OPTION[forwarding];
  if (option === undefined) return null;
  const isLimited = upperThreshold !== 0 || lowerThreshold !== 0;
  const thresholds = isLimited ? ` -x ${upperThreshold} -y ${lowerThreshold}` : '';
  return `-r ${destinationKey(destination)} ${option} -w ${weight}${thresholds}`;
}
