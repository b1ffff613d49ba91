#!/bin/bash
# Runs a command with a PostgreSQL server of its own on a private socket, named by
# LATHE_TEST_POSTGRES. Exits with 77 when there is no PostgreSQL.
# usage: with_postgres.sh COMMAND [ARGUMENT...]     SPDX-License-Identifier: Apache-2.0
set -u
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -x "${bin:-}/initdb" ] || bin=$(dirname "$(command -v initdb 2>/dev/null || echo /none/x)")
[ -x "$bin/initdb" ] || { echo "no PostgreSQL here: skipped"; exit 77; }
dir=$(mktemp -d /tmp/lathe-pg-XXXXXX)
as=()
user=$(id -un)
if [ "$(id -u)" = 0 ]; then # PostgreSQL refuses to run as root
  user=nobody
  getent passwd postgres >/dev/null && user=postgres
  chown "$user" "$dir"
  as=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
fi
chmod 755 "$dir"
stop() {
  "${as[@]}" "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1
  rm -rf "$dir"
}
trap stop EXIT
cd "$dir" || exit 1 # one that the server may enter
"${as[@]}" "$bin/initdb" -D "$dir/data" -U lathe -A trust -E UTF8 --locale C >"$dir/log" 2>&1 &&
  "${as[@]}" "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/data/log" \
    -o "-c listen_addresses='' -k $dir -c max_connections=20" start >>"$dir/log" 2>&1 ||
  { cat "$dir/log" "$dir/data/log" 2>/dev/null; exit 1; }
export LATHE_TEST_POSTGRES="host=$dir user=lathe dbname=postgres"
cd "$OLDPWD" && "$@"
