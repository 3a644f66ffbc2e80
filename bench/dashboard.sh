#!/usr/bin/env bash
# What does the dashboard take of the chat rate, and how much memory does it need under load? Starts the whole system twice,
# with and without the dashboard, and sends chats to the one and the other in turns (wrk, 16 connections). Prints the rates,
# the ratio of each pair and their median, and the dashboard's largest resident memory.
#   bench/dashboard.sh [turns] [seconds]        default: 7 turns of 6 s each
set -euo pipefail
cd "$(dirname "$0")/.."
turns=${1:-7} seconds=${2:-6}
command -v wrk >/dev/null || { echo "This bench needs wrk: apt-get install wrk" >&2; exit 1; }

folder=$(mktemp -d) hosts=()
password="a password of the bench"
stop() { for host in "${hosts[@]}"; do { kill "$host"; wait "$host"; } 2>/dev/null || true; done; rm -rf "$folder"; }
trap stop EXIT
dotnet build AppHost -c Release -v quiet --nologo >/dev/null
export Chat__Cost=1 DOTNET_ENVIRONMENT=Development ASPNETCORE_ENVIRONMENT=Development
declare -A url token
start() { # name, options: a system with a user who has tokens
  local name=$1 port=$((20000 + RANDOM % 10000))
  shift
  # --no-launch-profile: the dashboard's address is given here.
  dotnet run --project AppHost -c Release --no-build --no-launch-profile -- --GatewayPort="$port" --Storage=ephemeral \
    --Aspire:Store:Path="$folder/$name" --Limits:Enabled=false --Parameters:admin-password="$password" "$@" \
    >"$folder/$name.log" 2>&1 &
  hosts+=($!)
  url[$name]="http://127.0.0.1:$port"
  for _ in $(seq 600); do curl -fs -o /dev/null "${url[$name]}/health" && break; sleep 0.2; done
  local json='Content-Type: application/json' admin user
  login() { curl -fsS "${url[$name]}/api/login" -H "$json" -d "{\"username\":\"$1\",\"password\":\"$password\"}" |
    sed 's/.*"access":"\([^"]*\)".*/\1/'; }
  admin=$(login admin)
  curl -fsS -o /dev/null "${url[$name]}/api/register" -H "$json" -d "{\"username\":\"bench\",\"password\":\"$password\"}"
  token[$name]=$(login bench)
  user=$(curl -fsS "${url[$name]}/api/me" -H "Authorization: Bearer ${token[$name]}" | sed 's/.*"id":\([0-9]*\).*/\1/')
  curl -fsS -o /dev/null "${url[$name]}/api/tokens" -H "Authorization: Bearer ${token[$name]}"
  curl -fsS -o /dev/null "${url[$name]}/api/tokens/credit" -H "Authorization: Bearer $admin" -H "$json" \
    -d "{\"user\":$user,\"amount\":100000000,\"reason\":\"bench\"}"
}
cat >"$folder/post.lua" <<'LUA'
wrk.method, wrk.body = "POST", '{"message":"Hello AI"}'
wrk.headers["Content-Type"] = "application/json"
LUA
rate() {
  wrk -t1 -c16 -d"${seconds}s" -s "$folder/post.lua" -H "Authorization: Bearer ${token[$1]}" "${url[$1]}/api/chat" >"$folder/wrk"
  ! grep -q 'Non-2xx' "$folder/wrk" || { cat "$folder/wrk" >&2; exit 1; }
  awk '/Requests\/sec/ { print $2 }' "$folder/wrk"
}
start off --Aspire:Local:Dashboard=false
ASPNETCORE_URLS=http://127.0.0.1:0 start on
for _ in $(seq 100); do grep -q 'Login to the dashboard' "$folder/on.log" && break; sleep 0.2; done
dashboard=$(pgrep -f "$PWD/Aspire.Local/Dashboard/bin/Release" | head -1)
most() { awk '/VmHWM/ { print int($2 / 1024) }' "/proc/$dashboard/status"; }
# Warm: the compiler needs half a minute of load for the last of its work.
for name in on off on off on off on off on off; do rate $name >/dev/null; done
for turn in $(seq "$turns"); do
  # Each goes first as often as the other.
  if ((turn % 2)); then on=$(rate on) off=$(rate off); else off=$(rate off) on=$(rate on); fi
  echo "with $on/s, without $off/s, ratio $(awk -v a="$on" -v b="$off" 'BEGIN { printf "%.3f", a / b }'), dashboard $(most) MiB at most"
done | tee "$folder/turns"
awk '{ sub(",", "", $6); print $6 }' "$folder/turns" | sort -n | awk '{ v[NR] = $1 } END { print "median ratio", v[int((NR + 1) / 2)] }'
