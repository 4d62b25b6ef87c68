#!/usr/bin/env bash
# Answers over UDP, side by side with Knot DNS on the same zone and with Unbound on the same upstream,
# one UDP worker each, asked by dnsperf in turns. Debian packages: knot unbound dnsperf dnsutils.
# First: npm run build
#   bench/dns.sh [--rounds 5] [--seconds 4] [--only A|SRV|NXDOMAIN|FORWARDED] [FOLDER OF COMPILED FILES]
set -euo pipefail
project=$(cd "$(dirname "$0")/.." && pwd)
rounds=5 seconds=4 only= build=$project/dist
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2 && shift 2 ;;
    --seconds) seconds=$2 && shift 2 ;;
    --only) only=$2 && shift 2 ;;
    -*) sed -n '2,5s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    *) build=$1 && shift ;;
  esac
done
main=$(realpath "$build")/src/cli/main.js
folder=$(mktemp -d)
groups=()

finish() {
  local group
  for group in "${groups[@]}"; do kill -TERM -- "-$group" 2>/dev/null || true; done
  sleep 1
  for group in "${groups[@]}"; do kill -KILL -- "-$group" 2>/dev/null || true; done
  rm -rf "$folder"
}
trap finish EXIT
trap 'echo "bench/dns.sh: line $LINENO failed" >&2' ERR

# Every server gets a process group of its own: by it CPU time is counted, and it is ended.
start() {
  setsid "${@:2}" >"$folder/$1.log" 2>&1 &
  groups+=($!)
  declare -g "$1_group=$!"
}

fail() {
  echo "bench/dns.sh: $1" >&2
  tail -n 5 "$folder"/*.log >&2
  exit 1
}

# answers PORT NAME TYPE: how many records come back.
answers() {
  dig +short +tries=1 +time=1 @127.0.0.1 -p "$1" "$2" "$3" 2>/dev/null | grep -vc '^;' || true
}

# await PORT NAME TYPE RECORDS
await() {
  local group
  for _ in $(seq 120); do
    [ "$(answers "$1" "$2" "$3")" = "$4" ] && return
    for group in "${groups[@]}"; do kill -0 "$group" 2>/dev/null || fail 'a server has ended'; done
    sleep 0.5
  done
  fail "no $4 records of $2 $3 from port $1"
}

start lab node "$build/bench/dns-lab.js" "$folder"
for _ in $(seq 60); do [ -s "$folder/ports" ] || sleep 0.5; done
[ -s "$folder/ports" ] || fail 'the lab did not start'
# shellcheck disable=SC1091
source "$folder/ports"
node "$main" show-records --state "$folder/state.json" --config "$folder/hoplite.json" \
  >"$folder/mesos.zone" 2>"$folder/zone.log" || fail 'no zone file'
start knot knotd -c "$folder/knot.conf"
start upstream knotd -c "$folder/upstream.conf"
start unbound unbound -d -c "$folder/unbound.conf"
# As deploy/hoplite.service does.
MALLOC_ARENA_MAX=2 start hoplite node "$main" serve --config "$folder/hoplite.json"
for port in "$hoplite" "$knot"; do await "$port" _pool7._tcp.marathon.mesos SRV 10; done
for port in "$hoplite" "$unbound"; do await "$port" www7.example.org A 1; done

# CPU time of a process group in ticks of 10 ms, user and system. Other processes end meanwhile.
ticks() {
  { cat /proc/[0-9]*/stat 2>/dev/null || true; } |
    awk -v group="$1" '{ sub(/.*\) /, "") } $3 == group { sum += $12 + $13 } END { print sum + 0 }'
}

# ask SERVER PORT GROUP QUERIES: one round; prints server, queries/s, CPU us a query, octets of an
# answer, lost queries, response code. Ten SRV records are too much for clients without EDNS.
ask() {
  local before after output options=()
  [ "$4" != srv ] || options=(-e)
  before=$(ticks "$3")
  output=$(dnsperf -s 127.0.0.1 -p "$2" -d "$folder/queries.$4" -l "$seconds" -t 1 -c 4 -q 200 \
    "${options[@]}")
  after=$(ticks "$3")
  awk -v server="$1" -v ticks=$((after - before)) '
    /Queries completed/ { done = $3 }
    /Queries lost/ { lost = $3 }
    /Response codes/ { code = NF == 5 ? $3 : "mixed" }
    /Average packet size/ { size = $NF }
    /Queries per second/ { rate = $4 }
    END { printf "%s %d %.3f %d %d %s\n", server, rate, done ? ticks * 1e4 / done : 0, size, lost, code }
  ' <<<"$output"
}

# median SERVER COLUMN
median() {
  awk -v server="$1" -v column="$2" '$1 == server { print $column }' "$folder/rounds" |
    sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'
}

# compare TITLE QUERIES PEER PORT GROUP: all rounds of one kind of question, and a line about them.
compare() {
  [ -z "$only" ] || [ "$only" = "$1" ] || return 0
  : >"$folder/rounds"
  local round order server
  for round in $(seq 0 "$rounds"); do
    # Who is second meets a warmer machine: they take turns.
    if [ $((round % 2)) = 0 ]; then order="hoplite $3"; else order="$3 hoplite"; fi
    for server in $order; do
      if [ "$server" = hoplite ]; then
        ask hoplite "$hoplite" "$hoplite_group" "$2"
      else
        ask "$3" "$4" "$5" "$2"
      fi | if [ "$round" = 0 ]; then cat >/dev/null; else cat >>"$folder/rounds"; fi
    done
  done
  awk -v title="$1" -v peer="$3" \
    -v rate="$(median hoplite 2)" -v cpu="$(median hoplite 3)" -v size="$(median hoplite 4)" \
    -v peer_rate="$(median "$3" 2)" -v peer_cpu="$(median "$3" 3)" -v peer_size="$(median "$3" 4)" '
    { lost[$1] += $5 }
    $6 != (title == "NXDOMAIN" ? title : "NOERROR") { wrong[$1] = $6 }
    END {
      printf "%-9s hoplite %6d q/s %6.3f us %4d octets; ", title, rate, cpu, size
      printf "%-7s %6d q/s %6.3f us %4d octets; ", peer, peer_rate, peer_cpu, peer_size
      printf "ratio q/s %.2f, CPU %.2f", rate / peer_rate, cpu / peer_cpu
      for (server in lost) if (lost[server]) printf "; %s lost %d", server, lost[server]
      for (server in wrong) printf "; %s answers %s", server, wrong[server]
      print ""
    }' "$folder/rounds"
}

echo "medians of $rounds rounds of $seconds s: queries a second, CPU microseconds a query (below 1 is better)"
compare A a knot "$knot" "$knot_group"
compare SRV srv knot "$knot" "$knot_group"
compare NXDOMAIN nxdomain knot "$knot" "$knot_group"
compare FORWARDED forwarded unbound "$unbound" "$unbound_group"
