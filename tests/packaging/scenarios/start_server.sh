# What the units bitfusion-dispatcher and bitfusion-manager do, where no systemd runs: start_server.sh MANAGER_PORT DISPATCHER_PORT
# Two simulated GPUs, switched on as an administrator would.
set -eu
product=/usr/lib/bitfusion

mkdir -p /run/credentials/@system
echo "2 8GiB" >/run/credentials/@system/bitfusion.simulated_gpus
$product/bin/bitfusion-firstboot run --module manager
$product/bin/bitfusion-firstboot run --module gpus
set -a
. /run/bitfusion/gpu.env
BITFUSION_DISPATCHER_PORT=$2
set +a

$product/venv/bin/python -I -m bitfusion_server.dispatcher --data /var/lib/bitfusion/data --listen "127.0.0.1:$2" \
    --worker-uids 60706-61183 --control-group bitfusion &
dispatcher=$!
trap 'kill $manager $dispatcher; wait' TERM
setpriv --reuid bitfusion --regid bitfusion --clear-groups $product/venv/bin/python -I -m bitfusion_server.manager \
    --data /var/lib/bitfusion/data --config /etc/bitfusion/bitfusion-manager.yaml --listen "127.0.0.1:$1" --bootstrap-admin &
manager=$!
wait
