#!/usr/bin/env bash
# What do open streams cost? Starts the whole system on a store of its own, with a model that thinks for a while, opens
# streams through the gateway, and prints the memory of the chat service and the gateway before, while they are held (with
# a heartbeat each second), and after each round.
#   bench/streams.sh [streams ...]        default: 100 1000 1000
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=("${@:-}") && [ -n "${rounds[0]}" ] || rounds=(100 1000 1000)

folder=$(mktemp -d) port=$((20000 + RANDOM % 10000)) host=
password="a password of the bench"
stop() { [ -z "$host" ] || { kill "$host"; wait "$host"; } 2>/dev/null || true; rm -rf "$folder"; }
trap stop EXIT
dotnet build AppHost -c Release -v quiet --nologo >/dev/null
dotnet publish bench/streams.cs -c Release -p:PublishAot=false -o "$folder/client" -v quiet --nologo >/dev/null
export Logging__LogLevel__Default=Warning
export Chat__Cost=1 Chat__MaxConcurrentChats=100000 Chat__HeartbeatEvery=00:00:01 Chat__Models__mock__Script__Delay=00:00:20
dotnet run --project AppHost -c Release --no-build -- --GatewayPort="$port" --Storage=ephemeral --Limits:Enabled=false --Registration:PerAddressAndDay=1000000 \
  --Parameters:admin-password="$password" >"$folder/log" 2>&1 &
host=$!
url="http://127.0.0.1:$port"
for _ in $(seq 600); do curl -fs -o /dev/null "$url/health" && break; sleep 0.2; done
token=$(curl -fsS "$url/api/login" -H 'Content-Type: application/json' \
  -d "{\"username\":\"admin\",\"password\":\"$password\"}" | sed 's/.*"access":"\([^"]*\)".*/\1/')

descendants() { local child; for child in $(pgrep -P "$1"); do echo "$child"; descendants "$child"; done; }
memory() { # service: the resident memory of its process under this AppHost, in MiB
  for process in $(descendants "$host"); do
    tr '\0' ' ' <"/proc/$process/cmdline" 2>/dev/null | grep -q "$1" &&
      awk '/VmRSS/ { printf "%d", $2 / 1024 }' "/proc/$process/status" && return
  done
}
show() { printf '%-28s chat %4s MiB   gateway %4s MiB\n' "$1" "$(memory Chat.Service)" "$(memory '/Gateway')"; }

show "idle"
for streams in "${rounds[@]}"; do
  "$folder/client/streams" "$url" "$token" "$streams" >"$folder/out" &
  client=$!
  for _ in $(seq 300); do grep -q "^All" "$folder/out" && break; kill -0 "$client" 2>/dev/null || break; sleep 0.1; done
  sleep 3 && show "$streams streams, 3 s"
  sleep 10 && show "$streams streams, 13 s"
  wait "$client" || true
  cat "$folder/out"
  show "after them"
done
