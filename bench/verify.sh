#!/usr/bin/env bash
# How long does `verify` take? Fills a Postgres of its own with accounts and transfers, then runs the command on it.
#   bench/verify.sh [accounts] [transfers per account]        default: 1,000,000 and 10
set -euo pipefail
cd "$(dirname "$0")/.."
accounts=${1:-1000000} each=${2:-10}

source bench/postgres.sh

export ConnectionStrings__ledgerdb="Host=localhost;Port=$port;Username=postgres;Database=ledgerdb"
export ConnectionStrings__cache=localhost:1 Ledger__CacheKey=only-for-this-bench-and-nothing-else
dotnet build Ledger.Service -c Release -v quiet --nologo >/dev/null
# Its tool has a manifest of its own: two in one are restored side by side, and that fails now and then.
(cd bench && dotnet tool restore >/dev/null &&
  dotnet tool run dotnet-ef database update --project ../Ledger.Service --configuration Release --no-build >/dev/null)

echo "Filling: $accounts accounts with $each transfers each"
# An opening of 4000, then charges of 100 in the order of time, so that the accounts lie mixed as they do in life.
"$bin/psql" -q -v ON_ERROR_STOP=1 -h localhost -p "$port" -U postgres ledgerdb <<SQL
INSERT INTO accounts (id, balance, held, version, revision, month, this_month)
  SELECT a, 4000 - 100 * ($each - 1), 0, $each, $each, month_of(current_date), 100 * ($each - 1) FROM generate_series(1, $accounts) a;
INSERT INTO transfers (account, id, version, amount, kind, request_hash, balance_after, held_after, day)
  SELECT a, gen_random_uuid(), n, CASE n WHEN 1 THEN 4000 ELSE -100 END, CASE n WHEN 1 THEN 1 ELSE 2 END,
    CASE n WHEN 1 THEN ''::bytea ELSE sha256(int8send(a * 100 + n)) END, 4000 - 100 * (n - 1), 0,
    CASE WHEN n > 1 THEN current_date END
  FROM generate_series(1, $each) n, generate_series(1, $accounts) a;
VACUUM ANALYZE;
SELECT 'transfers with indexes: ' || pg_size_pretty(pg_total_relation_size('transfers'));
SQL

dotnet Ledger.Service/bin/Release/net10.0/Ledger.Service.dll verify
