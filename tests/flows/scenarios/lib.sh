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
