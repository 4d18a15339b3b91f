# In a system with the client installed and enabled, as root: users whose home cannot be written, or who have none.
. "$(dirname "$0")/lib.sh"

as() { # USER COMMAND...
    user=$1
    shift
    setpriv --reuid "$user" --regid "$user" --groups bitfusion "$@"
}

home=/srv/eve
useradd -M -d $home eve
mkdir -m 0555 $home
export HOME=$home
expect "nothing can be written there" sh -c '! setpriv --reuid eve --regid eve --clear-groups touch "$HOME/file" 2>/dev/null'
expect "an application runs" as eve bitfusion run -n 1 -- true
as eve bitfusion run -n 1 -- sh -c 'exit 7'
expect "its exit code comes back" [ $? = 7 ]
expect "a reservation works" as eve bitfusion request_gpus -n 1
expect "it is found again" as eve bitfusion client -- true
expect "and given back" as eve bitfusion release_gpus
expect "nothing has been written there" [ -z "$(ls -A $home)" ]

unset HOME
useradd -M -d /nonexistent nemo
expect "without a home directory" as nemo env HOME=/nonexistent bitfusion run -n 1 -- true
expect "without the variable HOME" as nemo bitfusion run -n 1 -- true
expect "a user id without an account" setpriv --reuid 4711 --regid 4711 --groups bitfusion bitfusion run -n 1 -- true
expect "nothing is held any more" [ "$(leases)" = 0 ]
