#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# GET of a small stored object: Lathe's server next to nginx returning the same bytes, server on core 0 and
# wrk on core 1, alternating. usage: http_ratio.sh BENCH_HTTP_SERVER [seconds] [rounds]
set -eu
bench=$1
seconds=${2:-3}
rounds=${3:-3}
dir=$(mktemp -d)
trap 'kill $lathe_pid $nginx_pid 2>/dev/null || true; rm -rf "$dir"' EXIT
lathe_pid= nginx_pid=

taskset -c 0 "$bench" > "$dir/lathe.out" 2> /dev/null &
lathe_pid=$!
sleep 0.5
port=$(sed -n 's/.*"port":\([0-9]*\).*/\1/p' "$dir/lathe.out")
body=$(curl -fsS "http://127.0.0.1:$port/api/stored")

cat > "$dir/nginx.conf" <<CONF
worker_processes 1; daemon off; master_process off; pid $dir/nginx.pid; error_log /dev/null;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 100000000; default_type application/json;
  client_body_temp_path $dir/b; proxy_temp_path $dir/p; fastcgi_temp_path $dir/f; uwsgi_temp_path $dir/u;
  scgi_temp_path $dir/s;
  server { listen 127.0.0.1:18099; location / { return 200 '$body'; } } }
CONF
taskset -c 0 nginx -c "$dir/nginx.conf" 2> /dev/null &
nginx_pid=$!
sleep 0.5

rate() { taskset -c 1 wrk -t1 -c64 -d"${seconds}s" --latency "$1" | awk '/Requests\/sec/ {r=$2} /99%/ {p=$2} END {print r, p}'; }
i=0
while [ $i -lt "$rounds" ]; do
  set -- $(rate "http://127.0.0.1:$port/api/stored") $(rate http://127.0.0.1:18099/)
  echo "$1 $2 $3 $4" | awk '{printf "{\"lathe_rps\":%.0f,\"lathe_p99\":\"%s\",\"nginx_rps\":%.0f,\"nginx_p99\":\"%s\",\"ratio\":%.3f}\n", $1, $2, $3, $4, $1 / $3}'
  i=$((i + 1))
done
nginx_ticks=$(awk '{print $14 + $15}' "/proc/$nginx_pid/stat")
echo "{\"nginx_cpu_ticks\":$nginx_ticks}"
kill -TERM $lathe_pid
wait $lathe_pid || true
tail -n 1 "$dir/lathe.out"
lathe_pid=
