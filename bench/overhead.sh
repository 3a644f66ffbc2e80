#!/usr/bin/env bash
# What does the gateway add to a call? Starts the whole system on a store of its own and sends the same calls with one client
# to a service and through the gateway, in turns. Prints medians, their difference and their ratio.
#   bench/overhead.sh [calls]        default: 2000
set -euo pipefail
cd "$(dirname "$0")/.."
calls=${1:-2000}

folder=$(mktemp -d) port=$((20000 + RANDOM % 10000)) host=
password="a password of the bench"
stop() { [ -z "$host" ] || { kill "$host"; wait "$host"; } 2>/dev/null || true; rm -rf "$folder"; }
trap stop EXIT
dotnet build AppHost -c Release -v quiet --nologo >/dev/null
dotnet publish bench/overhead.cs -c Release -p:PublishAot=false -o "$folder/client" -v quiet --nologo >/dev/null
export Chat__Cost=1
dotnet run --project AppHost -c Release --no-build -- --GatewayPort="$port" --Storage=ephemeral \
  --Limits:Call:Permits=1000000 --Limits:Chat:Permits=1000000 --Parameters:admin-password="$password" >"$folder/log" 2>&1 &
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
  -d "{\"user\":$user,\"amount\":1000000,\"reason\":\"bench\"}"
address() { sed -n "s/^$1 .*Now listening on: \(http[^ ]*\).*/\1/p" "$folder/log" | head -1; }
for call in "ledger GET /api/tokens" "chat GET /api/v1/models" "chat POST /api/chat"; do
  set -- $call
  "$folder/client/overhead" "$url" "$(address "$1")" "$token" "$2" "$3" "$calls"
done
