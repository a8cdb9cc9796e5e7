ephemeral "nhi_credential" "box" {
  lease  = nhi_grant.etl.lease
  target = "box"
}

resource "terraform_data" "certificate" {
  count            = nhi_grant.etl.active ? 1 : 0
  triggers_replace = nhi_grant.etl.lease

  provisioner "local-exec" {
    command     = "printf '%s\\n' \"$CERTIFICATE\" > keys/etl-cert.pub"
    environment = { CERTIFICATE = ephemeral.nhi_credential.box.ssh.certificate }
  }
}
