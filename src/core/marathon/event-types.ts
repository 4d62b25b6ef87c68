/**
 * Events of Marathon's bus after which health or readiness of a task may be another (Events.scala).
 * That a task became ready is no event of its own; what Marathon does next is.
 */
export const EVENT_TYPES: ReadonlySet<string> = new Set([
  'status_update_event',
  'instance_health_changed_event',
  'health_status_changed_event',
  'add_health_check_event',
  'remove_health_check_event',
  'deployment_info',
  'deployment_step_success',
  'deployment_step_failure',
  'deployment_success',
  'deployment_failed',
  'app_terminated_event',
]);

/**
 * Where Marathon sends its events. Versions before 1.3.7 know no `event_type` and send all;
 * `plan-format=light` leaves plans out of deployments, which 1.8 always does (docs/event-bus.md).
 */
export const EVENTS_PATH: string = [
  '/v2/events?plan-format=light',
  ...[...EVENT_TYPES].map((type) => `event_type=${type}`),
].join('&');
