"""`bitfusion-supportbundle.sh`: collects what support needs, and nothing that is secret."""
