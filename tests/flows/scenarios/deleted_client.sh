# A client that the administrator has deleted is refused at once; enabling it again gives it a new identity.
. "$(dirname "$0")/lib.sh"

mkdir -p "$WORK/client/tls"
cp "$BITFUSION_HOME/servers.conf" "$WORK/client"
cp "$BITFUSION_HOME/tls/ca.crt" "$WORK/client/tls"
sed '/^client_id/d' "$BITFUSION_HOME/client.yaml" >"$WORK/client/client.yaml"
cp "$WORK/client/client.yaml" "$WORK/token.yaml"
export BITFUSION_HOME="$WORK/client"

expect "the first use claims an identity" bitfusion run -n 1 -- true
id=$(sed -n 's/^client_id: //p' "$BITFUSION_HOME/client.yaml")
expect "it is written down" [ -n "$id" ]
expect "the next use keeps it" bitfusion run -n 1 -- true
expect "it is still the same" [ "$(sed -n 's/^client_id: //p' "$BITFUSION_HOME/client.yaml")" = "$id" ]

as_administrator -X DELETE "https://$SERVER/v1/clients/$id"
bitfusion run -n 1 -- touch "$WORK/never" 2>"$WORK/refused"
expect "it is refused before the application starts" [ $? = 125 ]
expect "the message says that the client was deleted" grep -qi 'delete' "$WORK/refused"
expect "the application has not run" [ ! -e "$WORK/never" ]

rm "$BITFUSION_HOME/client.yaml"
cp "$WORK/token.yaml" "$BITFUSION_HOME/client.yaml"
expect "enabled again it works" bitfusion run -n 1 -- true
expect "under a new identity" [ "$(sed -n 's/^client_id: //p' "$BITFUSION_HOME/client.yaml")" != "$id" ]
