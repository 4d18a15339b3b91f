"""One file per command; `bitfusion_client.catalogue` lists them."""
