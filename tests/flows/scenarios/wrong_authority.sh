# A client that was moved or cloned to another cluster: the certificate is not trusted; removing the old identity and enabling again mends it.
. "$(dirname "$0")/lib.sh"

mkdir -p "$WORK/moved/tls"
cp "$BITFUSION_HOME/client.yaml" "$BITFUSION_HOME/servers.conf" "$WORK/moved"
cp "$OTHER_AUTHORITY" "$WORK/moved/tls/ca.crt"
mkdir "$WORK/token"
cp "$BITFUSION_HOME/client.yaml" "$BITFUSION_HOME/servers.conf" "$BITFUSION_HOME/tls/ca.crt" "$WORK/token"
tar -C "$WORK/token" -cf "$WORK/ABCDEFG.tar" ca.crt client.yaml servers.conf
export BITFUSION_HOME="$WORK/moved"

message=$(bitfusion list_gpus 2>&1)
expect "the exit code says unreachable" [ $? = 12 ]
expect "the message names the server" contains "$message" "Error querying server $SERVER:"
expect "and the reason" contains "$message" "Get https://$SERVER/query: x509: certificate signed by unknown authority"
expect "and that nothing is left to ask" contains "$message" "Unable to contact any of the existing servers: $SERVER"

rm "$BITFUSION_HOME/client.yaml"
rm "$BITFUSION_HOME/servers.conf"
expect "the client is enabled again by its token file" bitfusion token install "$WORK/ABCDEFG.tar"
expect "and works" bitfusion run -n 1 -- true
