# Does what its standard input says. At its end, which comes at the latest when the tests' process ends in whatever way,
# it stops the server and removes the folder.
#
# $1 the kind of server, $2 the folder, $3 the folder of the programs, then what runs a program as a user who may run the server.
kind=$1
folder=$2
programs=$3
shift 3
server=
trap '' PIPE
halt() {
    if [ -n "$server" ]; then
        kill -"$1" "$server" 2>/dev/null
        wait "$server" 2>/dev/null
        server=
    fi
}
init() {
    case $kind in
    postgres)
        "$@" "$programs/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C --no-sync
        ;;
    mariadb)
        # Whoever comes over the network is known by his password; the first one has none.
        "$@" mariadb-install-db --no-defaults --datadir="$folder/data" --auth-root-authentication-method=normal \
            --skip-test-db --skip-name-resolve
        ;;
    esac
}
serve() {
    port=$1
    shift
    # What is wanted besides, an argument on each line.
    further=$(cat "$folder/arguments" 2>/dev/null)
    IFS='
'
    case $kind in
    postgres)
        exec "$@" "$programs/postgres" -D "$folder/data" -p "$port" -c listen_addresses=127.0.0.1 \
            -c unix_socket_directories= -c fsync=off -c full_page_writes=off -c max_connections=600 $further
        ;;
    mariadb)
        exec "$@" "$programs/mariadbd" --no-defaults --datadir="$folder/data" --port="$port" --bind-address=127.0.0.1 \
            --socket="$folder/socket" --pid-file="$folder/pid" --skip-name-resolve --innodb-flush-log-at-trx-commit=0 \
            --innodb-buffer-pool-size=256M --character-set-server=utf8mb4 --default-time-zone=-09:30 $further
        ;;
    esac
}
while read -r command argument; do
    case $command in
    init)
        init "$@" >>"$folder/log" 2>&1 </dev/null && echo yes || echo no
        ;;
    start)
        serve "$argument" "$@" >>"$folder/log" 2>&1 </dev/null &
        server=$!
        echo yes
        ;;
    alive)
        kill -0 "$server" 2>/dev/null && echo yes || echo no
        ;;
    stop)
        case $kind in postgres) halt INT ;; *) halt TERM ;; esac
        echo yes
        ;;
    esac
done
halt QUIT
rm -rf "$folder"
