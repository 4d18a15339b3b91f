# For the scenarios: what must be true is said by "expect WHAT COMMAND...", which stops the scenario when COMMAND fails.
set -u

expect() {
    what=$1
    shift
    if "$@"; then
        echo "ok: $what"
    else
        echo "NOT: $what (exit code $? of: $*)"
        exit 1
    fi
}

contains() { printf '%s' "$1" | grep -qF -- "$2"; }
leases() { bitfusion list_gpus | sed -n 's/.*running \([0-9]*\) tasks.*/\1/p'; }
# For 30 s, until the command succeeds.
eventually() {
    tries=300
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}
as_administrator() { curl --fail --silent --show-error --cacert "$AUTHORITY" -H "Authorization: Bearer $ADMINISTRATOR" "$@"; }
