#!/usr/bin/env bash
# How long does the report of GET /api/usage take? Fills a Postgres of its own with what many chats have used, and runs
# the report's query for one user, and for an administrator over all users.
#   bench/usage.sh [chats] [users]        default: 1,000,000 of 10,000 users, over 60 days, three models and two keys
set -euo pipefail
cd "$(dirname "$0")/.."
chats=${1:-1000000} users=${2:-10000}

source bench/postgres.sh

export ConnectionStrings__chatdb="Host=localhost;Port=$port;Username=postgres;Database=chatdb"
export Ledger__ClientSecret=only-for-this-bench
dotnet build Chat.Service -c Release -v quiet --nologo >/dev/null
# Its tool has a manifest of its own: two in one are restored side by side, and that fails now and then.
(cd bench && dotnet tool restore >/dev/null &&
  dotnet tool run dotnet-ef database update --project ../Chat.Service --configuration Release --no-build >/dev/null)

psql() { "$bin/psql" -q -t -v ON_ERROR_STOP=1 -h localhost -p "$port" -U postgres chatdb "$@"; }
report() { # title, column, order, condition
  echo "$1: $(psql -c "EXPLAIN (ANALYZE, TIMING off) SELECT $2, sum(requests)::bigint, sum(input_tokens)::bigint,
    sum(cached_tokens)::bigint, sum(output_tokens)::bigint, sum(credits)::bigint, sum(estimated)::bigint
    FROM usage WHERE day BETWEEN current_date - 29 AND current_date AND $4
    GROUP BY $2 ORDER BY $3 LIMIT 401" | grep -o 'Execution Time.*')"
}

report "One user's 30 days, nothing stored" day day 'user_id = 7'
echo "Filling: $chats chats of $users users"
psql <<SQL
INSERT INTO usage (user_id, day, model, key_id, requests, input_tokens, cached_tokens, output_tokens, credits, estimated)
  SELECT 1 + n % $users, current_date - (n / $users) % 60, 'model-' || (n / 7) % 3, n % 2, 1, 600, 200, 300, 70, 0
  FROM generate_series(1, $chats) n
ON CONFLICT (user_id, day, model, key_id) DO UPDATE SET requests = usage.requests + 1;
VACUUM ANALYZE;
SELECT '$chats chats are ' || count(*) || ' rows, ' || pg_size_pretty(pg_total_relation_size('usage')) FROM usage;
SQL
for _ in 1 2 3; do
  report "One user's 30 days" day day 'user_id = 7'
  report "An administrator: all users, by user" user_id 'sum(credits) DESC, user_id' true
  report "An administrator: all users, by day" day day true
done
