#!/usr/bin/env bash
# What does the gateway add to a call? Starts the whole system on a store of its own, and sends the same calls with one client
# on one connection (wrk) to a service and through the gateway, in turns. Prints the medians of each turn, the median of
# these, their difference and their ratio.
#   bench/overhead.sh [turns] [seconds]        default: 5 turns of 4 s each
set -euo pipefail
cd "$(dirname "$0")/.."
turns=${1:-5} seconds=${2:-4}
command -v wrk >/dev/null || { echo "This bench needs wrk: apt-get install wrk" >&2; exit 1; }

folder=$(mktemp -d) port=$((20000 + RANDOM % 10000)) host=
password="a password of the bench"
stop() { [ -z "$host" ] || { kill "$host"; wait "$host"; } 2>/dev/null || true; rm -rf "$folder"; }
trap stop EXIT
dotnet build AppHost -c Release -v quiet --nologo >/dev/null
export Chat__Cost=1
dotnet run --project AppHost -c Release --no-build -- --GatewayPort="$port" --Storage=ephemeral \
  --Limits:Call:Permits=100000000 --Limits:Chat:Permits=100000000 --Parameters:admin-password="$password" >"$folder/log" 2>&1 &
host=$!
url="http://127.0.0.1:$port"
for _ in $(seq 600); do curl -fs -o /dev/null "$url/health" && break; sleep 0.2; done
login() { curl -fsS "$url/api/login" -H 'Content-Type: application/json' -d "{\"username\":\"$1\",\"password\":\"$password\"}" |
  sed 's/.*"access":"\([^"]*\)".*/\1/'; }
admin=$(login admin)
curl -fsS -o /dev/null "$url/api/register" -H 'Content-Type: application/json' -d "{\"username\":\"bench\",\"password\":\"$password\"}"
token=$(login bench)
user=$(curl -fsS "$url/api/me" -H "Authorization: Bearer $token" | sed 's/.*"id":\([0-9]*\).*/\1/')
curl -fsS -o /dev/null "$url/api/tokens" -H "Authorization: Bearer $token"
curl -fsS -o /dev/null "$url/api/tokens/credit" -H "Authorization: Bearer $admin" -H 'Content-Type: application/json' \
  -d "{\"user\":$user,\"amount\":100000000,\"reason\":\"bench\"}"
address() { tr "\0" "\n" <"/proc/$(pgrep -fi "$PWD/$1.service/bin/release" | head -1)/environ" | sed -n "s/^ASPNETCORE_URLS=//p"; }
cat >"$folder/post.lua" <<'LUA'
wrk.method, wrk.body = "POST", '{"message":"Hello AI"}'
wrk.headers["Content-Type"] = "application/json"
LUA
p50() { # address, method: in ms
  local script=() && [ "$2" = GET ] || script=(-s "$folder/post.lua")
  wrk -t1 -c1 -d"${seconds}s" --latency "${script[@]}" -H "Authorization: Bearer $token" "$1" >"$folder/wrk"
  ! grep -q 'Non-2xx' "$folder/wrk" || { cat "$folder/wrk" >&2; exit 1; }
  awk '$1 == "50%" { v = $2; print v ~ /us$/ ? v / 1000 : v + 0 }' "$folder/wrk"
}
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
for call in "ledger GET /api/tokens" "chat GET /api/v1/models" "chat POST /api/chat"; do
  set -- $call
  direct=$(address "$1")$3 through=$url$3
  p50 "$direct" "$2" >/dev/null && p50 "$through" "$2" >/dev/null # Warm.
  : >"$folder/direct" && : >"$folder/through"
  for _ in $(seq "$turns"); do
    p50 "$direct" "$2" >>"$folder/direct"
    p50 "$through" "$2" >>"$folder/through"
  done
  awk -v a="$(median "$folder/direct")" -v b="$(median "$folder/through")" -v call="$2 $3" \
    -v as="$(paste -sd' ' "$folder/direct")" -v bs="$(paste -sd' ' "$folder/through")" 'BEGIN {
      printf "%-18s p50 direct %.3f ms (%s), through the gateway %.3f ms (%s): +%.3f ms, x %.2f\n",
        call, a, as, b, bs, b - a, b / a }'
done
