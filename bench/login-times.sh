#!/usr/bin/env bash
# Do the times of logins tell which names are known? And what does a login cost? Starts a Postgres and an Identity.Service
# of its own and sends wrong passwords, in turns: for a user, for names that nobody has, for a user whose hash is of an
# older figure; then for a user and for a name that are locked. Prints the medians.
#   bench/login-times.sh [tries]        default: 200
set -euo pipefail
cd "$(dirname "$0")/.."
tries=${1:-200}

bin=$(dirname "$(readlink -f "$(command -v initdb || ls -d /usr/lib/postgresql/*/bin/initdb | tail -1)")")
folder=$(mktemp -d) port=$((20000 + RANDOM % 10000)) http=$((30000 + RANDOM % 2000))
run=() && [ "$(id -u)" = 0 ] && chown postgres "$folder" && run=(setpriv --reuid=postgres --regid=postgres --clear-groups)
service=
stop() { [ -z "$service" ] || { kill "$service"; wait "$service"; } 2>/dev/null || true; service=; }
trap 'stop; "${run[@]}" "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1; rm -rf "$folder"' EXIT
"${run[@]}" "$bin/initdb" -D "$folder/data" -U postgres --auth=trust --no-sync >/dev/null
"${run[@]}" "$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -w start \
  -o "-p $port -c listen_addresses=localhost -c unix_socket_directories=" >/dev/null

export ConnectionStrings__identitydb="Host=localhost;Port=$port;Username=postgres;Database=identitydb"
export Clients__chat__Secret=only-for-this-bench Auth__KeyProtectionSecret=only-for-this-bench-and-nothing-else
export Logging__LogLevel__Default=Error
dotnet build Identity.Service -c Release -v quiet --nologo >/dev/null

start() { # settings: starts the service and waits for it
  env "$@" dotnet Identity.Service/bin/Release/net10.0/Identity.Service.dll --urls="http://127.0.0.1:$http" \
    >>"$folder/service" 2>&1 &
  service=$!
  for _ in $(seq 100); do curl -fs -o /dev/null "localhost:$http/health" && return; sleep 0.2; done
  cat "$folder/service" && exit 1
}
post() { # path, name, password: status and seconds
  curl -s -o /dev/null -w '%{http_code} %{time_total}\n' "127.0.0.1:$http$1" -H 'Content-Type: application/json' \
    -d "{\"username\":\"$2\",\"password\":\"$3\"}"
}
report() { # label, file of seconds
  sort -n "$2" | awk -v label="$1" '{ t[NR] = $1 * 1000 } END {
    printf "%-32s median %7.2f ms   p10 %7.2f   p90 %7.2f\n", label, t[int((NR+1)/2)], t[int(NR/10)+1], t[int(NR*0.9)] }'
}

start Auth__PasswordIterations=105000
post /api/register older "a password of the bench" >/dev/null
stop
start Login__FreeFailures=1000 Login__AccountFreeFailures=1000 Login__AddressFailuresPerMinute=100000
post /api/register known "a password of the bench" >/dev/null
for n in $(seq 10); do post /api/login known wrong-password; post /api/login "nobody-$n" wrong-password; done >/dev/null
for n in $(seq "$tries"); do
  post /api/login known wrong-password | sed 's/^401 //' >>"$folder/known"
  post /api/login "nobody-$n" wrong-password | sed 's/^401 //' >>"$folder/unknown"
  post /api/login older wrong-password | sed 's/^401 //' >>"$folder/older"
done
echo "$tries wrong passwords each, 210,000 iterations:"
report "a user" "$folder/known"
report "nobody" "$folder/unknown"
report "a user with an older hash" "$folder/older"
for n in $(seq 20); do post /api/login known "a password of the bench" | sed 's/^200 //' >>"$folder/right"; done
report "a user, right password (20)" "$folder/right"
stop

start Login__FreeFailures=1 Login__FirstDelay=00:10:00 Login__AccountMaxDelay=00:10:00 \
  Login__AddressFailuresPerMinute=100000
post /api/login older wrong-password >/dev/null; post /api/login nobody wrong-password >/dev/null
for n in $(seq "$tries"); do
  post /api/login older wrong-password | sed 's/^429 //' >>"$folder/locked"
  post /api/login nobody wrong-password | sed 's/^429 //' >>"$folder/locked-unknown"
done
echo "$tries tries each while locked:"
report "a user" "$folder/locked"
report "nobody" "$folder/locked-unknown"
