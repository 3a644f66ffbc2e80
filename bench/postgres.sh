# Starts a Postgres of a bench's own in a folder of its own, gone when the script ends. To be sourced.
# Sets: bin, folder, port.
bin=$(dirname "$(readlink -f "$(command -v initdb || ls -d /usr/lib/postgresql/*/bin/initdb | tail -1)")")
folder=$(mktemp -d) port=$((20000 + RANDOM % 10000))
run=() && [ "$(id -u)" = 0 ] && chown postgres "$folder" && run=(setpriv --reuid=postgres --regid=postgres --clear-groups)
trap '"${run[@]}" "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1; rm -rf "$folder"' EXIT
"${run[@]}" "$bin/initdb" -D "$folder/data" -U postgres --auth=trust --no-sync >/dev/null
"${run[@]}" "$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -w start -o "-p $port -c listen_addresses=localhost \
  -c unix_socket_directories= -c fsync=off -c shared_buffers=256MB -c max_wal_size=8GB" >/dev/null
