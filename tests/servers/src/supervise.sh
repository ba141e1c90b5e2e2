# Does what its standard input says. At its end, which comes at the latest when the tests' process ends in whatever way,
# it stops the server and removes the folder.
#
# $1 the folder, $2 the folder of the programs, then what runs a program as a user who may run the server.
folder=$1
programs=$2
shift 2
server=
trap '' PIPE
halt() {
    if [ -n "$server" ]; then
        kill -"$1" "$server" 2>/dev/null
        wait "$server" 2>/dev/null
        server=
    fi
}
while read -r command argument; do
    case $command in
    init)
        "$@" "$programs/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C --no-sync \
            >>"$folder/log" 2>&1 </dev/null && echo yes || echo no
        ;;
    start)
        "$@" "$programs/postgres" -D "$folder/data" -p "$argument" -c listen_addresses=127.0.0.1 \
            -c unix_socket_directories= -c fsync=off -c full_page_writes=off -c max_connections=600 \
            >>"$folder/log" 2>&1 </dev/null &
        server=$!
        echo yes
        ;;
    alive)
        kill -0 "$server" 2>/dev/null && echo yes || echo no
        ;;
    stop)
        halt INT
        echo yes
        ;;
    esac
done
halt QUIT
rm -rf "$folder"
