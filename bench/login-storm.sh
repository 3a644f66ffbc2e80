#!/usr/bin/env bash
# What is left for everybody else while many log in? Starts the whole system on a store of its own and measures chats and
# balances by turns without logins and with a storm of them, a hundred clients that each ask twice a second. Prints the
# medians of the rounds and their ratio. Needs wrk.
#   bench/login-storm.sh [rounds] [seconds]        default: 5 rounds of 8 seconds
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5} seconds=${2:-8}

folder=$(mktemp -d) port=$((20000 + RANDOM % 10000)) host=
password="a password of the bench"
stop() { [ -z "$host" ] || { kill "$host"; wait "$host"; } 2>/dev/null || true; rm -rf "$folder"; }
trap stop EXIT
dotnet build AppHost -c Release -v quiet --nologo >/dev/null
export Logging__LogLevel__Default=Warning
dotnet run --project AppHost -c Release --no-build -- --GatewayPort="$port" --Storage=ephemeral --Limits:Enabled=false --Registration:PerAddressAndDay=1000000 \
  --Parameters:admin-password="$password" >"$folder/log" 2>&1 &
host=$!
url="http://127.0.0.1:$port"
for _ in $(seq 300); do curl -fs -o /dev/null "$url/health" && break; sleep 0.2; done

post() { # path, body, token
  curl -fsS "$url$1" -H 'Content-Type: application/json' ${3:+-H "Authorization: Bearer $3"} -d "$2"
}
access() { post /api/login "{\"username\":\"$1\",\"password\":\"$password\"}" | sed 's/.*"access":"\([^"]*\)".*/\1/'; }
admin=$(access admin)
for n in $(seq 20); do
  post /api/register "{\"username\":\"user$n\",\"password\":\"$password\"}" >/dev/null
  token=$(access "user$n")
  id=$(curl -fsS "$url/api/me" -H "Authorization: Bearer $token" | sed 's/.*"id":\([0-9]*\).*/\1/')
  curl -fsS -o /dev/null "$url/api/tokens" -H "Authorization: Bearer $token"
  post /api/tokens/credit "{\"user\":$id,\"amount\":1000000000,\"reason\":\"bench\"}" "$admin" >/dev/null
  echo "$token" >>"$folder/tokens"
done

cat >"$folder/chat.lua" <<'LUA'
local tokens, n = {}, 0
for line in io.lines(os.getenv("TOKENS")) do tokens[#tokens + 1] = line end
request = function()
  n = n % #tokens + 1
  local headers = { ["Authorization"] = "Bearer " .. tokens[n], ["Content-Type"] = "application/json" }
  if os.getenv("CALL") == "chat" then return wrk.format("POST", "/api/chat", headers, '{"message":"Hello AI"}') end
  return wrk.format("GET", "/api/tokens", headers)
end
LUA
cat >"$folder/storm.lua" <<'LUA'
delay = function() return 500 end
request = function()
  return wrk.format("POST", "/api/login", { ["Content-Type"] = "application/json" },
    '{"username":"user1","password":"a password of the bench"}')
end
LUA
export TOKENS="$folder/tokens"

rate() { # call, seconds: what succeeds per second
  CALL=$1 wrk -t1 -c16 -d"$2s" -s "$folder/chat.lua" "$url" >"$folder/wrk"
  awk '/^ *[0-9]+ requests in/ { all = $1 } /Non-2xx/ { bad = $NF } /^Requests\/sec/ { rate = $2 }
    END { printf "%.0f\n", all ? rate * (all - bad) / all : 0 }' "$folder/wrk"
}
median() { sort -n "$1" | awk '{ t[NR] = $1 } END { print t[int((NR + 1) / 2)] }'; }

rate chat 20 >/dev/null; rate tokens 10 >/dev/null # Until it is warm.
for _ in $(seq "$rounds"); do
  for call in chat tokens; do
    rate "$call" "$seconds" >>"$folder/$call-quiet"
    wrk -t1 -c100 -d"$((seconds + 2))s" --timeout 30s -s "$folder/storm.lua" "$url" >"$folder/storm" &
    storm=$!
    sleep 1
    rate "$call" "$seconds" >>"$folder/$call-storm"
    wait "$storm"
    awk '/^ *[0-9]+ requests in/ { all = $1 } /Non-2xx/ { bad = $NF } /^Requests\/sec/ { rate = $2 }
      END { printf "%.1f\n", all ? rate * (all - bad) / all : 0 }' "$folder/storm" >>"$folder/$call-logins"
  done
done
for call in chat tokens; do
  quiet=$(median "$folder/$call-quiet") during=$(median "$folder/$call-storm") logins=$(median "$folder/$call-logins")
  awk -v call="$call" -v quiet="$quiet" -v during="$during" -v logins="$logins" 'BEGIN {
    printf "%-8s %6d/s without logins   %6d/s with %5.1f logins/s   ratio %.2f\n", call, quiet, during, logins,
      during / quiet }'
done
