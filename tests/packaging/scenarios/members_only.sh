# In a system with the client installed and enabled, as root: only members of the group bitfusion may use it.
. "$(dirname "$0")/lib.sh"

as() { # USER GROUPS COMMAND...
    user=$1 groups=$2
    shift 2
    setpriv --reuid "$user" --regid "$user" ${groups:+--groups} ${groups:---clear-groups} env HOME="/home/$user" "$@"
}

useradd -m ada
message=$(as ada "" bitfusion list_gpus 2>&1)
expect "a user outside the group is refused with the code for 'not allowed'" [ $? = 11 ]
expect "and told what to ask for" contains "$message" "usermod -aG bitfusion ada"
expect "help and version are for everybody" as ada "" bitfusion version

usermod -aG bitfusion ada
message=$(as ada "" bitfusion list_gpus 2>&1)
expect "a new member who has not logged in again is told to" contains "$message" "Log in again"
expect "after that it works" contains "$(as ada bitfusion bitfusion list_gpus)" "free memory"
