import { UsageError } from './exit-code.ts';

const OVERVIEW = `hoplite: names and VIPs for every service of a Mesos cluster, from one daemon per node

Usage: hoplite COMMAND [OPTIONS]

Commands:
  serve           run the daemon: DNS, VIPs and HTTP answers from the state of a Mesos master
  demo            run the daemon on a small made-up cluster, to look around
  check-config    check a configuration file and print what it means
  check-services  check a file of static services and print what it means
  show-records    print the zone that a saved state gives, without network
  show-vips       print the VIPs that a saved state gives, without network
  show-plan       print how the kernel of this node differs from what a saved state wants
  cleanup         take everything of hoplite out of the kernel of this node

Options:
  -h, --help     this text, or that of a command: hoplite COMMAND --help
  -V, --version  the version

Exit codes: 0 ok, 1 failed, 64 wrong command line, 70 bug in hoplite, 78 wrong configuration.
`;

const COMMANDS: Readonly<Record<string, string>> = {
  serve: `Usage: hoplite serve --config FILE

Runs the daemon until SIGTERM or SIGINT; a second signal ends it at once. SIGHUP reads the file
again: what can change at run time does, the log names what needs a restart, and a bad file
changes nothing. Logs are JSON lines on standard output.

Options:
  -c, --config FILE  native configuration, or the config.json of Mesos-DNS as it is

Example:
  hoplite serve --config /etc/mesos-dns/config.json
`,
  demo: `Usage: hoplite demo [--dns-port N] [--http-port N]

Starts a scripted Mesos master with a few Marathon apps, real HTTP servers behind their tasks, and
the daemon on it. Nothing leaves this machine. Prints commands to try; Ctrl-C ends it.

Options:
  --dns-port N   port of the DNS server on 127.0.0.1 (8053)
  --http-port N  port of the HTTP API on 127.0.0.1 (8123)
`,
  'check-config': `Usage: hoplite check-config FILE | --schema

Prints every problem of FILE with its place, and for a good file what it means as a native
configuration (secrets masked). Exit code 0 if the daemon would start with it, else 78.

Options:
  --schema  print the JSON Schema of the native format instead
`,
  'check-services': `Usage: hoplite check-services FILE

Prints every problem of a file of static services (cluster.servicesFile) with its place, and the
services that count with nothing left to defaults. Exit code 0 if nothing is wrong, else 78.

Example:
  hoplite check-services /etc/hoplite/services.json
`,
  'show-records': `Usage: hoplite show-records --state FILE [--config FILE] [--zone NAME]

Prints the zone that a saved /state of a Mesos master gives, in zone file format. Rejected parts of
the state go to standard error. No network: host names in the state get no addresses.

Options:
  -s, --state FILE   answer of GET /master/state, or of GET_STATE of the operator API (v1, JSON);
                     - for standard input
  -c, --config FILE  names, TTL and domain as configured there; native defaults without it
  -z, --zone NAME    another zone than the domain: of an alias domain, or a reverse zone

Example:
  curl -sL http://leader.mesos:5050/master/state | hoplite show-records --state -
`,
  'show-vips': `Usage: hoplite show-vips --state FILE [--config FILE] [--json]

Prints the VIPs that a saved state gives: name, address, port, scheduler, and the backends with
their weights. The addresses are those that every node computes. Rejected parts of the state go to
standard error. No network: backends on agents that are known by name only are left out.

Options:
  -s, --state FILE   answer of GET /master/state, or of GET_STATE of the operator API (v1, JSON);
                     - for standard input
  -c, --config FILE  domain, pool and ranges as configured there; native defaults without it
  --json             an array of {name, fqdn, address, protocol, port, scheduler, backends}

Example:
  curl -sL http://leader.mesos:5050/master/state | hoplite show-vips --state -
`,
  'show-plan': `Usage: hoplite show-plan --state FILE [--config FILE] [--ipvsadm]

Compares the kernel of this node with what a saved state wants of it, and prints the changes that a
daemon would make, one a line and in their order. Changes nothing. Needs CAP_NET_ADMIN.

Options:
  -s, --state FILE   as for show-vips
  -c, --config FILE  as for show-vips; node address and interface are taken from there too
  --ipvsadm          print what ipvsadm --restore reads; routes and services of port 0, which it
                     has no words for, go to standard error
`,
  cleanup: `Usage: hoplite cleanup [--config FILE] [--dry-run]

Takes out of the kernel of this node what hoplite put there: IPVS services with addresses in the
pool or the configured ranges, the routes of VIPs, the dummy interface and the SNAT rules. Nothing
else is touched; sysctls stay as they are. Connections through VIPs break. Stop the daemon first, or
it puts all of it back. Needs CAP_NET_ADMIN.

Options:
  -c, --config FILE  pool, ranges and interface as configured there; native defaults without it
  --dry-run          only print what would be removed
`,
};

/** Help for a command, or the overview. */
export function helpText(command: string | null): string {
  if (command === null) return OVERVIEW;
  const text = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (text === undefined) throw new UsageError(`there is no command ${JSON.stringify(command)}`);
  return text;
}
